package toxi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"wringer/faults"
)

// Fault is a fault on a link. It is in force when Inject returns, on existing connections too, and out of force when Heal
// returns: then what a latency or a bandwidth kept waiting goes out, what a partition held is delivered, and connections
// that lost bytes to it are reset. Both take effect at once and neither blocks on traffic. A latency comes out late by what
// the runtime's timers are late: about 1 ms in an idle process, less in a busy one; never early.
type Fault struct {
	config Config
	link   *Link
	seed   uint64

	connections, bytes atomic.Int64
}

// Inject implements faults.Fault. It is idempotent.
func (f *Fault) Inject(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.link.command(func(in []*Fault) []*Fault {
		if slices.Contains(in, f) {
			return in
		}
		return append(slices.Clone(in), f)
	})
}

// Heal implements faults.Fault. The faults of a link that is closed went with it.
func (f *Fault) Heal(context.Context) error {
	err := f.link.command(func(in []*Fault) []*Fault {
		return slices.DeleteFunc(slices.Clone(in), func(other *Fault) bool { return other == f })
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Bite implements faults.Fault. It counts the bytes and connections that were delayed, held or dropped, or made to wait
// for bandwidth, and the connections that were refused or reset by refuse.
func (f *Fault) Bite() faults.Bite {
	b := faults.Bite{Connections: f.connections.Load(), Bytes: f.bytes.Load()}
	b.Bit = b.Connections > 0
	return b
}

// Probe implements faults.Fault. It sends bytes over the link and back through an echo of its own, which the target does
// not see: nil when they come back unchanged and the link made none of them wait. While another fault is in force on the
// link no more can be seen than that this one is not.
func (f *Fault) Probe(ctx context.Context) error {
	free, err := f.out()
	if err != nil || !free {
		return err
	}
	if err := f.link.echo(ctx); err != nil {
		if free, out := f.out(); out == nil && !free {
			return nil // another fault began meanwhile
		}
		return fmt.Errorf("probe link %s: %w", f.link.name, err)
	}
	return nil
}

// out is nil when the fault is not in force; free tells that no other one is.
func (f *Fault) out() (free bool, err error) {
	f.link.mu.Lock()
	defer f.link.mu.Unlock()
	if slices.Contains(f.link.faults, f) {
		return false, fmt.Errorf("probe link %s: %s is still in force", f.link.name, f.config.Kind())
	}
	return len(f.link.faults) == 0, nil
}

// echo sends a word over the link and back.
func (l *Link) echo(ctx context.Context) error {
	f := newFlow(l, l.serial.Add(1))
	if err := l.admit(ctx, f); err != nil {
		return err
	}
	mirror, far, err := l.mesh.door.pair(ctx)
	if err != nil {
		return err
	}
	defer mirror.Close()
	client, err := l.carry(ctx, f, far)
	if err != nil {
		return err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, f.end)()

	reflected := make(chan error, 1)
	go func() {
		_, err := io.CopyN(mirror, mirror, int64(len(word)))
		reflected <- err
	}()
	err = exchange(client)
	if err != nil {
		f.end() // the mirror sees the end too
	}
	if err := errors.Join(ctx.Err(), err, <-reflected); err != nil {
		return err
	}
	if late := f.lanes[toTarget].imposed.Load() + f.lanes[fromTarget].imposed.Load(); late > 0 {
		return fmt.Errorf("bytes are still made to wait, for %v", time.Duration(late))
	}
	return nil
}

var word = []byte("wringer")

func exchange(c net.Conn) error {
	if _, err := c.Write(word); err != nil {
		return err
	}
	back := make([]byte, len(word))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if !bytes.Equal(back, word) {
		return fmt.Errorf("sent %q, got %q back", word, back)
	}
	return nil
}
