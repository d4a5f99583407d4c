package scenarios

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"wringer/faults"
)

// Entry is one entry of `faults`: the thing that breaks, and the times, once or again and again. Its schedule gives planned
// faults; a run knows only these.
type Entry struct {
	Name    string         `yaml:"name" jsonschema:"required" jsonschema_description:"The fault's name, also of its windows."`
	At      *time.Duration `yaml:"at" jsonschema_description:"Time of the injection, from the end of the warm-up."`
	After   string         `yaml:"after" jsonschema_description:"Instead of at: the fault is injected when the fault of this name has ended, for the last time if that one is repeated."`
	Delay   time.Duration  `yaml:"delay" jsonschema_description:"With after: the delay."`
	For     time.Duration  `yaml:"for" worse:"more" jsonschema_description:"How long the fault lasts, each time. For a nemesis: how long the nemesis lasts."`
	Every   time.Duration  `yaml:"every" jsonschema_description:"The time from one beginning to the next, if the whole fault is repeated. If the fault's kind has its own every, times must be given too."`
	Times   int            `yaml:"times" jsonschema_description:"With every: the number of times in all. Absent: as often as it fits into the run."`
	Links   []string       `yaml:"links" jsonschema_description:"Instead of link: several links, from which grudge chooses."`
	Grudge  Grudge         `yaml:"grudge" jsonschema:"enum=all,enum=one,enum=halves,enum=majority,enum=leader,enum=ring" jsonschema_description:"The links to break: all of them (default), one, a half, the smallest majority, the leader (the first one), or ring: each in its turn for an equal share of the time. Drawn anew from the seed each time."`
	Nemesis *Nemesis       `yaml:"nemesis" jsonschema_description:"Injects faults without a time of their own, one at a time, on a schedule drawn from the seed. The entry itself breaks nothing."`

	// configs are the faults' configurations: one, or one for each link.
	configs []faults.Config
	at      *node
}

// Nemesis draws faults at random, from the seed (after Jepsen's).
type Nemesis struct {
	Choose []string `yaml:"choose" jsonschema:"required" jsonschema_description:"Names of faults without a time of their own."`
	Every  Range    `yaml:"every" jsonschema:"required" jsonschema_description:"From one injection to the next: 5s, or drawn evenly from 5s..15s. The next injection waits until the last fault is healed."`
	For    Range    `yaml:"for" jsonschema:"required" jsonschema_description:"How long each fault lasts: 2s, or drawn evenly from 1s..4s."`
}

// Grudge decides which of several links are broken together.
type Grudge string

const (
	GrudgeAll      Grudge = "all"
	GrudgeOne      Grudge = "one"
	GrudgeHalves   Grudge = "halves"
	GrudgeMajority Grudge = "majority"
	GrudgeLeader   Grudge = "leader"
	GrudgeRing     Grudge = "ring"
)

// Range is a time, or one drawn evenly between two.
type Range struct {
	From time.Duration `yaml:"-"`
	To   time.Duration `yaml:"-"`
}

// UnmarshalText reads 5s or 5s..15s.
func (r *Range) UnmarshalText(text []byte) error {
	from, to, two := strings.Cut(string(text), "..")
	var err error
	if r.From, err = parseDuration(strings.TrimSpace(from)); err != nil {
		return err
	}
	r.To = r.From
	if two {
		if r.To, err = parseDuration(strings.TrimSpace(to)); err != nil {
			return err
		}
	}
	switch {
	case r.From == 0:
		return fmt.Errorf("must be more than 0")
	case r.To < r.From:
		return fmt.Errorf("%s ends before it begins: write the shorter time first, as in 5s..15s", text)
	}
	return nil
}

// draw takes whole milliseconds, so that a plan is easy to read.
func (r Range) draw(rng *rand.Rand) time.Duration {
	return r.From + time.Duration(rng.Uint64N(uint64((r.To-r.From)/time.Millisecond)+1))*time.Millisecond
}

// Fault is one planned fault: injected at At, healed at At + For.
type Fault struct {
	Name    string
	At, For time.Duration
	Config  faults.Config
	// Round counts the planned faults of one name from 1; 0 where there is only one.
	Round int

	at *node
}

// End is when the fault is healed.
func (f *Fault) End() time.Duration { return f.At + f.For }

// Label names the planned fault apart from others of its name.
func (f *Fault) Label() string { return faults.Label(f.Name, f.Round) }

// Reseed gives the scenario another seed, and draws the random part of its schedule from it.
func (s *Scenario) Reseed(seed int64) {
	s.Seed = seed
	if len(s.entries) > 0 {
		s.Faults = expand(s.entries, s.Run.Duration, seed)
	}
}

// Drawn reports whether the seed decides the times or the targets of faults.
func (s *Scenario) Drawn() bool {
	return slices.ContainsFunc(s.entries, func(e Entry) bool {
		return e.Nemesis != nil || e.Grudge == GrudgeOne || e.Grudge == GrudgeHalves || e.Grudge == GrudgeMajority || e.Grudge == GrudgeRing
	})
}

