package runner

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/arrivals"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// stream is one flow of operations at work: it plans them, carries them through their attempts and reports their ends to
// the recorder and, where effects are observed, to the ledger.
type stream struct {
	spec     *scenarios.Stream
	env      drivers.Env
	driver   drivers.Driver
	pacer    scenarios.Pacer // nil: closed model
	policy   *policy
	meaning  map[string]drivers.Outcome
	slots    *metrics.Slots
	recorder *metrics.Recorder
	effects  *observer // nil: nothing is observed
	witness  *arrivals.Account
	replays  *replays
	results  Results // nil: nobody takes them
	// followers hear of each operation that is over, some time after.
	followers []follower
	end       time.Duration
	maxLag    time.Duration // beyond which the generator counts as the limit

	seq      atomic.Uint64
	keyOf    func(seq uint64) uint64
	keySeqs  []atomic.Uint32
	inFlight atomic.Int64
	// frontier is the planned start below which no operation will begin any more.
	frontier atomic.Int64
	// unblocked is when a driver last gave the sender back after holding it up.
	unblocked atomic.Int64
	flights   sync.Pool
	outboxes  []outbox
	failure   atomic.Pointer[error]
}

// follower takes operations that are over, in batches of which it keeps nothing. It does not block.
type follower interface{ Ended(batch []reports.Ended) }

// outbox gathers the ends of operations, so that the ledger's lock is taken once for many.
type outbox struct {
	mu    sync.Mutex
	batch []reports.Ended
	trail []drivers.Attempt
	_     [64]byte
}

const outboxSize = 256

func newStream(spec *scenarios.Stream, env drivers.Env, slots *metrics.Slots, timing scenarios.Timing) *stream {
	shards := runtime.GOMAXPROCS(0)
	s := &stream{
		spec: spec, env: env, slots: slots, end: timing.Duration, maxLag: timing.MaxLag,
		policy:   newPolicy(spec, env.Seed),
		recorder: metrics.NewRecorder(slots, shards),
		outboxes: make([]outbox, shards),
		keyOf:    drivers.KeysOf(env.Seed, spec.Keys),
		keySeqs:  make([]atomic.Uint32, spec.Keys),
	}
	s.frontier.Store(math.MinInt64)
	s.unblocked.Store(math.MinInt64)
	if spec.Rate != nil && !spec.Rate.Max {
		s.pacer = spec.Rate.Pacer(timing.Warmup, timing.Duration, env.Seed)
	}
	return s
}

// streamSeed gives each stream draws of its own from the run's seed.
func streamSeed(seed int64, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return drivers.Draw(uint64(seed), h.Sum64(), 0)
}

// users is the number of users of the closed model.
func (s *stream) users() int {
	if s.spec.Rate != nil && s.spec.Rate.Max {
		return s.spec.MaxInFlight
	}
	return s.spec.Users
}

// sessions bounds the sessions open at once.
func sessions(spec *scenarios.Stream) int {
	if spec.Rate != nil {
		return spec.MaxInFlight
	}
	return spec.Users
}

// carrier takes flights to their end: by sessions or by a pipeline.
type carrier interface {
	// launch starts a flight and returns at once; over is called when the operation is over.
	launch(f *flight, over func())
	// ride returns what carries the flights of one user, one after the other: carry numbers the operation and blocks until it
	// is over. The user calls leave when it carries no more.
	ride() (carry func(*flight), leave func())
	// wait blocks until every flight is over and frees what carried them. Nothing is launched after.
	wait()
}

// run sends the stream's operations until the plan or admit ends, and returns when all are over. Cancelling fly ends
// the attempts under way.
func (s *stream) run(admit, fly context.Context) {
	defer s.frontier.Store(math.MaxInt64)
	s.replays.start(fly)
	loop := s.opened()
	c := s.carrier(fly, loop)
	switch {
	case s.pacer == nil:
		s.loop(admit, c)
	case loop != nil:
		s.arrivals(admit, c, turned{loop, fly})
	default:
		s.arrivals(admit, c, newAlarm())
	}
	c.wait()
	if loop != nil {
		if err := loop.Close(); err != nil {
			s.fail(err)
		}
	}
	s.flush()
	s.replays.finish(fly)
}

