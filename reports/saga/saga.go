// Package saga checks the operations that take effect in several places, of which each effect can be undone by a compensation of its
// own.
//
// # The rule
//
// When observation is over, one of these holds of every operation that was sent:
//
//   - it has every effect, and no compensation;
//   - it has some effect, each of its effects has exactly one compensation, and no other place has one;
//   - it was not acked, and has none of either.
//
// Every other operation violates the saga. An effect that is there twice is a duplicate of its place, and no matter of the rule.
//
// # How long an operation was mixed
//
// From its first sighting on an operation is mixed, until what was seen of it is whole: every effect and no compensation, or a
// compensation for each effect. The time counts once an operation is whole and over. One that never became whole counts as longer
// than every time. Being mixed is no violation.
//
// # Cost
//
// Each operation costs three bits for each place, and nothing for a place of which a whole page of 4,096 has the same. The
// histories of operations that are not whole are kept in a bounded table: beyond it the counts stay exact, and the evidence has no
// times.
package saga

import (
	"maps"
	"slices"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/reports/pages"
)

// Config describes one stream.
type Config struct {
	reports.CheckConfig
	// Compensations holds, by the place of an effect, the place of its compensation.
	Compensations map[string]string
	// KeyOf is the key of an operation, for the evidence; nil: there are none.
	KeyOf func(seq uint64) uint64
	// EvidencePerWindow bounds the evidence of one window. 0: 100.
	EvidencePerWindow int
}

// bounds of the memory beyond the bits of each operation.
const (
	mostStories     = 1 << 17
	horizon         = 1 << 20 // operations beyond the highest that ended that are believed
	defaultEvidence = 100
)

// Check follows the places of one stream. Its methods are safe for concurrent use.
type Check struct {
	mu       sync.Mutex
	config   Config
	identity drivers.IdentityReader
	effects  []string // places of effects, in order; compensations[i] undoes effects[i]
	pages    pages.Directory[page]
	stories  map[uint64]*story
	limit    int // of stories
	planned  uint64
	cells    []Cell // by window
	// Reasons why something is not known; empty when it is.
	countUnknown, timeUnknown string
	closed                    bool
}

// New opens the check.
func New(c Config) *Check {
	if c.EvidencePerWindow <= 0 {
		c.EvidencePerWindow = defaultEvidence
	}
	return &Check{
		config: c, identity: c.Identity.Reader(), effects: slices.Sorted(maps.Keys(c.Compensations)), stories: make(map[uint64]*story),
		limit: mostStories, cells: make([]Cell, len(c.Windows)),
	}
}

// story is what is known of an operation that is not whole and over.
type story struct {
	ended               bool
	planned, sent, done time.Duration
	outcome             drivers.Outcome
	tries               []reports.Try
	seen                []reports.Sighting
	// since is the time from which on the operation is mixed; mixed is how long it was so before.
	since, mixed time.Duration
	isMixed      bool
}

// mostSightings bounds the sightings of one story, mostTries its attempts.
const (
	mostSightings = 32
	mostTries     = 8
)

// Ended implements reports.FollowsEnds.
func (c *Check) Ended(batch []reports.Ended) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		if !c.closed {
			c.ended(&batch[i])
		}
	}
}

func (c *Check) ended(e *reports.Ended) {
	seq := e.Op.Seq
	c.planned = max(c.planned, seq+1)
	p, i := c.pages.At(seq)
	p.end(i, e.Outcome, int16(e.Window+1))
	s := c.story(seq)
	if s == nil {
		return
	}
	s.ended, s.planned, s.sent, s.done, s.outcome = true, e.Op.Planned, e.Sent, e.Done, e.Outcome
	for k := range e.Trail {
		if len(s.tries) < mostTries {
			s.tries = append(s.tries, try(&e.Trail[k]))
		}
	}
	c.settle(seq, p, i, s)
}

func try(a *drivers.Attempt) reports.Try {
	return reports.Try{SentNS: int64(a.Sent), DoneNS: int64(a.Done), Outcome: a.Outcome.String(), Code: a.Code, Detail: a.Detail}
}

