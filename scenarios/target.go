package scenarios

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"wringer/faults"
)

// TargetConfig is one kind of `target:`, decoded by its yaml tags.
type TargetConfig interface {
	// Check reports the problems of the configuration itself.
	Check(problem func(field, message string))
	// Variables lists the names that Target.Vars will define, for `wringer check`.
	Variables() []string
	// PartNames lists the parts that Target.Parts will hold.
	PartNames() []string
	// Start starts the target and returns when it is ready, or an error and nothing left running.
	Start(ctx context.Context, env TargetEnv) (Target, error)
}

// Reserving is a TargetConfig whose own texts may hold some of its variables: those known before it starts. It fills them in by
// Fill when it starts.
type Reserving interface {
	TargetConfig
	// Reserved lists those variables; Variables lists them too.
	Reserved() []string
}

// Unprefixed is a TargetConfig whose variables do not begin with the target's key: ${orders.8080}.
type Unprefixed interface {
	TargetConfig
	Unprefixed()
}

// Located is a TargetConfig that reads files beside the scenario before it is checked.
type Located interface {
	TargetConfig
	// Locate gives the scenario's folder, and the environment that the files may use, as NAME=value. It is called once, before Check.
	Locate(folder string, environ []string)
}

// Patient is a TargetConfig whose start may take longer than other targets'.
type Patient interface {
	TargetConfig
	StartLimit() time.Duration
}

// Hosting is a TargetConfig with a network of its own, which must stand before the links listen: its parts reach them there.
type Hosting interface {
	TargetConfig
	// Prepare makes the network. An error leaves nothing.
	Prepare(ctx context.Context, env TargetEnv) (Prepared, error)
}

// Prepared is a target whose network stands. Either Start returns a target, or Close is called.
type Prepared interface {
	// LinkAddress is the address on which a link listens for the target's parts. Empty: loopback.
	LinkAddress(ctx context.Context, link string) (string, error)
	// Start starts the target and returns when it is ready. Its Close ends the network too. After an error Close is called.
	Start(ctx context.Context, env TargetEnv) (Target, error)
	Close(ctx context.Context) error
}

// Aliasing is a Hosting target in which a link can take the place of one part for another part alone, by the part's name. Its
// Prepared is an Aliased.
type Aliasing interface {
	Hosting
	// CheckAlias returns why a link cannot stand between the two at these ports of the callee; nil: it can.
	CheckAlias(caller, callee string, ports []uint16) error
}

// Aliased is a Prepared target in which links take the place of parts.
type Aliased interface {
	Prepared
	// Alias leads the caller's connections to the callee's name to the returned host, where the link listens on the ports. It is
	// called before Start.
	Alias(ctx context.Context, caller, callee string, ports []uint16) (host string, err error)
}

// Relaying is a Prepared target whose parts may not reach this process: then something in their network listens for it.
type Relaying interface {
	Prepared
	// Listen listens on an address that LinkAddress or Alias told. ok is false for an address of this machine.
	Listen(address string) (l net.Listener, ok bool, err error)
	// RelayCost is what the way from there to this process adds to a usual round trip; 0 for an address of this machine.
	RelayCost(address string) (time.Duration, error)
	// RelayBroken says why links take no connections there any more; nil: they do.
	RelayBroken() error
}

// VariablePrefix is what the names of a target's variables begin with.
func VariablePrefix(key string, config TargetConfig) string {
	if _, none := config.(Unprefixed); none {
		return ""
	}
	return key + "."
}

