package runner

import (
	"context"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// replays sends a share of the acknowledged operations again, beside the stream and apart from its counts. Operations
// come by way of the outboxes, so up to a second after their end. Each is probed once, in one way; which ones, and how,
// depends on the seed. Those of the warm-up are not. A nil *replays does nothing.
type replays struct {
	s        *stream
	replayer drivers.Replayer
	kinds    []drivers.ReplayKind
	jobs     chan replayJob
	workers  sync.WaitGroup
	stop     context.CancelFunc

	mu       sync.Mutex
	windows  []replayTally // by window, whose names are names
	names    []string
	evidence []reports.Violation
}

type replayJob struct {
	op     drivers.Op
	window int
	first  drivers.Answer
	kind   drivers.ReplayKind
}

type replayTally struct {
	kinds   map[string]reports.ReplayCounts
	skipped int64
}

const (
	replayWorkers = 8
	// replayQueue bounds what waits. An operation for which there is no room is skipped, and told.
	replayQueue = 1024
	// replayGrace is how long replays go on after the stream's last operation.
	replayGrace = 5 * time.Second
	// The places of the draws that choose operations, and the kind of each.
	replayPlace, replayKindPlace = 1<<62 + 1, 1<<62 + 2
)

// chosen says which operations are replayed.
func chosen(seed uint64, share float64) func(seq uint64) bool {
	return func(seq uint64) bool { return drivers.DrawUnit(drivers.Draw(seed, seq, replayPlace)) < share }
}

func newReplays(s *stream, replayer drivers.Replayer, names []string) *replays {
	return &replays{
		s: s, replayer: replayer, kinds: replayer.Replays(),
		jobs: make(chan replayJob, replayQueue), windows: make([]replayTally, len(names)), names: names,
	}
}

// Ended implements follower: it takes note of what will be replayed.
func (r *replays) Ended(batch []reports.Ended) {
	for i := range batch {
		e := &batch[i]
		if e.Outcome != drivers.Acked || e.Window == reports.WindowWarmup || !r.s.env.Replay(e.Op.Seq) {
			continue
		}
		kind := r.kinds[drivers.DrawBelow(drivers.Draw(r.s.env.Seed, e.Op.Seq, replayKindPlace), uint64(len(r.kinds)))]
		job := replayJob{e.Op, e.Window, firstAnswer(e.Trail), kind}
		select {
		case r.jobs <- job:
		default:
			r.skip(job)
		}
	}
}

// firstAnswer is the answer of the attempt that was acknowledged.
func firstAnswer(trail []drivers.Attempt) drivers.Answer {
	for i := range trail {
		if trail[i].Outcome == drivers.Acked {
			return trail[i].Answer
		}
	}
	return drivers.Answer{}
}

// start lets the workers begin. Cancelling fly ends the replays under way.
func (r *replays) start(fly context.Context) {
	if r == nil {
		return
	}
	ctx, stop := context.WithCancel(fly)
	r.stop = stop
	for range replayWorkers {
		r.workers.Go(func() {
			for job := range r.jobs {
				if ctx.Err() != nil {
					r.skip(job)
					continue
				}
				r.probe(ctx, job)
			}
		})
	}
}

// finish waits for the replays, for a while: no operation ends any more.
func (r *replays) finish(fly context.Context) {
	if r == nil {
		return
	}
	close(r.jobs)
	limit := time.AfterFunc(replayGrace, r.stop)
	r.workers.Wait()
	limit.Stop()
	r.stop()
}

func (r *replays) probe(ctx context.Context, job replayJob) {
	ctx, cancel := context.WithTimeout(ctx, r.s.spec.Timeout)
	defer cancel()
	result := r.replayer.Replay(ctx, &job.op, job.first, job.kind)
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.windows[job.window]
	if w.kinds == nil {
		w.kinds = make(map[string]reports.ReplayCounts)
	}
	k := w.kinds[job.kind.String()]
	k.Sent++
	switch result.Judgement {
	case drivers.ReplayHonoured:
		k.Honoured++
	case drivers.ReplayViolation:
		k.Violations++
		r.testify(&job, &result)
	case drivers.ReplayDeviation:
		k.Deviations++
	default:
		k.Undecided++
	}
	w.kinds[job.kind.String()] = k
}

func (r *replays) skip(job replayJob) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows[job.window].skipped++
}

// testify keeps the evidence of a violation, as much as a record takes of each window.
func (r *replays) testify(job *replayJob, result *drivers.Replay) {
	window := job.window
	if r.windows[window].kinds[job.kind.String()].Violations > reports.EvidenceLimit {
		return
	}
	planned := int64(job.op.Planned)
	v := reports.Violation{
		Kind: "replay_violation", Stream: r.s.spec.Name, Window: r.names[window], ID: r.s.env.Identity.Text(job.op.Seq),
		Seq: job.op.Seq, Outcome: drivers.Acked.String(), PlannedNS: &planned, Why: job.kind.String() + " replay: " + result.Why,
	}
	if job.op.Keyed {
		v.Key = string(drivers.AppendKey(nil, job.op.Key))
	}
	for _, at := range result.Attempts {
		v.Attempts = append(v.Attempts, reports.Try{
			SentNS: int64(at.Sent), DoneNS: int64(at.Done), Outcome: at.Outcome.String(), Code: at.Code, Detail: at.Detail,
		})
	}
	r.evidence = append(r.evidence, v)
}
