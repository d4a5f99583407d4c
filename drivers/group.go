package drivers

import (
	"context"
	"time"
)

// GroupConfig is a SourceConfig beside whose source a group of consumers reads: its description says Grouped.
type GroupConfig interface {
	SourceConfig
	// OpenGroup prepares the group; env.Dial makes its members' connections, through a link when there is one. It dials
	// nothing.
	OpenGroup(env Env) (Group, error)
}

// Group is several consumers that share the records of a source, and of which some leave, freeze and die on a schedule.
type Group interface {
	// Start fixes where the group begins: where source, which was started, begins. Called once.
	Start(ctx context.Context, source Source) error
	// Run lets the members join, and strikes them on schedule in the first length of the run's clock. It blocks until ctx
	// ends and every member has finished what it had in hand and left. tell is called from many goroutines and must not
	// block. An error means that no member ever got anything to read.
	Run(ctx context.Context, length time.Duration, tell func(GroupEvent)) error
	// Settled asks how far the group has come for good: by log (Position.Log), the first position (Position.At) that the group
	// may still take. The group takes nothing before that position any more. It blocks until this is known or ctx ends.
	Settled(ctx context.Context) (map[int32]int64, error)
	// Close frees everything, after Run returned.
	Close() error
}

// GroupKind says what happened in a group.
type GroupKind uint8

const (
	// Processed: a member is done with a record.
	Processed GroupKind = iota
	// Assigned: a member was given its part of a round. Revoked: the member knows that the round is over.
	Assigned
	Revoked
	// Joined, Left, Froze, Thawed and Died are what the schedule did with a member.
	Joined
	Left
	Froze
	Thawed
	Died
)

// GroupEvent is something that happened in a group of consumers.
type GroupEvent struct {
	Kind GroupKind
	// Member counts from 1. One that comes back after it left or died has its old number.
	Member int
	// Round counts how often the group has shared out its source among the members: of Processed, Assigned and Revoked. It
	// never falls, and a group that shares out once and for all stays at one number.
	Round int32
	// Position is that of a record that was processed. Where it is not known, nothing is said of the group's records.
	Position Position
	// At is when it happened, on the run's clock.
	At time.Duration
}
