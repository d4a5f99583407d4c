package saga

import (
	"wringer/drivers"
	"wringer/reports/pages"
)

// state is the known end of an operation.
type state uint8

const (
	open   state = iota // not over, never planned, or dropped
	acked               // it was acknowledged
	undone              // it was sent, and not acknowledged
)

func (s state) sent() bool { return s != open }

// page holds the known facts of its operations.
type page struct {
	acked, undone *pages.Bits
	nAcked        int16
	cells         pages.Cells
	parts         []pair // by effect; nil: none was seen
}

// pair holds what was seen of an effect and of its compensation.
type pair struct{ effect, compensation marks }

// marks says which operations were seen in a place: in any reading, in the last, and twice in the last.
type marks struct {
	view, once, twice *pages.Bits
	nView, nOnce      int16
}

// count counts a record of the last reading.
func (m *marks) count(i uint) {
	if m.once.Has(i) {
		pages.Need(&m.twice).Set(i)
		return
	}
	pages.Mark(&m.once, i, &m.nOnce)
}

func (p *page) need(effects int) {
	if p.parts == nil {
		p.parts = make([]pair, effects)
	}
}

func (p *page) of(at part) *marks {
	if at.compensation {
		return &p.parts[at.number].compensation
	}
	return &p.parts[at.number].effect
}

func (p *page) end(i uint, o drivers.Outcome, cell int16) {
	switch o {
	case drivers.Acked:
		pages.Mark(&p.acked, i, &p.nAcked)
	case drivers.Rejected, drivers.Indeterminate:
		pages.Need(&p.undone).Set(i)
	}
	p.cells.Set(i, cell)
}

func (p *page) state(i uint) state {
	switch {
	case p.acked.Has(i):
		return acked
	case p.undone.Has(i):
		return undone
	}
	return open
}

// fates are the operations of a word by what was seen of them.
type fates struct {
	full, compensated, nothing uint64 // every effect and no compensation; each effect undone once; none of either
}

// fates tells the operations of a word apart. view: by everything that was seen so far, whether or not it counts.
func (p *page) fates(w int, view bool) fates {
	all, any, undone, compensations := ^uint64(0), uint64(0), ^uint64(0), uint64(0)
	if p.parts == nil {
		return fates{nothing: ^uint64(0)}
	}
	for k := range p.parts {
		e, c := &p.parts[k].effect, &p.parts[k].compensation
		effect, compensation, twice := e.once.Word(w), c.once.Word(w), c.twice.Word(w)
		if view {
			effect, compensation, twice = e.view.Word(w), c.view.Word(w), 0
		}
		all, any, compensations = all&effect, any|effect, compensations|compensation
		undone &= ^(effect ^ compensation) &^ twice
	}
	return fates{full: all &^ compensations, compensated: any & undone, nothing: ^(any | compensations)}
}

// whole says that an operation has every effect, or each of its effects is compensated.
func (p *page) whole(i uint, view bool) bool {
	f := p.fates(int(i/64), view)
	return (f.full|f.compensated)>>(i%64)&1 == 1
}
