package request

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"wringer/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func joined() error { return nil }

func ends(t *testing.T) *Ends {
	t.Helper()
	client, _ := net.Pipe()
	target, _ := net.Pipe()
	e := NewEnds(client, target)
	t.Cleanup(func() { e.End(nil) })
	return e
}

func over(e *Ends) bool {
	select {
	case <-e.Ended():
		return true
	default:
		return false
	}
}

func TestTakes(t *testing.T) {
	first, half := &Force{First: 2}, &Force{Share: 0.5, Seed: 3}
	for range 2 { // each time in force counts from zero
		if err := first.Begin(joined); err != nil {
			t.Fatal(err)
		}
		for n, want := range []bool{true, true, false, false} {
			if got := first.Takes(); got != want {
				t.Errorf("takes request %d: %t", n, got)
			}
		}
		first.End(func() {})
	}
	taken := 0
	for range 10_000 {
		if half.Takes() {
			taken++
		}
	}
	if taken < 4_700 || taken > 5_300 {
		t.Errorf("took %d of 10,000, want about half", taken)
	}
}

func TestSilentConnectionsAreResetAtTheEnd(t *testing.T) {
	f := &Force{}
	kept, gone, late := ends(t), ends(t), ends(t)
	if err := f.Begin(joined); err != nil {
		t.Fatal(err)
	}
	f.Silences(kept)
	f.Silences(gone)
	f.Releases(gone)
	if over(kept) || f.Silent() != 1 {
		t.Errorf("%d connections wait, want 1", f.Silent())
	}
	f.End(func() {})
	f.End(func() { t.Error("left twice") })
	f.Silences(late)
	if !over(kept) || over(gone) || !over(late) {
		t.Errorf("over: kept %t, released %t, late %t", over(kept), over(gone), over(late))
	}
}

func TestBeginThatCannotJoin(t *testing.T) {
	f, nobody := &Force{}, errors.New("nobody there")
	if err := f.Begin(func() error { return nobody }); !errors.Is(err, nobody) || f.InForce() {
		t.Errorf("%v, in force: %t", err, f.InForce())
	}
	for range 2 {
		if err := f.Begin(joined); err != nil || !f.InForce() {
			t.Errorf("%v, in force: %t", err, f.InForce())
		}
	}
	f.End(func() {})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, e := &Force{}, NewEnds(net.Pipe())
		wait := func() time.Duration {
			began := time.Now()
			f.Wait(e, began.Add(time.Minute))
			return time.Since(began)
		}
		if d := wait(); d != 0 {
			t.Errorf("out of force it waits %v", d)
		}
		_ = f.Begin(joined)
		if d := wait(); d != time.Minute {
			t.Errorf("waits %v, want a minute", d)
		}
		for _, end := range []func(){func() { f.End(func() {}) }, func() { e.End(nil) }} {
			_ = f.Begin(joined)
			time.AfterFunc(time.Second, end)
			if d := wait(); d != time.Second {
				t.Errorf("waits %v, want until the end", d)
			}
		}
		f.End(func() {})
	})
}

func TestDelays(t *testing.T) {
	f, e := &Force{}, ends(t)
	later := time.Now().Add(time.Hour)
	delays := func(what string, due time.Time, want bool) {
		t.Helper()
		if got := f.Delays(e, due); got != want {
			t.Errorf("%s: %t", what, got)
		}
	}
	delays("out of force", later, false)
	_ = f.Begin(joined)
	delays("in force", later, true)
	delays("due already", time.Now(), false)
	e.End(nil)
	delays("on an ended connection", later, false)
	f.End(func() {})
}

func TestBite(t *testing.T) {
	f := &Force{}
	if f.Bite().Bit {
		t.Error("it bit before anything met it")
	}
	f.Meets(true, 30)
	f.Meets(false, 12)
	if b := f.Bite(); b != (faults.Bite{Bit: true, Connections: 1, Bytes: 42}) || f.Matched() != 2 {
		t.Errorf("bite %+v of %d requests", b, f.Matched())
	}
}

// A concurrent reader sees a complete list.
func TestList(t *testing.T) {
	var l List[int]
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() { l.Add(n) })
		all.Go(func() {
			for range l.All() {
			}
		})
	}
	all.Wait()
	for n := range 49 {
		l.Remove(n)
	}
	if got := l.All(); len(got) != 1 || got[0] != 49 {
		t.Errorf("left %v", got)
	}
}

func TestEcho(t *testing.T) {
	pass := func(client, target net.Conn) {
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(target, client); target.Close() })
		both.Go(func() { _, _ = io.Copy(client, target); client.Close() })
		both.Wait()
	}
	upper := func([]byte) []byte { return []byte("PING") }
	if got, err := Echo(t.Context(), pass, []byte("ping"), upper); err != nil || string(got) != "PING" {
		t.Errorf("%q, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	swallow := func(client, target net.Conn) { _, _ = io.Copy(io.Discard, client); target.Close() }
	if _, err := Echo(ctx, swallow, []byte("ping"), upper); err == nil {
		t.Error("an answer came over a connection that swallows all")
	}
}
