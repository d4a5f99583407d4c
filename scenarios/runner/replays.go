package runner

import (
	"sync"

	"wringer/drivers"
	"wringer/reports"
)

// replayAccount counts replays by window and kind, and keeps evidence of violations. Safe for concurrent use.
type replayAccount struct {
	stream   string
	identity drivers.Identity
	names    []string // of the windows

	mu       sync.Mutex
	windows  []replayTally // by window
	evidence []reports.Violation
}

type replayTally struct {
	kinds   map[string]reports.ReplayCounts
	skipped int64
}

func newReplayAccount(stream string, identity drivers.Identity, windows []string) *replayAccount {
	return &replayAccount{stream: stream, identity: identity, names: windows, windows: make([]replayTally, len(windows))}
}

// Replayed implements traffic.ReplayAccount.
func (r *replayAccount) Replayed(window int, op *drivers.Op, kind drivers.ReplayKind, result *drivers.Replay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.windows[window]
	if w.kinds == nil {
		w.kinds = make(map[string]reports.ReplayCounts)
	}
	k := w.kinds[kind.String()]
	k.Sent++
	switch result.Judgement {
	case drivers.ReplayHonoured:
		k.Honoured++
	case drivers.ReplayViolation:
		if k.Violations <= reports.EvidenceLimit {
			r.addEvidence(window, op, kind, result)
		}
		k.Violations++
	case drivers.ReplayDeviation:
		k.Deviations++
	default:
		k.Undecided++
	}
	w.kinds[kind.String()] = k
}

// ReplaySkipped implements traffic.ReplayAccount.
func (r *replayAccount) ReplaySkipped(window int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows[window].skipped++
}

func (r *replayAccount) addEvidence(window int, op *drivers.Op, kind drivers.ReplayKind, result *drivers.Replay) {
	planned := int64(op.Planned)
	v := reports.Violation{
		Kind: "replay_violation", Stream: r.stream, Window: r.names[window], ID: r.identity.Text(op.Seq),
		Seq: op.Seq, Outcome: drivers.Acked.String(), PlannedNS: &planned, Why: kind.String() + " replay: " + result.Why,
	}
	if op.Keyed {
		v.Key = string(drivers.AppendKey(nil, op.Key))
	}
	for _, at := range result.Attempts {
		v.Attempts = append(v.Attempts, reports.Try{
			SentNS: int64(at.Sent), DoneNS: int64(at.Done), Outcome: at.Outcome.String(), Code: at.Code, Detail: at.Detail,
		})
	}
	r.evidence = append(r.evidence, v)
}
