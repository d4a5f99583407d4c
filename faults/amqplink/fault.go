package amqplink

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"wringer/faults"
	"wringer/faults/request"
)

// Fault acts on what passes between Inject and Heal.
type Fault struct {
	request.Force
	act   Act
	name  string
	noun  string // of what it counts
	layer *layer
	aim   *faults.Aim
}

// Inject implements faults.Fault. It is idempotent.
func (f *Fault) Inject(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.Begin(func() error {
		if err := f.aim.Take(ctx); err != nil {
			return err
		}
		f.layer.faults.Add(f)
		return nil
	})
}

// Heal implements faults.Fault. What waits goes on. Connections on which confirms were lost are reset.
func (f *Fault) Heal(context.Context) error {
	f.End(func() { f.layer.faults.Remove(f) })
	return nil
}

// Bite implements faults.Fault. It counts what the fault acted on.
func (f *Fault) Bite() faults.Bite {
	b := f.Force.Bite()
	b.Peer = f.aim.Peer().Name
	if b.Bit {
		b.Words = plural(f.Matched(), f.noun) + " on " + plural(b.Connections, "connection")
	} else if f.layer.raw.Load() {
		b.Unmeasured = "a connection was not plain AMQP 0-9-1: TLS hides what the fault would change"
	}
	return b
}

func plural(n int64, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return fmt.Sprint(n, " ", strings.TrimSuffix(noun, "y"), "ies")
	case strings.HasSuffix(noun, "sh"):
		return fmt.Sprint(n, " ", noun, "es")
	}
	return fmt.Sprint(n, " ", noun, "s")
}

// Probe implements faults.Fault. It sends a heartbeat through the layer to an echo of its own. While another fault is in force on
// the link, it only checks that this one is not.
func (f *Fault) Probe(ctx context.Context) error {
	others := f.layer.faults.All()
	if slices.Contains(others, f) {
		return fmt.Errorf("probe link %s: %s is still in force", f.layer.link, f.name)
	}
	if len(others) > 0 {
		return nil
	}
	if err := f.layer.echo(ctx); err != nil {
		return fmt.Errorf("probe link %s: %w", f.layer.link, err)
	}
	return nil
}
