package toxi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"wringer/faults"
)

// Probe implements faults.Fault. It sends bytes over the link and back through an echo of its own, which the target does
// not see: nil when they come back unchanged, the link made none of them wait, and a round trip takes no longer than it
// did when the link was opened. While another fault is in force on the link no more can be seen than that this one is not.
func (f *Fault) Probe(ctx context.Context) error {
	free, err := f.out()
	if err != nil || !free {
		return err
	}
	if err := f.link.probe(ctx, f.aim.Peer().Address); err != nil {
		if free, out := f.out(); out == nil && !free {
			return nil // another fault began meanwhile
		}
		return fmt.Errorf("%w: probe link %s: %w", faults.ErrLeaked, f.link.name, err)
	}
	return nil
}

// out is nil when the fault is not in force; free tells that no other one is.
func (f *Fault) out() (free bool, err error) {
	o := f.link.orders.Load()
	if f.injected.Load() || slices.ContainsFunc(o.forces, func(other *force) bool { return other.Fault == f }) {
		return false, fmt.Errorf("probe link %s: %s is still in force", f.link.name, f.config.Kind())
	}
	return len(o.forces) == 0, nil
}

// tolerance is by how much a round trip may be above the baseline: what a busy machine does to one in a while. A latency
// below it is still found, by what the lanes made bytes wait.
const tolerance = time.Millisecond

// probe makes round trips through the lanes, as a connection to address, until one is back at the baseline, or ctx ends.
func (l *Link) probe(ctx context.Context, address string) error {
	e, err := l.openLoop(ctx, address, true)
	if err != nil {
		return err
	}
	defer e.close()
	var least time.Duration
	for {
		took, err := e.trip(ctx)
		switch late := e.imposed(); {
		case err != nil && least > 0 && ctx.Err() != nil:
			return fmt.Errorf("a round trip takes %v and took %v before: %w", least, l.baseline, ctx.Err())
		case err != nil:
			return err
		case late > 0:
			return fmt.Errorf("bytes are still made to wait, for %v", late)
		case took <= l.baseline+tolerance:
			return nil
		}
		if least == 0 || took < least {
			least = took
		}
	}
}

const (
	calibrationTrips = 60
	calibrationBound = 5 * time.Second
)

// calibrate measures round trips without the link, over it, and through its lanes. No other fault or traffic is there yet.
func (l *Link) calibrate() error {
	ctx, cancel := context.WithTimeout(context.Background(), calibrationBound)
	defer cancel()
	direct, err := l.openDirect(ctx)
	if err != nil {
		return err
	}
	defer direct.close()
	usual, err := l.openLoop(ctx, "", false)
	if err != nil {
		return err
	}
	defer usual.close()
	scenic, err := l.openLoop(ctx, "", true)
	if err != nil {
		return err
	}
	defer scenic.close()

	// In turns, so that what else goes on in the machine falls on all three.
	var took [3][]time.Duration
	for range calibrationTrips {
		for i, e := range []*loop{direct, usual, scenic} {
			d, err := e.trip(ctx)
			if err != nil {
				return err
			}
			took[i] = append(took[i], d)
		}
	}
	l.cost = max(median(took[1])-median(took[0]), 0)
	l.baseline = median(took[2])
	return nil
}

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}

// Cost implements faults.Calibrated.
func (l *Link) Cost() time.Duration { return l.cost }

// loop is a connection to a mirror of ours.
type loop struct {
	client, mirror net.Conn
	flow           *flow // nil: without a link
	reflecting     chan struct{}
}

// openDirect connects to a mirror without a link.
func (l *Link) openDirect(ctx context.Context) (*loop, error) {
	client, mirror, err := l.mesh.door.pair(ctx)
	if err != nil {
		return nil, err
	}
	return newLoop(client, mirror, nil), nil
}

// openLoop connects to a mirror over the link, as if it were at address.
func (l *Link) openLoop(ctx context.Context, address string, probing bool) (*loop, error) {
	f := newFlow(l, l.serial.Add(1))
	f.address, f.probing = address, probing
	if err := l.admit(ctx, f); err != nil {
		return nil, err
	}
	mirror, far, err := l.mesh.door.pair(ctx)
	if err != nil {
		return nil, err
	}
	client, err := l.carry(ctx, f, far)
	if err != nil {
		mirror.Close()
		return nil, err
	}
	return newLoop(client, mirror, f), nil
}

func newLoop(client, mirror net.Conn, f *flow) *loop {
	e := &loop{client: client, mirror: mirror, flow: f, reflecting: make(chan struct{})}
	go func() {
		defer close(e.reflecting)
		_, _ = io.Copy(mirror, mirror)
	}()
	return e
}

func (e *loop) close() {
	if e.flow != nil {
		e.flow.end() // the mirror sees the end too, whatever is in force
	}
	e.client.Close()
	e.mirror.Close()
	<-e.reflecting
}

// imposed is how long the link made bytes wait so far.
func (e *loop) imposed() time.Duration {
	return time.Duration(e.flow.lanes[toTarget].imposed.Load() + e.flow.lanes[fromTarget].imposed.Load())
}

var word = []byte("wringer")

// trip sends a word and takes it back.
func (e *loop) trip(ctx context.Context) (took time.Duration, err error) {
	defer context.AfterFunc(ctx, func() { e.client.Close() })()
	begun := time.Now()
	err = exchange(e.client)
	return time.Since(begun), errors.Join(ctx.Err(), err)
}

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
