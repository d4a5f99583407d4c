package pressure

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/container/force"
)

// Limit is the fault `limit: {container: NAME, cpus, memory}`: a container's limits are lowered.
type Limit struct {
	Limit Limits `yaml:"limit" jsonschema:"required" jsonschema_description:"A container of the target gets less of the processors or of the memory. (With files, limit is a number.)"`
}

// Limits are the limits that a fault sets.
type Limits struct {
	Container string       `yaml:"container" jsonschema_description:"The container."`
	CPUs      float64      `yaml:"cpus" worse:"less" jsonschema_description:"The processors that it may use, as in 0.2."`
	Memory    faults.Bytes `yaml:"memory" worse:"less" jsonschema_description:"The memory that it may use, without swap, as in 64MiB. What it uses beyond that is reclaimed, or ends it."`
}

// UnmarshalText refuses the limit of a fault on files.
func (*Limits) UnmarshalText(text []byte) error {
	return fmt.Errorf("%q is a number for files; of a container write {container: NAME, cpus: 0.2, memory: 64MiB}", text)
}

const (
	leastCPUs   = 0.01                  // the engine's own
	leastMemory = faults.Bytes(6 << 20) // the engine's own
)

// Check implements faults.Config.
func (c *Limit) Check(problem func(field, message string)) {
	l := &c.Limit
	switch {
	case l.Container == "":
		problem("limit", "names no container: write {container: NAME, cpus: 0.2, memory: 64MiB}")
	case l.CPUs == 0 && l.Memory == 0:
		problem("limit", "limits nothing: give cpus, memory, or both")
	}
	if l.CPUs != 0 && l.CPUs < leastCPUs {
		problem("limit.cpus", fmt.Sprintf("%v is less than the engine takes: write %v or more", l.CPUs, leastCPUs))
	}
	if l.Memory != 0 && l.Memory < leastMemory {
		problem("limit.memory", fmt.Sprintf("%v is less than the engine takes: write %v or more", l.Memory, leastMemory))
	}
}

// Kind implements faults.Config.
func (*Limit) Kind() string { return "limit" }

// On implements faults.Config.
func (c *Limit) On() faults.Place { return faults.Place{Part: c.Limit.Container} }

// Seizes implements faults.Seizing.
func (c *Limit) Seizes() string { return c.Limit.Container }

// Excludes implements faults.Exclusive.
func (c *Limit) Excludes(other faults.Config) bool { return faults.SeizeTheSame(c, other) }

// Describe implements faults.Config.
func (c *Limit) Describe() faults.Description {
	var to []string
	if c.Limit.CPUs > 0 {
		to = append(to, fmt.Sprintf("%v processors", c.Limit.CPUs))
	}
	if c.Limit.Memory > 0 {
		to = append(to, fmt.Sprintf("%v of memory", c.Limit.Memory))
	}
	return faults.Description{Words: "limit " + c.Limit.Container + " to " + strings.Join(to, " and ")}
}

// Open implements faults.Config.
func (c *Limit) Open(env faults.Env) (faults.Fault, error) {
	box, err := boxOf(env, c.Limit.Container, "limit: it is no container")
	if err != nil {
		return nil, err
	}
	return force.New(c.Describe().Words, LimitUndoKind, env.Journal, &limit{to: c.Limit, container: box}), nil
}

func boxOf(env faults.Env, name, verb string) (*container.Container, error) {
	part, err := env.Part(name)
	if err != nil {
		return nil, err
	}
	box, ok := part.(*container.Container)
	if !ok {
		return nil, faults.ErrUnsupported{Part: name, Verb: verb}
	}
	return box, nil
}

// LimitUndoKind is the kind of a limit's entries in a journal.
const LimitUndoKind = "container-limit"

// limit implements force.Mechanism.
type limit struct {
	to        Limits
	container *container.Container
	left      leftLimit
	last      container.Usage // the counters as they were last read
	ended     int             // processes that had ended for want of memory before
	flagged   bool            // the engine had flagged its life for that before
	life      container.Life  // zero on another machine

	mu  sync.Mutex
	met met
}

// met is what a limit has held back.
type met struct {
	throttled       time.Duration
	periods         uint64 // in which it used up its processors
	hits, reclaimed uint64
	killed          int // processes, for want of memory
}

// leftLimit is what a killed run left: a container with lower limits.
type leftLimit struct {
	Place  container.Place  `json:"place"`
	Before container.Limits `json:"before"`
	CPUs   bool             `json:"cpus"`
	Memory bool             `json:"memory"`
}

