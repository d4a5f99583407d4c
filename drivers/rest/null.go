package rest

import (
	"slices"
	"strings"

	"wringer/drivers"
)

var _ drivers.Nullable = (*Config)(nil)

// Null implements drivers.Nullable. Each step of a chain goes on to the next: what it captures is taken from the null target's answer, by
// means of the same kind, and its checks are left out.
func (c *Config) Null(authority string) drivers.Config {
	out := *c
	out.authority = authority
	out.Steps = slices.Clone(c.Steps)
	for i := range out.Steps {
		s := &out.Steps[i]
		s.OK, s.Checks = nil, nil
		captures := make(map[string]string, len(s.Capture))
		for name, spec := range s.Capture {
			captures[name] = nullCapture(s.Request, spec)
		}
		s.Capture = captures
	}
	return &out
}

// nullCapture captures from a null target's answer.
func nullCapture(request, spec string) string {
	line, _ := parseRequestLine(request)
	switch {
	case strings.HasPrefix(spec, "header"), line.method == "HEAD":
		return "header Content-Length"
	case strings.HasPrefix(spec, "$"):
		return "$." + drivers.NullMember
	}
	return "body " + drivers.NullMember
}
