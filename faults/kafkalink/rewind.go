package kafkalink

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxMembers bounds the members that a fault remembers. Beyond it members do not have to join anew.
const maxMembers = 1 << 14

// rewound is what a fault that rewinds groups knows of them. Members that joined before the injection have to join anew, with
// nothing in hand, so that they ask for offsets: one that rejoins by itself may keep its partitions. A partition is rewound until
// its new offset is committed. It is safe for concurrent use.
type rewound struct {
	mu      sync.Mutex
	bare    map[member]struct{}         // those that shall hold nothing: they were told to join anew, or are new
	members map[member]struct{}         // those of them that joined with nothing in hand
	settled map[groupPartition]struct{} // committed since then
	counted map[groupPartition]struct{}
}

type member struct{ group, id string }

type groupPartition struct {
	group string
	partition
}

func (r *rewound) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bare, r.members = make(map[member]struct{}), make(map[member]struct{})
	r.settled, r.counted = make(map[groupPartition]struct{}), make(map[groupPartition]struct{})
}

// isBare notes that a member shall hold nothing.
func (r *rewound) isBare(group, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bare) < maxMembers {
		r.bare[member{group, id}] = struct{}{}
	}
}

// joins notes that a member has joined with nothing in hand. A member may have begun to join before it was told to, with all that it
// had; it is told again.
func (r *rewound) joins(group, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := member{group, id}
	if _, bare := r.bare[m]; bare {
		r.members[m] = struct{}{}
	}
}

// mustJoin says whether the request's member has to join anew, and notes that it is told so. only is the one group that is meant; empty: all are.
func (r *rewound) mustJoin(g *groupRequest, only string) bool {
	if only != "" && only != g.groups[0] {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := member{g.groups[0], g.member}
	if _, joined := r.members[m]; joined || len(r.bare) >= maxMembers {
		return false
	}
	r.bare[m] = struct{}{}
	return true
}

// commits notes the partitions of a commit. Without an older offset before it, it may be of what a member did earlier.
func (r *rewound) commits(g *groupRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range g.committed {
		if _, given := r.counted[groupPartition{g.groups[0], p}]; given {
			r.settled[groupPartition{g.groups[0], p}] = struct{}{}
		}
	}
}

// older returns an offset as the fault gives it. fresh is the number of records between the two that were not counted before.
func (r *rewound) older(p groupPartition, offset, by int64) (older, fresh int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, settled := r.settled[p]; settled || offset <= 0 {
		return offset, 0
	}
	older = max(0, offset-by)
	if _, counted := r.counted[p]; !counted && len(r.counted) < maxPartitions {
		r.counted[p] = struct{}{}
		fresh = offset - older
	}
	return older, fresh
}

// rewind makes the offsets in an answer older. It reports whether it changed any.
func (f *Fault) rewind(g *groupRequest, a *kmsg.OffsetFetchResponse) (changed bool) {
	one := func(group string, p partition, offset *int64, epoch *int32, code int16) {
		if f.act.Group != "" && f.act.Group != group || code != 0 {
			return
		}
		older, fresh := f.rewound.older(groupPartition{group, p}, *offset, f.act.Rewind)
		if older == *offset {
			return
		}
		*offset, *epoch, changed = older, -1, true // the epoch of the record there is not known
		f.touched.add(p.topic, p.index, fresh)
	}
	for i := range a.Topics {
		t := &a.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			one(g.groups[0], partition{t.Topic, p.Partition}, &p.Offset, &p.LeaderEpoch, p.ErrorCode)
		}
	}
	for i := range a.Groups {
		for j := range a.Groups[i].Topics {
			t := &a.Groups[i].Topics[j]
			for k := range t.Partitions {
				p := &t.Partitions[k]
				one(a.Groups[i].Group, partition{topicName(t.Topic, t.TopicID), p.Partition}, &p.Offset, &p.LeaderEpoch, p.ErrorCode)
			}
		}
	}
	return changed
}
