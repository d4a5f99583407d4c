package traffic

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// Config is the input of New. Spec, Env, Driver, Slots and Timing are required.
type Config struct {
	Spec   *scenarios.Stream
	Env    drivers.Env
	Driver drivers.Driver
	// Slots are the pieces of time by which counts are kept.
	Slots  *metrics.Slots
	Timing scenarios.Timing
	// Results takes every finished operation of the measured part. Nil: none.
	Results Results
	// Loop bounds the rates at which a driver's Loop is used. The zero value means DefaultLoopRates, and in virtual time none: a
	// loop waits in the kernel.
	Loop LoopRates
	// Virtual says that time is virtual (testing/synctest). The sender then waits with the runtime's timers alone, because a
	// timer of the kernel runs in real time.
	Virtual bool
	// Cuts are the injections of faults, by which operations are overtaken. Nil: none.
	Cuts *metrics.Cuts
}

// Results takes operations as they end, from many goroutines. Begin, Ended and Settled must not block, nor keep the event.
type Results interface {
	// Begin announces a stream before its first operation.
	Begin(begun reports.Begun)
	Ended(stream string, e *reports.Ended)
	// Settled says that every measured operation of the stream planned before until has ended and was passed to Ended.
	Settled(stream string, until time.Duration)
	// Finish is called once, when the traffic is over. It may block until everything is written. It returns what the record tells of
	// the rows of attempts; nil: nothing.
	Finish() *reports.Samples
}

// Concluding is an optional extra of Results that takes the record of the run and its evidence, after Finish. It must not block, nor
// keep them.
type Concluding interface {
	Conclude(run *reports.Run, evidence []reports.Violation)
}

// LoopRates are the arrivals a second between which a driver's Loop sends a stream.
type LoopRates struct{ From, To float64 }

// DefaultLoopRates are the rates at which a loop pays. Below From, sessions are cheap, and a waiting session is woken sooner
// when processors are scarce. Above To, one goroutine may be too slow for all arrivals.
var DefaultLoopRates = LoopRates{From: 1000, To: 40_000}

// Stream is one flow of operations. It plans operations, runs their attempts, counts finished operations and hands them to
// its followers. Run is called once. Follow and Replay are called before Run. The other methods are safe for concurrent use.
type Stream struct {
	spec     *scenarios.Stream
	env      drivers.Env
	driver   drivers.Driver
	pacer    scenarios.Pacer // nil: closed model
	policy   *policy
	outcomes map[string]drivers.Outcome // by code, from the scenario
	slots    *metrics.Slots
	recorder *metrics.Recorder
	replays  *replays // nil: no operation is replayed
	results  Results  // nil: none
	// followers receive each finished operation, up to a second later.
	followers []Follower
	end       time.Duration
	maxLag    time.Duration // a longer lag means that the generator is saturated
	loopRates LoopRates
	virtual   bool

	seq atomic.Uint64
	// taken counts the operations of the measured part in the closed model.
	taken    atomic.Int64
	keyOf    func(seq uint64) uint64
	keySeqs  []atomic.Uint32
	inFlight atomic.Int64
	// frontier is a planned start. No operation with an earlier one will begin any more.
	frontier atomic.Int64
	// unblocked is the last time at which a driver returned from a Send that had blocked.
	unblocked  atomic.Int64
	operations sync.Pool
	outboxes   []outbox
	failure    atomic.Pointer[error]
	shortage   atomic.Pointer[string] // the remedy of the first operation that never left
}

// New returns a stream that has sent nothing yet.
func New(c Config) *Stream {
	shards := runtime.GOMAXPROCS(0)
	s := &Stream{
		spec: c.Spec, env: c.Env, driver: c.Driver, slots: c.Slots, results: c.Results,
		end: c.Timing.Duration, maxLag: c.Timing.MaxLag, loopRates: c.Loop, virtual: c.Virtual,
		policy:   newPolicy(c.Spec, c.Env.Seed),
		outcomes: outcomesByCode(c.Spec.Outcomes, c.Spec.Describe().StatusPrefix),
		recorder: metrics.NewRecorder(c.Slots, shards),
		outboxes: make([]outbox, shards),
		keyOf:    drivers.KeysOf(c.Env.Seed, c.Spec.Keys),
		keySeqs:  make([]atomic.Uint32, c.Spec.Keys),
	}
	if s.loopRates == (LoopRates{}) && !s.virtual {
		s.loopRates = DefaultLoopRates
	}
	s.recorder.Cuts = c.Cuts
	s.frontier.Store(math.MinInt64)
	s.unblocked.Store(math.MinInt64)
	if c.Spec.Rate != nil && !c.Spec.Rate.Max {
		s.pacer = c.Spec.Rate.Pacer(c.Timing.Warmup, c.Timing.Duration, c.Env.Seed)
	}
	return s
}

