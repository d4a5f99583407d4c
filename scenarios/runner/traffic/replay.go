package traffic

import (
	"context"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// ReplayAccount keeps account of replays by window. Its methods are called from several goroutines and must not block.
type ReplayAccount interface {
	// Replayed takes the result of one replay of op.
	Replayed(window int, op *drivers.Op, kind drivers.ReplayKind, result *drivers.Replay)
	// ReplaySkipped counts an operation that was chosen and not replayed.
	ReplaySkipped(window int)
}

// replays sends a share of the acknowledged operations again, beside the stream and apart from its counts. Each is sent
// replayDelay after its answer, or later when the workers are busy: a target that forgets a key at once shows it. Each is replayed once, in one way. Which operations and which
// way depends on the seed. Operations of the warm-up are not replayed. A nil *replays does nothing.
type replays struct {
	s        *Stream
	replayer drivers.Replayer
	account  ReplayAccount
	kinds    []drivers.ReplayKind
	jobs     chan replayJob
	workers  sync.WaitGroup
	stop     context.CancelFunc
}

type replayJob struct {
	op     drivers.Op
	window int
	first  drivers.Answer
	kind   drivers.ReplayKind
	due    time.Duration // on the run's clock
}

const (
	replayWorkers = 8
	// replayQueue bounds the operations that wait. Beyond it an operation is skipped and counted as skipped.
	replayQueue = 8192
	// replayDelay is the least time between an answer and the replay of its operation.
	replayDelay = time.Second
	// replayGrace is how long replays go on after the stream's last operation.
	replayGrace = 5 * time.Second
	// The places of the draws that choose operations, and the kind of each.
	replayPlace, replayKindPlace = 1<<62 + 1, 1<<62 + 2
)

// ReplayChoice returns which operations are replayed: a share of them, drawn from the stream's seed.
func ReplayChoice(seed uint64, share float64) func(seq uint64) bool {
	return func(seq uint64) bool { return drivers.DrawUnit(drivers.Draw(seed, seq, replayPlace)) < share }
}

// Replay makes the stream replay operations and count them in account. It must be called before Run, for a stream whose Env
// chooses operations to replay. It returns false when the driver cannot replay.
func (s *Stream) Replay(account ReplayAccount) bool {
	replayer, ok := s.driver.(drivers.Replayer)
	if !ok {
		return false
	}
	s.replays = &replays{s: s, replayer: replayer, account: account, kinds: replayer.Replays(), jobs: make(chan replayJob, replayQueue)}
	s.Follow(s.replays)
	return true
}

// Ended implements Follower: it queues the operations that are to be replayed.
func (r *replays) Ended(batch []reports.Ended) {
	for i := range batch {
		e := &batch[i]
		if e.Outcome != drivers.Acked || e.Window == reports.WindowWarmup || !r.s.env.Replay(e.Op.Seq) {
			continue
		}
		kind := r.kinds[drivers.DrawBelow(drivers.Draw(r.s.env.Seed, e.Op.Seq, replayKindPlace), uint64(len(r.kinds)))]
		job := replayJob{e.Op, e.Window, firstAnswer(e.Trail), kind, e.Done + replayDelay}
		select {
		case r.jobs <- job:
		default:
			r.account.ReplaySkipped(job.window)
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

// start starts the workers. Cancelling ctx ends the replays under way.
func (r *replays) start(ctx context.Context) {
	if r == nil {
		return
	}
	ctx, r.stop = context.WithCancel(ctx)
	for range replayWorkers {
		r.workers.Go(func() {
			for job := range r.jobs {
				if !sleep(ctx, job.due-r.s.env.Clock()) {
					r.account.ReplaySkipped(job.window)
					continue
				}
				r.replay(ctx, job)
			}
		})
	}
}

// finish waits for the queued replays, at most replayGrace. No operation ends any more.
func (r *replays) finish() {
	if r == nil {
		return
	}
	close(r.jobs)
	grace := time.AfterFunc(replayGrace, r.stop)
	r.workers.Wait()
	grace.Stop()
	r.stop()
}

func (r *replays) replay(ctx context.Context, job replayJob) {
	ctx, cancel := context.WithTimeout(ctx, r.s.spec.Timeout)
	defer cancel()
	result := r.replayer.Replay(ctx, &job.op, job.first, job.kind)
	r.account.Replayed(job.window, &job.op, job.kind, &result)
}
