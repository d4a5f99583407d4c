package effects

import (
	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/reports/pages"
)

// In takes the deliveries of one of several places, by its number.
func (a *Account) In(place int) reports.FollowsDeliveries { return inPlace{a, place} }

type inPlace struct {
	account *Account
	place   int
}

// Seen implements reports.FollowsDeliveries.
func (p inPlace) Seen(batch []drivers.Delivery) { p.account.take(p.place, batch) }

// sighted holds which operations were seen in one of several places, and which of them for good.
type sighted struct {
	seen, sure   *pages.Bits
	nSeen, nSure int16
}

// mark marks an operation as seen in a place.
func (s *sighted) mark(i uint, provisional bool) {
	if !s.seen.Has(i) {
		pages.Mark(&s.seen, i, &s.nSeen)
	}
	if !provisional && !s.sure.Has(i) {
		pages.Mark(&s.sure, i, &s.nSure)
	}
}

// everywhere says whether an operation was seen in all of several places, and whether for good in each.
func (p *page) everywhere(i uint) (seen, sure bool) {
	seen, sure = true, true
	for k := range p.places {
		seen, sure = seen && p.places[k].seen.Has(i), sure && p.places[k].sure.Has(i)
	}
	return seen, sure
}

// confirm notes whether an effect that was seen is still there in the last reading.
func (p *page) confirm(i uint, provisional bool) {
	switch {
	case provisional:
		if !p.unconfirmed.Has(i) {
			pages.Need(&p.unconfirmed).Set(i)
			p.nUnconfirmed++
		}
	case p.unconfirmed.Has(i):
		p.unconfirmed[i/64] &^= 1 << (i % 64)
		if p.nUnconfirmed--; p.nUnconfirmed == 0 {
			p.unconfirmed = nil
		}
	}
}

// doubt takes the times back if effects of earlier readings are not in the last one: it is not known which sightings were true.
func (a *Account) doubt(incomplete string) {
	gone := false
	a.pages.Each(func(_ uint64, p *page) { gone = gone || p.nUnconfirmed > 0 })
	if !gone {
		return
	}
	a.why = vanished
	if incomplete != "" {
		a.why = unread
	}
	for i := range a.cells {
		c := &a.cells[i]
		c.Unknown += c.Times.Count()
		c.Times, c.Latest = metrics.Hist{}, 0
	}
	a.seconds = seconds{keep: a.limits.seconds}
}
