package host

import (
	"fmt"
	"testing"
	"time"
)

// policy makes a process, or one of its threads, of a scheduling class. It has taken ticks of a CPU, and waited for one in milliseconds.
func (t tree) policy(pid, id, own, policy, waited int) tree {
	text := fmt.Sprintf("%d (x) S 1 %d 0 0 -1 0 0 0 0 0 %d 0 0 0 20 0 1 0 77 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %d 0 0\n", id, pid, own, policy)
	if id == pid {
		t.file(fmt.Sprintf("proc/%d/stat", pid), text)
	}
	return t.file(fmt.Sprintf("proc/%d/task/%d/stat", pid, id), text).file(fmt.Sprintf("proc/%d/task/%d/schedstat", pid, id), fmt.Sprintf("5 %d 9\n", waited*1_000_000))
}

// A run and a target of a real-time class take a CPU from usual programs whenever they need it. A thread of another class waits for them, and
// so do all beside other programs of such a class. One that is idle waits for nobody.
func TestARealTimeFamilyIsNotHeldUp(t *testing.T) {
	const usual, fifo, roundRobin = 0, 1, 2
	for name, c := range map[string]struct {
		run, target, thread, others int // their classes
		waited                      int // by the thread, in milliseconds
		want                        Limit
	}{
		"real-time":                  {roundRobin, fifo, roundRobin, usual, 50, 0},
		"a thread is not":            {roundRobin, fifo, usual, usual, 50, ByOthers},
		"a thread that is idle":      {roundRobin, fifo, usual, usual, 0, 0},
		"the target is not":          {roundRobin, usual, usual, usual, 0, ByOthers},
		"the run is not":             {usual, fifo, fifo, usual, 0, ByOthers},
		"others are of it, too":      {roundRobin, roundRobin, roundRobin, roundRobin, 50, ByOthers},
		"a class that yields itself": {roundRobin, 5, 5, usual, 50, ByOthers},
	} {
		world := func(n int) tree {
			return tree{}.cpu(200*n, 0, 0).policy(self, self, 10*n, c.run, 10*n).policy(60, 60, 10*n, c.target, 10*n).
				policy(60, 61, 0, c.thread, c.waited*n).policy(90, 90, 180*n, c.others, 0)
		}
		var r Reader
		a := read(t, &r, world(0), 0, 60)
		u := read(t, &r, world(1), time.Second, 60).Since(a)
		if got := u.Limits(); got != c.want || !near(u.Others, 1.8) {
			t.Errorf("%s: limits %b, want %b: %+v", name, got, c.want, u)
		}
	}
}
