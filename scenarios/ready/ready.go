// Package ready is the `ready:` part of a target's program or container: one way to see that the part works. The target that
// starts the part asks the Probe again and again until the answer is nil.
package ready

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"wringer/faults/visit"
)

// Config is one way to see that a part works. Its texts may hold variables until Fill.
type Config struct {
	TCP    string        `yaml:"tcp" jsonschema_description:"Address that takes connections."`
	HTTP   string        `yaml:"http" jsonschema_description:"URL that answers with a status below 400."`
	GRPC   string        `yaml:"grpc" jsonschema_description:"Address whose grpc.health.v1 service says SERVING."`
	Log    string        `yaml:"log" jsonschema_description:"Regular expression that must match a line of the part's output."`
	Within time.Duration `yaml:"within" jsonschema_description:"The most time until the part is ready. Default 30s."`
}

// MaxWithin bounds Within: the runner gives a target a minute to start.
const MaxWithin = 50 * time.Second

// Check reports problems, by the field's name below the part. A nil Config has no problem.
func (c *Config) Check(problem func(field, message string)) {
	if c == nil {
		return
	}
	ways := slices.DeleteFunc([]string{c.TCP, c.HTTP, c.GRPC, c.Log}, func(s string) bool { return s == "" })
	if len(ways) != 1 {
		problem("ready", "takes exactly one key of tcp, http, grpc, log")
	}
	if _, err := regexp.Compile(c.Log); err != nil {
		problem("ready.log", fmt.Sprintf("%q is no regular expression: %v", c.Log, err))
	}
	if c.Within > MaxWithin {
		problem("ready.within", fmt.Sprintf("%v is more than the maximum of %v", c.Within, MaxWithin))
	}
}

// Fill is c with each text replaced by the result of text; nil for a nil c.
func (c *Config) Fill(text func(string) string) *Config {
	if c == nil {
		return nil
	}
	out := *c
	out.TCP, out.HTTP, out.GRPC, out.Log = text(c.TCP), text(c.HTTP), text(c.GRPC), text(c.Log)
	return &out
}

// Addresses are the host:port that a Probe will ask, for a caller that has to allow them first. A log needs none.
func (c *Config) Addresses() []string {
	switch {
	case c == nil:
		return nil
	case c.TCP != "":
		return []string{c.TCP}
	case c.GRPC != "":
		return []string{c.GRPC}
	case c.HTTP != "":
		if u, err := url.Parse(c.HTTP); err == nil {
			return []string{net.JoinHostPort(u.Hostname(), u.Port())}
		}
	}
	return nil
}

// Probe makes the probe. A nil c asks whether first, the address of the part's first port, takes connections. If first is empty
// too, the Probe is nil: a running part counts as working.
func (c *Config) Probe(first string) (*Probe, error) {
	if c == nil {
		if first == "" {
			return nil, nil
		}
		c = &Config{TCP: first}
	}
	p := &Probe{Within: c.Within}
	switch {
	case c.TCP != "":
		p.ask = func(ctx context.Context) error { return dial(ctx, c.TCP) }
	case c.HTTP != "":
		p.ask = func(ctx context.Context) error { return get(ctx, c.HTTP) }
	case c.GRPC != "":
		p.ask = func(ctx context.Context) error { return serving(ctx, c.GRPC) }
	case c.Log == "":
		return nil, errors.New("ready: holds nothing once its variables are filled in")
	default:
		line, err := regexp.Compile(c.Log)
		if err != nil {
			return nil, fmt.Errorf("ready.log: %w", err)
		}
		p.log = &watcher{line: line}
		p.ask = p.log.ready
	}
	return p, nil
}

// Probe asks whether a part works. Its methods are safe for concurrent use.
type Probe struct {
	// Within is the time that the part may take; 0: the default of the target that starts the part.
	Within time.Duration

	ask func(context.Context) error
	log *watcher // nil unless a line of the part's output shows that the part works
}

// Ready returns nil when the part works, and otherwise the reason why it does not seem to. It asks once, over a connection of
// its own, and blocks until there is an answer or ctx ends.
func (p *Probe) Ready(ctx context.Context) error { return p.ask(ctx) }

// Begin is called before each start of the part: output of an earlier life does not count any more.
func (p *Probe) Begin() {
	if p.log != nil {
		p.log.begin()
	}
}

// Output returns a writer for the part's output, which passes everything on to next. next may be nil.
func (p *Probe) Output(next io.Writer) io.Writer {
	if p.log == nil {
		return next
	}
	p.log.next = next
	return p.log
}

// keeps is how long a connection must stay open to count as taken by the part itself.
const keeps = 100 * time.Millisecond

// Open makes the probe of an address that something may take connections for before the part does, and close them at once: the
// connection must stay open for a tenth of a second, or bring bytes.
func Open(address string) *Probe {
	return &Probe{ask: func(ctx context.Context) error {
		c, err := visit.Dial(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetReadDeadline(time.Now().Add(keeps)); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 1))
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return fmt.Errorf("%s takes connections and closes them at once: %w", address, err)
	}}
}

func dial(ctx context.Context, address string) error {
	c, err := visit.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// get asks once, over a connection of its own.
func get(ctx context.Context, address string) error {
	var calls visit.Calls
	defer calls.End()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: calls.Dial}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("get %s: %s", address, answer.Status)
	}
	return nil
}

// serving asks the health service of gRPC.
func serving(ctx context.Context, address string) error {
	var calls visit.Calls
	defer calls.End()
	dialer := grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return calls.Dial(ctx, "tcp", address) })
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), dialer)
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("health of %s: %w", address, err)
	}
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("health of %s: %s", address, answer.Status)
	}
	return nil
}
