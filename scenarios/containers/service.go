package containers

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"wringer/scenarios/ready"
)

// Service is one container to run, whatever kind of configuration asked for it. Texts are filled in.
type Service struct {
	Name  string
	Image string
	Build *Build // nil: the image exists, or is pulled

	Entrypoint, Command []string
	Env                 map[string]string
	// Ports are the container's TCP ports that are reached from outside.
	Ports []uint16
	// Through is the port of the container that takes a port's connections from outside, where it is another one.
	Through map[uint16]uint16
	// Aliases are its names in the run's network, beside Name. With Networks they stand there.
	Aliases []string
	// Networks are the engine's networks that it is in, with its names there; nil: the run's network.
	Networks map[string][]string
	// Join is the service whose network it shares; empty: it has its own.
	Join string
	// Hosts are names that lead to an address for this container alone.
	Hosts []Host
	Files []File
	Needs []Need

	Ready  *ready.Config
	Within time.Duration // the most time until it is ready
	Health bool          // ready when the engine's health check says so
	Grace  time.Duration
	MayEnd bool
	Once   bool // it does its work and ends

	// Change changes what no field here says, just before the container is created. May be nil.
	Change func(*moby.Config, *moby.HostConfig)
}

// Build is an image that is built first.
type Build struct {
	Context    string // a folder
	Dockerfile string // in the folder; empty: Dockerfile
	Stage      string // empty: the last
	Args       map[string]*string
}

// Host is an entry of a container's hosts file.
type Host struct{ Name, Address string }

// File is copied into a container before it starts.
type File struct {
	Path   string // in the container
	Mode   int64
	Source string    // a file of this machine; empty: Text
	Text   io.Reader // its contents
}

// Need is a service that must be ready, or have ended with 0, first.
type Need struct {
	Name  string
	Ended bool // it has ended with 0
	// Started says that a start is enough.
	Started bool
}

// order checks that no services need each other in a circle; stuck are those that do.
func order(needs map[string][]Need) (stuck []string) {
	left := slices.Sorted(maps.Keys(needs))
	for {
		i := slices.IndexFunc(left, func(name string) bool {
			return !slices.ContainsFunc(needs[name], func(n Need) bool { return slices.Contains(left, n.Name) })
		})
		if i < 0 {
			return left
		}
		left = slices.Delete(left, i, i+1)
	}
}

func portText(port uint16) string { return strconv.Itoa(int(port)) }
