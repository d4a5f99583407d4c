package requests

import (
	"fmt"
	"time"

	"wringer/reports"
)

// Span is an interval of the run, [Start, End). That of the drain has no length.
type Span struct{ Start, End time.Duration }

// End tells that the measured part ended at a time, maybe before its plan. Intervals that begin later belong to the drain.
func (a *Account) End(ended time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := len(a.cells) - 1
	for i := range a.cuts[:len(a.cuts)-1] {
		if a.cuts[i] >= ended {
			a.cells[last].add(&a.cells[i+1])
			a.cells[i+1] = cell{}
		}
	}
	for i := range a.seconds {
		if a.seconds[i].StartNS >= int64(ended) {
			a.seconds = a.seconds[:i]
			break
		}
	}
}

// Between sums up the intervals that begin within some spans, or with them. Each span begins and ends at one of the Cuts.
func (a *Account) Between(spans []Span) reports.LinkMeasures {
	a.mu.Lock()
	defer a.mu.Unlock()
	var sum cell
	for i, start := range a.cuts {
		for _, s := range spans {
			if start >= s.Start && (start < s.End || start == s.Start) {
				sum.add(&a.cells[i+1])
				break
			}
		}
	}
	return a.measures(&sum)
}

// In counts the requests that came in some seconds of the run.
func (a *Account) In(seconds []int) (n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, second := range seconds {
		if second < len(a.seconds) {
			n += a.seconds[second].Requests
		}
	}
	return n
}

func (c *cell) add(o *cell) {
	c.requests += o.requests
	c.cut += o.cut
	c.answered += o.answered
	c.twice += o.twice
	c.tied += o.tied
	c.most = max(c.most, o.most)
	for _, words := range []struct {
		to   *map[string]int64
		from map[string]int64
	}{{&c.statuses, o.statuses}, {&c.kinds, o.kinds}, {&c.without, o.without}} {
		for word, n := range words.from {
			if *words.to == nil {
				*words.to = make(map[string]int64)
			}
			(*words.to)[word] += n
		}
	}
}

// measures is a cell as the record has it. A count of 0 that may be more is null.
func (a *Account) measures(c *cell) reports.LinkMeasures {
	found := func(n int64, open bool) *int64 {
		if open && n == 0 {
			return nil
		}
		return &n
	}
	blind := a.unknown != ""
	m := reports.LinkMeasures{
		Requests: found(c.requests, blind), Answered: found(c.answered, blind), Statuses: words(c.statuses), Kinds: words(c.kinds),
	}
	if !blind {
		m.RequestsCut = &c.cut
	}
	if a.config.Identity != "" {
		var without int64 // those that are still arriving too
		for _, n := range c.without {
			without += n
		}
		m.UnidentifiedKinds = c.without
		open := blind || a.full || without > 0
		m.ArrivedTwice, m.MaxArrivals, m.Unidentified = found(c.twice, open), found(c.most, open), found(without, blind)
	}
	if len(a.pairs) > 0 {
		m.Tied = found(c.tied, blind)
	}
	return m
}

// words are counts by word, never nil.
func words(counts map[string]int64) map[string]int64 {
	if counts == nil {
		return map[string]int64{}
	}
	return counts
}

// Unknown is the reason why counts are lower bounds; empty when they are not.
func (a *Account) Unknown() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.blind > 1 {
		return fmt.Sprintf("%s; %s connections in all", a.unknown, reports.Count(a.blind))
	}
	return a.unknown
}

// Forgot is the reason why identities that arrived again may be missing, beside Unknown; empty when none can.
func (a *Account) Forgot() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.full {
		return fmt.Sprintf("more than %s identities arrived, and no more are told apart", reports.Count(identityBound))
	}
	return ""
}

// Tie is what tied requests to operations: identity, trace, or both; empty when nothing did.
func (a *Account) Tie() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ties[0] > 0 && a.ties[1] > 0:
		return "identity and trace"
	case a.ties[0] > 0:
		return "identity"
	case a.ties[1] > 0:
		return "trace"
	}
	return ""
}

// Identity is where each request carries its identity, as the scenario writes it.
func (a *Account) Identity() string { return a.config.Identity }

// Methods are those whose requests carry an identity; empty: all.
func (a *Account) Methods() []string { return a.config.Methods }

// Pairs are the streams that were added.
func (a *Account) Pairs() []*Pair { return a.pairs }

// Seconds are the rows of the measured part.
func (a *Account) Seconds() []reports.LinkSecond {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]reports.LinkSecond{}, a.seconds...)
}
