package processes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"wringer/faults/process"
)

// probe gives the process its way to see that it works. first is the address of its first port, empty when it has none.
func (p *Program) probe(spec *process.Spec, first string) error {
	r := p.Ready
	if r == nil {
		if first != "" {
			spec.Ready = func(ctx context.Context) error { return dial(ctx, first) }
		}
		return nil
	}
	spec.Within = r.Within
	switch {
	case r.TCP != "":
		spec.Ready = func(ctx context.Context) error { return dial(ctx, r.TCP) }
	case r.HTTP != "":
		spec.Ready = func(ctx context.Context) error { return get(ctx, r.HTTP) }
	case r.GRPC != "":
		spec.Ready = func(ctx context.Context) error { return serving(ctx, r.GRPC) }
	case r.Log != "":
		line, err := regexp.Compile(r.Log)
		if err != nil {
			return fmt.Errorf("ready.log: %w", err)
		}
		w := &watcher{line: line, next: spec.Output}
		spec.Output, spec.Ready, spec.Begin = w, w.ready, w.begin
	}
	return nil
}

// asks are the addresses that are asked whether the process is ready.
func (r *Ready) asks() []string {
	switch {
	case r == nil:
		return nil
	case r.TCP != "":
		return []string{r.TCP}
	case r.GRPC != "":
		return []string{r.GRPC}
	case r.HTTP != "":
		if u, err := url.Parse(r.HTTP); err == nil {
			return []string{net.JoinHostPort(u.Hostname(), u.Port())}
		}
	}
	return nil
}

func dial(ctx context.Context, address string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// get asks once, over a connection of its own.
func get(ctx context.Context, address string) error {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
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
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
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

// watcher looks for a line in what passes through it.
type watcher struct {
	line *regexp.Regexp
	next io.Writer

	mu   sync.Mutex
	part []byte // of a line whose end has not come
	seen bool
}

// longestLine bounds what is kept of a line without an end.
const longestLine = 64 << 10

var errNoLine = errors.New("no line of its output matched ready.log yet")

// begin forgets what an earlier life of the process wrote.
func (w *watcher) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part, w.seen = nil, false
}

func (w *watcher) Write(p []byte) (int, error) {
	w.look(p)
	if w.next != nil {
		return w.next.Write(p)
	}
	return len(p), nil
}

func (w *watcher) look(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen {
		return
	}
	w.part = append(w.part, p...)
	for {
		line, rest, whole := bytes.Cut(w.part, []byte("\n"))
		if !whole {
			break
		}
		w.seen = w.seen || w.line.Match(line)
		w.part = rest
	}
	if len(w.part) > longestLine {
		w.part = w.part[len(w.part)-longestLine:]
	}
}

func (w *watcher) ready(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.seen {
		return errNoLine
	}
	return nil
}
