package integrity

import (
	"fmt"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/pages"
)

// Mode gives the meaning of an operation that is there more than once.
type Mode uint8

const (
	// Effect: the source is where the target's effects show up, and copies are effect duplicates.
	Effect Mode = iota
	// Log: the source is the log that the stream itself writes, and copies are log duplicates.
	Log
	// Published: the source is a topic to which the target publishes in the stream's name. Copies are log duplicates. Acks do
	// not name places in the topic, and redelivery is not measured.
	Published
)

// Config describes one stream.
type Config struct {
	Stream   string
	Identity drivers.Identity
	// Windows are the names of the windows, as in reports.CheckConfig. Ended.Window is an index into it, or WindowWarmup.
	Windows []string
	// WindowAt is the index of the window that holds a time, or WindowWarmup. It places sightings that were never planned.
	WindowAt func(t time.Duration) int
	Mode     Mode
	Order    Order
	// KeyOf is the key of an operation, a small index: memory grows with the highest. nil: there are no keys. Then Sequential
	// order is the order of each partition, and RealTime order is not measured.
	KeyOf func(seq uint64) uint64
	// Producers is the number of producers that send the operations without a key: operation seq comes from number seq modulo
	// Producers. Sequential order without keys is the order of each producer in each partition. 0: one.
	Producers uint64
	// Place is the name of the place among several; empty: it has none.
	Place string
	// Bytes: the source is a file. Its positions are bytes, and its logs are the files that followed each other.
	Bytes bool
	// Optional: an operation need not show up, as at the place of a compensation. Lost and unseen are not measured.
	Optional bool
	// Matched: the source compares fields of each record with what was sent.
	Matched bool
	// NoRedelivery: the source cannot tell a redelivery. Redelivered is not measured.
	NoRedelivery bool
	// OrderNote is what the protocol promises of order, for the evidence; empty: nothing needs to be said.
	OrderNote string
	// LossNote is what takes records away by rule, for the evidence; empty: nothing is known to do so.
	LossNote string
	// EvidencePerKind bounds the evidence of one kind in one window. 0: 100.
	EvidencePerKind int
}

const defaultEvidence = 100

// limits bound the memory beyond the bits of each operation. The effect of each bound stands beside it.
type limits struct {
	ring      int    // recent operations with details, a power of two
	waiting   int    // older ones not seen yet: evidence without times; in real time, order unknown if one is seen
	unplanned int    // operations seen, not over and not recent: the time of the first sighting; for those too far ahead, see forgotten
	horizon   uint64 // operations with bits beyond the highest that ended; seen beyond: order unknown
	early     int    // operations seen repeatedly before they are over: duplicates and redeliveries unknown
	copies    int    // operations at three and more positions: max_copies unknown
	queued    int    // deliveries that wait for ends: order unknown
	offsets   int    // pages of offsets with gaps: duplicates and redeliveries unknown
	origins   int    // origins not written PARTITION/OFFSET: redeliveries unknown
	buckets   int    // of a timeline: the window of deliveries near a border
}

func limitsOf(c *Config) limits {
	l := limits{
		ring: 1 << 16, waiting: 1 << 14, unplanned: 1 << 16, horizon: 1 << 20, early: 1 << 17, copies: 1 << 20,
		queued: 1 << 21, offsets: 1 << 17, origins: 1 << 20, buckets: 1 << 14,
	}
	if c.Order == RealTime {
		l.waiting = 1 << 18
	}
	return l
}

// cell counts the operations of one window by their fate.
type cell struct {
	acked, ackedSeen, recovered, phantom, unexpected, foreign                   int64
	duplicates, extra, copies, redelivered, violations, regressions, collisions int64
	corrupt                                                                     int64
}

// most is the largest number of positions of one operation; copies counts only from the second on.
func (c *cell) most() int64 {
	if c.copies == 0 && c.seen() > 0 {
		return 1
	}
	return c.copies
}

// add adds all of o; copies is a maximum.
func (c *cell) add(o *cell) {
	c.acked += o.acked
	c.ackedSeen += o.ackedSeen
	c.recovered += o.recovered
	c.phantom += o.phantom
	c.unexpected += o.unexpected
	c.foreign += o.foreign
	c.duplicates += o.duplicates
	c.extra += o.extra
	c.copies = max(c.copies, o.copies)
	c.redelivered += o.redelivered
	c.violations += o.violations
	c.regressions += o.regressions
	c.collisions += o.collisions
	c.corrupt += o.corrupt
}

