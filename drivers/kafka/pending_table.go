package kafka

// tableSlots is the number of slots in a table; a power of two.
const tableSlots = 1 << 13

// table finds pending records by ref. Records in flight usually have consecutive numbers, so the slot seq mod N is usually
// free; on a collision the record goes into a map. Not safe for concurrent use.
type table struct {
	slots [tableSlots]*pendingRecord
	rest  map[ref]*pendingRecord
}

func newTable() *table { return &table{rest: make(map[ref]*pendingRecord)} }

func (t *table) slot(r ref) **pendingRecord { return &t.slots[r.seq%tableSlots] }

// put adds a record. It replaces a record with the same ref.
func (t *table) put(r *pendingRecord) {
	at := t.slot(r.ref)
	if *at == nil || (*at).ref == r.ref {
		*at = r
		return
	}
	t.rest[r.ref] = r
}

// get returns the record of a ref, nil if there is none.
func (t *table) get(r ref) *pendingRecord {
	if record := *t.slot(r); record != nil && record.ref == r {
		return record
	}
	if len(t.rest) == 0 {
		return nil
	}
	return t.rest[r]
}

// drop removes r, if the table holds it.
func (t *table) drop(r *pendingRecord) {
	if at := t.slot(r.ref); *at == r {
		*at = nil
		return
	}
	if len(t.rest) > 0 && t.rest[r.ref] == r {
		delete(t.rest, r.ref)
	}
}

// all lists the records, in no order.
func (t *table) all() []*pendingRecord {
	var all []*pendingRecord
	for _, r := range t.slots {
		if r != nil {
			all = append(all, r)
		}
	}
	for _, r := range t.rest {
		all = append(all, r)
	}
	return all
}