// Prepare implements force.Mechanism. A limit that is no lower than the one that holds would do nothing.
func (l *limit) Prepare(ctx context.Context) (any, error) {
	c := l.container
	before, err := c.Engine().Limits(ctx, c.ID())
	if err != nil {
		return nil, err
	}
	if has := before.CPUs(); has > 0 && l.to.CPUs >= has {
		return nil, fmt.Errorf("container %s has %v processors already: write less", c.Name(), has)
	}
	if before.Memory > 0 && int64(l.to.Memory) >= before.Memory {
		return nil, fmt.Errorf("container %s has %v of memory already: write less", c.Name(), faults.Bytes(before.Memory))
	}
	l.left = leftLimit{Place: c.Place(), Before: before, CPUs: l.to.CPUs > 0, Memory: l.to.Memory > 0}
	c.CountKills(ctx)
	l.ended = c.OutOfMemory()
	l.life, _ = c.LifeHere(ctx) // elsewhere its processes are unknown
	if l.flagged, err = c.Engine().Flagged(ctx, c.ID()); err != nil {
		return nil, err
	}
	l.last, err = c.Engine().Usage(ctx, c.ID())
	return l.left, err
}

// Break implements force.Mechanism.
func (l *limit) Break(ctx context.Context) error {
	c := l.container
	return c.Engine().Limit(ctx, c.ID(), l.left.Before, l.to.CPUs, int64(l.to.Memory))
}

// Look implements force.Mechanism: it adds what was held back since the last look. The counters begin anew when the container starts
// again.
func (l *limit) Look(ctx context.Context) {
	c := l.container
	if l.left.Memory {
		c.CountKills(ctx)
		killed := c.OutOfMemory() - l.ended
		if killed == 0 && l.ended == 0 && !l.flagged && c.Engine().Starved(ctx, c.ID(), l.life) {
			killed = 1
		}
		l.mu.Lock()
		l.met.killed = max(l.met.killed, killed)
		l.mu.Unlock()
	}
	now, err := c.Engine().Usage(ctx, c.ID())
	if err != nil {
		return
	}
	last := l.last
	if now.Throttled < last.Throttled || now.ThrottledPeriods < last.ThrottledPeriods || now.LimitHits < last.LimitHits || now.Reclaimed < last.Reclaimed {
		last = container.Usage{}
	}
	l.last = now
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left.CPUs {
		l.met.throttled += now.Throttled - last.Throttled
		l.met.periods += now.ThrottledPeriods - last.ThrottledPeriods
	}
	if l.left.Memory {
		l.met.hits += now.LimitHits - last.LimitHits
		l.met.reclaimed += now.Reclaimed - last.Reclaimed
	}
}

// Mend implements force.Mechanism.
func (l *limit) Mend(ctx context.Context) error { return l.left.restore(ctx, l.container.Engine()) }

func (l *leftLimit) restore(ctx context.Context, e *container.Engine) error {
	return e.Restore(ctx, l.Place.ID, l.Before, l.CPUs, l.Memory)
}

// Whole implements force.Mechanism.
func (l *limit) Whole(ctx context.Context) error {
	c := l.container
	if l.left.Place.ID == "" {
		return nil // it was never in force
	}
	now, err := c.Engine().Limits(ctx, c.ID())
	if err != nil {
		return err
	}
	if now.CPUs() != l.left.Before.CPUs() || now.Memory != l.left.Before.Memory {
		return fmt.Errorf("container %s has %v processors and %d bytes of memory, and had %v and %d", c.Name(), now.CPUs(), now.Memory, l.left.Before.CPUs(), l.left.Before.Memory)
	}
	return c.Ready(ctx)
}

// Bite implements force.Mechanism.
func (l *limit) Bite() faults.Bite {
	l.mu.Lock()
	m := l.met
	l.mu.Unlock()
	var words []string
	if m.throttled > 0 || m.periods > 0 {
		words = append(words, fmt.Sprintf("%d waits for processors, %v in all", m.periods, m.throttled.Round(time.Millisecond)))
	}
	if m.hits > 0 {
		words = append(words, fmt.Sprintf("%d hits of the limit of memory", m.hits))
	}
	if m.reclaimed > 0 {
		words = append(words, fmt.Sprintf("%d pages looked at to make room", m.reclaimed))
	}
	switch {
	case m.killed == 1:
		words = append(words, "a process ended for want of memory")
	case m.killed > 1:
		words = append(words, fmt.Sprintf("%d processes ended for want of memory", m.killed))
	}
	return faults.Bite{Bit: len(words) > 0, Connections: -1, Bytes: -1, Words: strings.Join(words, ", ")}
}

// UndoLimit restores the limits of a container of a run that was killed.
func UndoLimit(ctx context.Context, data json.RawMessage) error {
	var l leftLimit
	if err := json.Unmarshal(data, &l); err != nil {
		return fmt.Errorf("entry of a limit: %w", err)
	}
	return l.Place.Undo(ctx, func(e *container.Engine) error { return l.restore(ctx, e) })
}