// warmupCell is the cell of the warm-up; window w has cell w+1.
const warmupCell = 0

// Ledger keeps the account of one stream. Its methods are safe for concurrent use, and do not block beyond a short lock.
type Ledger struct {
	mu       sync.Mutex
	config   Config
	identity drivers.IdentityReader
	limits   limits
	cells    []cell
	pages    directory
	places   positions
	acks     positions // what acks named
	origins  origins
	history  history
	order    order
	evidence evidence
	// planned is above every operation that is over.
	planned uint64
	// early holds the repeats of operations that are not over: their window is not known yet.
	early  map[uint64]*note
	closed bool // a Joint reads what was known then
	// wrong holds why effects are corrupt whose operations are not over.
	wrong map[uint64]string
	// copies counts the positions of operations that are at three and more.
	copies map[uint64]int64
	// foreign counts foreign deliveries by the time of sighting.
	foreign timeline
	// forgotten counts the deliveries, without room, of operations too far ahead, from the lowest such operation on.
	forgotten     timeline
	forgottenFrom uint64
	latest        time.Duration // of all deliveries
	// cutBack: the log was cut back, and acks name positions of records that are gone.
	cutBack bool
	// The reasons why some counts are not fully known; empty when they are.
	repeatsUnknown, redeliveredUnknown, copiesUnknown, acksUnknown, corruptUnknown string
	// final are the reasons of result.
	final map[string]string
}

// New opens the account of a stream.
func New(c Config) *Ledger { return newLedger(c, limitsOf(&c)) }

func newLedger(c Config, lim limits) *Ledger {
	if c.EvidencePerKind <= 0 {
		c.EvidencePerKind = defaultEvidence
	}
	rule := c.Order
	if rule == RealTime && c.KeyOf == nil {
		rule = None
	}
	return &Ledger{
		config: c, identity: c.Identity.Reader(), limits: lim,
		cells:     make([]cell, len(c.Windows)+1),
		places:    newPositions(lim.offsets),
		acks:      newPositions(lim.offsets),
		origins:   origins{placed: newPositions(lim.offsets), hashed: make(map[uint64]struct{}), bound: lim.origins},
		history:   newHistory(lim),
		order:     order{rule: rule, keyOf: c.KeyOf, producers: max(1, c.Producers), bound: lim.queued},
		evidence:  evidence{limit: c.EvidencePerKind, entries: make(map[evidenceOf][]*reports.Violation)},
		early:     make(map[uint64]*note),
		wrong:     make(map[uint64]string),
		copies:    make(map[uint64]int64),
		foreign:   newTimeline(lim.buckets),
		forgotten: newTimeline(lim.buckets),
	}
}

// Ended takes operations that are over, each exactly once, in any order. It keeps nothing of the batch.
func (l *Ledger) Ended(batch []reports.Ended) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	for i := range batch {
		l.ended(&batch[i])
	}
	if l.order.keyOf == nil && l.order.queued > 0 {
		l.advanceAll(false)
	}
}

// Seen takes deliveries, those of one partition in the order of observation. It keeps nothing of the batch.
func (l *Ledger) Seen(batch []drivers.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	for i := range batch {
		d := &batch[i]
		if d.Provisional {
			continue
		}
		l.latest = max(l.latest, d.At)
		if d.Anew {
			l.startAnew()
			continue
		}
		if seq, b := l.identity.Parse(d.ID); b == drivers.Ours {
			l.seen(seq, d)
		} else {
			l.foreign.add(d.At)
		}
	}
}

func (l *Ledger) ended(e *reports.Ended) {
	seq, s, cell := e.Op.Seq, stateOf(e.Outcome), int16(e.Window+1)
	l.planned = max(l.planned, seq+1)
	p, i := l.pages.At(seq)
	tooFarAhead := l.history.unplanned > 0 && l.adopt(seq, p, i)
	p.end(i, s, cell)
	if s == acked {
		l.cells[cell].acked++
		if l.config.Mode == Log {
			l.acknowledged(e, cell)
		}
	}
	seen := p.seen.Has(i)
	l.history.ended(e, s, seen, seen && !tooFarAhead && l.order.rule == RealTime)
	if tooFarAhead && s.sent() {
		l.order.giveUpOrder("an operation was seen more than %d ahead of what had ended", l.limits.horizon)
	}
	if !seen {
		return
	}
	l.arrived(seq, s, cell)
	if len(l.early) > 0 {
		l.settleEarly(seq, s, cell)
	}
	if p.wrong.Has(i) {
		l.corrupt(seq, s, cell, l.wrong[seq])
		delete(l.wrong, seq)
	}
	if l.order.queued > 0 && l.order.keyOf != nil {
		l.advance(seq, s)
	}
}

