// Package pages remembers a few bits of each of very many operations, which are numbered from 0 and end roughly in order. A page
// covers 4,096 operations. A bit that no operation of a page has, or that all have, takes no memory. Most pages end so, and cost
// one small struct. Nothing here locks: a caller with several goroutines does.
package pages

import "math/bits"

// Size is the number of operations in a page; operation seq is number seq%Size of page seq>>Shift.
const (
	Shift = 12
	Size  = 1 << Shift
)

// Words is the number of words in a page's bits.
const Words = Size / 64

// Bits is one bit for each operation of a page. No bit of a nil *Bits is set.
type Bits [Words]uint64

// Full has every bit set. It is shared, and must not be written to.
var Full = func() *Bits {
	b := new(Bits)
	for w := range b {
		b[w] = ^uint64(0)
	}
	return b
}()

// Has reports whether the bit of operation i is set.
func (b *Bits) Has(i uint) bool { return b != nil && b[i/64]&(1<<(i%64)) != 0 }

// Bit is 1 where Has is true, and 0 elsewhere.
func (b *Bits) Bit(i uint) uint64 {
	if b == nil {
		return 0
	}
	return b[i/64] >> (i % 64) & 1
}

// Set sets the bit of operation i. b is neither nil nor Full.
func (b *Bits) Set(i uint) { b[i/64] |= 1 << (i % 64) }

// Word is the bits of operations w*64 to w*64+63, the lowest first.
func (b *Bits) Word(w int) uint64 {
	if b == nil {
		return 0
	}
	return b[w]
}

// Need returns *b, made when it is nil.
func Need(b **Bits) *Bits {
	if *b == nil {
		*b = new(Bits)
	}
	return *b
}

// Mark sets a bit of *b that is not set yet. n counts the bits that are set; once all are, *b becomes Full.
func Mark(b **Bits, i uint, n *int16) {
	Need(b).Set(i)
	if *n++; *n == Size {
		*b = Full
	}
}

// NoCell is the cell of an operation that has none.
const NoCell = -1

// Cells is a small number, such as that of a window, for each operation of a page. It takes no memory while all have the same.
// In the zero value no operation has a cell. While a page has one cell, every operation of the page reads as having it.
type Cells struct {
	each *[Size]int16
	one  int16 // the cell of all, plus 1; 0: none has one. It has no meaning beside each.
}

// Set gives operation i a cell, from 0 on.
func (c *Cells) Set(i uint, cell int16) {
	if c.each != nil {
		c.each[i] = cell
	} else if c.one != cell+1 {
		c.differ(i, cell)
	}
}

// differ gives operation i the page's first cell, or the first one that differs from the others'.
func (c *Cells) differ(i uint, cell int16) {
	if c.one == 0 {
		c.one = cell + 1
		return
	}
	c.each = new([Size]int16)
	for j := range c.each {
		c.each[j] = c.one - 1
	}
	c.each[i] = cell
}

// At is the cell of operation i, NoCell when no operation of the page has one.
func (c *Cells) At(i uint) int16 {
	if c.each != nil {
		return c.each[i]
	}
	return c.one - 1
}

// One is the cell of every operation of the page, if they share one; NoCell when none has one.
func (c *Cells) One() (cell int16, shared bool) { return c.one - 1, c.each == nil }

// Directory holds the pages of a stream, each a P. The zero value of P is a page of unknown operations.
type Directory[P any] struct{ pages []*P }

// At returns the page of operation seq and the operation's place in it. A missing page is made. The directory grows to that
// page: the caller bounds seq.
func (d *Directory[P]) At(seq uint64) (*P, uint) {
	n := seq >> Shift
	if n < uint64(len(d.pages)) && d.pages[n] != nil {
		return d.pages[n], uint(seq % Size)
	}
	return d.add(n), uint(seq % Size)
}

func (d *Directory[P]) add(n uint64) *P {
	for uint64(len(d.pages)) <= n {
		d.pages = append(d.pages, nil)
	}
	d.pages[n] = new(P)
	return d.pages[n]
}

// Find returns the page of operation seq for reading, nil if it was never made, and the operation's place in it.
func (d *Directory[P]) Find(seq uint64) (*P, uint) {
	n, i := seq>>Shift, uint(seq%Size)
	if n >= uint64(len(d.pages)) {
		return nil, i
	}
	return d.pages[n], i
}

// Len is the number of the last page that was made, plus 1.
func (d *Directory[P]) Len() int { return len(d.pages) }

// Each visits the pages that were made, in order, with the number of their first operation.
func (d *Directory[P]) Each(visit func(first uint64, page *P)) {
	for n, p := range d.pages {
		if p != nil {
			visit(uint64(n)<<Shift, p)
		}
	}
}

// Select visits the operations that pick selects of each page's words, in order.
func (d *Directory[P]) Select(pick func(page *P, word int) uint64, visit func(page *P, seq uint64)) {
	d.Each(func(first uint64, p *P) {
		for w := range Words {
			for m := pick(p, w); m != 0; m &= m - 1 {
				visit(p, first|uint64(w*64+bits.TrailingZeros64(m)))
			}
		}
	})
}