// loopRates are the arrivals a second that a loop carries: below, sessions cost next to nothing, and what they wait for comes to
// them sooner where processors are scarce; above, one goroutine may not carry them all.
var loopRates = struct{ from, to float64 }{1000, 40_000}

// opened is the driver's loop, nil when it has none or the stream is not for one.
func (s *stream) opened() drivers.Poller {
	l, ok := s.driver.(drivers.Polled)
	if !ok || s.pacer == nil {
		return nil
	}
	if peak := s.spec.Rate.Peak(); peak < loopRates.from || peak > loopRates.to {
		return nil
	}
	loop, err := l.Poller()
	if err != nil {
		s.fail(err)
		return nil
	}
	return loop
}

func (s *stream) carrier(fly context.Context, loop drivers.Poller) carrier {
	if loop != nil {
		return &pipeline{s: s, fly: fly, loop: loop}
	}
	if p, ok := s.driver.(drivers.Pipeline); ok {
		return &pipeline{s: s, fly: fly, driver: p}
	}
	return &crew{s: s, fly: fly}
}

// sleeper waits for arrivals.
type sleeper interface {
	// wait returns after d, or some time before; false when ctx has ended.
	wait(ctx context.Context, d time.Duration) bool
	close()
}

// catchUp bounds how late an arrival may still be sent after the sender was held up; later ones are dropped.
const catchUp = time.Second

// arrivals is the open model: it launches each operation at its planned start, whatever became of those before.
func (s *stream) arrivals(admit context.Context, c carrier, between sleeper) {
	land := func() { s.inFlight.Add(-1) }
	defer between.close()
	for n := uint64(0); ; n++ {
		due, ok := s.pacer.At(n)
		if !ok {
			return
		}
		s.frontier.Store(int64(due))
		now, ok := s.until(admit, between, due)
		if !ok {
			return
		}
		// What came due while the client library held us up, its buffers full of what the target does not take, is late by
		// the target's doing.
		lag := now - max(due, min(now, time.Duration(s.unblocked.Load())))
		slot := s.slots.At(due)
		s.policy.offered()
		switch {
		case now-due > catchUp:
			s.drop(n, due, slot, lag > catchUp, lag)
		case s.inFlight.Load() >= int64(s.spec.MaxInFlight):
			// Who held every slot is not known while the sender itself lags behind: a machine without time for either.
			s.drop(n, due, slot, lag > s.maxLag, lag)
		default:
			s.inFlight.Add(1)
			f := s.begin(n, due, slot, lag)
			s.number(f, n)
			c.launch(f, land)
		}
	}
}

// until waits for the planned start, and returns the time after it; false when admit ends first.
func (s *stream) until(admit context.Context, between sleeper, due time.Duration) (now time.Duration, ok bool) {
	for {
		if !between.wait(admit, due-s.env.Clock()) {
			return 0, false
		}
		if now = s.env.Clock(); now >= due {
			return now, true
		}
	}
}

// loop is the closed model: each user waits for its operation's end before the next. The planned start is the real one.
func (s *stream) loop(admit context.Context, c carrier) {
	var users sync.WaitGroup
	for user := range s.users() {
		users.Go(func() {
			carry, leave := c.ride()
			defer leave()
			for admit.Err() == nil {
				now := s.env.Clock()
				if now >= s.end {
					return
				}
				s.policy.offered()
				s.inFlight.Add(1)
				carry(s.begin(uint64(user), now, s.slots.At(now), metrics.NoLag))
				s.inFlight.Add(-1)
				if s.spec.Think > 0 && !sleep(admit, s.spec.Think) {
					return
				}
			}
		})
	}
	users.Wait()
}

// closedFrontier trails the clock, for a user that read the clock and has not begun its operation yet.
const closedFrontier = time.Second

// settledBelow is the planned start below which no operation will begin any more.
func (s *stream) settledBelow() time.Duration {
	frontier := time.Duration(s.frontier.Load())
	if s.pacer == nil && frontier != math.MaxInt64 {
		return s.env.Clock() - closedFrontier
	}
	return frontier
}