// expand turns entries without problems into planned faults, in the order of the entries. It is a pure function: the same
// entries and seed give the same plan, and an entry's draws do not depend on the others.
func expand(entries []Entry, duration time.Duration, seed int64) []Fault {
	var plan []Fault
	for i := range entries {
		e := &entries[i]
		rng := rand.New(rand.NewPCG(uint64(seed), hash(e.Name)))
		start, ok := e.start(entries)
		switch {
		case e.Nemesis != nil:
			plan = append(plan, e.nemesis(entries, start, rng)...)
		case ok:
			for round := range e.rounds(start, duration) {
				plan = append(plan, e.strike(start+time.Duration(round)*e.Every, e.For, rng)...)
			}
		}
	}
	number(plan)
	return plan
}

// hash is FNV-1a.
func hash(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// number gives the planned faults of one name their rounds, by time.
func number(plan []Fault) {
	byName := make(map[string][]*Fault)
	for i := range plan {
		byName[plan[i].Name] = append(byName[plan[i].Name], &plan[i])
	}
	for _, rounds := range byName {
		if len(rounds) < 2 {
			continue
		}
		slices.SortStableFunc(rounds, func(a, b *Fault) int { return cmp.Compare(a.At, b.At) })
		for i, f := range rounds {
			f.Round = i + 1
		}
	}
}

// start is the first time of the entry; false when it has no time of its own. Circles were refused before.
func (e *Entry) start(entries []Entry) (time.Duration, bool) {
	switch {
	case e.At != nil:
		return *e.At, true
	case e.After == "":
		return 0, false
	}
	before := find(entries, e.After)
	start, ok := before.start(entries)
	return before.last(start) + e.Delay, ok
}

func find(entries []Entry, name string) *Entry {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return &entries[i]
}

// last is the last end of an entry that begins at start.
func (e *Entry) last(start time.Duration) time.Duration {
	return start + time.Duration(max(e.Times, 1)-1)*e.Every + e.For
}

// rounds is the number of times that the entry happens.
func (e *Entry) rounds(start, duration time.Duration) int {
	switch {
	case e.Times > 0:
		return e.Times
	case e.Every > 0 && start+e.For <= duration:
		return int((duration-start-e.For)/e.Every) + 1
	}
	return 1
}

// strike is one round of the entry: each of its links that the grudge chooses.
func (e *Entry) strike(at, length time.Duration, rng *rand.Rand) []Fault {
	var plan []Fault
	for i, c := range e.fallsUpon(rng) {
		f := Fault{Name: e.Name, At: at, For: length, Config: c, at: e.at}
		if e.Grudge == GrudgeRing {
			share := length / time.Duration(len(e.configs))
			f.At, f.For = at+time.Duration(i)*share, share
		}
		plan = append(plan, f)
	}
	return plan
}

// fallsUpon returns the links that the grudge chooses.
func (e *Entry) fallsUpon(rng *rand.Rand) []faults.Config {
	n := len(e.configs)
	drawn := slices.Clone(e.configs)
	if e.Grudge != GrudgeLeader && e.Grudge != GrudgeAll && e.Grudge != "" {
		rng.Shuffle(n, func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	}
	switch e.Grudge {
	case GrudgeOne, GrudgeLeader:
		return drawn[:1]
	case GrudgeHalves:
		return drawn[:n/2]
	case GrudgeMajority:
		return drawn[:n/2+1]
	}
	return drawn
}

// nemesis draws faults one after the other until the time of the entry is over. It leaves out one that would not end in time.
// The first is made to fit, so that at least one fault is always injected.
func (e *Entry) nemesis(entries []Entry, start time.Duration, rng *rand.Rand) []Fault {
	var plan []Fault
	for at := start; at < start+e.For; {
		chosen := find(entries, e.Nemesis.Choose[rng.IntN(len(e.Nemesis.Choose))])
		length, next := e.Nemesis.For.draw(rng), e.Nemesis.Every.draw(rng)
		if at == start {
			length = min(length, e.For)
		}
		if at+length <= start+e.For {
			plan = append(plan, chosen.strike(at, length, rng)...)
		}
		at += max(next, length)
	}
	return plan
}

// most is an upper bound of the entry's injections.
func (e *Entry) most(entries []Entry, duration time.Duration) int {
	if e.Nemesis == nil {
		start, ok := e.start(entries)
		if !ok {
			return 0
		}
		return e.rounds(start, duration) * len(e.configs)
	}
	widest := 0
	for _, name := range e.Nemesis.Choose {
		widest = max(widest, len(find(entries, name).configs))
	}
	shortest := max(e.Nemesis.Every.From, e.Nemesis.For.From)
	return (int(e.For/shortest) + 1) * widest
}
