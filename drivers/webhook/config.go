// Package webhook is an HTTP server of ours that the target calls. Each call is one effect. A seeded share of the calls can be refused
// or left without an answer, so that the sender's retries are seen.
package webhook

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/drivers/effect"
)

// Config is the `webhook:` part of `effects:`.
type Config struct {
	Address string `yaml:"listen" jsonschema_description:"The address to listen on. Default: a free port of loopback, or of the network of the target's containers. The target learns it as ${effects.NAME}."`
	Path    string `yaml:"path" jsonschema_description:"The path that the target calls; a call of another path is answered 404 and is no effect. Default: any."`
	Status  int    `yaml:"status" jsonschema_description:"The status of a good answer. Default 200."`

	effect.Fields `yaml:",inline"`

	Fail       drivers.Ratio `yaml:"fail" jsonschema_description:"The share of the operations whose first call is refused and does not count. Drawn from the seed."`
	FailStatus int           `yaml:"fail_status" jsonschema_description:"The status of a refusal. Default 503."`
	Hang       drivers.Ratio `yaml:"hang" jsonschema_description:"The share of the operations whose first call counts and gets no answer. A further call of such an operation is a redelivery. Drawn from the seed."`
	HangFor    time.Duration `yaml:"hang_for" jsonschema_description:"How long a call is left without an answer, if the caller waits so long. Then it is answered 504. Default 30s."`
	MaxBody    drivers.Bytes `yaml:"max_body" jsonschema_description:"The largest body. Default 1MiB. A larger one is answered 413, and leaves the place not fully known."`
}

const (
	defaultBody = 1 << 20
	mostBody    = 64 << 20
	defaultHang = 30 * time.Second
	headerField = "header "
)

// Check implements drivers.SourceConfig.
func (c *Config) Check(problem func(field, message string)) {
	c.Fields.Check(checkField, problem)
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		problem("path", fmt.Sprintf("%q must begin with /", c.Path))
	}
	if c.Address != "" && !strings.Contains(c.Address, "${") {
		if _, _, err := net.SplitHostPort(c.Address); err != nil {
			problem("listen", fmt.Sprintf("%q is no address: write host:port", c.Address))
		}
	}
	for field, status := range map[string]int{"status": c.Status, "fail_status": c.FailStatus} {
		if status != 0 && (status < 200 || status > 599) {
			problem(field, fmt.Sprintf("%d is no status of an answer: write 200 to 599", status))
		}
	}
	if c.Fail+c.Hang > 1 {
		problem("hang", "fail and hang together are more than all calls")
	}
	if c.MaxBody > mostBody {
		problem("max_body", fmt.Sprintf("is more than the maximum of %s", drivers.Bytes(mostBody)))
	}
	if c.HangFor < 0 {
		problem("hang_for", "must not be negative")
	}
}

// checkField: a field is a JSON path into the body, or a header.
func checkField(name string) error {
	if header, ok := strings.CutPrefix(name, headerField); ok {
		if strings.TrimSpace(header) == "" {
			return fmt.Errorf("header names no header: write header X-Order-Id")
		}
		return nil
	}
	return effect.CheckPath(name)
}

// Describe implements drivers.SourceConfig.
func (c *Config) Describe() drivers.SourceDescription {
	counters := []string{"webhook_calls", "webhook_failed", "webhook_hung", "webhook_retries"}
	return drivers.SourceDescription{Place: "calls of the target", Gauges: counters, Counters: counters, Matched: c.Matched()}
}

// Open implements drivers.SourceConfig.
func (c *Config) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	s, ok := env.Listener.(*server)
	if !ok {
		return nil, fmt.Errorf("%w: nothing listens for the calls", drivers.ErrConfig)
	}
	reader, err := c.Fields.Open(env)
	if err != nil {
		return nil, err
	}
	paths, err := c.bodyFields().Documents()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	return &source{config: *c, env: env, server: s, reader: reader, paths: paths, owed: make(map[uint64]*owed), over: make(chan struct{}), ready: make(chan struct{})}, nil
}

// bodyFields are the fields that stand in the body.
func (c *Config) bodyFields() *effect.Fields {
	f := effect.Fields{Match: make(map[string]string)}
	for _, name := range c.Columns() {
		if !strings.HasPrefix(name, headerField) {
			f.Match[name] = ""
		}
	}
	return &f
}

// ListenAddress implements drivers.Listening.
func (c *Config) ListenAddress() string { return c.Address }

// Listen implements drivers.Listening.
func (c *Config) Listen(listen func(address string) (net.Listener, error)) (drivers.Listener, error) {
	l, err := listen(c.Address)
	if err != nil {
		return nil, err
	}
	s := &server{listener: l, path: c.Path, served: make(chan struct{})}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: quiet}
	go func() { defer close(s.served); s.http.Serve(l) }()
	return s, nil
}

var _ drivers.Listening = (*Config)(nil)
