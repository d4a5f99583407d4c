package traffic

import (
	"context"
	"testing"
	"time"
)

func TestSleeperNeverWakesUpEarly(t *testing.T) {
	if s := openPreciseSleeper(); s == nil {
		t.Log("this system has no precise sleep: the runtime's timers alone are tested")
	} else {
		s.close()
	}
	for _, d := range []time.Duration{time.Nanosecond, 50 * time.Microsecond, time.Millisecond, 2 * preciseBelow, 10 * time.Millisecond} {
		s := newSleeper(false)
		begun := time.Now()
		for wait := d; wait > 0; wait = d - time.Since(begun) {
			if !s.wait(t.Context(), wait) {
				t.Fatal("the wait ended before its time")
			}
		}
		if elapsed := time.Since(begun); elapsed < d {
			t.Errorf("%s took %s", d, elapsed)
		}
		s.close()
	}
	s := newSleeper(false)
	defer s.close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if s.wait(ended, time.Hour) || s.wait(ended, time.Millisecond) {
		t.Error("waited for a context that ended")
	}
}
