// Package answers keeps the evidence of answers that failed a stream's own checks. It counts nothing: the stream's error codes do.
package answers

import (
	"cmp"
	"slices"
	"sync"

	"wringer/drivers"
	"wringer/reports"
)

// Kind is the kind of the evidence in violations.jsonl.
const Kind = "check_failed"

// Evidence follows a stream, and keeps the first operations of each window of which an answer failed a check. It is safe for
// concurrent use.
type Evidence struct {
	config reports.CheckConfig

	mu   sync.Mutex
	kept [][]reports.Violation // by window
}

// New returns an Evidence of the stream that config describes.
func New(config reports.CheckConfig) *Evidence {
	return &Evidence{config: config, kept: make([][]reports.Violation, len(config.Windows))}
}

// Ended implements reports.FollowsEnds.
func (e *Evidence) Ended(batch []reports.Ended) {
	for i := range batch {
		one := &batch[i]
		failed := slices.IndexFunc(one.Trail, func(at drivers.Attempt) bool { return at.Code == drivers.CodeCheck })
		if failed >= 0 && one.Window >= 0 {
			e.keep(one, failed)
		}
	}
}

func (e *Evidence) keep(one *reports.Ended, failed int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.kept[one.Window]) >= reports.EvidenceLimit {
		return
	}
	planned, sent, done := int64(one.Op.Planned), int64(one.Sent), int64(one.Done)
	v := reports.Violation{
		Kind: Kind, Stream: e.config.Stream, Window: e.config.Windows[one.Window], ID: e.config.Identity.Text(one.Op.Seq), Seq: one.Op.Seq,
		Outcome: one.Outcome.String(), PlannedNS: &planned, SentNS: &sent, DoneNS: &done, Why: one.Trail[failed].Detail,
	}
	for i := range one.Trail {
		at := &one.Trail[i]
		v.Attempts = append(v.Attempts, reports.Try{
			SentNS: int64(max(at.Sent, at.Begun)), DoneNS: int64(at.Done), Outcome: at.Outcome.String(), Code: at.Code, Detail: at.Detail,
		})
	}
	e.kept[one.Window] = append(e.kept[one.Window], v)
}

// Finish implements reports.Check.
func (e *Evidence) Finish(reports.Completeness) reports.Findings {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []reports.Violation
	for _, kept := range e.kept {
		slices.SortFunc(kept, func(a, b reports.Violation) int { return cmp.Compare(a.Seq, b.Seq) })
		all = append(all, kept...)
	}
	return reports.Findings{Violations: all}
}
