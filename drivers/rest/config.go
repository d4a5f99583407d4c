package rest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/drivers/chain"
	"wringer/drivers/tlsconfig"
)

// Config is the `rest:` part of a stream: one request an operation, a chain of steps, or the targets of a file.
type Config struct {
	Request   string            `yaml:"request" jsonschema_description:"METHOD URL, as in POST http://127.0.0.1:8080/orders. Without a method: GET. Path and query may hold {{...}}."`
	Query     map[string]string `yaml:"query" jsonschema_description:"Parameters that are added to the URL, escaped. Values may hold {{...}}."`
	Headers   map[string]string `yaml:"headers" jsonschema_description:"Headers by name. Values may hold {{...}}. With steps: of each step that does not name them itself."`
	Auth      Auth              `yaml:"auth" jsonschema_description:"The Authorization header."`
	Body      string            `yaml:"body" jsonschema_description:"The body. May hold {{...}}."`
	BodyFile  string            `yaml:"body_file" path:"file" jsonschema_description:"A file that holds the body, relative to the scenario; read once. May hold {{...}} where it is UTF-8; other bytes go out as they stand."`
	JSON      any               `yaml:"json" jsonschema_description:"The body, written as YAML and sent as JSON. Strings may hold {{...}}; a string of only one {{int}}, {{seq}}, {{keyseq}} or {{unix_ms}} becomes a number."`
	Form      map[string]string `yaml:"form" jsonschema_description:"The body, as a form's fields (application/x-www-form-urlencoded). Values may hold {{...}}."`
	Multipart []Part            `yaml:"multipart" jsonschema_description:"The body, as a form with files (multipart/form-data)."`
	OK        []string          `yaml:"ok" jsonschema_description:"Statuses (409) and classes (2xx) that mean that it took effect. Default: 2xx."`
	Checks    []Check           `yaml:"checks" jsonschema_description:"What must hold of an answer that is ok. One that fails has the code check, and is indeterminate unless outcomes says otherwise."`

	Steps   []Step        `yaml:"steps" jsonschema_description:"A chain instead of one request: each operation takes these steps, one after the other, up to the first that is not acked."`
	Targets *Targets      `yaml:"targets" jsonschema_description:"A vegeta targets file instead of one request: the operations take its targets in turn."`
	Data    *drivers.Data `yaml:"data" jsonschema_description:"A file whose rows feed the templates."`

	HTTP2      bool             `yaml:"http2" jsonschema_description:"HTTP/2: over TLS for https, with prior knowledge (h2c) for http."`
	TLS        tlsconfig.Config `yaml:"tls" jsonschema_description:"How the target is trusted, and how the driver proves itself."`
	Keepalive  *bool            `yaml:"keepalive" jsonschema_description:"Reuse connections. Default true; false makes a connection for each attempt. HTTP/1.1 only."`
	Connection Connection       `yaml:"connection" jsonschema_description:"How connections are made, and how long they live."`
	Redirects  int              `yaml:"redirects" jsonschema_description:"Redirects that an attempt follows at most. Default 0: a redirect is an answer like any other."`
	MaxBody    drivers.Bytes    `yaml:"max_body" jsonschema_description:"Bound on the body of an answer, decoded, that a check, a capture or a replay needs; a larger one has the code too_large. Default 1MiB. Other bodies are counted and not kept, however long."`

	authority string // PEM file of who signed the null target's certificate; empty: the target is the real one
}

// Auth is the credential that a request carries.
type Auth struct {
	Basic  *Basic `yaml:"basic" jsonschema_description:"User and password."`
	Bearer string `yaml:"bearer" jsonschema_description:"A token. May hold {{...}}."`
}

// Basic is user and password (RFC 7617).
type Basic struct {
	User     string `yaml:"user" jsonschema:"required" jsonschema_description:"May hold {{...}}."`
	Password string `yaml:"password" jsonschema_description:"May hold {{...}}."`
}

// Connection says how connections are made and how long they live. A name is resolved anew for each new connection,
// so max_age also bounds how long an old address stays in use.
type Connection struct {
	MaxAge      time.Duration `yaml:"max_age" jsonschema_description:"A connection older than this takes no further request."`
	MaxRequests int           `yaml:"max_requests" jsonschema_description:"The largest number of requests on one connection."`
	Source      []string      `yaml:"source" jsonschema_description:"Local addresses that connections leave from, each in turn. Not with a fault on the stream's link."`
	Resend      *bool         `yaml:"resend" jsonschema_description:"Send a request again, over another connection, that the target surely did not read: it had closed the idle connection, or says so (HTTP/2). Default true; each is counted in client_retries and transparent_retries."`
	Unix        string        `yaml:"unix" path:"socket" jsonschema_description:"Path of a Unix socket to connect to, whatever the URL's host."`
}

const (
	defaultMaxBody = 1 << 20
	// maxRedirects bounds one attempt.
	maxRedirects = 20
)

// Check implements drivers.Config.
func (c *Config) Check(problem func(field, message string)) {
	c.checkParts(problem)
	c.compile(nil, problem)
}

