package kafkalink

import (
	"fmt"
	"sync"
)

// maxPartitions bounds the partitions that a fault tells apart.
const maxPartitions = 1 << 16

// touched counts what a fault did, beyond requests. It is safe for concurrent use.
type touched struct {
	noun string // of what is counted; empty: nothing is

	mu         sync.Mutex
	count      int64
	partitions map[partition]struct{}
	next       int64 // after the highest offset that was counted
}

// beyond returns how many offsets were not counted before, of one partition.
func (t *touched) beyond(first, last int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := last + 1 - max(first, t.next)
	t.next = max(t.next, last+1)
	return max(fresh, 0)
}

// partition is a partition of a topic.
type partition struct {
	topic string
	index int32
}

// add counts n things in a partition.
func (t *touched) add(topic string, index int32, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count += n
	if t.partitions == nil {
		t.partitions = make(map[partition]struct{})
	}
	if len(t.partitions) < maxPartitions {
		t.partitions[partition{topic, index}] = struct{}{}
	}
}

// words says what was counted: "12 values in 3 partitions". It is empty without anything.
func (t *touched) words() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.noun == "" || t.count == 0 {
		return ""
	}
	return plural(t.count, t.noun) + " in " + plural(int64(len(t.partitions)), "partition")
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprint(n, " ", noun, "s")
}

// noun is what the act counts.
func (a *Act) noun() string {
	switch one := a.action(); {
	case one.values:
		return "value"
	case a.Hold, a.Rewind > 0:
		return "record"
	}
	return ""
}