// Seed derives a seed from the run's seed and a name, so that each stream and each fault draws numbers of its own.
func Seed(seed int64, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return drivers.Draw(uint64(seed), h.Sum64(), 0)
}

// Sessions is the most sessions that the stream has open at once.
func Sessions(spec *scenarios.Stream) int {
	if spec.Rate != nil {
		return spec.MaxInFlight
	}
	return spec.Users
}

// outcomesByCode turns a stream's `outcomes` into the outcome of each code. A bare number is a status, behind the driver's prefix.
func outcomesByCode(outcomes map[string][]string, statusPrefix string) map[string]drivers.Outcome {
	m := make(map[string]drivers.Outcome)
	for _, o := range []drivers.Outcome{drivers.Acked, drivers.Rejected, drivers.Indeterminate} {
		for _, code := range outcomes[o.String()] {
			if _, err := strconv.Atoi(code); err == nil {
				code = statusPrefix + code
			}
			m[strings.ToLower(code)] = o
		}
	}
	return m
}

// Closed says whether the stream is of the closed model: users that wait for each answer.
func (s *Stream) Closed() bool { return s.pacer == nil }

// Pipelined says whether the driver completes attempts by itself.
func (s *Stream) Pipelined() bool {
	_, ok := s.driver.(drivers.Pipeline)
	return ok
}

// InFlight is the number of operations under way.
func (s *Stream) InFlight() int64 { return s.inFlight.Load() }

// Longest is the longest time that one operation can take, with its retries.
func (s *Stream) Longest() time.Duration { return s.policy.longest(s.spec.Timeout) }

// Open returns the sums of the slots in which operations are still open or may still begin.
func (s *Stream) Open() map[int]*metrics.Cell { return s.recorder.Open() }

// Take removes and returns the slots that can no longer change. Every slot that ends before until has now been taken.
func (s *Stream) Take() (taken map[int]*metrics.Cell, until time.Duration) {
	return s.take(s.settledBelow())
}

// TakeRest is Take after the end of the traffic, also when Run did not return: no operation will begin any more.
func (s *Stream) TakeRest() (taken map[int]*metrics.Cell, until time.Duration) {
	return s.take(math.MaxInt64)
}

func (s *Stream) take(frontier time.Duration) (taken map[int]*metrics.Cell, until time.Duration) {
	taken, until = s.recorder.Take(frontier)
	if s.results != nil {
		s.results.Settled(s.spec.Name, until)
	}
	return taken, until
}

// Failed is the first failure of the harness itself, nil when there is none. A failure of the target is an outcome instead.
func (s *Stream) Failed() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Shortage says what to do about operations that were not sent, or not to their end, by the run's own doing; empty when all were.
func (s *Stream) Shortage() string {
	if remedy := s.shortage.Load(); remedy != nil {
		return *remedy
	}
	return ""
}

// Run sends the stream's operations until the plan or admit ends. It returns when all operations have ended. Cancelling ctx
// ends the attempts under way.
func (s *Stream) Run(admit, ctx context.Context) {
	defer s.frontier.Store(math.MaxInt64)
	s.recorder.Interrupted = func() bool { return ctx.Err() != nil }
	s.replays.start(ctx)
	loop := s.openLoop()
	e := s.executor(ctx, loop)
	switch {
	case s.pacer == nil:
		s.runUsers(admit, e)
	case loop != nil:
		s.runArrivals(admit, e, loopWaiter{loop, ctx})
	default:
		s.runArrivals(admit, e, newSleeper(s.virtual))
	}
	e.wait()
	if loop != nil {
		if err := loop.Close(); err != nil {
			s.fail(err)
		}
	}
	s.Flush()
	s.replays.finish()
}

// openLoop returns the driver's loop; nil when the driver has none or the stream's rate does not suit one.
func (s *Stream) openLoop() drivers.Poller {
	l, ok := s.driver.(drivers.Polled)
	if !ok || s.pacer == nil {
		return nil
	}
	if peak := s.spec.Rate.Peak(); peak < s.loopRates.From || peak > s.loopRates.To {
		return nil
	}
	loop, err := l.Poller()
	if err != nil {
		s.fail(err)
		return nil
	}
	return loop
}

