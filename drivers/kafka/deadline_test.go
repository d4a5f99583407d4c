package kafka

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"wringer/drivers"
)

// Whatever is inserted and removed in whatever order, due hands out what is due, the earliest first.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newFlights()
		in := make(map[*flight]bool)
		for seq := range rapid.Uint64Range(1, 200).Draw(t, "steps") {
			f := &flight{ref: ref{seq, 1}, timed: true, deadline: time.Duration(rapid.IntRange(-50, 50).Draw(t, "deadline"))}
			s.enter(f)
			in[f] = true
			if rapid.Bool().Draw(t, "leave") {
				for f := range in {
					s.leave(f)
					delete(in, f)
					break
				}
			}
		}
		now := time.Duration(rapid.IntRange(-60, 60).Draw(t, "now"))
		due, wait, more := s.due(now)
		last := time.Duration(-100)
		for _, f := range due {
			if f.deadline < last || f.deadline > now || !in[f] {
				t.Fatalf("deadline %d after %d at %d, in the queue: %t", f.deadline, last, now, in[f])
			}
			last = f.deadline
			delete(in, f)
		}
		next := time.Duration(1000)
		for f := range in {
			next = min(next, f.deadline)
		}
		if more != (len(in) > 0) || more && now+wait != next {
			t.Fatalf("more is %t with %d left, wait is %d, next at %d", more, len(in), wait, next)
		}
	})
}

// Flights whose numbers name the same place are all found, as are two attempts of one operation.
func TestTable(t *testing.T) {
	table := newTable()
	var all []*flight
	for n := range uint64(3 * placesOf) {
		all = append(all, &flight{ref: ref{n * 7, 1}}, &flight{ref: ref{n * 7, 2}})
	}
	for _, f := range all {
		table.put(f)
	}
	for _, n := range rand.Perm(len(all)) {
		f := all[n]
		if table.get(f.ref) != f {
			t.Fatalf("%v is not found", f.ref)
		}
		table.drop(f)
		if table.get(f.ref) != nil {
			t.Fatalf("%v is still found", f.ref)
		}
	}
	if left := table.all(); len(left) != 0 {
		t.Errorf("%d left", len(left))
	}
}

// An attempt ends at its own deadline, and at the end of the context that it shares, whichever is first.
func TestEnds(t *testing.T) {
	c := newCluster(t, 1)
	watch(c, func(*kmsg.ProduceRequest) (kmsg.Response, error, bool) { return nil, nil, true })
	d := openDriver(t, c, Config{}, newEnv())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	attempts := make([]drivers.Attempt, 3)
	var short, all sync.WaitGroup
	short.Add(1)
	for i := range attempts {
		attempts[i].Reset(1, d.env.Clock())
		attempts[i].Timeout = []time.Duration{testPatience, time.Millisecond, 0}[i]
		all.Add(1)
		d.Send(ctx, &drivers.Op{Seq: uint64(i)}, &attempts[i], func() {
			if all.Done(); i == 1 {
				short.Done()
			}
		})
	}
	short.Wait()
	if at := attempts[1]; at.Outcome == drivers.Acked || at.Code != drivers.CodeTimeout && at.Code != drivers.CodeRefused {
		t.Errorf("at its deadline: %+v", at)
	}
	cancel()
	all.Wait()
	for _, i := range []int{0, 2} {
		if at := attempts[i]; at.Code != drivers.CodeCancelled {
			t.Errorf("cancelled: %+v", at)
		}
	}
}
