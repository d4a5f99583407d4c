package amqp

import (
	"fmt"
	"testing"
)

// A delivery that comes again because the source lost its connection is known, however often it loses it. What the broker repeats
// by itself is not, and neither is a second equal message.
func TestDoubtful(t *testing.T) {
	d := newDoubtful()
	// take is what a source does: it reports whether the delivery is new.
	take := func(id string, redelivered bool) bool {
		m := message(id, redelivered)
		again := d.repeats(m)
		d.delivered(m)
		return !again
	}
	if !take("a", false) || !take("b", false) || !take("b", false) {
		t.Error("what comes first is not new")
	}
	if !take("a", true) {
		t.Error("what the broker repeats on one connection is taken for the source's own doing")
	}
	for round := range 3 {
		d.lost(false)
		d.lost(false) // a connection that brought nothing
		for range 2 { // it had two of them
			if take("b", true) {
				t.Errorf("round %d: what the source gave back is new", round)
			}
		}
		if !take("c"+fmt.Sprint(round), true) || !take("b"+fmt.Sprint(round), false) {
			t.Errorf("round %d: what it never had is not new", round)
		}
	}
	d = newDoubtful()
	for i := range prefetch + 10 {
		take(fmt.Sprint(i), false)
	}
	d.lost(false)
	if !take("5", true) || take("10", true) || take(fmt.Sprint(prefetch+9), true) {
		t.Error("the broker holds the last deliveries unacked, and no others")
	}
}

// All that a lost connection held is back when its last delivery came again, or when the broker counts no other consumer.
func TestAllBack(t *testing.T) {
	d := newDoubtful()
	take := func(id string, redelivered bool) {
		m := message(id, redelivered)
		d.repeats(m)
		d.delivered(m)
	}
	want := func(when string, losses, unsettled int64, allBack bool) {
		t.Helper()
		if l, u, back := d.state(); l != losses || u != unsettled || back != allBack {
			t.Errorf("%s: %d, %d, %v, want %d, %d, %v", when, l, u, back, losses, unsettled, allBack)
		}
	}
	take("a", false)
	take("b", false)
	want("at first", 0, 0, true)
	d.lost(false)
	want("after a loss", 1, 1, false)
	take("a", true)
	want("when another delivery came", 1, 1, false)
	d.lost(false)
	take("a", true)
	want("when the last of one of two connections came", 2, 2, false)
	take("b", true)
	want("when both came", 2, 2, true)
	d.lost(false)
	d.lost(false) // nothing was delivered
	take("b", true)
	want("after a connection that brought nothing", 4, 4, false)
	d.settle(3)
	want("when the broker was asked before the loss", 4, 4, false)
	d.settle(4)
	want("when no other consumer is counted", 4, 0, true)
	d.lost(false)
	d.settle(5)
	d.lost(true) // nothing was delivered
	want("after a connection whose end the broker told, and that brought nothing", 6, 1, true)
	take("c", false)
	d.lost(true)
	want("after one that brought something", 7, 2, false)
}

// A set of marks counts when each of its marks came.
func TestMarks(t *testing.T) {
	var k marks
	first, second := k.next(), k.next()
	for n := range uint64(marksAtOnce) {
		if k.whole() != 0 {
			t.Errorf("whole after %d marks", n)
		}
		k.came(second*marksAtOnce + n)
	}
	for range marksAtOnce {
		k.came(first * marksAtOnce)
	}
	if k.whole() != second {
		t.Errorf("%d", k.whole())
	}
}

func TestSeenAttempts(t *testing.T) {
	var s seenAttempts
	for _, r := range []ref{{0, 1}, {63, 1}, {64, 1}, {pageBits, 1}, {0, 2}, {1 << 60, 1}} {
		if s.add(r) || !s.add(r) {
			t.Errorf("%+v", r)
		}
	}
}

// One look at another consumer suffices: it may have gone by the next. Only where the source's own last consumer may still be counted, and
// cannot be told from others, several looks are needed.
func TestEnoughLooks(t *testing.T) {
	for name, test := range map[string]struct {
		kind   sourceKind
		losses int
		want   int
	}{
		"own queue":                    {ownQueue, 0, 1},
		"own queue after a loss":       {ownQueue, 1, 1},
		"foreign queue":                {foreignQueue, 0, 1},
		"foreign queue after a loss":   {foreignQueue, 1, manyLooks},
		"own queue after many of them": {ownQueue, 9, 1},
	} {
		s := &Source{kind: test.kind, doubt: newDoubtful()}
		for range test.losses {
			s.doubt.lost(false)
		}
		if got := s.enoughLooks(); got != test.want {
			t.Errorf("%s: %d looks, want %d", name, got, test.want)
		}
	}
}