// executor runs operations to their end: by sessions or by a pipeline.
type executor interface {
	// start starts an operation and returns at once. complete is called when the operation has ended.
	start(op *operation, complete func())
	// user returns the function by which one user runs its operations, one after the other. run numbers an operation and blocks
	// until the operation has ended. The user calls done after its last operation.
	user() (run func(*operation), done func())
	// wait blocks until every operation has ended, and frees the sessions. start is not called after wait.
	wait()
}

func (s *Stream) executor(ctx context.Context, loop drivers.Poller) executor {
	if loop != nil {
		return &pipeline{s: s, ctx: ctx, loop: loop}
	}
	if p, ok := s.driver.(drivers.Pipeline); ok {
		return &pipeline{s: s, ctx: ctx, driver: p}
	}
	return &sessionPool{s: s, ctx: ctx}
}

// closedFrontier is subtracted from the clock in the closed model: a user may have read the clock and not yet begun its
// operation.
const closedFrontier = time.Second

// settledBelow is a planned start. No operation with an earlier one will begin any more.
func (s *Stream) settledBelow() time.Duration {
	frontier := time.Duration(s.frontier.Load())
	if s.pacer == nil && frontier != math.MaxInt64 {
		return s.env.Clock() - closedFrontier
	}
	return frontier
}

// begin opens an operation, which has no number yet. Operations of one shard share locks.
func (s *Stream) begin(shard uint64, due time.Duration, slot int, lag time.Duration) *operation {
	op, _ := s.operations.Get().(*operation)
	if op == nil {
		op = &operation{}
	}
	op.reset(due)
	op.slot, op.window, op.shard = slot, s.slots.Window(slot), shard
	s.recorder.Begin(shard, slot, lag)
	return op
}

// number gives op its number. Numbers are given once each, from 0, without a gap.
func (s *Stream) number(op *operation, seq uint64) {
	attempt := op.op.Attempt
	op.op = s.numbered(seq, op.op.Planned)
	op.op.Attempt = attempt
}

// numberNext gives op the next number of the closed model.
func (s *Stream) numberNext(op *operation) { s.number(op, s.seq.Add(1)-1) }

// numbered returns operation seq. Its key is a pure function of the seed. Its key sequence counts up in planned order.
func (s *Stream) numbered(seq uint64, due time.Duration) drivers.Op {
	op := drivers.Op{Seq: seq, Planned: due}
	if s.spec.Keys > 0 {
		op.Keyed = true
		op.Key = s.keyOf(seq)
		op.KeySeq = uint64(s.keySeqs[op.Key].Add(1) - 1)
	}
	return op
}

// drop counts an arrival that could not be sent.
func (s *Stream) drop(seq uint64, due time.Duration, slot int, ours bool, lag time.Duration) {
	s.recorder.Drop(seq, slot, ours, lag)
	s.notify(seq, reports.Ended{Op: s.numbered(seq, due), Window: s.slots.Window(slot)})
}

// prepare makes op's next attempt ready, which begins now. It returns false when no time is left for an attempt.
func (s *Stream) prepare(op *operation, now time.Duration) bool {
	op.beginAttempt(now)
	op.at.Timeout = s.policy.timeout(op, now, s.spec.Timeout)
	return op.at.Timeout > 0
}

// finish closes an operation whose last attempt has ended, and reuses its memory.
func (s *Stream) finish(op *operation) {
	e := op.ended()
	if s.Closed() {
		e.User = int(op.shard) + 1
	}
	remedy := op.unsent()
	if remedy != "" {
		s.shortage.CompareAndSwap(nil, &remedy)
		e.Partly = op.partly()
	}
	if s.results != nil && op.slot != metrics.Warmup && remedy == "" {
		s.results.Ended(s.spec.Name, &e) // before the slot can be taken, see Take
	}
	switch {
	case remedy == "":
		s.recorder.End(op.shard, op.slot, &e, s.spec.Timeout)
	default:
		s.recorder.Unsend(op.shard, op.slot, &e, s.spec.Timeout)
		if !e.Partly {
			e = reports.Ended{Op: op.op, Window: op.window}
		}
	}
	s.notify(op.shard, e)
	s.operations.Put(op)
}

// fail keeps the first failure of the harness itself.
func (s *Stream) fail(err error) {
	err = fmt.Errorf("stream %s: %w", s.spec.Name, err)
	s.failure.CompareAndSwap(nil, &err)
}