// Open implements drivers.Config. It sends nothing and dials nothing.
func (c *Config) Open(_ context.Context, env drivers.Env) (drivers.Driver, error) {
	var problems []error
	c.checkParts(func(field, message string) { problems = append(problems, fmt.Errorf("%s: %s", field, message)) })
	requests := c.compile(&env, func(field, message string) {
		problems = append(problems, fmt.Errorf("%s: %s", field, message))
	})
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: rest: %w", drivers.ErrConfig, errors.Join(problems...))
	}
	d, err := c.assemble(env, requests)
	if err != nil {
		return nil, fmt.Errorf("%w: rest: %w", drivers.ErrConfig, err)
	}
	if plain, ok := d.(*driver); ok && env.Replay != nil {
		plain.replays, err = c.openReplays(env)
	}
	return d, err
}

// assemble makes the driver of the compiled requests.
func (c *Config) assemble(env drivers.Env, requests []compiledRequest) (drivers.Driver, error) {
	cl := newClient(env, c)
	all := make([]*driver, len(requests))
	for i := range requests {
		d, err := cl.driver(requests[i].request, requests[i].evaluator)
		if err != nil {
			return nil, err
		}
		all[i] = d
	}
	switch {
	case len(c.Steps) > 0:
		return &stepped{client: cl, requests: requests, drivers: all}, nil
	case !c.plain():
		return &rotation{client: cl, drivers: all}, nil
	}
	return all[0], nil
}

// checkParts finds parts of the configuration that exclude each other.
func (c *Config) checkParts(problem func(field, message string)) {
	c.checkKind(problem)
	c.TLS.Check(problem)
	if c.HTTP2 && !c.reuse() {
		problem("keepalive", "false works only with HTTP/1.1; remove it or http2")
	}
	if c.Redirects < 0 || c.Redirects > maxRedirects {
		problem("redirects", fmt.Sprintf("must be 0 to %d", maxRedirects))
	}
	if c.Connection.MaxRequests < 0 {
		problem("connection.max_requests", "must not be negative")
	}
	if (c.Connection.MaxAge > 0 || c.Connection.MaxRequests > 0) && !c.reuse() {
		problem("connection", "max_age and max_requests go with keepalive; without it a connection takes one request")
	}
	if c.Connection.Unix != "" && len(c.Connection.Source) > 0 {
		problem("connection.source", "stands beside unix; a Unix socket has no source address")
	}
	for i, s := range c.Connection.Source {
		if _, err := netip.ParseAddr(s); err != nil && !strings.Contains(s, "${") {
			problem(fmt.Sprintf("connection.source[%d]", i), fmt.Sprintf("%q is no IP address of this machine, as in 127.0.0.2", s))
		}
	}
}

// checkKind checks that the stream has exactly one of a request, steps and targets.
func (c *Config) checkKind(problem func(field, message string)) {
	kind := ""
	switch {
	case len(c.Steps) > 0 && c.Targets != nil:
		problem("targets", "stands beside steps; keep one of the two")
	case c.Steps != nil && chain.CheckLength(len(c.Steps)) != nil:
		problem("steps", chain.CheckLength(len(c.Steps)).Error())
	case len(c.Steps) > 0:
		kind = "steps"
	case c.Targets != nil:
		kind = "targets"
	}
	if kind == "" {
		return
	}
	own := map[string]bool{
		"request": c.Request != "", "query": c.Query != nil, "body": c.Body != "", "body_file": c.BodyFile != "",
		"json": c.JSON != nil, "form": c.Form != nil, "multipart": c.Multipart != nil,
		"ok": kind == "steps" && c.OK != nil, "checks": kind == "steps" && c.Checks != nil,
		"data": kind == "targets" && c.Data != nil,
	}
	for _, field := range []string{"request", "query", "body", "body_file", "json", "form", "multipart", "ok", "checks", "data"} {
		if own[field] {
			problem(field, "stands beside "+kind+"; "+map[string]string{"steps": "write it in a step", "targets": "the file says what is sent"}[kind])
		}
	}
}

// single reports whether each operation is exactly one request. A witness can count only such streams.
func (c *Config) single() bool {
	return c.Request != "" && c.Steps == nil && c.Targets == nil && c.Redirects == 0
}

// plain reports whether each operation is one request over connections that stay open. Only such requests can be
// replayed.
func (c *Config) plain() bool {
	return c.Steps == nil && c.Targets == nil && c.Redirects == 0 && c.Connection.MaxAge == 0 && c.Connection.MaxRequests == 0
}

// The reasons why a stream excludes a probe.
var (
	errNotSingle = errors.New("works only with streams of one request; remove steps, targets and redirects, or remove this")
	errNotPlain  = errors.New("works only with streams of one plain request; remove steps, targets, redirects, connection.max_age and connection.max_requests, or remove this")
)

func (c *Connection) resend() bool { return c.Resend == nil || *c.Resend }

func (c *Config) reuse() bool { return c.Keepalive == nil || *c.Keepalive }
