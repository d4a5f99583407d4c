package integrity

import "time"

// timeline counts events by their time, in a bounded number of buckets of a millisecond. When there are more, buckets become
// twice as wide: an event may then be counted up to a bucket's width too early.
type timeline struct {
	buckets map[int64]int64
	width   time.Duration
	bound   int
	n       int64
}

func newTimeline(bound int) timeline {
	return timeline{buckets: make(map[int64]int64), width: time.Millisecond, bound: bound}
}

func (t *timeline) add(at time.Duration) {
	t.n++
	t.buckets[t.bucket(at)]++
	for len(t.buckets) > t.bound {
		t.widen()
	}
}

// bucket rounds down, below 0 too.
func (t *timeline) bucket(at time.Duration) int64 {
	b := int64(at / t.width)
	if at%t.width < 0 {
		b--
	}
	return b
}

func (t *timeline) widen() {
	half := make(map[int64]int64, len(t.buckets))
	t.width *= 2
	for b, n := range t.buckets {
		half[b>>1] += n
	}
	t.buckets = half
}

// each visits the buckets, in no order.
func (t *timeline) each(visit func(at time.Duration, n int64)) {
	for b, n := range t.buckets {
		visit(time.Duration(b)*t.width, n)
	}
}
