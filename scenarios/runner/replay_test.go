package runner

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

// replayed is a memory driver whose operations can be replayed; probe answers each replay.
type replayed struct {
	memory
	probe func(ctx context.Context, env *drivers.Env, op *drivers.Op, first drivers.Answer, kind drivers.ReplayKind) drivers.Replay
}

func (r *replayed) Open(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
	_, err := r.memory.Open(ctx, env)
	return r, err
}

func (*replayed) Describe() drivers.Description { return drivers.Description{Replay: true} }
func (*replayed) Replays() []drivers.ReplayKind { return drivers.ReplayKinds }

func (r *replayed) Replay(ctx context.Context, op *drivers.Op, first drivers.Answer, kind drivers.ReplayKind) drivers.Replay {
	return r.probe(ctx, &r.env, op, first, kind)
}

// keep acks at once, and keeps the answer as a driver would.
func keep(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
	ack(ctx, at, time.Millisecond)
	if at.Outcome == drivers.Acked && env.Replay(op.Seq) {
		at.Answer = drivers.Answer{Status: 200, Digest: op.Seq}
	}
}

func replayStream(share float64, r *replayed) scenarios.Stream {
	s := openStream("a", 100, &r.memory)
	s.Driver = r
	ratio := drivers.Ratio(share)
	s.Replay = &ratio
	return s
}

// Replays are kept apart from the stream's own operations, come from the measured part alone, and are the same in each run.
func TestReplaysAreApart(t *testing.T) {
	var runs [2][]uint64
	for i := range runs {
		bubble(t, func(t *testing.T) {
			var mu sync.Mutex
			r := &replayed{memory: memory{do: keep}}
			r.probe = func(ctx context.Context, env *drivers.Env, op *drivers.Op, first drivers.Answer, kind drivers.ReplayKind) drivers.Replay {
				mu.Lock()
				runs[i] = append(runs[i], op.Seq<<2|uint64(kind))
				mu.Unlock()
				sleep(ctx, time.Millisecond)
				if op.Planned < 0 || first.Digest != op.Seq || op.Seq == 0 {
					return drivers.Replay{Judgement: drivers.ReplayViolation, Why: "not the operation that was acknowledged"}
				}
				return drivers.Replay{Judgement: drivers.ReplayHonoured}
			}
			sc := scenario(t, scenarios.Timing{Warmup: 2 * time.Second, Duration: 10 * time.Second},
				[]scenarios.Stream{replayStream(0.2, r)}, "a.replay_violations == 0", "a.replays > 100", "a.errors == 0")
			run := mustRun(t, t.Context(), sc, Options{})
			total := run.Streams["a"].Total
			if run.Verdict != reports.Pass || total.Attempts != 1000 || total.Replays.Sent != int64(len(runs[i])) || total.Replays.Skipped != 0 {
				t.Errorf("%s: %q, attempts %d, replays %+v of %d", run.Verdict, run.Why, total.Attempts, total.Replays, len(runs[i]))
			}
		})
		slices.Sort(runs[i])
	}
	if len(runs[0]) < 150 || len(runs[0]) > 250 || !slices.Equal(runs[0], runs[1]) {
		t.Errorf("%d and %d replays of 1000 at 20 %%, or others", len(runs[0]), len(runs[1]))
	}
}

// A replay is sent a second after its operation's answer, and no sooner.
func TestReplaysWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &replayed{memory: memory{do: keep}}
		r.probe = func(_ context.Context, env *drivers.Env, op *drivers.Op, _ drivers.Answer, _ drivers.ReplayKind) drivers.Replay {
			if waited := env.Clock() - op.Planned; waited < time.Second || waited > 2500*time.Millisecond {
				return drivers.Replay{Judgement: drivers.ReplayViolation, Why: "sent after " + waited.String()}
			}
			return drivers.Replay{Judgement: drivers.ReplayHonoured}
		}
		sc := scenario(t, scenarios.Timing{Duration: 5 * time.Second}, []scenarios.Stream{replayStream(1, r)}, "a.replay_violations == 0", "a.replays > 450")
		if run := mustRun(t, t.Context(), sc, Options{}); run.Verdict != reports.Pass {
			t.Errorf("%s: %q", run.Verdict, run.Why)
		}
	})
}

