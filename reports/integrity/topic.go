package integrity

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"strconv"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// TopicConfig describes a topic that is judged by itself.
type TopicConfig struct {
	// Stream is the name in the evidence.
	Stream string
	// Windows are the names of the windows, as in reports.CheckConfig; WindowAt is the index of the one that holds a time, or WindowWarmup.
	Windows  []string
	WindowAt func(t time.Duration) int
	// Sequenced says that records number themselves within their key.
	Sequenced bool
	// OrderAlone: a ledger accounts for the same deliveries, and the topic checks only the order of its numbers.
	OrderAlone bool
	// EvidencePerKind bounds the evidence of one kind in one window. 0: 100.
	EvidencePerKind int
}

// Topic judges a target's published records by the records alone, without a list of expected ones.
//
// It can prove that an identity stands at two places (log_duplicates, extra_copies, max_copies). It can prove that a key's
// record came after one with a higher number (order_violations, regressions). It can prove that a number between the first and
// the last of its key is missing (gaps). It cannot prove the loss of a record whose key shows no gap, and says nothing of it:
// lost, phantom and the like are null. seen counts the identities, foreign the records without one.
//
// A count belongs to the window in which the identity was first seen, a gap to the window of the number behind it. Sightings of
// the warm-up take part in every comparison and are counted nowhere. A record that lacks an identity, a key or a number that
// the stream asks for might be a copy of another. The counts then are lower bounds.
//
// An identity takes about 30 bytes and is known by a 64-bit hash. Among four million, the bound, two collide with a probability
// below one in a million. A key takes about 100 bytes beside its text.
//
// Its methods are safe for concurrent use.
type Topic struct {
	mu     sync.Mutex
	config TopicConfig
	limits topicLimits
	seed   maphash.Seed
	cells  []topicCell // cells of the warm-up, then of each window
	ids    map[uint64]known
	keys   map[uint64]*row
	// missing holds the numbers that were skipped so far, with the cell of the record that skipped them.
	missing  map[skipped]int16
	evidence map[topicEvidence][]reports.Violation
	// nameless records had no identity, unnumbered ones no key or number.
	nameless, unnumbered int64
	// The reasons why some counts are not fully known; empty when they are.
	repeatsUnknown, orderUnknown, gapsUnknown string
}

// topicLimits bound the memory that grows with the records. When a bound is hit, the counts that depend on it are unknown,
// never 0.
type topicLimits struct{ ids, keys, missing int }

func newTopicLimits() topicLimits {
	return topicLimits{ids: 1 << 22, keys: 1 << 20, missing: 1 << 20}
}

// topicCell counts the findings of one window.
type topicCell struct {
	seen, foreign, duplicates, extra, copies, violations, regressions, gaps int64
}

// known is an identity: the place and cell of its first sighting, and the number of its sightings.
type known struct {
	offset    int64
	partition int32
	cell      int16
	copies    uint16 // at most maxCopies
}

const maxCopies = 1<<16 - 1

// row holds the lowest and highest number of a key's records. For the partition of the first record, in which alone order is
// compared, it holds the highest number so far and the last.
type row struct {
	key           string
	low, top      int64
	highest, last int64
	partition     int32
}

type skipped struct {
	key    uint64
	number int64
}

type topicEvidence struct {
	kind string
	cell int16
}

// NewTopic opens the account of a topic.
func NewTopic(c TopicConfig) *Topic { return newTopic(c, newTopicLimits()) }

func newTopic(c TopicConfig, limits topicLimits) *Topic {
	if c.EvidencePerKind <= 0 {
		c.EvidencePerKind = defaultEvidence
	}
	return &Topic{
		config: c, limits: limits, seed: maphash.MakeSeed(), cells: make([]topicCell, len(c.Windows)+1),
		ids: make(map[uint64]known), keys: make(map[uint64]*row), missing: make(map[skipped]int16),
		evidence: make(map[topicEvidence][]reports.Violation),
	}
}

// Seen takes records, each once, those of one partition in the order of their offsets. It keeps nothing of the batch.
func (t *Topic) Seen(batch []drivers.Delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range batch {
		d := &batch[i]
		if d.Anew {
			t.startAnew()
			continue
		}
		cell := int16(max(t.config.WindowAt(d.At), reports.WindowWarmup) + 1)
		if !d.Position.Known && d.Redelivered && t.handedOut(d) {
			continue
		}
		first := t.identify(d, cell)
		if t.config.Sequenced {
			t.number(d, cell, first)
		}
	}
}

// startAnew forgets all records: the source reads what its log holds now. The windows in which records were first seen are
// lost with that.
func (t *Topic) startAnew() {
	clear(t.cells)
	clear(t.ids)
	clear(t.keys)
	clear(t.missing)
	clear(t.evidence)
	t.nameless, t.unnumbered = 0, 0
	t.repeatsUnknown, t.orderUnknown, t.gapsUnknown = cutBackReason, cutBackReason, cutBackReason
}

