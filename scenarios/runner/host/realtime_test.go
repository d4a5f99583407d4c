package host

import (
	"fmt"
	"testing"
	"time"
)

// policy makes a process, or one of its threads, of a scheduling class.
func (t tree) policy(pid, id, own, policy int) tree {
	text := fmt.Sprintf("%d (x) S 1 %d 0 0 -1 0 0 0 0 0 %d 0 0 0 20 0 1 0 77 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %d 0 0\n", id, pid, own, policy)
	if id == pid {
		t.file(fmt.Sprintf("proc/%d/stat", pid), text)
	}
	return t.file(fmt.Sprintf("proc/%d/task/%d/stat", pid, id), text).file(fmt.Sprintf("proc/%d/task/%d/schedstat", pid, id), fmt.Sprintf("5 %d 9\n", own*1_000_000))
}

// A run and a target of a real-time class take a CPU from usual programs whenever they need it. One thread of another class waits for them,
// and so does all of the family beside other programs of such a class.
func TestARealTimeFamilyIsNotHeldUp(t *testing.T) {
	const usual, fifo, roundRobin = 0, 1, 2
	for name, c := range map[string]struct {
		target, thread, others int // their classes
		want                   Limit
	}{
		"real-time":                  {fifo, roundRobin, usual, 0},
		"a thread is not":            {fifo, usual, usual, ByOthers},
		"the target is not":          {usual, usual, usual, ByOthers},
		"others are of it, too":      {roundRobin, roundRobin, roundRobin, ByOthers},
		"a class that yields itself": {5, 5, usual, ByOthers},
	} {
		world := func(n int) tree {
			return tree{}.cpu(200*n, 0, 0).policy(self, self, 10*n, roundRobin).policy(60, 60, 10*n, c.target).policy(60, 61, 0, c.thread).
				policy(90, 90, 180*n, c.others)
		}
		var r Reader
		a := read(t, &r, world(0), 0, 60)
		u := read(t, &r, world(1), time.Second, 60).Since(a)
		if got := u.Limits(); got != c.want || !near(u.Others, 1.8) {
			t.Errorf("%s: limits %b, want %b: %+v", name, got, c.want, u)
		}
	}
}
