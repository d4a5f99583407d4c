package integrity

import (
	"wringer/drivers"
	"wringer/reports/pages"
)

// state is the known end of an operation. Its value is the number that a page's bits low, high and drop make.
type state uint8

const (
	open          state = 0 // not over, or never planned
	acked         state = 1
	rejected      state = 2
	indeterminate state = acked | rejected
	dropped       state = 4
)

// sent reports whether some attempt was made.
func (s state) sent() bool { return s&indeterminate != 0 }

func (s state) String() string {
	return [...]string{"open", "acked", "rejected", "indeterminate", "dropped"}[s]
}

func stateOf(o drivers.Outcome) state {
	switch o {
	case drivers.Acked:
		return acked
	case drivers.Rejected:
		return rejected
	case drivers.Indeterminate:
		return indeterminate
	}
	return dropped
}

// page holds the known facts of its operations. state is in the two bits low and high (acked 01, rejected 10, indeterminate 11)
// or in drop. Low and seen are full when they hold for all operations, as in most finished pages.
type page struct {
	low, high, drop, seen, copied *pages.Bits
	wrong, late                   *pages.Bits // corrupt; out of order
	cells                         pages.Cells
	nLow, nSeen                   int16
}

func (p *page) state(i uint) state {
	return state(p.low.Bit(i) | p.high.Bit(i)<<1 | p.drop.Bit(i)<<2)
}

func (p *page) end(i uint, s state, cell int16) {
	if s&acked != 0 {
		pages.Mark(&p.low, i, &p.nLow)
	}
	if s&rejected != 0 {
		pages.Need(&p.high).Set(i)
	}
	if s == dropped {
		pages.Need(&p.drop).Set(i)
	}
	p.cells.Set(i, cell)
}

func (p *page) see(i uint) { pages.Mark(&p.seen, i, &p.nSeen) }

// directory holds the pages of a stream's operations.
type directory struct{ pages.Directory[page] }

func (d *directory) stateOf(seq uint64) state {
	if p, i := d.Find(seq); p != nil {
		return p.state(i)
	}
	return open
}

func (d *directory) cellOf(seq uint64) int16 {
	p, i := d.At(seq)
	return p.cells.At(i)
}

// lost visits every operation that was acked and not seen, in order.
func (d *directory) lost(visit func(seq uint64, cell int16)) {
	d.Select(func(p *page, w int) uint64 {
		return p.low.Word(w) &^ p.high.Word(w) &^ p.seen.Word(w)
	}, func(p *page, seq uint64) { visit(seq, p.cells.At(uint(seq%pages.Size))) })
}

// unplanned visits every operation that was seen and never ended, in order.
func (d *directory) unplanned(visit func(seq uint64)) {
	d.Select(func(p *page, w int) uint64 {
		return p.seen.Word(w) &^ p.low.Word(w) &^ p.high.Word(w) &^ p.drop.Word(w)
	}, func(_ *page, seq uint64) { visit(seq) })
}