// handedOut takes a record without a position that its queue hands out again. It returns true if an identity shows that the
// record was seen before: the record is then neither a copy nor in any order. Otherwise the record's place in the order is not
// known.
func (t *Topic) handedOut(d *drivers.Delivery) bool {
	if _, seen := t.ids[maphash.Bytes(t.seed, d.ID)]; seen && len(d.ID) > 0 {
		return true
	}
	t.orderUnknown = cmp.Or(t.orderUnknown, "a record was seen only when the queue had handed it out before, and its place in the order is not known")
	return false
}

// identify counts a record by its identity, and reports whether it surely is the first record of that identity.
func (t *Topic) identify(d *drivers.Delivery, cell int16) (first bool) {
	if len(d.ID) == 0 {
		t.nameless++
		t.cells[cell].foreign++
		return false
	}
	hash := maphash.Bytes(t.seed, d.ID)
	k, again := t.ids[hash]
	switch {
	case again:
		t.copied(d, hash, k)
		return false
	case len(t.ids) >= t.limits.ids:
		t.repeatsUnknown = fmt.Sprintf("the topic holds more than %d identities", t.limits.ids)
		t.orderUnknown = cmp.Or(t.orderUnknown, t.repeatsUnknown)
		return false
	}
	k = known{cell: cell, copies: 1}
	k.partition, k.offset = place(d.Position)
	t.ids[hash] = k
	c := &t.cells[cell]
	c.seen++
	c.copies = max(c.copies, 1)
	return true
}

// copied counts one more place of an identity.
func (t *Topic) copied(d *drivers.Delivery, hash uint64, k known) {
	c := &t.cells[k.cell]
	if k.copies == 1 {
		c.duplicates++
	}
	if k.copies < maxCopies {
		k.copies++
	}
	c.extra++
	c.copies = max(c.copies, int64(k.copies))
	t.ids[hash] = k
	why := "in the queue, and again at " + moment(d.At)
	if d.Position.Known {
		why = "in the topic at " + placeText(k.partition, k.offset) + " and again at " + placeText(place(d.Position))
	}
	t.addEvidence("log_duplicate", k.cell, d, why)
}

// number compares a record with the earlier ones of its key.
func (t *Topic) number(d *drivers.Delivery, cell int16, first bool) {
	n, err := strconv.ParseInt(string(d.Sequence), 10, 64)
	if err != nil || d.Key == nil {
		t.unnumbered++
		return
	}
	hash := maphash.Bytes(t.seed, d.Key)
	partition, _ := place(d.Position)
	r := t.keys[hash]
	if r == nil {
		if len(t.keys) >= t.limits.keys {
			t.orderUnknown = fmt.Sprintf("the topic holds more than %d keys", t.limits.keys)
			t.gapsUnknown = t.orderUnknown
			return
		}
		t.keys[hash] = &row{key: string(d.Key), low: n, top: n, highest: n, last: n, partition: partition}
		return
	}
	t.skip(hash, r, n, cell)
	if partition != r.partition {
		t.orderUnknown = cmp.Or(t.orderUnknown, "a key was seen in several partitions, between which nobody observes an order")
	} else {
		t.order(d, r, n, cell, first)
	}
	r.low, r.top = min(r.low, n), max(r.top, n)
}

// order looks for a number below an earlier one. A late copy is a regression, and no order violation.
func (t *Topic) order(d *drivers.Delivery, r *row, n int64, cell int16, first bool) {
	if first && n < r.highest {
		t.cells[cell].violations++
		t.addEvidence("order_violation", cell, d, fmt.Sprintf("number %d of its key was first seen after number %d", n, r.highest))
	}
	if n < r.last {
		t.cells[cell].regressions++
	}
	r.highest, r.last = max(r.highest, n), n
}

// skip keeps account of the unseen numbers between the lowest and the highest of a key.
func (t *Topic) skip(hash uint64, r *row, n int64, cell int16) {
	if t.gapsUnknown != "" {
		return
	}
	from, to := r.top+1, n // The number is above all earlier ones.
	switch {
	case n < r.low:
		from, to = n+1, r.low
	case n <= r.top:
		delete(t.missing, skipped{hash, n})
		return
	}
	// The difference may be beyond an int64: as a uint64 it is right.
	if uint64(to)-uint64(from) > uint64(t.limits.missing-len(t.missing)) {
		t.gapsUnknown = fmt.Sprintf("more than %d numbers are missing: the numbers of a key do not count up by one", t.limits.missing)
		t.missing = nil
		return
	}
	for ; from < to; from++ {
		t.missing[skipped{hash, from}] = cell
	}
}

// addEvidence keeps evidence while there is room for it.
func (t *Topic) addEvidence(kind string, cell int16, d *drivers.Delivery, why string) {
	if of := (topicEvidence{kind, cell}); t.wants(of) {
		v := t.violation(of, why)
		v.ID, v.Key = string(d.ID), string(d.Key)
		v.Seen = []reports.Sighting{reports.SightingAt(d.Position, int64(d.At))}
		t.evidence[of] = append(t.evidence[of], v)
	}
}

func (t *Topic) wants(of topicEvidence) bool {
	return of.cell != warmupCell && len(t.evidence[of]) < t.config.EvidencePerKind
}

func (t *Topic) violation(of topicEvidence, why string) reports.Violation {
	return reports.Violation{Kind: of.kind, Stream: t.config.Stream, Window: t.config.Windows[of.cell-1], Attempts: []reports.Try{}, Why: why}
}
