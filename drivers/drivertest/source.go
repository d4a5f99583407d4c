package drivertest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
)

// Place is a running log or queue, and the configuration of a source for it.
type Place struct {
	// Config opens the source.
	Config drivers.SourceConfig
	// Put makes a record with this identity appear, as the system under test does. It returns once the record is there.
	Put func(id []byte)
	// Again delivers the last delivered records once more. It is nil if the place cannot do that.
	Again func()
	// Untaken counts the records in the system's own queue. It is nil for a log, because reading takes nothing from a log.
	Untaken func() int
	// Close stops the place and waits for its goroutines.
	Close func()
}

// SourceSubject is a source under test.
type SourceSubject struct {
	// Start starts a place.
	Start func(t testing.TB) Place
	// Queue says that the place is a queue: deliveries have no positions.
	Queue bool
}

// RunSource is the conformance suite of sources. A source begins where it was started, and delivers everything in order. It
// causes no redelivery, knows when it has caught up, and takes nothing away from the system. Each test has a place of its own,
// and the tests run in parallel.
func RunSource(t *testing.T, s SourceSubject) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r *sourceRig)
	}{
		{"description", describesSource},
		{"begins at its start", beginsAtStart},
		{"delivers everything in order", deliversInOrder},
		{"caught up means drained", catchesUp},
		{"does not catch up while nobody receives", waitsForReceive},
		{"told apart from a copy", redelivers},
		{"takes nothing away", takesNothing},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			place := s.Start(t)
			defer place.Close()
			r := &sourceRig{place: place, queue: s.Queue, identity: drivers.Identity{Run: "r1", Stream: "conformance"}}
			test.run(t, r)
		})
	}
}

// sourceRig is a source on a place, and its deliveries.
type sourceRig struct {
	place    Place
	queue    bool
	identity drivers.Identity
	source   drivers.Source

	mu   sync.Mutex
	seen []drivers.Delivery
}

