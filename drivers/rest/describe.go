package rest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wringer/drivers"
)

// statusPrefix begins the code of an attempt that ended with an HTTP status, as in http_503.
const statusPrefix = "http_"

// Describe implements drivers.Config.
func (c *Config) Describe() drivers.Description {
	steps := c.stepNames()
	return drivers.Description{
		Place: c.place(steps), Steps: steps, Gauges: c.gauges(), LocalAddrs: c.localAddrs(), StatusPrefix: statusPrefix,
		Connections: c.connections(), Checks: c.checks(), Witness: true, NoWitness: words(c.witnessable()),
		Replay: true, NoReplay: words(c.replayable()),
	}
}

// usualStreams is how many requests at once servers usually take on one HTTP/2 connection.
const usualStreams = 100

func (c *Config) connections() drivers.ConnectionTelling {
	out := drivers.ConnectionTelling{Fresh: !c.reuse()}
	if c.HTTP2 {
		out.Streams = usualStreams
	}
	return out
}

// checks reports whether an answer can fail a check or a capture.
func (c *Config) checks() bool {
	return len(c.Checks) > 0 || slices.ContainsFunc(c.Steps, func(s Step) bool { return len(s.Checks) > 0 || len(s.Capture) > 0 })
}

// words returns the text of an error, or "" without one.
func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// gauges are the open connections, all connections opened so far, and the redirects followed.
func (c *Config) gauges() []string {
	names := []string{"connections", "connections_opened"}
	if c.Redirects > 0 {
		names = append(names, "redirects")
	}
	return names
}

func (c *Config) stepNames() []string {
	var names []string
	for i := range c.Steps {
		names = append(names, c.Steps[i].Name)
	}
	return names
}

func (c *Config) localAddrs() []netip.Addr {
	var all []netip.Addr
	for _, s := range c.Connection.Source {
		if a, err := netip.ParseAddr(s); err == nil {
			all = append(all, a)
		}
	}
	return all
}

func (c *Config) place(steps []string) string {
	switch {
	case len(steps) > 0:
		return fmt.Sprintf("%d steps: %s", len(steps), strings.Join(steps, ", "))
	case c.Targets != nil:
		return "the targets of " + c.Targets.File
	}
	return c.Request
}
