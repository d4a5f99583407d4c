package kafka

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// wire counts the records that left for one broker.
type brokerCounter struct {
	first atomic.Int64 // of an attempt's first transmission
	again atomic.Int64 // sent again by the client library under the same attempt
}

// wires are the brokers' counts, by the addresses that were dialled. Safe for concurrent use.
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

// gauges tells the counts since the driver was opened, of all brokers and of each.
func (c *brokerCounters) gauges(emit func(name string, value float64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first, again int64
	for _, address := range slices.Sorted(maps.Keys(c.by)) {
		one := c.by[address]
		f, a := one.first.Load(), one.again.Load()
		if f+a == 0 {
			continue // dialled for metadata alone
		}
		first, again = first+f, again+a
		emit("transmissions to "+address, float64(f))
		emit("retransmissions to "+address, float64(a))
	}
	emit("transmissions", float64(first))
	emit("retransmissions", float64(again))
}
