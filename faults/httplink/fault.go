package httplink

import (
	"context"
	"fmt"
	"net"
	"slices"

	"wringer/faults/request"
)

// Fault acts on the matching requests between Inject and Heal.
type Fault struct {
	request.Force
	act   Act
	name  string
	layer *layer
}

// Inject implements faults.Fault. It is idempotent.
func (f *Fault) Inject(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.Begin(func() error {
		f.layer.faults.Add(f)
		return nil
	})
}

// Heal implements faults.Fault. Delayed answers go out. Connections with an answer that will not come are reset.
func (f *Fault) Heal(context.Context) error {
	f.End(func() { f.layer.faults.Remove(f) })
	return nil
}

// Probe implements faults.Fault. It sends a request through the layer to an answerer of its own. While another fault
// is in force on the link, Probe only checks that this fault is not.
func (f *Fault) Probe(ctx context.Context) error {
	others := f.layer.faults.All()
	if slices.Contains(others, f) {
		return fmt.Errorf("probe link %s: %s is still in force", f.layer.link, f.name)
	}
	if len(others) > 0 {
		return nil
	}
	if err := f.layer.ask(ctx); err != nil {
		return fmt.Errorf("probe link %s: %w", f.layer.link, err)
	}
	return nil
}

const (
	question = "GET / HTTP/1.1\r\nHost: probe\r\n\r\n"
	reply    = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

// ask sends a question through the layer, and expects the reply.
func (l *layer) ask(ctx context.Context) error {
	carry := func(client, target net.Conn) { l.Carry(client, target, "") }
	got, err := request.Echo(ctx, carry, []byte(question), func([]byte) []byte { return []byte(reply) })
	if err == nil && string(got) != reply {
		err = fmt.Errorf("got %q back, want %q", got, reply)
	}
	return err
}