// acknowledged checks whether another ack named the same place.
func (l *Ledger) acknowledged(e *reports.Ended, cell int16) {
	for i := range e.Trail {
		if e.Trail[i].Position.Known {
			l.named(e.Op.Seq, cell, &e.Trail[i])
		}
	}
}

// named takes the place that an ack named, if the ack named one.
func (l *Ledger) named(seq uint64, cell int16, at *drivers.Attempt) {
	if at.Outcome != drivers.Acked || l.cutBack {
		return
	}
	again, ok := l.acks.add(l.acks.log(at.Position.Log), at.Position.At)
	if !ok {
		l.acksUnknown = "the offsets that acks named have more gaps than there is room for"
	}
	if again {
		l.cells[cell].collisions++
		l.emitCollision(seq, cell, at)
	}
}

// seen takes a delivery of this run and stream.
func (l *Ledger) seen(seq uint64, d *drivers.Delivery) {
	log := l.places.log(d.Position.Log)
	again, ok := d.Redelivered, true
	if d.Position.Known {
		again, ok = l.places.add(log, d.Position.At)
	}
	copied := !again
	if !ok || len(d.Origin) > 0 || d.Redelivered {
		copied, again = l.classify(d, again, ok)
	}
	if seq >= l.planned+l.limits.horizon {
		l.seenTooFarAhead(seq, d, copied, again)
		return
	}
	p, i := l.pages.At(seq)
	first := !p.seen.Has(i)
	if first && l.history.unplanned > 0 {
		first = !l.adopt(seq, p, i)
	}
	s := p.state(i)
	if first {
		p.see(i)
		l.history.sighted(seq, s, d, false)
		if s != open {
			l.arrived(seq, s, p.cells.At(i))
		}
	} else if copied || again {
		l.seenAgain(seq, s, d, copied, again)
	}
	if d.Wrong != "" && !p.wrong.Has(i) {
		l.seenWrong(seq, p, i, s, d.Wrong)
	}
	if l.order.rule != None && (!d.Redelivered || l.inOrder(d, first)) {
		l.observe(seq, log, first, s)
	}
	if len(l.history.kept) > 0 {
		l.history.release(seq)
	}
}

// seenTooFarAhead takes a delivery of an operation far beyond the plan so far. A target can invent any number, and must not
// fill the memory with inventions.
func (l *Ledger) seenTooFarAhead(seq uint64, d *drivers.Delivery, copied, again bool) {
	if d.Wrong != "" {
		l.corruptUnknown = fmt.Sprintf("a corrupt effect was seen more than %d ahead of what had ended", l.limits.horizon)
	}
	if l.history.unplannedRecord(seq) != nil {
		l.seenAgain(seq, open, d, copied, again)
		return
	}
	if l.history.sighted(seq, open, d, true) {
		return
	}
	if l.forgotten.n == 0 || seq < l.forgottenFrom {
		l.forgottenFrom = seq
	}
	l.forgotten.add(d.At)
}

// adopt gives an operation that was first seen far ahead its bits, once they exist. It returns whether there was such an
// operation.
func (l *Ledger) adopt(seq uint64, p *page, i uint) bool {
	r := l.history.unplannedRecord(seq)
	if r == nil || !r.tooFarAhead {
		return false
	}
	if !p.seen.Has(i) {
		p.see(i)
	}
	if n := l.early[seq]; n != nil && n.extra > 0 {
		pages.Need(&p.copied).Set(i)
		if n.extra > 1 {
			l.copies[seq] = n.extra + 1
		}
	}
	return true
}

// arrived counts an operation of which both the end and the first sighting are known.
func (l *Ledger) arrived(seq uint64, s state, cell int16) {
	if s == acked {
		l.cells[cell].ackedSeen++
		return
	}
	l.surprise(seq, s, cell)
}

// surprise counts an operation that was seen and not acked.
func (l *Ledger) surprise(seq uint64, s state, cell int16) {
	c := &l.cells[cell]
	switch s {
	case indeterminate:
		c.recovered++
	case rejected:
		c.phantom++
		l.emitPhantom(seq, cell)
	case dropped:
		c.unexpected++
		l.emitUnexpected(seq, cell, "dropped and never sent, yet seen")
	}
}
