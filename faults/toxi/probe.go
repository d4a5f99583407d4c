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

// Probe implements faults.Fault. It sends bytes over the link to an echo of its own, which the target does not see.
// It returns nil if they come back unchanged and undelayed, in a round trip no longer than when the link was opened.
// While another fault is in force on the link, Probe only checks that this one is not.
func (f *Fault) Probe(ctx context.Context) error {
	free, err := f.notInForce()
	if err != nil || !free {
		return err
	}
	if err := f.link.probe(ctx, f.aim.Peer().Address); err != nil {
		if free, out := f.notInForce(); out == nil && !free {
			return nil // another fault began meanwhile
		}
		return fmt.Errorf("%w: probe link %s: %w", faults.ErrLeaked, f.link.name, err)
	}
	return nil
}

// notInForce returns nil if the fault is not in force. free: no other fault is either.
func (f *Fault) notInForce() (free bool, err error) {
	a := f.link.active.Load()
	if f.injected.Load() || slices.ContainsFunc(a.faults, func(other *activeFault) bool { return other.Fault == f }) {
		return false, fmt.Errorf("probe link %s: %s is still in force", f.link.name, f.config.Kind())
	}
	return len(a.faults) == 0, nil
}

const (
	// tolerance is how far a round trip may exceed the baseline, because a busy machine delays some. A smaller latency is
	// still found, by the lanes' delays.
	tolerance = time.Millisecond
	// busyHops is how many round trips without the link a busy machine may add to one through the lanes, which wakes as many
	// goroutines.
	busyHops = 10
)

// probe makes round trips through the lanes, as a connection to address, until one is at the baseline, or ctx ends. Round trips
// without the link tell how busy the machine is.
func (l *Link) probe(ctx context.Context, address string) error {
	e, err := l.openEcho(ctx, address, true)
	if err != nil {
		return err
	}
	defer e.close()
	direct, err := l.openDirect(ctx)
	if err != nil {
		return err
	}
	defer direct.close()
	var least time.Duration
	var plain []time.Duration
	for {
		took, err := e.roundTrip(ctx)
		if err == nil {
			var without time.Duration
			without, err = direct.roundTrip(ctx)
			plain = append(plain, without)
		}
		switch late := e.totalDelay(); {
		case err != nil && least > 0 && ctx.Err() != nil:
			return fmt.Errorf("a round trip takes %v and took %v before: %w", least, l.baseline, ctx.Err())
		case err != nil:
			return err
		case late > 0:
			return fmt.Errorf("bytes are still made to wait, for %v", late)
		case took <= l.baseline+tolerance+busyHops*median(plain):
			return nil
		}
		if least == 0 || took < least {
			least = took
		}
	}
}

const (
	calibrationTrips = 60
	// A busy machine takes long for a round trip: after calibrationTime fewTrips are enough.
	calibrationTime  = 2 * time.Second
	fewTrips         = 9
	calibrationBound = 30 * time.Second // a link that takes longer passes nothing
)

// calibrate measures round trips without the link, over the link, and through its lanes. No fault or traffic is on
// the link yet.
func (l *Link) calibrate() error {
	ctx, cancel := context.WithTimeout(context.Background(), calibrationBound)
	defer cancel()
	direct, err := l.openDirect(ctx)
	if err != nil {
		return err
	}
	defer direct.close()
	usual, err := l.openEcho(ctx, "", false)
	if err != nil {
		return err
	}
	defer usual.close()
	throughLanes, err := l.openEcho(ctx, "", true)
	if err != nil {
		return err
	}
	defer throughLanes.close()

	// In turn, so that other load on the machine affects all three.
	var took [3][]time.Duration
	for begun, n := time.Now(), 0; n < calibrationTrips && (n < fewTrips || time.Since(begun) < calibrationTime); n++ {
		for i, e := range []*echoConn{direct, usual, throughLanes} {
			d, err := e.roundTrip(ctx)
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

// echoConn is a connection to an echo of this package.
type echoConn struct {
	client, mirror net.Conn
	flow           *flow // nil: without a link
	reflecting     chan struct{}
}

// openDirect connects to an echo without a link.
func (l *Link) openDirect(ctx context.Context) (*echoConn, error) {
	client, mirror, err := l.mesh.loopback.pair(ctx)
	if err != nil {
		return nil, err
	}
	return newEchoConn(client, mirror, nil), nil
}

// openEcho connects to an echo over the link, as if the echo were at address.
func (l *Link) openEcho(ctx context.Context, address string, probing bool) (*echoConn, error) {
	f := newFlow(l, l.serial.Add(1))
	f.address, f.probing = address, probing
	if err := l.admit(ctx, f); err != nil {
		return nil, err
	}
	mirror, far, err := l.mesh.loopback.pair(ctx)
	if err != nil {
		return nil, err
	}
	client, err := l.joinClient(ctx, f, far)
	if err != nil {
		mirror.Close()
		return nil, err
	}
	return newEchoConn(client, mirror, f), nil
}

func newEchoConn(client, mirror net.Conn, f *flow) *echoConn {
	e := &echoConn{client: client, mirror: mirror, flow: f, reflecting: make(chan struct{})}
	go func() {
		defer close(e.reflecting)
		_, _ = io.Copy(mirror, mirror)
	}()
	return e
}

func (e *echoConn) close() {
	if e.flow != nil {
		e.flow.end() // the mirror sees the end under any fault
	}
	e.client.Close()
	e.mirror.Close()
	<-e.reflecting
}

// totalDelay is the sum of the link's delays so far.
func (e *echoConn) totalDelay() time.Duration {
	return time.Duration(e.flow.lanes[toTarget].totalDelay.Load() + e.flow.lanes[fromTarget].totalDelay.Load())
}

var probeWord = []byte("wringer")

// roundTrip sends a word and reads it back.
func (e *echoConn) roundTrip(ctx context.Context) (took time.Duration, err error) {
	defer context.AfterFunc(ctx, func() { e.client.Close() })()
	begun := time.Now()
	err = exchange(e.client)
	return time.Since(begun), errors.Join(ctx.Err(), err)
}

func exchange(c net.Conn) error {
	if _, err := c.Write(probeWord); err != nil {
		return err
	}
	back := make([]byte, len(probeWord))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if !bytes.Equal(back, probeWord) {
		return fmt.Errorf("sent %q, got %q back", probeWord, back)
	}
	return nil
}
