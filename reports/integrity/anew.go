package integrity

// cutBackReason is why a count is not known after a log was cut back.
const cutBackReason = "records that were read are gone from the log: it was made anew or cut back"

// startAnew takes back every sighting: the source reads what its log holds now. What ended stays as it is.
func (l *Ledger) startAnew() {
	for i := range l.cells {
		l.cells[i] = cell{acked: l.cells[i].acked}
	}
	l.pages.unsee()
	l.places = newPositions(l.limits.offsets)
	l.origins = origins{placed: newPositions(l.limits.offsets), hashed: make(map[uint64]struct{}), bound: l.limits.origins}
	l.history.unsee()
	l.evidence.clear()
	clear(l.early)
	clear(l.copies)
	clear(l.wrong)
	l.foreign, l.forgotten, l.forgottenFrom = newTimeline(l.limits.buckets), newTimeline(l.limits.buckets), 0
	o := &l.order
	o.scopes, o.nodes, o.free, o.queued, o.drawn = nil, nil, 0, 0, [drawnKeys]drawnKey{}
	if o.rule == RealTime {
		o.giveUpOrder(cutBackReason)
	}
	// Records behind the cut have places that acks named before.
	l.cutBack, l.acksUnknown = true, cutBackReason
}

// unsee forgets which operations were seen.
func (d *directory) unsee() {
	d.Each(func(_ uint64, p *page) { p.seen, p.copied, p.wrong, p.late, p.nSeen = nil, nil, nil, nil, 0 })
}

// unsee forgets the sightings. Of operations that are not over nothing else was known.
func (h *history) unsee() {
	for i := range h.ring {
		h.ring[i].unsee()
	}
	for seq, r := range h.kept {
		if r.state == open {
			h.unplanned--
			delete(h.kept, seq)
			continue
		}
		r.unsee()
	}
}

func (r *record) unsee() {
	if r.state == open {
		*r = record{}
		return
	}
	r.seen, r.waits, r.at, r.partition, r.offset = false, false, 0, 0, noOffset
	if r.more != nil {
		r.more.nOrigin = 0
	}
}

func (e *evidence) clear() { clear(e.entries) }
