// Package arrivals keeps the account of the requests that a witness saw arrive at a target. It counts how often each operation
// was sent, arrived and was answered, by the window in which it was due. It takes some bits for each operation, and almost none
// where each was sent, arrived and was answered once.
package arrivals

import (
	"fmt"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/pages"
)

// Config describes one stream.
type Config struct {
	Stream   string
	Identity drivers.Identity
	// Windows are the names of the windows, each once. Ended.Window is an index into it, or WindowWarmup.
	Windows []string
}

// Bounds of the memory beyond the bits of each operation.
const (
	// ahead is the largest believable distance beyond the highest operation that ended: a broken mark must not fill the memory.
	ahead = 1 << 22
	// manyBound is the number of operations that may have counts of 3 and more.
	manyBound = 1 << 20
	// recentBound is the number of arrivals that are remembered for the evidence. repeatBound is the number of operations that
	// came again.
	recentBound = 1 << 15
	repeatBound = 1 << 13
	// timesBound is the number of arrivals in the evidence of one operation.
	timesBound = 16
)

// Account takes sent operations and arrivals. It implements the witness's Sink. Its methods are safe for concurrent use, and do
// not block beyond a short lock.
type Account struct {
	mu     sync.Mutex
	config Config
	pages  pages.Directory[page]
	ended  uint64 // above every operation that ended
	// many holds the counts of 3 and more.
	many map[manyOf]int64
	// recent holds the latest first arrivals by their number. repeats holds the evidence of operations that came again.
	recent  []arrival
	repeats map[uint64]*repeat
	replays int64
	blind   int64 // connections that could not be read
	unknown string
	full    bool // some count of 3 and more had no room
}

type manyOf struct {
	seq  uint64
	what what
}

type arrival struct {
	seq  uint64
	conn uint64 // 0: an empty place
	at   time.Duration
}

// repeat is the evidence of an operation that arrived more than once.
type repeat struct {
	times []arrival
	end   *reports.Violation // its end as far as known
}

// New opens the account of a stream.
func New(c Config) *Account {
	return &Account{
		config: c, many: make(map[manyOf]int64), recent: make([]arrival, recentBound), repeats: make(map[uint64]*repeat),
	}
}

// Arrived takes a request whose head arrived at the target.
func (a *Account) Arrived(m drivers.Mark, conn uint64, at time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.Replay {
		a.replays++
		return
	}
	n := a.count(m.Seq, arrived)
	if n == 0 {
		return
	}
	place := &a.recent[m.Seq%recentBound]
	now := arrival{m.Seq, conn, at}
	if n == 1 {
		*place = now
		return
	}
	r := a.repeats[m.Seq]
	if r == nil {
		if len(a.repeats) >= repeatBound {
			return
		}
		r = &repeat{}
		if place.seq == m.Seq && place.conn != 0 {
			r.times = append(r.times, *place)
		}
		a.repeats[m.Seq] = r
	}
	if len(r.times) < timesBound {
		r.times = append(r.times, now)
	}
}

// Whole takes a request that arrived to its end.
func (a *Account) Whole(m drivers.Mark) { a.note(m, whole) }

// Answered takes a request whose answer arrived to its end.
func (a *Account) Answered(m drivers.Mark) { a.note(m, answered) }

func (a *Account) note(m drivers.Mark, w what) {
	if m.Replay {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count(m.Seq, w)
}

// Blind takes a connection that the witness could not read any further.
func (a *Account) Blind(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blind++
	a.lose("the witness could not read a connection: " + why)
}

// lose keeps the first reason for which counts are not known.
func (a *Account) lose(why string) {
	if a.unknown == "" {
		a.unknown = why
	}
}

// count counts one more of an operation, and returns the new count; 3 stands for 3 and more. It returns 0 if there was no room.
func (a *Account) count(seq uint64, w what) int {
	if seq >= a.ended+ahead {
		a.lose(fmt.Sprintf("a request was marked as operation %d, far beyond what was sent", seq))
		return 0
	}
	p, i := a.pages.At(seq)
	n := p.counts[w].add(i)
	if n < 3 {
		return n
	}
	of := manyOf{seq, w}
	before, ok := a.many[of]
	if !ok {
		if before = 2; len(a.many) >= manyBound {
			a.full = true
			a.lose(fmt.Sprintf("more than %d operations were sent or arrived 3 times and more", manyBound))
			return n
		}
	}
	a.many[of] = before + 1
	return n
}

// Ended takes operations that are over, each exactly once, in any order. It keeps nothing of the batch.
func (a *Account) Ended(batch []reports.Ended) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range batch {
		e := &batch[i]
		a.ended = max(a.ended, e.Op.Seq+1)
		p, at := a.pages.At(e.Op.Seq)
		p.end(at, int16(e.Window+1))
		for j := range e.Trail {
			if !e.Trail[j].Wire {
				continue
			}
			for range 1 + e.Trail[j].Hidden {
				a.count(e.Op.Seq, sent)
			}
		}
		if r := a.repeats[e.Op.Seq]; r != nil {
			r.end = describe(e)
		}
	}
}

// describe keeps the facts about an operation's end that the evidence lists.
func describe(e *reports.Ended) *reports.Violation {
	planned, begun, done := int64(e.Op.Planned), int64(e.Sent), int64(e.Done)
	v := &reports.Violation{Outcome: e.Outcome.String(), PlannedNS: &planned, SentNS: &begun, DoneNS: &done}
	if e.Op.Keyed {
		v.Key = string(drivers.AppendKey(nil, e.Op.Key))
	}
	for i := range e.Trail[:min(len(e.Trail), timesBound)] {
		at := &e.Trail[i]
		v.Attempts = append(v.Attempts, reports.Try{
			SentNS: int64(at.Sent), DoneNS: int64(at.Done), Outcome: at.Outcome.String(), Code: at.Code, Detail: at.Detail,
		})
	}
	return v
}
