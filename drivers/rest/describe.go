package rest

import (
	"cmp"
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
		Place: c.place(steps), Steps: steps, Gauges: c.gauges(), Counters: c.gauges()[1:], LocalAddrs: c.localAddrs(), StatusPrefix: statusPrefix,
		Connections: c.connections(), Kept: c.keeps(), Checks: c.checks(), CheckNames: c.checkNames(), Witness: true, NoWitness: words(c.witnessable()),
		Replay: true, NoReplay: words(c.replayable()), Acks: c.acks(), Codes: []string{codeOutside},
		Traces: true, OwnTrace: c.ownTrace(), TLS: c.encrypted(),
	}
}

// encrypted says whether a request goes over TLS. Those of a targets file are not looked at.
func (c *Config) encrypted() bool {
	requests := []string{c.Request}
	for i := range c.Steps {
		requests = append(requests, c.Steps[i].Request)
	}
	return slices.ContainsFunc(requests, func(request string) bool {
		line, err := parseRequestLine(request)
		return err == nil && line.scheme == "https"
	})
}

// ownTrace are the headers of a trace that the configuration sets itself.
func (c *Config) ownTrace() []string {
	all := []map[string]string{c.Headers}
	for i := range c.Steps {
		all = append(all, c.Steps[i].Headers)
	}
	return drivers.TraceHeadersIn(all...)
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

// keeps is the most that is kept of a body.
func (c *Config) keeps() int64 {
	if !c.checks() {
		return 0
	}
	return cmp.Or(int64(c.MaxBody), defaultMaxBody)
}

// checks reports whether an answer can fail a check or a capture.
func (c *Config) checks() bool {
	return len(c.Checks) > 0 || slices.ContainsFunc(c.Steps, func(s Step) bool { return len(s.Checks) > 0 || len(s.Capture) > 0 })
}

// acks lists the statuses that every request of the stream takes for acked.
func (c *Config) acks() (out []drivers.Statuses) {
	all := [][]string{c.OK}
	if len(c.Steps) > 0 {
		all = nil
	}
	for i := range c.Steps {
		all = append(all, c.Steps[i].OK)
	}
	for status := 200; status < 600; status++ {
		if slices.ContainsFunc(all, func(ok []string) bool { return !takes(ok, status) }) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].High == status-1 {
			out[n-1].High = status
		} else {
			out = append(out, drivers.Statuses{Low: status, High: status})
		}
	}
	return out
}

// takes says whether a list of statuses and classes holds a status. An empty list is 2xx.
func takes(ok []string, status int) bool {
	if len(ok) == 0 {
		return status >= 200 && status < 300
	}
	return slices.ContainsFunc(ok, func(entry string) bool {
		low, high, err := parseStatus(entry)
		return err == nil && status >= low && status <= high
	})
}

// checkNames lists the names of the checks, in the order of the steps.
func (c *Config) checkNames() (names []string) {
	all := c.Checks
	for i := range c.Steps {
		all = append(all[:len(all):len(all)], c.Steps[i].Checks...)
	}
	for i := range all {
		if all[i].Name != "" {
			names = append(names, all[i].Name)
		}
	}
	return names
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