// TargetEnv is the environment that a target gets from the runner.
type TargetEnv struct {
	Seed uint64
	Log  *slog.Logger
	// Name is the target's key, Run the run's identity.
	Name, Run string
	// Files is the scenario's folder, where relative paths lie.
	Files string
	// Vars are variables that are known before the target starts, as the scenario writes them. May be nil.
	Vars map[string]string
	// Known takes variables, named as in Target.Vars, as soon as they are known; nil: not needed. A target calls Known if its
	// own parts call each other over links while it starts: a link must know its upstream.
	Known func(vars map[string]string)
	// Output opens a file in the record for the output of a part of the target, of bounded length. May be nil.
	Output func(name string) (io.WriteCloser, error)
	// Journal records the processes that the target starts outside this one. May be nil.
	Journal *faults.Journal
	// Refused counts the failed dials to a port so far, over all streams. May be nil.
	Refused func(port string) int64
	// Network is where the target listens and dials inside this process; the zero value is the system's.
	Network faults.Network
	// Keep leaves everything up at the end, and Reuse takes over what an earlier run of the same configuration kept, if there is
	// anything. For a Hosting target.
	Keep, Reuse bool
	// Doing takes what the start is busy with, from several goroutines. May be nil.
	Doing func(StartStep)
	// Bounds returns the reason why an address must not be dialled. nil: every address may be dialled.
	Bounds func(ctx context.Context, network, address string) error
}

// StartStep is one thing that the start of a target waits for: an image that is pulled, a container that becomes ready.
type StartStep struct {
	What string // apache/kafka:4.1.0, orders
	Verb string // connect to, pull, build, start
	// Done and Total are bytes, where they are known.
	Done, Total int64
	// Ended says that it is over, after Took.
	Ended bool
	Took  time.Duration
}

// Report calls Doing, if Doing is set.
func (e TargetEnv) Report(s StartStep) {
	if e.Doing != nil {
		e.Doing(s)
	}
}

// Timed reports the begin and the end of a step around do.
func (e TargetEnv) Timed(verb, what string, do func() error) error {
	e.Report(StartStep{What: what, Verb: verb})
	begun := time.Now()
	err := do()
	if err == nil {
		e.Report(StartStep{What: what, Verb: verb, Ended: true, Took: time.Since(begun)})
	}
	return err
}

// Within returns nil when all addresses may be dialled. A target calls Within before it first calls an address of its
// configuration.
func (e TargetEnv) Within(ctx context.Context, addresses ...string) error {
	if e.Bounds == nil {
		return nil
	}
	for _, address := range addresses {
		if err := e.Bounds(ctx, "tcp", strings.TrimSpace(address)); err != nil {
			return err
		}
	}
	return nil
}

// Tell calls Known, if Known is set.
func (e TargetEnv) Tell(vars map[string]string) {
	if e.Known != nil {
		e.Known(vars)
	}
}

// Witness is a Target that reports events: parts that ended by themselves.
type Witness interface {
	Target
	// Events returns the events. It is called at the end of the run, before Close.
	Events() []string
}

// SlowToClose is a Target, or a Prepared, whose Close may take longer than others.
type SlowToClose interface {
	// CloseWithin bounds Close.
	CloseWithin() time.Duration
}

// Mortal is a Witness whose parts are not to end by themselves: an end that no fault explains fails the run.
type Mortal interface {
	Witness
	// Deaths are asked for at the end of the run, before Close. Events tells them too.
	Deaths() []Death
}

// Measured is a Target that measures what its parts use.
type Measured interface {
	Target
	// Gauges emits the readings since the last call, each once, with the time of each. It is called once a second, from one
	// goroutine. A value that is not known is not emitted.
	Gauges(emit func(part, gauge string, at time.Time, value float64))
}

// Death is the end of a part that nothing asked for, or of processes in a part that went on.
type Death struct {
	Part string
	Text string // how, with the last lines of its output
	At   time.Time
	// WentOn says that the part went on: only processes in it ended. That fails no run.
	WentOn bool
}

// Grouped is a Target whose processes run in control groups of their own, such as containers.
type Grouped interface {
	Target
	// ControlGroups are texts that stand in the paths of those groups and in no others: the IDs of containers. It is called
	// while the target runs.
	ControlGroups() []string
}

// Target is a running target.
type Target interface {
	// Vars defines ${...} for the scenario, without the target's own prefix: rest, grpc, kafka.
	Vars() map[string]string
	// Parts are the parts that faults can pause and kill.
	Parts() map[string]faults.Part
	// Close stops everything and waits for it, at most until ctx ends.
	Close(ctx context.Context) error
}
