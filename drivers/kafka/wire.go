package kafka

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// wire counts the records that left for one broker.
type wire struct {
	first atomic.Int64 // of an attempt's first transmission
	again atomic.Int64 // sent again by the client library under the same attempt
}

// wires are the brokers' counts, by the addresses that were dialled. Safe for concurrent use.
type wires struct {
	mu sync.Mutex
	by map[string]*wire
}

func (w *wires) to(address string) *wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = make(map[string]*wire)
	}
	if w.by[address] == nil {
		w.by[address] = &wire{}
	}
	return w.by[address]
}

// gauges tells the counts since the driver was opened, of all brokers and of each.
func (w *wires) gauges(emit func(name string, value float64)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first, again int64
	for _, address := range slices.Sorted(maps.Keys(w.by)) {
		one := w.by[address]
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
