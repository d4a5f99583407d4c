package traffic

import (
	"sync"

	"wringer/drivers"
	"wringer/reports"
)

// Follower takes finished operations in batches. It must not block, nor keep the batch.
type Follower interface{ Ended(batch []reports.Ended) }

// Keeper is a Follower that may go on reading a batch after a call, because it could not wait for the call's end.
type Keeper interface{ Keeps() bool }

// Follow adds a follower. It must be called before Run.
func (s *Stream) Follow(f Follower) { s.followers = append(s.followers, f) }

// outbox collects finished operations, so that a follower takes its lock once for many of them.
type outbox struct {
	mu    sync.Mutex
	batch []reports.Ended
	trail []drivers.Attempt
	_     [64]byte
}

const outboxSize = 256

// notify puts a finished operation into its shard's outbox. The trail is copied, because the operation's memory is reused.
func (s *Stream) notify(shard uint64, e reports.Ended) {
	if len(s.followers) == 0 {
		return
	}
	o := &s.outboxes[shard%uint64(len(s.outboxes))]
	o.mu.Lock()
	defer o.mu.Unlock()
	from := len(o.trail)
	o.trail = append(o.trail, e.Trail...)
	e.Trail = o.trail[from:len(o.trail):len(o.trail)]
	o.batch = append(o.batch, e)
	if len(o.batch) >= outboxSize {
		o.deliver(s.followers)
	}
}

// deliver hands the outbox's operations to the followers. The caller holds the outbox's lock.
func (o *outbox) deliver(to []Follower) {
	if len(o.batch) == 0 {
		return
	}
	kept := false
	for _, f := range to {
		f.Ended(o.batch)
		k, may := f.(Keeper)
		kept = kept || may && k.Keeps()
	}
	if kept {
		o.batch, o.trail = nil, nil
		return
	}
	o.batch, o.trail = o.batch[:0], o.trail[:0]
}

// Flush hands the operations that wait in the outboxes to the followers.
func (s *Stream) Flush() {
	if len(s.followers) == 0 {
		return
	}
	for i := range s.outboxes {
		o := &s.outboxes[i]
		o.mu.Lock()
		o.deliver(s.followers)
		o.mu.Unlock()
	}
}
