package kafka

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

// Records whose numbers share a slot are all found, as are two attempts of one operation.
func TestTable(t *testing.T) {
	table := newTable()
	var all []*pendingRecord
	for n := range uint64(3 * tableSlots) {
		all = append(all, &pendingRecord{ref: ref{n * 7, 1}}, &pendingRecord{ref: ref{n * 7, 2}})
	}
	for _, r := range all {
		table.put(r)
	}
	for _, n := range rand.Perm(len(all)) {
		r := all[n]
		if table.get(r.ref) != r {
			t.Fatalf("%v is not found", r.ref)
		}
		table.drop(r)
		if table.get(r.ref) != nil {
			t.Fatalf("%v is still found", r.ref)
		}
	}
	if left := table.all(); len(left) != 0 {
		t.Errorf("%d left", len(left))
	}
}

// An attempt ends at its own deadline, or when its shared context ends, whichever is first.
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
