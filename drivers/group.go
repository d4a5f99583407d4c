package drivers

import (
	"context"
	"time"
)

// GroupConfig is a SourceConfig with a group of consumers that reads beside the source: its description says Grouped.
type GroupConfig interface {
	SourceConfig
	// OpenGroup prepares the group. env.Dial makes the members' connections, through a link if there is one. It does not
	// dial.
	OpenGroup(env Env) (Group, error)
}

// Group is several consumers that share the records of a source. Some of them leave, freeze and die on a schedule.
type Group interface {
	// Start fixes where the group begins: at the beginning of source, which was started. Called once.
	Start(ctx context.Context, source Source) error
	// Run lets the members join, and strikes them on schedule until length on the run's clock. It blocks until ctx ends and
	// every member has finished its records in hand and left. emit is called from many goroutines and must not block. An
	// error means that no member ever got anything to read.
	Run(ctx context.Context, length time.Duration, emit func(GroupEvent)) error
	// Settled asks how far the group has progressed: by log (Position.Log), the first position (Position.At) that the group
	// may still read. The group reads nothing before that position any more. It blocks until this is known or ctx ends.
	Settled(ctx context.Context) (map[int32]int64, error)
	// Close frees everything. Run must have returned.
	Close() error
}

// GroupKind says what happened in a group.
type GroupKind uint8

const (
	// Processed: a member has processed a record.
	Processed GroupKind = iota
	// Assigned: a member got its share of a round. Revoked: the member knows that the round has ended.
	Assigned
	Revoked
	// Joined, Left, Froze, Thawed and Died: the schedule did this to a member.
	Joined
	Left
	Froze
	Thawed
	Died
)

// GroupEvent is something that happened in a group of consumers.
type GroupEvent struct {
	Kind GroupKind
	// Member counts from 1. A member that returns after it left or died keeps its number.
	Member int
	// Round counts how often the group has divided its source among the members. It is set for Processed, Assigned and
	// Revoked. It never falls. A group that divides once stays at one number.
	Round int32
	// Position is the position of a processed record. If it is unknown, nothing is concluded about the group's records.
	Position Position
	// At is when it happened, on the run's clock.
	At time.Duration
}
