package kafka

// placesOf is how many flights have a place of their own in a table; a power of two.
const placesOf = 1 << 13

// table finds flights by what their records carry. What is in flight at once is mostly a run of neighbours, so the place
// that an operation's number names is mostly free; who finds it taken goes into a map. Not safe for concurrent use.
type table struct {
	places [placesOf]*flight
	rest   map[ref]*flight
}

func newTable() *table { return &table{rest: make(map[ref]*flight)} }

func (t *table) place(r ref) **flight { return &t.places[r.seq%placesOf] }

// put adds a flight; another with the same ref is replaced.
func (t *table) put(f *flight) {
	at := t.place(f.ref)
	if *at == nil || (*at).ref == f.ref {
		*at = f
		return
	}
	t.rest[f.ref] = f
}

// get returns the flight of r, nil when there is none.
func (t *table) get(r ref) *flight {
	if f := *t.place(r); f != nil && f.ref == r {
		return f
	}
	if len(t.rest) == 0 {
		return nil
	}
	return t.rest[r]
}

// drop removes f, if it is there.
func (t *table) drop(f *flight) {
	if at := t.place(f.ref); *at == f {
		*at = nil
		return
	}
	if len(t.rest) > 0 && t.rest[f.ref] == f {
		delete(t.rest, f.ref)
	}
}

// all lists the flights, in no order.
func (t *table) all() []*flight {
	var all []*flight
	for _, f := range t.places {
		if f != nil {
			all = append(all, f)
		}
	}
	for _, f := range t.rest {
		all = append(all, f)
	}
	return all
}
