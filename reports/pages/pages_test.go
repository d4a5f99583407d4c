package pages

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// kept is a page as a caller declares it.
type kept struct {
	marked, some *Bits
	cells        Cells
	n            int16
}

// TestAgainstMaps marks random operations and gives them cells, and compares every answer with maps.
func TestAgainstMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d Directory[kept]
		marked, some, cells := map[uint64]bool{}, map[uint64]bool{}, map[uint64]int16{}
		mark := func(seq uint64) {
			if p, i := d.At(seq); !marked[seq] {
				Mark(&p.marked, i, &p.n)
				marked[seq] = true
			}
		}
		base := rapid.SampledFrom([]uint64{0, Size - 3, 5 * Size}).Draw(t, "base")
		if rapid.Bool().Draw(t, "whole page") {
			for seq := base; seq < base+Size; seq++ {
				mark(seq)
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "n") {
			seq := base + rapid.Uint64Range(0, 2*Size).Draw(t, "seq")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				mark(seq)
			case 1:
				p, i := d.At(seq)
				Need(&p.some).Set(i)
				some[seq] = true
			case 2:
				p, i := d.At(seq)
				cell := rapid.Int16Range(0, 2).Draw(t, "cell")
				p.cells.Set(i, cell)
				cells[seq] = cell
			}
		}
		for seq := range base + 3*Size {
			p, i := d.Find(seq)
			if p == nil {
				if marked[seq] || some[seq] {
					t.Fatalf("%d has no page", seq)
				}
				continue
			}
			if p.marked.Has(i) != marked[seq] || p.some.Has(i) != some[seq] || (p.some.Bit(i) == 1) != some[seq] {
				t.Fatalf("%d: %t and %t, want %t and %t", seq, p.marked.Has(i), p.some.Has(i), marked[seq], some[seq])
			}
			if cell, ok := cells[seq]; ok && p.cells.At(i) != cell {
				t.Fatalf("%d has cell %d, want %d", seq, p.cells.At(i), cell)
			}
		}
		var got, want []uint64
		d.Select(func(p *kept, w int) uint64 { return p.marked.Word(w) &^ p.some.Word(w) }, func(_ *kept, seq uint64) { got = append(got, seq) })
		for seq := range marked {
			if !some[seq] {
				want = append(want, seq)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("selected %d operations, want %d", len(got), len(want))
		}
		d.Each(func(first uint64, p *kept) {
			if (p.n == Size) != (p.marked == Full) {
				t.Fatalf("page from %d on: %d are marked, full %t", first, p.n, p.marked == Full)
			}
		})
	})
	for w := range Words {
		if Full.Word(w) != ^uint64(0) {
			t.Fatalf("word %d of Full was written to", w)
		}
	}
}

func TestCells(t *testing.T) {
	var c Cells
	if cell, shared := c.One(); cell != NoCell || !shared || c.At(7) != NoCell {
		t.Errorf("no operation has a cell, and the page's is %d", cell)
	}
	for i := range uint(Size) {
		c.Set(i, 3)
	}
	if cell, shared := c.One(); cell != 3 || !shared || c.each != nil {
		t.Errorf("all have cell 3, and the page's is %d (shared: %t)", cell, shared)
	}
	c.Set(5, 0)
	c.Set(6, 3)
	if _, shared := c.One(); shared || c.At(4) != 3 || c.At(5) != 0 || c.At(6) != 3 {
		t.Errorf("cells %d %d %d, shared: %t", c.At(4), c.At(5), c.At(6), shared)
	}
}

// TestDirectoryOfNothing: an operation that was never marked takes no page.
func TestDirectoryOfNothing(t *testing.T) {
	var d Directory[kept]
	if p, i := d.Find(Size + 3); p != nil || i != 3 || d.Len() != 0 {
		t.Errorf("page %v, place %d, length %d", p, i, d.Len())
	}
	d.At(2 * Size)
	if p, _ := d.Find(Size); p != nil || d.Len() != 3 {
		t.Errorf("page %v, length %d", p, d.Len())
	}
}

// BenchmarkMark marks operations in order, and gives each the same cell.
func BenchmarkMark(b *testing.B) {
	b.ReportAllocs()
	var d Directory[kept]
	seq := uint64(0)
	for b.Loop() {
		p, i := d.At(seq)
		Mark(&p.marked, i, &p.n)
		p.cells.Set(i, 1)
		seq++
	}
}
