package scenarios

import (
	"context"
	"log/slog"

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

// TargetEnv is what a target gets from the runner.
type TargetEnv struct {
	Seed uint64
	Log  *slog.Logger
	// Known is told variables as Target.Vars will have them, as soon as they are known; nil: nobody asks. A target whose
	// own parts call each other over links while it starts needs it: a link must know where it leads.
	Known func(vars map[string]string)
}

// Tell tells Known, if there is anyone to tell.
func (e TargetEnv) Tell(vars map[string]string) {
	if e.Known != nil {
		e.Known(vars)
	}
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