// start opens and starts the source.
func (r *sourceRig) start(t *testing.T) {
	t.Helper()
	r.place.Config.Check(func(field, message string) { t.Errorf("check: %s: %s", field, message) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	source, err := r.place.Config.Open(ctx, NewEnv(t, time.Now()))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if err := source.Start(ctx); err != nil {
		t.Fatalf("start: %v", err)
	}
	r.source = source
}

// receive runs Receive. stop ends it, and closes the source.
func (r *sourceRig) receive(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.source.Receive(ctx, r.deliver) }()
	return func() {
		t.Helper()
		cancel()
		within(t, "Receive", func() {
			if err := <-ended; err != nil {
				t.Errorf("receive: %v", err)
			}
		})
		r.close(t)
	}
}

func (r *sourceRig) close(t *testing.T) {
	t.Helper()
	within(t, "Source.Close", func() {
		if err := r.source.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func (r *sourceRig) deliver(d *drivers.Delivery) {
	one := *d
	one.ID = slices.Clone(d.ID) // the bytes are valid during the call only
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, one)
}

func (r *sourceRig) delivered() []drivers.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// put puts the records of n operations, starting at first.
func (r *sourceRig) put(first uint64, n int) {
	for i := range n {
		r.place.Put(r.identity.Append(nil, first+uint64(i)))
	}
}

func (r *sourceRig) catchUp(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.source.CatchUp(ctx); err != nil {
		t.Fatalf("catch up: %v", err)
	}
}

// checkDelivered checks that exactly these operations were delivered, each once.
func (r *sourceRig) checkDelivered(t *testing.T, first uint64, n int) {
	t.Helper()
	var want, got []string
	for i := range n {
		want = append(want, r.identity.Text(first+uint64(i)))
	}
	for _, d := range r.delivered() {
		got = append(got, string(d.ID))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("delivered %d records, want %d: %s", len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		a, b := "nothing", "nothing"
		if i < len(got) {
			a = got[i]
		}
		if i < len(want) {
			b = want[i]
		}
		if a != b {
			return fmt.Sprintf("%s in place of %s", a, b)
		}
	}
	return "no difference"
}

func describesSource(t *testing.T, r *sourceRig) {
	d := r.place.Config.Describe()
	if again := r.place.Config.Describe(); !reflect.DeepEqual(d, again) {
		t.Errorf("described as %+v, and then as %+v", d, again)
	}
	if d.Place == "" {
		t.Error("the description names no place")
	}
	_, grouped := r.place.Config.(drivers.GroupConfig)
	_, branched := r.place.Config.(drivers.Branched)
	if d.Grouped && !grouped || d.Churned && !d.Grouped || d.Peers && !branched {
		t.Errorf("described as %+v; that a %T is a GroupConfig is %v, that it is Branched %v", d, r.place.Config, grouped, branched)
	}
	r.start(t)
	defer r.receive(t)()
	r.put(1, 1)
	r.catchUp(t)
	gaugesAreNamed(t, d.Gauges, r.source)
}

func beginsAtStart(t *testing.T, r *sourceRig) {
	r.put(1, 20)
	r.start(t)
	defer r.receive(t)()
	r.put(100, 20)
	r.catchUp(t)
	r.checkDelivered(t, 100, 20)
}

func deliversInOrder(t *testing.T, r *sourceRig) {
	const n = 500
	r.start(t)
	defer r.receive(t)()
	r.put(0, n)
	r.catchUp(t)
	r.checkDelivered(t, 0, n)
	last, before := make(map[int32]int64), uint64(0)
	for i, d := range r.delivered() {
		seq, _ := r.identity.Parse(d.ID)
		switch at, again := last[d.Position.Log]; {
		case d.Redelivered:
			t.Fatalf("record %d is marked as redelivered, and was put there once", seq)
		case d.Position.Known == r.queue:
			t.Fatalf("queue %v, and the position of record %d is %+v", r.queue, seq, d.Position)
		case r.queue && i > 0 && seq < before:
			t.Fatalf("record %d was delivered after record %d", seq, before)
		case !r.queue && again && d.Position.At <= at:
			t.Fatalf("record %d stands at %+v, after %d of its log", seq, d.Position, at)
		}
		last[d.Position.Log], before = d.Position.At, seq
	}
}

// catchesUp puts records while others are received. When CatchUp returns, the records before it were delivered.
func catchesUp(t *testing.T, r *sourceRig) {
	r.start(t)
	defer r.receive(t)()
	r.catchUp(t) // the place is empty
	for round := range 5 {
		r.put(uint64(round)*100, 100)
		r.catchUp(t)
		if got, want := len(r.delivered()), (round+1)*100; got < want {
			t.Fatalf("caught up with %d records delivered, and %d were put before", got, want)
		}
	}
	r.checkDelivered(t, 0, 500)
}

// waitsForReceive: a record that was not received is not known to be delivered.
func waitsForReceive(t *testing.T, r *sourceRig) {
	r.start(t)
	r.put(1, 1)
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	within(t, "CatchUp", func() {
		if err := r.source.CatchUp(ctx); err == nil {
			t.Error("caught up, and nobody received anything")
		}
	})
	r.receive(t)()
}

// redelivers: a record that comes again has its old position, or is marked as redelivered.
func redelivers(t *testing.T, r *sourceRig) {
	if r.place.Again == nil {
		t.Log("does not apply: the place hands out nothing twice")
		return
	}
	r.start(t)
	defer r.receive(t)()
	r.put(1, 1)
	r.catchUp(t)
	r.place.Again()
	eventually(t, "the record to come again", func() bool { return len(r.delivered()) == 2 })
	r.put(1, 1)
	r.catchUp(t)
	all := r.delivered()
	if len(all) != 3 {
		t.Fatalf("%d deliveries, want 3: %+v", len(all), all)
	}
	first, again, copied := all[0], all[1], all[2]
	if same := again.Position == first.Position; r.queue && !again.Redelivered || !r.queue && !same {
		t.Errorf("a record that came again: %+v, after %+v", again, first)
	}
	if copied.Redelivered || !r.queue && copied.Position == first.Position {
		t.Errorf("a second record of the operation: %+v, after %+v", copied, first)
	}
}

func takesNothing(t *testing.T, r *sourceRig) {
	if r.place.Untaken == nil {
		t.Log("does not apply: nobody takes from a log")
		return
	}
	r.put(1, 10)
	r.start(t)
	stop := r.receive(t)
	r.put(11, 20)
	r.catchUp(t)
	stop()
	if got := r.place.Untaken(); got != 30 {
		t.Errorf("%d records are left for the system, of 30: the source consumed from the system's own queue", got)
	}
}
