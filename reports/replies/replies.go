// Package replies keeps the evidence of replies that answered nothing, or something else, with the story of their operations. It counts
// nothing: the stream's gauges do.
package replies

import (
	"cmp"
	"slices"
	"sync"

	"wringer/drivers"
	"wringer/reports"
)

const (
	// mostStrays is how many strays of one kind are kept.
	mostStrays = 4 * reports.EvidenceLimit
	// mostStories is how many operations that ended last are remembered: a stray may come after its operation has ended.
	mostStories = 1 << 14
)

// Evidence follows a stream that awaits replies. It is safe for concurrent use.
type Evidence struct {
	config reports.CheckConfig

	mu      sync.Mutex
	strays  map[string][]*stray // by kind
	waiting map[uint64][]*stray // those whose operation has not ended
	stories []story             // of the operations that ended last, by number
}

// stray is a reply, and the story of its operation; nil: it is not known.
type stray struct {
	drivers.Stray
	story *story
}

// story is an operation that ended.
type story struct {
	known               bool
	seq                 uint64
	window              int
	outcome             string
	planned, sent, done int64
	tries               []reports.Try // nil: a single acked attempt
}

// New returns an Evidence of the stream that config describes.
func New(config reports.CheckConfig) *Evidence {
	e := &Evidence{config: config, stories: make([]story, mostStories)}
	e.forget()
	return e
}

func (e *Evidence) forget() {
	e.strays, e.waiting = make(map[string][]*stray), make(map[uint64][]*stray)
}

// Stray takes a stray; nil: all that came before come anew.
func (e *Evidence) Stray(s *drivers.Stray) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s == nil {
		e.forget()
		return
	}
	if len(e.strays[s.Kind]) >= mostStrays {
		return
	}
	one := &stray{Stray: *s}
	e.strays[s.Kind] = append(e.strays[s.Kind], one)
	if s.Kind == drivers.StrayForeign {
		return
	}
	if past := &e.stories[s.Seq%mostStories]; past.known && past.seq == s.Seq {
		kept := *past
		one.story = &kept
		return
	}
	e.waiting[s.Seq] = append(e.waiting[s.Seq], one)
}

// Ended implements reports.FollowsEnds.
func (e *Evidence) Ended(batch []reports.Ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range batch {
		over := storyOf(&batch[i])
		e.stories[over.seq%mostStories] = over
		for _, one := range e.waiting[over.seq] {
			one.story = &over
		}
		delete(e.waiting, over.seq)
	}
}

func storyOf(one *reports.Ended) story {
	s := story{known: true, seq: one.Op.Seq, window: one.Window, outcome: one.Outcome.String(), planned: int64(one.Op.Planned), sent: int64(one.Sent), done: int64(one.Done)}
	if len(one.Trail) == 1 && one.Outcome == drivers.Acked {
		return s
	}
	for i := range one.Trail {
		at := &one.Trail[i]
		s.tries = append(s.tries, reports.Try{
			SentNS: int64(max(at.Sent, at.Begun)), DoneNS: int64(at.Done), Outcome: at.Outcome.String(), Code: at.Code, Detail: at.Detail,
		})
	}
	return s
}

// Finish implements reports.Check.
func (e *Evidence) Finish(reports.Completeness) reports.Findings {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []reports.Violation
	for _, kept := range e.strays {
		for _, one := range kept {
			if v, counts := e.violation(one); counts {
				all = append(all, v)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b reports.Violation) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Seen[0].AtNS, b.Seen[0].AtNS))
	})
	return reports.Findings{Violations: all}
}

// violation is the evidence of one stray. One of the warm-up counts for nothing.
func (e *Evidence) violation(one *stray) (v reports.Violation, counts bool) {
	window := e.config.WindowAt(one.At)
	v = reports.Violation{Kind: "reply_" + one.Kind, Stream: e.config.Stream, ID: one.Correlation, Seq: one.Seq, Why: one.Why,
		Seen: []reports.Sighting{{AtNS: int64(one.At)}}}
	if one.Kind != drivers.StrayForeign {
		v.ID = e.config.Identity.Text(one.Seq)
	}
	if s := one.story; s != nil {
		window = s.window
		v.Outcome, v.PlannedNS, v.SentNS, v.DoneNS, v.Attempts = s.outcome, &s.planned, &s.sent, &s.done, s.tries
		if v.Attempts == nil {
			v.Attempts = []reports.Try{{SentNS: s.sent, DoneNS: s.done, Outcome: s.outcome}}
		}
	}
	if window < 0 || window >= len(e.config.Windows) {
		return v, false
	}
	v.Window = e.config.Windows[window]
	return v, true
}
