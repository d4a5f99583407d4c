package e2e

import (
	"context"
	"runtime"
	"testing"

	"golang.org/x/sync/semaphore"

	"wringer/drivers/drivertest/tier"
)

// capacity is the share that the scenarios of all tests may use at once, in hundredths of a processor: three usual ones on two
// processors. The rest is for the seconds in which a run uses more than its share.
var capacity = int64(60 * runtime.NumCPU())

var slots = semaphore.NewWeighted(capacity)

// The share of a processor, in hundredths, that a scenario takes: twice its CPU time divided by its length.
const (
	light = 20 // tens of operations a second, or a target that is down
	usual = 40 // the embedded shop, or three brokers, and some hundred operations a second
)

// slow leaves a test out under -short. Every test of this package begins with slow, or with a function that calls it.
func slow(t *testing.T) {
	t.Helper()
	tier.Slow(t, "runs whole scenarios in real time")
}

// several begins a test whose subtests are scenarios.
func several(t *testing.T) {
	t.Helper()
	slow(t)
	t.Parallel()
}

// scenario begins a test that runs scenarios, one after the other. The test waits until a share of the machine is free, and
// returns it at its end. -short leaves the test out.
func scenario(t *testing.T, share int64) {
	t.Helper()
	several(t)
	acquire(t, share)
}

// checkedScenario is scenario for runs of the command with the race detector, if the tests have it.
func checkedScenario(t *testing.T, share int64) {
	t.Helper()
	scenario(t, checkedShare(share))
}

// checkedShare is a share under the race detector, if the tests have it: a run takes 1.5 to 2 times the CPU.
func checkedShare(share int64) int64 {
	if tier.Raced() {
		return share * 3 / 2
	}
	return share
}

// acquire waits for a share of the machine until the test ends.
func acquire(t *testing.T, share int64) {
	t.Helper()
	give, err := take(t.Context(), share)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(give)
}

// take waits until a share is free. A share larger than the machine is the whole machine. Shares are given in the order in
// which the tests ask for them.
func take(ctx context.Context, share int64) (give func(), err error) {
	share = min(share, capacity)
	if err := slots.Acquire(ctx, share); err != nil {
		return nil, err
	}
	return func() { slots.Release(share) }, nil
}
