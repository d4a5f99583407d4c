// Package churn strikes the members of a group of consumers on a schedule drawn from the seed, the same for every protocol: they leave,
// freeze or die, and come back.
package churn

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Config is the `churn:` part of a group.
type Config struct {
	Choose []string `yaml:"choose" jsonschema:"required,enum=leave,enum=freeze,enum=die" jsonschema_description:"What strikes, drawn each time: leave (in good order, and back later), freeze (neither reads nor heartbeats, and goes on later with what it had in hand), die (its connections end, what it had in hand is gone, and another takes its place later)."`
	Every  Span     `yaml:"every" jsonschema:"required" jsonschema_description:"From one strike to the next: 3s, or drawn evenly from 2s..5s. One that finds every member struck, or all but one, is left out."`
	For    Span     `yaml:"for" jsonschema:"required" jsonschema_description:"How long the member is away each time: 2s, or drawn evenly from 1s..4s. To be missed, one that froze or died must be away for longer than session."`
}

// Span is a duration, or a range from which a duration is drawn evenly.
type Span struct{ from, to time.Duration }

// UnmarshalText reads 3s or 2s..5s.
func (s *Span) UnmarshalText(text []byte) error {
	from, to, two := strings.Cut(string(text), "..")
	var err, err2 error
	s.from, err = time.ParseDuration(strings.TrimSpace(from))
	s.to = s.from
	if two {
		s.to, err2 = time.ParseDuration(strings.TrimSpace(to))
	}
	switch {
	case err != nil || err2 != nil:
		return fmt.Errorf("%q is no time: write 3s, or 2s..5s", text)
	case s.from > longestSpan || s.to > longestSpan:
		return fmt.Errorf("%s is more than a time may be (1000h)", text)
	case s.from < leastSpan:
		return fmt.Errorf("must be %v or more", leastSpan)
	case s.to < s.from:
		return fmt.Errorf("%s ends before it begins: write the shorter time first", text)
	}
	return nil
}

// draw takes whole milliseconds.
func (s Span) draw(rng *rand.Rand) time.Duration {
	return s.from + time.Duration(rng.Int64N(int64((s.to-s.from)/time.Millisecond)+1))*time.Millisecond
}

// The kinds of strikes.
const (
	Leave  = "leave"
	Freeze = "freeze"
	Die    = "die"
)

var strikeKinds = []string{Leave, Freeze, Die}

// leastSpan keeps a schedule from being endless.
const leastSpan = 10 * time.Millisecond

// longestSpan keeps sums of spans far from the end of time.Duration.
const longestSpan = 1000 * time.Hour

// maxStrikes bounds a schedule.
const maxStrikes = 10_000

// Check reports settings that are wrong, by the field below the stream's part.
func (c *Config) Check(problem func(field, message string)) {
	if len(c.Choose) == 0 {
		problem("group.churn.choose", "is empty: write one or more of "+strings.Join(strikeKinds, ", "))
	}
	if c.Every.from < leastSpan || c.For.from < leastSpan {
		problem("group.churn", fmt.Sprintf("every and for must be %v or more", leastSpan))
	}
	for _, kind := range c.Choose {
		if !slices.Contains(strikeKinds, kind) {
			problem("group.churn.choose", fmt.Sprintf("%q is not one of %s", kind, strings.Join(strikeKinds, ", ")))
		}
	}
}

// Strike is one absence of a member, on the run's clock.
type Strike struct {
	Kind    string
	Member  int // from 0
	At, End time.Duration
}

// Plan draws the strikes of a run of that length. It is a pure function of its arguments. A member suffers one strike at a
// time. At least one member stays, unless the group has only one. Every strike ends before the run does.
func (c *Config) Plan(members int, length time.Duration, seed uint64) []Strike {
	if c == nil {
		return nil
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	var all []Strike
	free := make([]time.Duration, members) // when each member is back
	for at := c.Every.draw(rng); at < length && len(all) < maxStrikes; at += c.Every.draw(rng) {
		s := Strike{Kind: c.Choose[rng.IntN(len(c.Choose))], At: at}
		s.End = at + c.For.draw(rng)
		var there []int
		for m, back := range free {
			if back <= at {
				there = append(there, m)
			}
		}
		if len(there) < min(2, members) || s.End > length {
			continue
		}
		s.Member = there[rng.IntN(len(there))]
		free[s.Member] = s.End
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b Strike) int { return cmp.Compare(a.At, b.At) })
	return all
}
