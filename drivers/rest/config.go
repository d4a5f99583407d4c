// Package rest is the driver of HTTP: one request an operation, over HTTP/1.1 or HTTP/2, with or without TLS.
//
// It sends what it was asked to send, once. It follows no redirect, resends nothing, and asks for no compression. Over
// HTTP/1.1 every session has a connection of its own; over HTTP/2 the sessions share connections.
package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wringer/drivers"
)

// Config is the `rest:` part of a stream.
type Config struct {
	Request  string            `yaml:"request" jsonschema:"required" jsonschema_description:"METHOD URL, as in POST http://127.0.0.1:8080/orders. Without a method: GET. Path and query may hold {{...}}."`
	Headers  map[string]string `yaml:"headers" jsonschema_description:"Headers by name. Values may hold {{...}}."`
	Body     string            `yaml:"body" jsonschema_description:"The body. May hold {{...}}."`
	BodyFile string            `yaml:"body_file" jsonschema_description:"A file that holds the body, relative to the scenario; read once. May hold {{...}}."`
	OK       []string          `yaml:"ok" jsonschema_description:"Statuses (409) and classes (2xx) that mean that it took effect. Default: 2xx."`
	Checks   []Check           `yaml:"checks" jsonschema_description:"What must hold of an answer that is ok. One that fails has the code check, and is indeterminate unless outcomes says otherwise."`

	HTTP2     bool          `yaml:"http2" jsonschema_description:"HTTP/2: over TLS for https, with prior knowledge (h2c) for http."`
	TLS       TLS           `yaml:"tls"`
	Keepalive *bool         `yaml:"keepalive" jsonschema_description:"Reuse connections. Default true; false makes a connection for each attempt. HTTP/1.1 only."`
	MaxBody   drivers.Bytes `yaml:"max_body" jsonschema_description:"Bound on the body of an answer; a larger one is not read on, and has the code too_large. Default 1MiB."`
}

const (
	defaultMaxBody = 1 << 20
	// maxBodyFile bounds what is held in memory, and copied for each attempt.
	maxBodyFile = 64 << 20
)

// Check implements drivers.Config.
func (c *Config) Check(problem func(field, message string)) {
	c.compile(nil, problem)
}

// Open implements drivers.Config. It sends nothing and dials nothing.
func (c *Config) Open(_ context.Context, env drivers.Env) (drivers.Driver, error) {
	var problems []error
	p := c.compile(&env, func(field, message string) {
		problems = append(problems, fmt.Errorf("%s: %s", field, message))
	})
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: rest: %w", drivers.ErrConfig, errors.Join(problems...))
	}
	d, err := newDriver(env, p)
	if err == nil && env.Replay != nil {
		d.replays, err = c.openReplays(env)
	}
	return d, err
}

// plan is a Config made ready.
type plan struct {
	request *request
	judge   *judge
	tls     TLS
	http2   bool
	reuse   bool
	maxBody int64
}

// compile makes the plan and reports what stands in the way of it. Without env, ${...} has not been resolved yet, and
// what depends on it is let pass.
func (c *Config) compile(env *drivers.Env, problem func(field, message string)) plan {
	p := plan{tls: c.TLS, http2: c.HTTP2, reuse: c.Keepalive == nil || *c.Keepalive, maxBody: int64(c.MaxBody)}
	if p.maxBody == 0 {
		p.maxBody = defaultMaxBody
	}
	if c.HTTP2 && !p.reuse {
		problem("keepalive", "false goes with HTTP/1.1 only; remove it or http2")
	}
	c.TLS.check(problem)
	p.request = c.compileRequest(env, problem)
	p.judge = c.compileJudge(env, problem)
	return p
}

func (c *Config) compileRequest(env *drivers.Env, problem func(field, message string)) *request {
	r := &request{close: c.Keepalive != nil && !*c.Keepalive, env: env}
	line, err := parseLine(c.Request)
	if err != nil {
		problem("request", err.Error())
	}
	r.line = line
	if err == nil && (env != nil || !strings.Contains(c.Request, "${")) {
		if err := line.checkURL(); err != nil {
			problem("request", err.Error())
		}
	}
	if line.scheme == "http" && c.TLS != (TLS{}) {
		problem("tls", "goes with https:// only")
	}
	r.path = compileText(env, "request", line.path, 0, problem)
	for i, name := range slices.Sorted(maps.Keys(c.Headers)) {
		field, value := "headers."+name, c.Headers[name]
		if err := checkHeader(name, value); err != nil {
			problem(field, err.Error())
		}
		r.add(name, compileText(env, field, value, uint64(2+i), problem))
	}
	if env != nil && env.Mark != "" {
		r.add(drivers.MarkHeader, compileText(env, "witness", env.Mark, markPlace, problem))
	}
	field, body := c.body(env, problem)
	if body != "" {
		r.body = compileText(env, field, body, 1, problem)
	}
	return r
}

// body returns the body's text and the field that it stands in.
func (c *Config) body(env *drivers.Env, problem func(field, message string)) (field, text string) {
	switch {
	case c.BodyFile == "":
		return "body", c.Body
	case c.Body != "":
		problem("body_file", "stands beside body; keep one of the two")
	case env != nil:
		text, err := readBounded(resolve(env.Files, c.BodyFile), maxBodyFile)
		if err != nil {
			problem("body_file", err.Error())
		}
		return "body_file", text
	}
	return "body_file", ""
}

func readBounded(path string, bound int64) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > bound {
		return "", fmt.Errorf("%s has %d bytes; at most %d are sent", path, info.Size(), bound)
	}
	b, err := os.ReadFile(path)
	return string(b), err
}

// resolve makes a path of the scenario one of this process.
func resolve(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// GaugeNames implements drivers.Declarer: connections that are open, and those opened so far.
func (c *Config) GaugeNames() []string { return []string{"connections", "connections_opened"} }

// String tells where the stream sends, for `wringer check`.
func (c *Config) String() string { return c.Request }
