package scenarios

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"wringer/faults"
)

// TargetConfig is one kind of `target:`, decoded by its yaml tags.
type TargetConfig interface {
	// Check reports what is wrong in itself.
	Check(problem func(field, message string))
	// Variables lists the names that Target.Vars will define, for `wringer check`.
	Variables() []string
	// PartNames lists the parts that Target.Parts will hold.
	PartNames() []string
	// Start starts the target and returns when it is ready, or an error and nothing left running.
	Start(ctx context.Context, env TargetEnv) (Target, error)
}

// Reserving is a TargetConfig whose own texts may hold some of its variables: those that are known before it starts. It
// fills them in by Fill when it starts.
type Reserving interface {
	TargetConfig
	// Reserved lists those variables; they are among Variables.
	Reserved() []string
}

// TargetEnv is what a target gets from the runner.
type TargetEnv struct {
	Seed uint64
	Log  *slog.Logger
	// Name is the target's key, Run the run's own word.
	Name, Run string
	// Files is the scenario's folder, where relative paths lie.
	Files string
	// Vars are variables that are known before the target starts, as the scenario writes them. May be nil.
	Vars map[string]string
	// Known is told variables as Target.Vars will have them, as soon as they are known; nil: nobody asks. A target whose
	// own parts call each other over links while it starts needs it: a link must know where it leads.
	Known func(vars map[string]string)
	// Output opens a file in the record for what a part of the target writes, of bounded length. May be nil.
	Output func(name string) (io.WriteCloser, error)
	// Journal is told what the target starts outside this process. May be nil.
	Journal *faults.Journal
	// Refused counts the dials to a port that failed so far, over all streams. May be nil.
	Refused func(port string) int64
	// Network is where the target listens and dials inside this process; the zero value is the system's.
	Network faults.Network
	// Bounds says why an address must not be dialled; nil: every one may.
	Bounds func(ctx context.Context, network, address string) error
}

// Within is nil when all addresses may be dialled. A target asks before it first calls what its configuration names.
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

// Tell tells Known, if there is anyone to tell.
func (e TargetEnv) Tell(vars map[string]string) {
	if e.Known != nil {
		e.Known(vars)
	}
}

// Witness is a Target that saw what the report should tell: parts that ended by themselves.
type Witness interface {
	Target
	// Events are told at the end of the run, before Close.
	Events() []string
}

// Mortal is a Witness whose parts are not to end by themselves: an end that no fault explains fails the run.
type Mortal interface {
	Witness
	// Deaths are asked for at the end of the run, before Close. Events tells them too.
	Deaths() []Death
}

// Death is the end of a part that nothing asked for.
type Death struct {
	Part string
	Text string // how, with the last lines of its output
	At   time.Time
}

// Target is a running target.
type Target interface {
	// Vars defines ${...} for the scenario, without the target's own prefix: rest, grpc, kafka.
	Vars() map[string]string
	// Parts are what faults can pause and kill.
	Parts() map[string]faults.Part
	// Close stops everything and waits for it, at most until ctx ends.
	Close(ctx context.Context) error
}
