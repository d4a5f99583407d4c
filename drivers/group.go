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

// Group is several consumers that share the partitions of a topic, and of which some leave, freeze and die on a schedule.
type Group interface {
	// Start fixes where the group begins: where source, which was started, begins. Called once.
	Start(ctx context.Context, source Source) error
	// Run lets the members join, and strikes them on schedule in the first length of the run's clock. It blocks until ctx
	// ends and every member has finished what it had in hand and left. tell is called from many goroutines and must not
	// block. An error means that no member ever got anything to read.
	Run(ctx context.Context, length time.Duration, tell func(GroupEvent)) error
	// Committed asks the brokers how far the group has committed: the next offset by partition.
	Committed(ctx context.Context) (map[int32]int64, error)
	// Close frees everything, after Run returned.
	Close() error
}

// GroupKind says what happened in a group.
type GroupKind uint8

const (
	// Processed: a member is done with a record.
	Processed GroupKind = iota
	// Assigned: a member was given its part of a generation. Revoked: it knows that this is over.
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
	// Generation is the broker's count of the group's assignments: of Processed, Assigned and Revoked.
	Generation int32
	// Position is that of a record that was processed.
	Position Position
	// At is when it happened, on the run's clock.
	At time.Duration
}
