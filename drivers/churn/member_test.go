package churn

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers"
)

// fakeConsumer notes what is done with it.
type fakeConsumer struct {
	freezer *Freezer
	note    func(string)
}

func (c *fakeConsumer) Freezer() *Freezer { return c.freezer }
func (c *fakeConsumer) Leave()            { c.note("leave") }
func (c *fakeConsumer) Die()              { c.note("die") }

// TestMembers: each strike is carried out and told at its time, a member that left or died comes back, and one that is away when
// the run ends does not.
func TestMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type event struct {
			drivers.GroupKind
			member, second int
		}
		begin := time.Now()
		clock := func() time.Duration { return time.Since(begin) }
		var mu sync.Mutex
		var told []event
		var done []string
		members := Members{
			Count: 2,
			Strikes: []Strike{{Kind: Leave, Member: 0, At: 1 * time.Second, End: 2 * time.Second}, {Kind: Freeze, Member: 1, At: 3 * time.Second, End: 5 * time.Second},
				{Kind: Die, Member: 0, At: 6 * time.Second, End: 9 * time.Second}},
			Clock: clock,
			Emit: func(e drivers.GroupEvent) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, event{e.Kind, e.Member, int(e.At / time.Second)})
			},
			Join: func(int) Consumer {
				return &fakeConsumer{NewFreezer(), func(what string) {
					mu.Lock()
					defer mu.Unlock()
					done = append(done, what)
				}}
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		members.Run(ctx)
		want := []event{{drivers.Joined, 1, 0}, {drivers.Left, 1, 1}, {drivers.Joined, 1, 2}, {drivers.Froze, 2, 3}, {drivers.Thawed, 2, 5}, {drivers.Died, 1, 6}}
		told = slices.DeleteFunc(told, func(e event) bool { return e == event{drivers.Joined, 2, 0} })
		if !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		slices.Sort(done)
		if want := []string{"die", "leave", "leave", "leave"}; !slices.Equal(done, want) {
			t.Errorf("done %v, want %v", done, want)
		}
		if clock() != 8*time.Second {
			t.Errorf("ended after %v", clock())
		}
	})
}
