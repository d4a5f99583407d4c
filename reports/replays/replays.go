// Package replays keeps the account of acknowledged operations that were sent again. It counts whether the target took a second
// result, by the window in which each operation was due and by the kind of the replay.
package replays

import (
	"slices"
	"sync"

	"wringer/drivers"
	"wringer/reports"
)

// Account counts replays by window and kind, and keeps evidence of violations. It is safe for concurrent use.
type Account struct {
	stream   string
	identity drivers.Identity
	names    []string // of the windows

	mu       sync.Mutex
	windows  []tally // by window
	evidence []reports.Violation
}

type tally struct {
	kinds   map[string]reports.ReplayCounts
	skipped int64
}

// New opens the account of a stream; windows are the names of its windows.
func New(stream string, identity drivers.Identity, windows []string) *Account {
	return &Account{stream: stream, identity: identity, names: windows, windows: make([]tally, len(windows))}
}

// Replayed takes the outcome of sending an operation of a window again.
func (r *Account) Replayed(window int, op *drivers.Op, kind drivers.ReplayKind, result *drivers.Replay) {
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
		if k.Violations < reports.EvidenceLimit {
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

// ReplaySkipped counts an operation of a window that was chosen and not sent again.
func (r *Account) ReplaySkipped(window int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows[window].skipped++
}

func (r *Account) addEvidence(window int, op *drivers.Op, kind drivers.ReplayKind, result *drivers.Replay) {
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

// Finish closes the account. Call it once, when the last replay is over.
func (r *Account) Finish(reports.Completeness) reports.Findings {
	r.mu.Lock()
	defer r.mu.Unlock()
	windows := make(map[string]*reports.Replays)
	var all []int
	for name, indices := range reports.ByName(r.names) {
		windows[name] = r.over(indices)
		all = append(all, indices...)
	}
	total := r.over(all)
	slices.SortStableFunc(r.evidence, func(a, b reports.Violation) int {
		if a.Window != b.Window {
			return slices.Index(r.names, a.Window) - slices.Index(r.names, b.Window)
		}
		return int(int64(a.Seq) - int64(b.Seq))
	})
	measure := func(m *reports.Measures, windows []int) { m.Replays = r.over(windows) }
	return reports.Findings{Violations: r.evidence, Measure: measure, Write: func(out *reports.Stream) {
		out.Total.Replays = total
		for name, m := range out.Windows {
			m.Replays = windows[name]
		}
	}}
}

// over sums up some windows.
func (r *Account) over(windows []int) *reports.Replays {
	kinds, skipped := make(map[string]reports.ReplayCounts), int64(0)
	for _, i := range windows {
		w := &r.windows[i]
		skipped += w.skipped
		for kind, k := range w.kinds {
			sum := kinds[kind]
			sum.Add(k)
			kinds[kind] = sum
		}
	}
	return reports.NewReplays(kinds, skipped)
}
