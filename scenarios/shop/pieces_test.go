package shop

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{}
		fail := func() { b.report(false) }
		for n := range breakerFailures {
			if !b.allow() {
				t.Fatalf("open after %d failures", n)
			}
			fail()
		}
		if !b.allow() {
			t.Error("open after failures of one moment")
		}
		time.Sleep(breakerSpan)
		fail()
		if b.allow() {
			t.Error("closed after its failures")
		}
		time.Sleep(breakerPause)
		if !b.allow() || b.allow() {
			t.Error("wants exactly one trial after its pause")
		}
		fail()
		if b.allow() {
			t.Error("closed after a failed trial")
		}
		time.Sleep(breakerPause)
		if !b.allow() {
			t.Fatal("no second trial")
		}
		b.report(true)
		for range 3 {
			if !b.allow() {
				t.Error("open after a trial that succeeded")
			}
			b.report(true)
		}
	})
}

func TestNoBreakerLetsEverythingThrough(t *testing.T) {
	var b *breaker
	for range 2 * breakerFailures {
		b.report(false)
	}
	if !b.allow() {
		t.Error("nothing there, and yet open")
	}
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g pausePoint
		if !g.wait(nil) || g.held.Load() != 0 {
			t.Error("a pause point that is not paused holds something back")
		}
		g.pause()
		g.pause()
		gone, passed := make(chan struct{}), make(chan bool, 2)
		go func() { passed <- g.wait(gone) }()
		synctest.Wait()
		close(gone)
		if <-passed {
			t.Error("passed while paused")
		}
		go func() { passed <- g.wait(nil) }()
		synctest.Wait()
		g.resume()
		g.resume()
		if !<-passed || g.held.Load() != 2 {
			t.Errorf("%d met", g.held.Load())
		}
	})
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := newBoundedMap[int, int](3)
	for key := range 5 {
		if v, fresh := m.getOrPut(key, func() int { return key * 10 }); v != key*10 || !fresh {
			t.Errorf("%d: %d, %v", key, v, fresh)
		}
	}
	for key, want := range map[int]bool{0: false, 1: false, 2: true, 3: true, 4: true} {
		if _, got := m.get(key); got != want {
			t.Errorf("remembers %d: %v", key, got)
		}
	}
	if len(m.values) != 3 || len(m.order) != 3 {
		t.Errorf("holds %d values, %d keys", len(m.values), len(m.order))
	}
	if v, fresh := m.getOrPut(4, func() int { return 0 }); v != 40 || fresh {
		t.Errorf("got %d, %v", v, fresh)
	}
}

func TestAuditStaysExactWhenTruncated(t *testing.T) {
	l := newLedger()
	for range maxEffects + 10 {
		l.add(Shipped, "o")
	}
	a := l.audit()
	if !a.Truncated || len(a.Effects) != maxEffects || a.Counts.Shipments != maxEffects+10 || a.Effects[9].Times != 10 {
		t.Errorf("%d effects, truncated %v, %+v", len(a.Effects), a.Truncated, a.Counts)
	}
}