// begin opens an operation, which has no number yet. Flights of one shard share locks.
func (s *stream) begin(shard uint64, due time.Duration, slot int, lag time.Duration) *flight {
	f, _ := s.flights.Get().(*flight)
	if f == nil {
		f = &flight{}
	}
	f.start(due)
	f.slot, f.window, f.shard = slot, s.slots.Window(slot), shard
	s.recorder.Begin(shard, slot, lag)
	return f
}

// number makes f operation seq. Each number is given once, from 0, none left out.
func (s *stream) number(f *flight, seq uint64) { f.op = s.op(seq, f.op.Planned) }

// next makes f the next operation of the closed model.
func (s *stream) next(f *flight) { s.number(f, s.seq.Add(1)-1) }

// op makes operation seq. Its key is a pure function of the seed; its key sequence counts up in planned order.
func (s *stream) op(seq uint64, due time.Duration) drivers.Op {
	op := drivers.Op{Seq: seq, Planned: due}
	if s.spec.Keys > 0 {
		op.Keyed = true
		op.Key = s.keyOf(seq)
		op.KeySeq = uint64(s.keySeqs[op.Key].Add(1) - 1)
	}
	return op
}

// drop accounts for an arrival that could not be sent.
func (s *stream) drop(seq uint64, due time.Duration, slot int, ours bool, lag time.Duration) {
	s.recorder.Drop(seq, slot, ours, lag)
	s.post(seq, reports.Ended{Op: s.op(seq, due), Window: s.slots.Window(slot)})
}

// ready prepares the next attempt of f, which begins now; false when no time is left for one.
func (s *stream) ready(f *flight, now time.Duration) bool {
	f.attempt(now)
	f.at.Timeout = s.policy.timeout(f, now, s.spec.Timeout)
	return f.at.Timeout > 0
}

// again is ready, and returns the attempt's context, which f.land ends; nil when no time is left.
func (s *stream) again(fly context.Context, f *flight, now time.Duration) context.Context {
	if !s.ready(f, now) {
		return nil
	}
	return f.bound(fly, s.env.Epoch().Add(now+f.at.Timeout))
}

// finish closes an operation whose last attempt has landed, and takes the flight back.
func (s *stream) finish(f *flight) {
	e := f.ended()
	if s.results != nil && f.slot != metrics.Warmup {
		s.results.Ended(s.spec.Name, &e) // before the slot can be taken, see collector.gather
	}
	s.recorder.End(f.shard, f.slot, &e, s.spec.Timeout)
	s.post(f.shard, e)
	s.flights.Put(f)
}

// post hands the end of an operation to the followers, by way of the shard's outbox. The trail is copied: the flight goes on.
func (s *stream) post(shard uint64, e reports.Ended) {
	if len(s.followers) == 0 {
		return
	}
	o := &s.outboxes[shard%uint64(len(s.outboxes))]
	o.mu.Lock()
	defer o.mu.Unlock()
	from := len(o.trail)
	o.trail = append(o.trail, e.Trail...)
	e.Trail = o.trail[from:len(o.trail):len(o.trail)]
	o.batch = append(o.batch, e)
	if len(o.batch) >= outboxSize {
		o.deliver(s.followers)
	}
}

// deliver empties the outbox to the followers, under the outbox's lock.
func (o *outbox) deliver(to []follower) {
	if len(o.batch) == 0 {
		return
	}
	for _, f := range to {
		f.Ended(o.batch)
	}
	o.batch, o.trail = o.batch[:0], o.trail[:0]
}

// flush hands over what the outboxes hold.
func (s *stream) flush() {
	if len(s.followers) == 0 {
		return
	}
	for i := range s.outboxes {
		o := &s.outboxes[i]
		o.mu.Lock()
		o.deliver(s.followers)
		o.mu.Unlock()
	}
}

// fail keeps the first failure of the harness itself.
func (s *stream) fail(err error) {
	err = fmt.Errorf("stream %s: %w", s.spec.Name, err)
	s.failure.CompareAndSwap(nil, &err)
}

func (s *stream) failed() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// sleep waits for d, false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
