package integrity

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// kind of an anomaly, in the order in which the evidence is listed.
type kind uint8

const (
	kindLost kind = iota
	kindPhantom
	kindUnexpected
	kindLogDuplicate
	kindEffectDuplicate
	kindRedelivered
	kindCorrupt
	kindOrder
	kindCollision
)

var kindNames = [...]string{"lost", "phantom", "unexpected", "log_duplicate", "effect_duplicate", "redelivered", "corrupt", "order_violation", "ack_collision"}

// evidence keeps the first anomalies of each kind and window, one entry per operation. So no flood hides another anomaly.
type evidence struct {
	limit   int
	entries map[evidenceOf][]*reports.Violation
}

type evidenceOf struct {
	kind kind
	cell int16
}

// wants reports whether there is room for one more entry. Anomalies of the warm-up are left out.
func (e *evidence) wants(k kind, cell int16) bool {
	return cell != warmupCell && len(e.entries[evidenceOf{k, cell}]) < e.limit
}

// find returns the entry of an operation, nil when it has none.
func (e *evidence) find(k kind, cell int16, seq uint64) *reports.Violation {
	for _, v := range e.entries[evidenceOf{k, cell}] {
		if v.Seq == seq {
			return v
		}
	}
	return nil
}

func (e *evidence) add(k kind, cell int16, v *reports.Violation) {
	of := evidenceOf{k, cell}
	e.entries[of] = append(e.entries[of], v)
}

// sorted returns all entries: by kind, by window, by operation.
func (e *evidence) sorted() []reports.Violation {
	var keys []evidenceOf
	for of := range e.entries {
		keys = append(keys, of)
	}
	slices.SortFunc(keys, func(a, b evidenceOf) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.cell, b.cell))
	})
	all := []reports.Violation{}
	for _, of := range keys {
		list := e.entries[of]
		slices.SortStableFunc(list, func(a, b *reports.Violation) int { return cmp.Compare(a.Seq, b.Seq) })
		for _, v := range list {
			all = append(all, *v)
		}
	}
	return all
}

// addEvidence adds an entry with all that is still known of the operation, and returns the entry.
func (l *Ledger) addEvidence(k kind, cell int16, seq uint64, why string) *reports.Violation {
	v := &reports.Violation{
		Kind: kindNames[k], Stream: l.config.Stream, Place: l.config.Place, Window: l.config.Windows[cell-1],
		ID: l.config.Identity.Text(seq), Seq: seq, Why: why,
	}
	s := l.pages.stateOf(seq)
	if l.config.KeyOf != nil && s != open {
		v.Key = strconv.FormatUint(l.config.KeyOf(seq), 10)
	}
	if s != open {
		v.Outcome = s.String()
	}
	if r := l.history.find(seq); r != nil {
		r.describe(v)
	}
	l.evidence.add(k, cell, v)
	return v
}

// describe fills in the times, the attempts and the first sighting.
func (r *record) describe(v *reports.Violation) {
	if r.seen {
		first := r.first()
		v.Seen = append(v.Seen, first.report())
	}
	if r.state == open {
		return
	}
	v.PlannedNS = ns(r.planned)
	if r.state == dropped {
		return
	}
	v.SentNS, v.DoneNS, v.Attempts = ns(r.sent), ns(r.done), r.tries()
	if v.Attempts == nil && r.state == acked {
		v.Attempts = []reports.Try{{SentNS: int64(r.sent), DoneNS: int64(r.done), Outcome: r.state.String()}}
	}
}

// sightingsPerEntry bounds how many deliveries one entry lists.
const sightingsPerEntry = 16

// entry returns the entry of an operation. It makes one if there is room, and otherwise returns nil.
func (l *Ledger) entry(k kind, cell int16, seq uint64) *reports.Violation {
	if v := l.evidence.find(k, cell, seq); v != nil || !l.evidence.wants(k, cell) {
		return v
	}
	return l.addEvidence(k, cell, seq, "")
}

// emitRepeat reports a delivery of an operation that was seen before.
func (l *Ledger) emitRepeat(seq uint64, cell int16, r *repeat) {
	if r.copied {
		kind, why := kindLogDuplicate, "in the log more than once, the last time at "
		switch {
		case l.config.Mode == Effect:
			kind, why = kindEffectDuplicate, "applied more than once, the last time seen at "
		case r.offset == noOffset:
			why = "in the queue more than once, the last time at "
		}
		if v := l.entry(kind, cell, seq); v != nil {
			r.describe(v, why+l.where(&r.sighting))
		}
	}
	if !r.redelivered {
		return
	}
	v := l.entry(kindRedelivered, cell, seq)
	switch {
	case v == nil:
	case r.copied && r.nOrigin > 0:
		r.describe(v, fmt.Sprintf("applied again at %s from the same origin %s", moment(r.at), r.report().Origin))
	case r.offset == noOffset:
		r.describe(v, fmt.Sprintf("delivered again at %s, as the queue says", moment(r.at)))
	default:
		r.describe(v, fmt.Sprintf("%s was delivered again at %s", l.where(&r.sighting), moment(r.at)))
	}
}

// where names the place of a sighting, or its time if the source has no places.
func (l *Ledger) where(s *sighting) string {
	switch {
	case s.offset == noOffset:
		return moment(s.at)
	case l.config.Bytes:
		return reports.ByteOf(s.partition, s.offset)
	}
	return placeText(s.partition, s.offset)
}

func placeText(partition int32, offset int64) string {
	return fmt.Sprintf("partition %d, offset %d", partition, offset)
}

// describe adds the sighting to an entry.
func (s *sighting) describe(v *reports.Violation, why string) {
	v.Why = why
	if len(v.Seen) < sightingsPerEntry {
		v.Seen = append(v.Seen, s.report())
	}
}

// emitPhantom reports a rejected operation that was seen.
func (l *Ledger) emitPhantom(seq uint64, cell int16) {
	if !l.evidence.wants(kindPhantom, cell) {
		return
	}
	v := l.addEvidence(kindPhantom, cell, seq, "rejected, yet seen")
	if r := l.history.find(seq); r != nil && r.seen && r.state == rejected {
		v.Why = fmt.Sprintf("rejected at %s, yet seen at %s", moment(r.done), moment(r.at))
	}
}

// emitLost reports an acked operation that was not seen where it is due.
func (l *Ledger) emitLost(seq uint64, cell int16) {
	if l.config.Optional || !l.evidence.wants(kindLost, cell) {
		return
	}
	v := l.addEvidence(kindLost, cell, seq, "acked, not seen by the end of the drain"+l.config.LossNote)
	if r := l.history.find(seq); r != nil {
		v.Why = fmt.Sprintf("acked at %s, not seen by the end of the drain", moment(r.done)) + l.config.LossNote
	}
}

// emitCollision reports an operation whose ack named the same place as another operation's ack.
func (l *Ledger) emitCollision(seq uint64, cell int16, at *drivers.Attempt) {
	if l.evidence.wants(kindCollision, cell) {
		l.addEvidence(kindCollision, cell, seq, "acked at "+placeText(place(at.Position))+", as another operation was")
	}
}

// emitUnexpected reports an operation that was seen and never sent.
func (l *Ledger) emitUnexpected(seq uint64, cell int16, why string) {
	if l.evidence.wants(kindUnexpected, cell) {
		l.addEvidence(kindUnexpected, cell, seq, why)
	}
}

func ns(d time.Duration) *int64 {
	n := int64(d)
	return &n
}

// moment writes a time of the run's clock.
func moment(d time.Duration) string { return reports.Moment(int64(d)) }