// story returns what is known of an operation; nil when there is no room.
func (c *Check) story(seq uint64) *story {
	s := c.stories[seq]
	if s == nil && len(c.stories) < c.limit {
		s = &story{}
		c.stories[seq] = s
	}
	if s == nil {
		c.timeUnknown = "more operations than there is room for were not whole at once"
	}
	return s
}

// SeenIn returns what takes the deliveries of a place; nil when the place is no part of the saga.
func (c *Check) SeenIn(name string) reports.FollowsDeliveries {
	for n, effect := range c.effects {
		switch name {
		case effect:
			return part{c, n, false}
		case c.config.Compensations[effect]:
			return part{c, n, true}
		}
	}
	return nil
}

// part is one place of the saga.
type part struct {
	check        *Check
	number       int // of the effect
	compensation bool
}

func (p part) name() string {
	if p.compensation {
		return p.check.config.Compensations[p.check.effects[p.number]]
	}
	return p.check.effects[p.number]
}

// Seen implements reports.FollowsDeliveries.
func (p part) Seen(batch []drivers.Delivery) {
	c := p.check
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	for i := range batch {
		d := &batch[i]
		if d.Anew {
			c.startAnew(p)
			continue
		}
		if seq, b := c.identity.Parse(d.ID); b == drivers.Ours {
			c.seen(p, seq, d)
		}
	}
}

// startAnew takes back what was seen in a place.
func (c *Check) startAnew(of part) {
	c.timeUnknown = "effects that were seen in " + of.name() + " are gone"
	c.pages.Each(func(_ uint64, p *page) {
		if p.parts != nil {
			*p.of(of) = marks{}
		}
	})
}

func (c *Check) seen(of part, seq uint64, d *drivers.Delivery) {
	if seq >= c.planned+horizon {
		c.countUnknown = "an operation was seen far ahead of what had ended"
		return
	}
	p, i := c.pages.At(seq)
	p.need(len(c.effects))
	m := p.of(of)
	if d.Redelivered && m.view.Has(i) {
		return // no second effect
	}
	first := !m.view.Has(i)
	if first {
		pages.Mark(&m.view, i, &m.nView)
	}
	if !d.Provisional {
		m.count(i)
	}
	if d.Provisional && !first {
		return
	}
	s := c.story(seq)
	if s == nil {
		return
	}
	if len(s.seen) < mostSightings && (first || !d.Provisional) {
		sighting := reports.SightingAt(d.Position, int64(d.At))
		sighting.Place = of.name()
		s.seen = append(s.seen, sighting)
	}
	if first {
		s.follow(d.At, p.whole(i, true))
	}
	c.settle(seq, p, i, s)
}

// follow takes the time of a sighting, after which the operation is whole or not.
func (s *story) follow(at time.Duration, whole bool) {
	switch {
	case !s.isMixed && !whole:
		s.isMixed, s.since = true, at
	case s.isMixed && whole:
		s.isMixed = false
		s.mixed += max(0, at-s.since)
	}
}

// settle lets go of an operation that is over and whole.
func (c *Check) settle(seq uint64, p *page, i uint, s *story) {
	if !s.ended || s.isMixed || !p.whole(i, true) || !p.whole(i, false) {
		return
	}
	delete(c.stories, seq)
	if cell := p.cells.At(i); cell > 0 && p.state(i).sent() {
		c.cells[cell-1].Times.Record(s.mixed)
	}
}

// Cell holds the times of one window.
type Cell struct {
	Times metrics.Hist
	// Never counts the operations that were mixed to the end, Unknown those of which the time is not known.
	Never, Unknown int64
}

// Count is the number of operations that have a time, or would have one.
func (c *Cell) Count() int64 { return c.Times.Count() + c.Never + c.Unknown }

func (c *Cell) merge(o *Cell) {
	c.Times.Merge(&o.Times)
	c.Never += o.Never
	c.Unknown += o.Unknown
}

// Measures sums the cell up; nil if nothing counts.
func (c *Cell) Measures() *reports.EffectTimes {
	l := c.Times.Summary(c.Count())
	if l == nil {
		return nil
	}
	return &reports.EffectTimes{Latency: *l, Count: c.Count(), Unknown: c.Unknown}
}
