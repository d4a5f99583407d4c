package runner

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// keeper calls what waits for the end of attempts: each when its time is up, all when the run ends. A timer an attempt would
// be made and dropped thousands of times a second; the keeper's one timer goes off at the earliest deadline that it has heard of,
// looks after all, and is set to the earliest that is left. Safe for concurrent use.
type keeper struct {
	base time.Time
	// next is when the timer goes off, as nanoseconds after base; math.MaxInt64 when it does not.
	next atomic.Int64

	mu     sync.Mutex
	kept   map[*limit]struct{}
	timer  *time.Timer // nil until somebody is expected
	closed bool
	stop   func() bool
}

func newKeeper(fly context.Context) *keeper {
	k := &keeper{base: time.Now(), kept: make(map[*limit]struct{})}
	k.next.Store(math.MaxInt64)
	k.stop = context.AfterFunc(fly, k.look)
	return k
}

// expect looks after l, which has something to call at its end, until it is dropped. What waits was told to l before: so either
// the timer still has an earlier time, and the look that is to come finds it, or it is set here.
func (k *keeper) expect(l *limit) {
	deadline, known := l.keep()
	due := int64(deadline.Sub(k.base))
	if !known || due < k.next.Load() {
		k.admit(l, due)
	}
	if l.parent.Err() != nil {
		l.look(time.Now()) // the keeper's last look may have been before
	}
}

func (k *keeper) admit(l *limit, due int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept[l] = struct{}{}
	if due < k.next.Load() {
		k.set(due)
	}
}

// drop looks after l no more.
func (k *keeper) drop(l *limit) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.kept, l)
}

// set sets the timer, under mu.
func (k *keeper) set(due int64) {
	if k.closed {
		return
	}
	k.next.Store(due)
	wait := time.Duration(due) - time.Since(k.base)
	if k.timer == nil {
		k.timer = time.AfterFunc(wait, k.look)
		return
	}
	k.timer.Reset(wait)
}

// look calls what is due.
func (k *keeper) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next.Store(math.MaxInt64)
	now, earliest := time.Now(), int64(math.MaxInt64)
	for l := range k.kept {
		if deadline, waits := l.look(now); waits {
			earliest = min(earliest, int64(deadline.Sub(k.base)))
		}
	}
	if earliest != math.MaxInt64 {
		k.set(earliest)
	}
}

// close ends the keeper; no attempt is under way any more.
func (k *keeper) close() {
	k.stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// post is the place of one worker: the context of its attempts, one after the other.
type post struct {
	keeper *keeper
	limit  *limit // one that can serve again; nil when there is none
}

// bound is the context of the attempt that begins: fly's, with a deadline.
func (p *post) bound(fly context.Context, deadline time.Time) context.Context {
	if p.limit == nil {
		p.limit = &limit{parent: fly, keeper: p.keeper}
	}
	p.limit.begin(deadline)
	return p.limit
}

// end ends the attempt's context. What was waited for may still be held by whoever did, and does not serve again.
func (p *post) end() {
	if p.limit != nil && !p.limit.end() {
		p.leave()
	}
}

// leave gives up what served the attempts.
func (p *post) leave() {
	if p.limit != nil {
		p.keeper.drop(p.limit)
		p.limit = nil
	}
}
