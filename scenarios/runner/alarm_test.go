package runner

import (
	"context"
	"testing"
	"time"
)

func TestAlarmGoesOffAndNeverBefore(t *testing.T) {
	nap := openNapper()
	if nap == nil {
		t.Log("no naps on this system: timers alone are tested")
	}
	for _, d := range []time.Duration{time.Nanosecond, 50 * time.Microsecond, time.Millisecond, 2 * coarse, 10 * time.Millisecond} {
		a := newAlarm(false)
		a.nap = nap
		begun := time.Now()
		for wait := d; wait > 0; wait = d - time.Since(begun) {
			if !a.wait(t.Context(), wait) {
				t.Fatal("not until the end")
			}
		}
		if took := time.Since(begun); took < d {
			t.Errorf("%s took %s", d, took)
		}
		a.timer.Stop()
	}
	a := newAlarm(false)
	a.nap = nap
	defer a.close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if a.wait(ended, time.Hour) || a.wait(ended, time.Millisecond) {
		t.Error("waited for a context that ended")
	}
}

// On a virtual network nothing waits in the kernel: neither by naps nor by a driver's loop.
func TestVirtualNetworkWaitsByTimersAlone(t *testing.T) {
	before := newNapper
	defer func() { newNapper = before }()
	napped := 0
	newNapper = func() napper { napped++; return nil }
	newAlarm(true).close()
	if newAlarm(false).close(); napped != 1 {
		t.Errorf("%d alarms nap, want that of the system's network", napped)
	}

	byLoop = true
	defer func() { byLoop = false }()
	spec := openStream("a", 2000, &memory{})
	for _, virtual := range []bool{false, true} {
		s := &stream{spec: &spec, driver: &memory{}, virtual: virtual, pacer: spec.Rate.Pacer(0, time.Second, 1)}
		if got := s.opened(); (got == nil) != virtual {
			t.Errorf("virtual %v: loop %v", virtual, got)
		}
	}
}
