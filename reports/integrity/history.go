package integrity

import (
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// record holds the details of one operation beyond its bits: times for the evidence and for the order in real time. A record
// fits a cache line: cache misses are the main cost of an operation.
type record struct {
	more                *details // nil: nothing more is known
	seq                 uint64
	planned, sent, done time.Duration
	at                  time.Duration // of the first sighting, as offset and partition are
	offset              int64         // noOffset where the source gave no position
	partition           int32
	state               state // open: seen, and not over. An open record that was not seen is an empty place of the ring.
	seen                bool
	// waits: seen and over, and its place in the order is not decided yet.
	waits bool
	// tooFarAhead: first seen further ahead of the plan than the bits reach. Such an operation is never put in order.
	tooFarAhead bool
}

// details are facts that few records have, or only those of few streams.
type details struct {
	tries   []reports.Try // nil for a single acked attempt
	origin  [originBytes]byte
	nOrigin uint8
}

func (r *record) used() bool { return r.seen || r.state != open }

func (r *record) holds(seq uint64) bool { return r.seq == seq && r.used() }

// first is the first sighting, of an operation that was seen.
func (r *record) first() sighting {
	s := sighting{at: r.at, offset: r.offset, partition: r.partition}
	if r.more != nil {
		s.origin, s.nOrigin = r.more.origin, r.more.nOrigin
	}
	return s
}

// tries are the attempts, unless the operation had a single acked one.
func (r *record) tries() []reports.Try {
	if r.more == nil {
		return nil
	}
	return r.more.tries
}

// needed reports whether the record must outlive its place in the ring: the event for which it waits may still come.
func (r *record) needed() bool {
	return r.state == open || r.waits || !r.seen && (r.state == acked || r.state == indeterminate)
}

// sighting is one delivery.
type sighting struct {
	at        time.Duration
	offset    int64 // noOffset where the source gave no position
	partition int32
	origin    [originBytes]byte
	nOrigin   uint8
}

// noOffset stands for an unknown position. Known ones are never negative.
const noOffset = -1

// place splits a position. A record keeps the two parts: together with a flag they would not fit its cache line.
func place(p drivers.Position) (partition int32, offset int64) {
	if !p.Known {
		p.At = noOffset
	}
	return p.Log, p.At
}

func (s *sighting) position() drivers.Position {
	if s.offset == noOffset {
		return drivers.Position{}
	}
	return drivers.PositionIn(s.partition, s.offset)
}

// originBytes of an origin are kept for the evidence: 12345/1234567890123 and shorter are whole.
const originBytes = 19

func sightingOf(d *drivers.Delivery) sighting {
	s := sighting{at: d.At}
	s.partition, s.offset = place(d.Position)
	s.nOrigin = uint8(copy(s.origin[:], d.Origin))
	return s
}

func (s *sighting) report() reports.Sighting {
	out := reports.SightingAt(s.position(), int64(s.at))
	out.Origin = string(s.origin[:s.nOrigin])
	return out
}

// history holds the records of the most recent operations in a ring, placed by seq. A record that is still needed when a later
// operation takes its place moves to a bounded map.
type history struct {
	ring []record // its length is a power of two
	kept map[uint64]*record
	// unplanned counts the open records of kept. The others wait.
	unplanned      int
	unplannedBound int
	waitBound      int
	spare          *details // details of records that are gone; nil: none
}

func newHistory(l limits) history {
	return history{ring: make([]record, l.ring), kept: make(map[uint64]*record), unplannedBound: l.unplanned, waitBound: l.waiting}
}

func (h *history) slot(seq uint64) *record { return &h.ring[seq&uint64(len(h.ring)-1)] }

// find returns the record of an operation, nil when it is no longer known.
func (h *history) find(seq uint64) *record {
	if r := h.slot(seq); r.holds(seq) {
		return r
	}
	if len(h.kept) == 0 {
		return nil
	}
	return h.kept[seq]
}

// unplannedRecord returns the record of an operation that is not over and has no place in the ring.
func (h *history) unplannedRecord(seq uint64) *record {
	if h.unplanned == 0 {
		return nil
	}
	if r := h.kept[seq]; r != nil && r.state == open {
		return r
	}
	return nil
}

// keep moves a record that is needed to the map. It returns false if there is no room.
func (h *history) keep(r *record) bool {
	if r.state == open {
		if h.unplanned >= h.unplannedBound {
			return false
		}
		h.unplanned++
	} else if len(h.kept)-h.unplanned >= h.waitBound {
		return false
	}
	one := *r
	h.kept[r.seq] = &one
	return true
}

// drop forgets a kept record.
func (h *history) drop(r *record) {
	if r.state == open {
		h.unplanned--
	}
	delete(h.kept, r.seq)
}

// ended records the end of an operation. seen: the operation was seen before. waits: its place in the order is undecided.
func (h *history) ended(e *reports.Ended, s state, seen, waits bool) {
	slot := h.slot(e.Op.Seq)
	if !slot.holds(e.Op.Seq) {
		if h.unplanned > 0 || slot.used() && slot.seq > e.Op.Seq {
			h.endedLate(e, s, seen, waits)
			return
		}
		if slot.more != nil || slot.needed() {
			h.clear(slot)
		}
		*slot = record{seq: e.Op.Seq, seen: seen}
	}
	slot.end(e, s, waits)
	if eventful(e) {
		h.keepTries(slot, e)
	}
}

// endedLate records the end of an operation that may have an unplannedRecord, or whose place another one may hold.
func (h *history) endedLate(e *reports.Ended, s state, seen, waits bool) {
	r := record{seq: e.Op.Seq, seen: seen}
	if old := h.unplannedRecord(e.Op.Seq); old != nil {
		r.more, r.at, r.offset, r.partition = old.more, old.at, old.offset, old.partition
		h.drop(old)
	}
	r.end(e, s, waits)
	if eventful(e) {
		h.keepTries(&r, e)
	}
	if slot := h.slot(e.Op.Seq); !slot.used() || slot.seq < e.Op.Seq || slot.state == open {
		h.clear(slot)
		*slot = r
	} else if r.needed() {
		h.keep(&r)
	}
}

func (r *record) end(e *reports.Ended, s state, waits bool) {
	r.state, r.waits = s, waits
	r.planned, r.sent, r.done = e.Op.Planned, e.Sent, e.Done
}

// see notes the first sighting.
func (h *history) see(r *record, d *drivers.Delivery) {
	r.seen, r.at = true, d.At
	r.partition, r.offset = place(d.Position)
	if len(d.Origin) > 0 {
		more := h.detail(r)
		more.nOrigin = uint8(copy(more.origin[:], d.Origin))
	}
}

// detail returns the details of a record, made when there are none.
func (h *history) detail(r *record) *details {
	if r.more == nil {
		if r.more = h.spare; r.more == nil {
			r.more = new(details)
		}
		h.spare = nil
	}
	return r.more
}

// sighted records the first delivery of an operation. It returns false if there was no room to remember the sighting of an
// operation that is not over.
func (h *history) sighted(seq uint64, s state, d *drivers.Delivery, tooFarAhead bool) bool {
	slot := h.slot(seq)
	if !slot.holds(seq) {
		if s != open || tooFarAhead || len(h.kept) > 0 || slot.used() && slot.seq > seq {
			return h.sightedLate(seq, s, d, tooFarAhead)
		}
		if slot.more != nil || slot.needed() {
			h.clear(slot)
		}
		*slot = record{seq: seq}
	}
	h.see(slot, d)
	return true
}

// sightedLate is sighted for an operation that may have a kept record, or whose place another one may hold.
func (h *history) sightedLate(seq uint64, s state, d *drivers.Delivery, tooFarAhead bool) bool {
	r := h.find(seq)
	if r == nil {
		if s != open {
			return true
		}
		if r = h.slot(seq); tooFarAhead || r.used() && r.seq > seq {
			late := record{seq: seq, tooFarAhead: tooFarAhead}
			h.see(&late, d)
			return h.keep(&late)
		}
		h.clear(r)
		*r = record{seq: seq}
	}
	h.see(r, d)
	return true
}

// clear moves the record in the slot into the map if the record is needed, before the slot is used again.
func (h *history) clear(slot *record) {
	switch {
	case slot.used() && slot.needed():
		h.keep(slot)
	case slot.more != nil:
		*slot.more = details{}
		h.spare = slot.more
	}
}

// release lets go of an operation's kept record when it is no longer needed.
func (h *history) release(seq uint64) {
	if len(h.kept) == 0 || h.slot(seq).holds(seq) {
		return
	}
	if r := h.kept[seq]; r != nil && !r.needed() {
		h.drop(r)
	}
}

// eventful reports whether the attempts say more than the end does.
func eventful(e *reports.Ended) bool {
	return len(e.Trail) > 1 || len(e.Trail) == 1 && e.Outcome != drivers.Acked
}

// keepTries keeps the attempts.
func (h *history) keepTries(r *record, e *reports.Ended) { h.detail(r).tries = triesOf(e) }

// triesOf keeps the attempts for the evidence: the first and the last three if there are many.
func triesOf(e *reports.Ended) []reports.Try {
	const most = 4
	tries := make([]reports.Try, 0, min(len(e.Trail), most))
	for i := range e.Trail {
		if i > 0 && i <= len(e.Trail)-most {
			continue
		}
		a := &e.Trail[i]
		tries = append(tries, reports.Try{
			SentNS: int64(a.Sent), DoneNS: int64(a.Done), Outcome: a.Outcome.String(), Code: a.Code, Detail: a.Detail,
		})
	}
	return tries
}