func TestReplayViolationsFail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &replayed{memory: memory{do: keep}}
		r.probe = func(_ context.Context, env *drivers.Env, op *drivers.Op, _ drivers.Answer, kind drivers.ReplayKind) drivers.Replay {
			at := []drivers.Attempt{{Outcome: drivers.Acked, Sent: env.Clock(), Done: env.Clock()}}
			if kind == drivers.ReplayChanged {
				return drivers.Replay{Judgement: drivers.ReplayViolation, Why: "taken", Attempts: at}
			}
			return drivers.Replay{Judgement: drivers.ReplayHonoured, Attempts: at}
		}
		dir := t.TempDir()
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{replayStream(1, r)},
			"a.replay_violations == 0", "a.errors == 0")
		run := mustRun(t, t.Context(), sc, Options{Dir: filepath.Join(dir, "record")})
		changed := run.Streams["a"].Total.Replays.Kinds["changed"]
		if run.Verdict != reports.Fail || changed.Violations != changed.Sent || changed.Sent < 250 || !strings.Contains(run.Gates[0].Why, "during baseline") {
			t.Errorf("%s: %q, %+v", run.Verdict, run.Why, run.Streams["a"].Total.Replays)
		}
		rec, err := reports.Load(filepath.Join(dir, "record"))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(rec.Violations); n != reports.EvidenceLimit || rec.Violations[0].Kind != "replay_violation" || rec.Violations[0].Why != "changed replay: taken" {
			t.Errorf("%d violations, the first %+v", n, rec.Violations[0])
		}
	})
}

// A kind of replay that was never decided does not count as honoured. A violation without a gate is a finding.
func TestUndecidedReplaysAreInconclusive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &replayed{memory: memory{do: keep}}
		r.probe = func(_ context.Context, _ *drivers.Env, _ *drivers.Op, _ drivers.Answer, kind drivers.ReplayKind) drivers.Replay {
			if kind == drivers.ReplayConcurrent {
				return drivers.Replay{Why: "no answer: timeout"}
			}
			return drivers.Replay{Judgement: drivers.ReplayHonoured}
		}
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{replayStream(0.1, r)}, "a.replay_violations == 0")
		run := mustRun(t, t.Context(), sc, Options{})
		if g := run.Gates[0]; g.Verdict != reports.Inconclusive || g.Why != "no concurrent replay was decided" {
			t.Errorf("%s: %s", g.Verdict, g.Why)
		}
	})
}

// A target that delays replays delays neither the stream nor the end of the run. Replays that could not be sent are reported.
func TestStuckReplaysAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &replayed{memory: memory{do: keep}}
		r.probe = func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, _ drivers.Answer, _ drivers.ReplayKind) drivers.Replay {
			<-ctx.Done()
			return drivers.Replay{Why: "no answer: timeout"}
		}
		s := replayStream(1, r)
		s.Timeout = 30 * time.Second
		sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second, Drain: time.Second}, []scenarios.Stream{s}, "a.replay_violations == 0", "a.errors == 0")
		begun := time.Now()
		run := mustRun(t, t.Context(), sc, Options{})
		replays := run.Streams["a"].Total.Replays
		if run.Verdict != reports.Inconclusive || replays.Skipped < 900 || replays.Sent+replays.Skipped != 2000 || replays.Undecided != replays.Sent {
			t.Errorf("%s, %+v", run.Verdict, replays)
		}
		if elapsed := time.Since(begun); elapsed > 40*time.Second {
			t.Errorf("the run took %s of virtual time", elapsed)
		}
	})
}

// closedMesh has links without room for a witness.
type closedMesh struct{}

func (closedMesh) Link(name string) (faults.Link, error) { return closedLink(name), nil }
func (closedMesh) Close(context.Context) error           { return nil }

type closedLink string

func (l closedLink) Name() string { return string(l) }

func (closedLink) Dial(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }

var _ faults.Mesh = closedMesh{}

func TestWitnessNeedsALinkWithRoom(t *testing.T) {
	s := openStream("a", 100, &memory{do: keep})
	s.Driver = &witnessable{}
	s.Witness = true
	sc := scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{s}, "a.errors == 0")
	_, err := Run(t.Context(), sc, Options{Dir: t.TempDir(), Mesh: func(faults.Network, faults.DialFunc) (faults.Mesh, error) { return closedMesh{}, nil }})
	if err == nil || !strings.Contains(err.Error(), "no room for a witness") {
		t.Errorf("error %v", err)
	}
}

type witnessable struct{ memory }

func (*witnessable) Describe() drivers.Description { return drivers.Description{Witness: true} }
