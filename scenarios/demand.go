package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
)

// Demand is what a stream needs of the machine at most: when its target answers nothing before the timeouts.
type Demand struct {
	Stream string
	// InFlight operations and Connections are open at once.
	InFlight, Connections int
	// Ports are the source ports of one source address, those of closed connections included.
	Ports int
	// Files are the sockets in this process: those of a link and of an embedded target too.
	Files int
	// Bytes are the memory for operations in flight, with the answers that checks need.
	Bytes int64
}

// Machine is what the machine has. 0 means unknown.
type Machine struct {
	Files int   // that this process may open
	Ports int   // source ports to one address
	Bytes int64 // memory that is free for this process
	// PortRest is how long the system keeps the source port of a closed connection, LoopbackRest of one within this machine.
	PortRest, LoopbackRest time.Duration
}

// spareFiles are for everything but the streams' sockets: the record, the log, listeners, processes. Each process that the target
// runs has a few.
const spareFiles = 64

// spareBytes are for all but the operations in flight, bytesInFlight for one of them with its connection. Both were measured: 3000
// requests that hang take 76 MB over HTTP/1.1, 84 MB over HTTP/2, and 65 MB as gRPC calls; 500 take 42 to 45 MB.
const (
	spareBytes    = 48 << 20
	bytesInFlight = 16 << 10
)

// Demands lists what the streams that send need, in the order of the scenario.
func (s *Scenario) Demands(m Machine) []Demand {
	var all []Demand
	for i := range s.Traffic {
		if t := &s.Traffic[i]; t.Consume == nil && t.Driver != nil {
			all = append(all, s.demand(t, m))
		}
	}
	return all
}

func (s *Scenario) demand(t *Stream, m Machine) Demand {
	about := t.Describe()
	d := Demand{Stream: t.Name, InFlight: t.mostInFlight()}
	d.Connections = about.Connections.Of(d.InFlight)
	d.Files = d.Connections
	d.Bytes = int64(d.InFlight) * (bytesInFlight + about.Kept)
	if t.Witness || s.Linked(t.Name) {
		d.Files += 2 * d.Connections // the link's ends
	}
	if s.Embedded() {
		d.Files += d.Connections
	}
	ports := float64(d.Connections)
	if about.Connections.Fresh && t.Rate != nil {
		rest := m.PortRest
		if local(about.Place) {
			rest = m.LoopbackRest
		}
		ports += t.Rate.Peak() * min(rest, s.Run.Warmup+s.Run.Duration).Seconds()
	}
	d.Ports = int(math.Ceil(ports / float64(max(len(about.LocalAddrs), 1))))
	return d
}

// local says whether a stream sends to this machine, as far as its place tells. The target's own addresses are local.
func local(place string) bool {
	return slices.ContainsFunc([]string{"127.0.0.1", "localhost", "[::1]", "${"}, func(host string) bool { return strings.Contains(place, host) })
}

// mostInFlight is the number of operations in flight when nothing is answered.
func (t *Stream) mostInFlight() int {
	if t.Rate == nil {
		return t.Users
	}
	if t.Rate.Max {
		return t.MaxInFlight
	}
	lasts := t.Timeout
	if t.Retry != nil {
		lasts *= time.Duration(max(t.Retry.Attempts, 1))
	}
	if t.Deadline > 0 {
		lasts = min(lasts, t.Deadline)
	}
	return int(min(float64(t.MaxInFlight), math.Ceil(t.Rate.Peak()*lasts.Seconds())))
}

// Linked says whether a fault breaks the stream's own connections, which then go through a link.
func (s *Scenario) Linked(stream string) bool {
	return slices.ContainsFunc(s.Faults, func(f Fault) bool {
		link, _ := faults.CutBranch(f.Config.On().Link)
		return link == stream
	})
}

// Embedding is a TargetConfig that runs within this process.
type Embedding interface {
	TargetConfig
	Embedded()
}

// Embedded says whether the target runs within this process.
func (s *Scenario) Embedded() bool {
	_, is := s.Target.(Embedding)
	return is
}

// Shortages are the demands that the machine cannot meet, each with its remedy.
func (s *Scenario) Shortages(m Machine) []Problem {
	var out []Problem
	for _, d := range s.Demands(m) {
		if m.Ports > 0 && d.Ports > m.Ports {
			out = append(out, s.shortage(d.Stream, fmt.Sprintf("%s: may need %d source ports to one address, and there are %d: give connection.source several addresses, "+
				"lower max_in_flight or the rate, reuse connections, or widen net.ipv4.ip_local_port_range", d.Stream, d.Ports, m.Ports)))
		}
	}
	if files := s.OpenFiles(m); m.Files > 0 && files > m.Files {
		out = append(out, Problem{File: s.Path, Message: fmt.Sprintf("the run may need %d open files, and this process may open %d: raise the hard limit (ulimit -Hn), "+
			"or lower max_in_flight or timeout", files, m.Files)})
	}
	if bytes := s.Memory(m); m.Bytes > 0 && bytes > m.Bytes {
		out = append(out, Problem{File: s.Path, Message: fmt.Sprintf("the run may need %s of memory, and %s are free: lower max_in_flight, timeout or max_body, "+
			"or raise the limit of the control group", reports.Bytes(bytes), reports.Bytes(m.Bytes))})
	}
	return out
}

// Memory is what the run may need at once, without an embedded target.
func (s *Scenario) Memory(m Machine) int64 {
	bytes := int64(spareBytes)
	for _, d := range s.Demands(m) {
		bytes += d.Bytes
	}
	return bytes
}

// OpenFiles is the number of files that the run may have open in this process at once.
func (s *Scenario) OpenFiles(m Machine) int {
	files := spareFiles
	for _, d := range s.Demands(m) {
		files += d.Files
	}
	return files
}

// shortage places a message at a stream.
func (s *Scenario) shortage(stream, message string) Problem {
	if t := s.Stream(stream); t != nil && t.driverAt != nil {
		return t.driverAt.problem(s.Path, message)
	}
	return Problem{File: s.Path, Message: message}
}
