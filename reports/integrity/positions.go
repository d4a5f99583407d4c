package integrity

import (
	"maps"
	"math/bits"
	"slices"
	"strconv"

	"wringer/reports/pages"
)

// positions remembers which (partition, offset) pairs were seen: one bit each, and nothing for 4,096 in a row.
type positions struct {
	logs []offsets
	// index finds a partition's place in logs. last and lastLog are the answer to the most recent lookup.
	index   map[int32]int32
	last    int32
	lastLog int32
	room    int // pages that may still be made
}

// offsets of one partition. at and page are the most recently used page: logs are mostly read in order.
type offsets struct {
	pages map[int64]*offsetPage
	at    int64
	page  *offsetPage
}

type offsetPage struct {
	n    int
	bits pages.Bits
}

// fullPage stands for every page without a missing offset. It is shared and never written to.
var fullPage = &offsetPage{n: pages.Size}

func newPositions(room int) positions {
	return positions{index: make(map[int32]int32), room: room}
}

// log returns a small number that stands for the partition.
func (p *positions) log(partition int32) int32 {
	if partition == p.last && len(p.logs) > 0 {
		return p.lastLog
	}
	return p.find(partition)
}

func (p *positions) find(partition int32) int32 {
	n, ok := p.index[partition]
	if !ok {
		n = int32(len(p.logs))
		p.index[partition] = n
		p.logs = append(p.logs, offsets{pages: make(map[int64]*offsetPage)})
	}
	p.last, p.lastLog = partition, n
	return n
}

// add marks an offset. again: the offset was marked before. ok is false if there is no room to know.
func (p *positions) add(log int32, offset int64) (again, ok bool) {
	o := &p.logs[log]
	at, i := offset>>pages.Shift, uint(offset&(pages.Size-1))
	if o.page == nil || o.at != at {
		o.at, o.page = at, o.pages[at]
	}
	switch {
	case o.page == fullPage:
		return true, true
	case o.page == nil && p.room == 0:
		return false, false
	case o.page == nil:
		o.page = new(offsetPage)
		o.pages[at] = o.page
		p.room--
	}
	if o.page.bits.Has(i) {
		return true, true
	}
	o.page.bits.Set(i)
	if o.page.n++; o.page.n == pages.Size {
		o.page, o.pages[at] = fullPage, fullPage
		p.room++
	}
	return false, true
}

// eachMissing visits the places that p has and other lacks, by partition and offset in order.
func (p *positions) eachMissing(other *positions, visit func(partition int32, offset int64)) {
	for _, partition := range slices.Sorted(maps.Keys(p.index)) {
		mine := p.logs[p.index[partition]].pages
		var theirs map[int64]*offsetPage
		if n, ok := other.index[partition]; ok {
			theirs = other.logs[n].pages
		}
		for _, at := range slices.Sorted(maps.Keys(mine)) {
			if mine[at] == theirs[at] { // both full
				continue
			}
			for w := range (pages.Size + 63) / 64 {
				left := mine[at].word(w) &^ theirs[at].word(w)
				for ; left != 0; left &= left - 1 {
					visit(partition, at<<pages.Shift+int64(w*64+bits.TrailingZeros64(left)))
				}
			}
		}
	}
}

// word is 64 of the page's offsets, a bit each; a missing page has none.
func (o *offsetPage) word(w int) uint64 {
	switch o {
	case nil:
		return 0
	case fullPage:
		return ^uint64(0)
	}
	return o.bits[w]
}

// origins remembers the messages from which effects were made. An origin written PARTITION/OFFSET is kept as a position, any
// other as its 64-bit hash, up to a bound.
type origins struct {
	placed positions
	hashed map[uint64]struct{}
	bound  int
}

// add marks an origin. again: the origin was marked before. ok is false if there is no room to know.
func (o *origins) add(text []byte) (again, ok bool) {
	if partition, offset, placed := parseOrigin(text); placed {
		return o.placed.add(o.placed.log(partition), offset)
	}
	h := fnv1a(text)
	if _, again = o.hashed[h]; again {
		return true, true
	}
	if len(o.hashed) >= o.bound {
		return false, false
	}
	o.hashed[h] = struct{}{}
	return false, true
}

// parseOrigin reads PARTITION/OFFSET in plain decimal. A sign or a leading zero is refused: two texts are two origins.
func parseOrigin(text []byte) (partition int32, offset int64, ok bool) {
	for i, c := range text {
		if c == '/' {
			p, ok1 := parseDecimal(text[:i], 31)
			o, ok2 := parseDecimal(text[i+1:], 63)
			return int32(p), o, ok1 && ok2
		}
	}
	return 0, 0, false
}

func parseDecimal(text []byte, bits int) (int64, bool) {
	if len(text) == 0 || len(text) > 19 || text[0] < '0' || text[0] > '9' || (text[0] == '0' && len(text) > 1) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text), 10, bits)
	return int64(n), err == nil
}

// fnv1a is the 64-bit FNV-1a hash (Fowler, Noll, Vo).
func fnv1a(text []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range text {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
