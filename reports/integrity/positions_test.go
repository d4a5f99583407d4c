package integrity

import (
	"math/rand/v2"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports/pages"
)

// TestPositions compares with a map while pages fill up, in any order, below 0 and far above.
func TestPositions(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	p, marked := newPositions(1<<17), make(map[position]bool)
	var offsets []int64
	for i := range int64(3 * pages.Size) {
		offsets = append(offsets, i-pages.Size, i+1<<40)
	}
	for range 2 { // the second time, each is there again
		rnd.Shuffle(len(offsets), func(i, j int) { offsets[i], offsets[j] = offsets[j], offsets[i] })
		for _, offset := range offsets {
			for _, partition := range []int32{-1, 5} {
				at := position{drivers.PositionIn(partition, offset), 0}
				if again, ok := p.add(p.log(partition), offset); again != marked[at] || !ok {
					t.Fatalf("%+v: again %v, ok %v", at, again, ok)
				}
				marked[at] = true
			}
		}
	}
	if p.room != 1<<17 {
		t.Errorf("%d full pages take room", 1<<17-p.room)
	}
}

func TestPositionsWithoutRoom(t *testing.T) {
	p := newPositions(1)
	log := p.log(7)
	if again, ok := p.add(log, 1); again || !ok {
		t.Errorf("the first: again %v, ok %v", again, ok)
	}
	if _, ok := p.add(log, 1<<30); ok {
		t.Error("there was room for a second page")
	}
	if again, ok := p.add(log, 1); !again || !ok {
		t.Errorf("the first again: again %v, ok %v", again, ok)
	}
}

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]struct {
		partition int32
		offset    int64
		ok        bool
	}{
		"3/17": {3, 17, true}, "0/0": {0, 0, true}, "2147483647/9223372036854775807": {1<<31 - 1, 1<<63 - 1, true},
		"": {}, "3": {}, "3/": {}, "/3": {}, "03/1": {}, "3/01": {}, "+3/1": {}, "3/-1": {}, "3/1 ": {}, "3/1/2": {}, "2147483648/1": {}, "1/9223372036854775808": {},
	} {
		partition, offset, ok := parseOrigin([]byte(text))
		if ok != want.ok || ok && (partition != want.partition || offset != want.offset) {
			t.Errorf("%q: %d, %d, %v", text, partition, offset, ok)
		}
	}
}

// TestTimeline: however wide the buckets become, no event is forgotten, and none is moved by more than a bucket's width.
func TestTimeline(t *testing.T) {
	tl := newTimeline(16)
	tl.add(-time.Microsecond)
	for i := range 1000 {
		tl.add(time.Duration(i) * 7 * time.Millisecond)
	}
	var sum, below int64
	tl.each(func(at time.Duration, n int64) {
		sum += n
		if at < 0 {
			below += n
		}
	})
	if sum != 1001 || below != 1 || tl.n != sum || len(tl.buckets) > 16 || tl.width > time.Second {
		t.Errorf("%d events, %d below 0, %d buckets of %s", sum, below, len(tl.buckets), tl.width)
	}
}
