package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// Recorder collects the reports of one stream's workers, spread over shards so that the workers seldom wait for each other.
// Every method is safe for concurrent use.
type Recorder struct {
	shards []shard
	slots  *Slots
	// Cuts are the injections that overtake operations; nil: there are none. It is set before the first operation.
	Cuts      *Cuts
	overtaken atomic.Int64
	// Interrupted says whether the run was interrupted; nil: it cannot be. It is set before the first operation.
	Interrupted func() bool
}

type shard struct {
	mu    sync.Mutex
	cells map[int]*cell
	// Most calls are for the slot of the call before.
	last     *cell
	lastSlot int
	_        [64]byte // keeps neighbours off one cache line
}

// cell is a slot's Cell with the number of its operations that are not over yet.
type cell struct {
	Cell
	open int64
}

// NewRecorder makes a recorder of n shards.
func NewRecorder(slots *Slots, n int) *Recorder {
	r := &Recorder{slots: slots, shards: make([]shard, n)}
	for i := range r.shards {
		r.shards[i].cells = make(map[int]*cell)
	}
	return r
}

// shard returns the shard that holds the operation of that number.
func (r *Recorder) shard(n uint64) *shard { return &r.shards[n%uint64(len(r.shards))] }

// cell returns the cell of a slot, under the shard's lock.
func (s *shard) cell(slot int) *cell {
	if s.last != nil && s.lastSlot == slot {
		return s.last
	}
	c := s.cells[slot]
	if c == nil {
		c = &cell{}
		s.cells[slot] = c
	}
	s.last, s.lastSlot = c, slot
	return c
}

// NoLag is the lag of an operation without a planned start, in the closed model.
const NoLag = time.Duration(-1)

// Begin opens an operation of a slot: Take cannot remove the slot before End. lag is start minus planned start. Neither Begin
// nor the methods below record the warm-up.
func (r *Recorder) Begin(shard uint64, slot int, lag time.Duration) {
	if slot == Warmup {
		return
	}
	s := r.shard(shard)
	s.mu.Lock()
	c := s.cell(slot)
	c.open++
	if lag != NoLag {
		c.Lag.Record(lag)
	}
	s.mu.Unlock()
}

// Drop counts an operation that was not sent.
func (r *Recorder) Drop(shard uint64, slot int, ours bool, lag time.Duration) {
	if slot == Warmup {
		return
	}
	s := r.shard(shard)
	s.mu.Lock()
	c := s.cell(slot)
	c.Cell.Drop(ours)
	c.Lag.Record(lag)
	s.mu.Unlock()
}

// End closes an operation with all its attempts. shard must be that of its Begin. timeout is the stream's timeout of one
// attempt.
func (r *Recorder) End(shard uint64, slot int, e *reports.Ended, timeout time.Duration) {
	if slot == Warmup {
		return
	}
	s := r.shard(shard)
	s.mu.Lock()
	c := s.cell(slot)
	c.open--
	c.Cell.End(e, timeout)
	if r.Cuts.overtake(e.Op.Planned, e.Done) && r.overtaken.Add(1) <= mostOvertaken {
		c.Overtaken = append(c.Overtaken, kept(e))
	}
	if e.Outcome != drivers.Acked && r.Interrupted != nil && r.Interrupted() {
		c.Interrupted = append(c.Interrupted, kept(e)) // at most what was in flight
	}
	s.mu.Unlock()
}

// Unsend closes an operation that was not sent, or not to its end, by the generator's own doing; shard must be that of its Begin.
func (r *Recorder) Unsend(shard uint64, slot int, e *reports.Ended, timeout time.Duration) {
	if slot == Warmup {
		return
	}
	s := r.shard(shard)
	s.mu.Lock()
	c := s.cell(slot)
	c.open--
	c.unsend(e, timeout)
	s.mu.Unlock()
}

// Take removes and returns the cells of all finished slots: slots that end before frontier and have no open operation in any
// shard. No operation will start before frontier. Every slot before until has been taken.
func (r *Recorder) Take(frontier time.Duration) (taken map[int]*Cell, until time.Duration) {
	open := make(map[int]bool)
	r.each(func(slot int, c *cell) { open[slot] = open[slot] || c.open != 0 })
	taken, until = make(map[int]*Cell), frontier
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for slot, c := range s.cells {
			if open[slot] || r.slots.Slot(slot).End > frontier {
				until = min(until, r.slots.Slot(slot).Start)
				continue
			}
			if into := taken[slot]; into != nil {
				into.Merge(&c.Cell)
			} else {
				taken[slot] = &c.Cell
			}
			delete(s.cells, slot)
			if s.last == c {
				s.last = nil
			}
		}
		s.mu.Unlock()
	}
	return taken, until
}

// Open returns the sums of the unfinished slots, for a live view.
func (r *Recorder) Open() map[int]*Cell {
	sums := make(map[int]*Cell)
	r.each(func(slot int, c *cell) {
		if sums[slot] == nil {
			sums[slot] = &Cell{}
		}
		sums[slot].Merge(&c.Cell)
	})
	return sums
}

func (r *Recorder) each(f func(slot int, c *cell)) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for slot, c := range s.cells {
			f(slot, c)
		}
		s.mu.Unlock()
	}
}
