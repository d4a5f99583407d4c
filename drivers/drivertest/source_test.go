package drivertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
)

// exchange copies each record into every bound queue, as a broker's fan-out exchange does.
type exchange struct {
	mu     sync.Mutex
	system [][]byte // the system's own queue
	taps   map[*tap]bool
}

func newExchange() *exchange { return &exchange{taps: make(map[*tap]bool)} }

func (x *exchange) put(id []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.system = append(x.system, id)
	for t := range x.taps {
		t.take(id, false)
	}
}

// again delivers to each tap its last record once more.
func (x *exchange) again() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for t := range x.taps {
		t.take(t.last, true)
	}
}

func (x *exchange) untaken() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.system)
}

// Check, Describe and Open make an exchange the configuration of a tap on it.
func (x *exchange) Check(func(field, message string)) {}

func (x *exchange) Describe() drivers.SourceDescription {
	return drivers.SourceDescription{Place: "memory exchange", Gauges: []string{"waiting"}}
}

func (x *exchange) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	return &tap{exchange: x, clock: env.Clock, changed: make(chan struct{}, 1)}, nil
}

// tap is the source's own queue, bound to the exchange from Start to Close.
type tap struct {
	exchange *exchange
	clock    func() time.Duration
	changed  chan struct{}

	mu      sync.Mutex
	waiting []queuedRecord
	inHand  int // taken from the queue, and not delivered yet
	last    []byte
}

type queuedRecord struct {
	id    []byte
	again bool
}

func (t *tap) take(id []byte, again bool) {
	t.mu.Lock()
	t.waiting, t.last = append(t.waiting, queuedRecord{id, again}), id
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

func (t *tap) Start(context.Context) error {
	t.exchange.mu.Lock()
	defer t.exchange.mu.Unlock()
	t.exchange.taps[t] = true
	return nil
}

func (t *tap) next() (queuedRecord, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inHand = 0
	if len(t.waiting) == 0 {
		return queuedRecord{}, false
	}
	r := t.waiting[0]
	t.waiting, t.inHand = t.waiting[1:], 1
	return r, true
}

func (t *tap) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	for {
		for r, ok := t.next(); ok; r, ok = t.next() {
			deliver(&drivers.Delivery{ID: r.id, Redelivered: r.again, At: t.clock()})
		}
		select {
		case <-t.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// CatchUp waits until the tap is drained.
func (t *tap) CatchUp(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for t.depth() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(errors.New("the tap is not drained"), ctx.Err())
		}
	}
	return nil
}

func (t *tap) depth() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.waiting) + t.inHand
}

func (t *tap) Gauges(emit func(name string, value float64)) { emit("waiting", float64(t.depth())) }

func (t *tap) Close() error {
	t.exchange.mu.Lock()
	defer t.exchange.mu.Unlock()
	delete(t.exchange.taps, t)
	return nil
}

func TestSourceSuiteOverAQueue(t *testing.T) {
	RunSource(t, SourceSubject{Queue: true, Start: func(testing.TB) Place {
		x := newExchange()
		return Place{Config: x, Put: x.put, Again: x.again, Untaken: x.untaken, Close: func() {
			if n := len(x.taps); n > 0 {
				t.Errorf("%d taps are left behind", n)
			}
		}}
	}})
}
