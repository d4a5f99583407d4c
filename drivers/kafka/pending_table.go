package kafka

// placesOf is how many flights have a place of their own in a table; a power of two.
const tableSlots = 1 << 13

// table finds flights by what their records carry. What is in flight at once is mostly a run of neighbours, so the place
// that an operation's number names is mostly free; who finds it taken goes into a map. Not safe for concurrent use.
type table struct {
	slots [tableSlots]*pendingRecord
	rest  map[ref]*pendingRecord
}

func newTable() *table { return &table{rest: make(map[ref]*pendingRecord)} }

func (t *table) slot(r ref) **pendingRecord { return &t.slots[r.seq%tableSlots] }

// put adds a flight; another with the same ref is replaced.
func (t *table) put(r *pendingRecord) {
	at := t.slot(r.ref)
	if *at == nil || (*at).ref == r.ref {
		*at = r
		return
	}
	t.rest[r.ref] = r
}

// get returns the flight of r, nil when there is none.
func (t *table) get(r ref) *pendingRecord {
	if record := *t.slot(r); record != nil && record.ref == r {
		return record
	}
	if len(t.rest) == 0 {
		return nil
	}
	return t.rest[r]
}

// drop removes f, if it is there.
func (t *table) drop(r *pendingRecord) {
	if at := t.slot(r.ref); *at == r {
		*at = nil
		return
	}
	if len(t.rest) > 0 && t.rest[r.ref] == r {
		delete(t.rest, r.ref)
	}
}

// all lists the flights, in no order.
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
