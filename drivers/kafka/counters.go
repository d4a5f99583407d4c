package kafka

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// brokerCounter counts the records sent to one broker.
type brokerCounter struct {
	first atomic.Int64 // first transmissions of an attempt
	again atomic.Int64 // resends by the client library within the same attempt
}

// brokerCounters holds the counters of all brokers, by the address that was dialled. Safe for concurrent use.
type brokerCounters struct {
	mu sync.Mutex
	by map[string]*brokerCounter
}

func (c *brokerCounters) of(address string) *brokerCounter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]*brokerCounter)
	}
	if c.by[address] == nil {
		c.by[address] = &brokerCounter{}
	}
	return c.by[address]
}

// gauges emits the counts since the driver was opened: of all brokers together, and of each.
func (c *brokerCounters) gauges(emit func(name string, value float64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first, again int64
	for _, address := range slices.Sorted(maps.Keys(c.by)) {
		one := c.by[address]
		f, a := one.first.Load(), one.again.Load()
		if f+a == 0 {
			continue // connected for metadata only
		}
		first, again = first+f, again+a
		emit("transmissions to "+address, float64(f))
		emit("retransmissions to "+address, float64(a))
	}
	emit("transmissions", float64(first))
	emit("retransmissions", float64(again))
}
