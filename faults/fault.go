// Package faults holds the fault nouns: what can be broken (Link, Part), a Fault that breaks and heals it, and the
// Timeline that does so on schedule. It needs the standard library alone; each mechanism is a package below it.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"
)

// Fault is one thing that goes wrong and is put right again.
type Fault interface {
	// Inject breaks. It returns once the fault is in force, or an error and nothing broken.
	Inject(ctx context.Context) error
	// Heal undoes Inject. It is idempotent, safe beside a running Inject's end and always called, on a context of its
	// own. It must return when ctx ends.
	Heal(ctx context.Context) error
	// Probe is called after Heal: nil when the path is seen to work as before.
	Probe(ctx context.Context) error
	// Bite tells what the fault touched so far. Safe for concurrent use.
	Bite() Bite
}

// Bite is the proof that a fault did something: its own counters, not its intention.
type Bite struct {
	// Bit: at least one byte, connection or request met the fault while it was in force.
	Bit bool
	// Connections and Bytes are what met the fault; negative where the mechanism cannot count them.
	Connections, Bytes int64
	// ToTarget and FromTarget tell the directions apart; nil where the mechanism does not. A connection that met the
	// fault in both directions counts in both, and once above.
	ToTarget, FromTarget *Met
	// Peer is the one that the fault broke, of several behind its link. Empty for a link as a whole.
	Peer string
}

// Met is what met a fault in one direction.
type Met struct{ Connections, Bytes int64 }

// Config is one kind of fault in the scenario, decoded by the struct's yaml tags beside the keys that every fault has
// (name, at, for).
type Config interface {
	// Check reports what is wrong in itself. field is the yaml key.
	Check(problem func(field, message string))
	// Kind is a short stable name for the record: latency, partition, pause, ...
	Kind() string
	// On names what it breaks: the link's name, or the part's.
	On() Place
	// Describe returns what else there is to say of the fault. It returns the same each time.
	Describe() Description
	// Open prepares the fault. Nothing is broken yet.
	Open(env Env) (Fault, error)
}

// Place names what a fault breaks. One of the two is empty.
type Place struct {
	Link string // a stream's own connections carry the stream's name; LINK/BRANCH for one peer behind it
	Part string // a part of the target
}

// Env is what a fault gets from the runner.
type Env struct {
	// Name is the planned fault's own, fit for a file.
	Name string
	// Link returns the open link of that name.
	Link func(name string) (Link, error)
	// Peers tells who is behind the link of that name; an error where it is one path.
	Peers func(link string) (Peers, error)
	// Part returns the target's part of that name.
	Part func(name string) (Part, error)
	// Dial reaches what the fault has to speak to outside the links, within the run's bounds. May be nil: nothing bounds it.
	Dial DialFunc
	// Seed feeds every random choice of the fault.
	Seed uint64
	// For is how long the fault is planned to last each time, for what changes over its time.
	For time.Duration
	// Files is the folder that relative names of files count from.
	Files string
	Log   *slog.Logger
	// Journal is told what the fault does outside this process, before it does it. May be nil.
	Journal *Journal
	// Output opens a file of evidence in the record, of bounded length; nil keeps none.
	Output func(name string) (io.WriteCloser, error)
}

// Description is what a Config says of a fault before it is opened.
type Description struct {
	// Words tell the fault in a line: latency 80ms, jitter 20ms.
	Words string
	// Templated says that texts may hold the target's variables. They are filled in before Open.
	Templated bool
}

// Exclusive is a Config whose fault cannot be in force together with certain others: healing one would heal the other too.
type Exclusive interface {
	Config
	// Excludes says so of another one. It is symmetric.
	Excludes(other Config) bool
}

// Slow is an optional extra of a Fault or a Part whose calls may take longer than the timeline's bound. A fault on a slow
// Part is slow itself.
type Slow interface {
	// Patience is how long one call may take. It returns the same each time.
	Patience() time.Duration
}

// DialFunc is net.Dialer's DialContext.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Link is a named network path that faults can break. Each mechanism knows its own links.
type Link interface {
	Name() string
	// Dial connects to address over the link. The link applies no timeout of its own beyond ctx.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// DialsVia is an optional extra of a Link that can make its connections to the target by another's dial.
type DialsVia interface {
	// DialVia is Dial, with the connection to the target made by dial.
	DialVia(ctx context.Context, network, address string, dial DialFunc) (net.Conn, error)
}

// Calibrated is a Link that knows what it costs: the time that a round trip takes longer over it than without it while
// no fault is in force, measured when it was opened.
type Calibrated interface {
	Cost() time.Duration
}

// Tapped is a Link that can count what passes it.
type Tapped interface {
	// Tap returns a Fault that changes nothing: while it is injected it counts, as its Bite, what passes on connections
	// that were dialled to an address which matches.
	Tap(match func(address string) bool) Fault
}

// ErrLeaked says that a fault was healed and a probe still saw it: the path is not back at its baseline.
var ErrLeaked = errors.New("leaked fault")

// Mesh opens links. One mesh serves a run.
type Mesh interface {
	// Link returns the link of that name, opened at the first call.
	Link(name string) (Link, error)
	// Close takes every link down and waits for what they started, at most until ctx ends.
	Close(ctx context.Context) error
}

// Part is a named piece of a target that can be frozen or killed: a component of the embedded target, a process, a
// container. Each call blocks until it took effect, and is idempotent.
type Part interface {
	// Pause freezes: it keeps its connections and its state, and answers nothing. Resume undoes it.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Kill ends it at once, what it had only in memory is gone. Start brings it back.
	Kill(ctx context.Context) error
	Start(ctx context.Context) error
	// Met counts the requests or messages that met the part while it was paused or killed, and what was under way in
	// it at that moment.
	Met() int64
	// Ready is nil when the part works.
	Ready(ctx context.Context) error
}

// Stopper is a Part that can be told to end in good order. Start brings it back.
type Stopper interface {
	// Stop asks it to end and waits until it has; what does not obey in its time is killed. It is idempotent.
	Stop(ctx context.Context) error
}

// FileLimiter is a Part whose open files can be limited.
type FileLimiter interface {
	// LimitFiles lets it open no file or socket beyond so many; those that are open stay. RestoreFiles undoes it. Met counts
	// what waited for a file that it could not have. Both are idempotent.
	LimitFiles(ctx context.Context, most uint64) error
	RestoreFiles(ctx context.Context) error
}

// ErrUnsupported is returned by a Part that cannot be paused or killed.
type ErrUnsupported struct{ Part, Verb string }

func (e ErrUnsupported) Error() string { return "part " + e.Part + " does not support " + e.Verb }

// Label names one of several planned faults of a name, counted from 1; 0: there is only one.
func Label(name string, round int) string {
	if round == 0 {
		return name
	}
	return fmt.Sprintf("%s #%d", name, round)
}
