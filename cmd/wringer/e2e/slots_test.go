package e2e

import (
	"context"
	"runtime"
	"testing"

	"golang.org/x/sync/semaphore"

	"wringer/drivers/drivertest/tier"
)

// capacity is what the scenarios of all tests may use at once, in hundredths of a processor, as their shares say. A share is an
// average over a run, and a run uses more in its worst seconds: so a little over half of the processors is given away.
var capacity = int64(60 * runtime.NumCPU())

var slots = semaphore.NewWeighted(capacity)

// Shares of a processor, in hundredths, that a test's runs use at a time: measured as CPU time by wall time, and rounded up.
const (
	light = 20 // waits more than it works: tens of operations a second, or a target that is down
	usual = 40 // the embedded shop, or three brokers, and some hundred operations a second
	heavy = 60
)

// several is how a test begins whose subtests are scenarios.
func several(t *testing.T) {
	t.Helper()
	tier.Slow(t, "runs whole scenarios in real time")
	t.Parallel()
}

// scenario is how a test begins that runs scenarios: it runs beside others of its kind, once its share of the machine is free.
// The tests give a share back when they end. -short leaves them out.
func scenario(t *testing.T, share int64) {
	t.Helper()
	several(t)
	acquire(t, share)
}

// checkedScenario is scenario for runs of the command that has the race detector, where the tests have it.
func checkedScenario(t *testing.T, share int64) {
	t.Helper()
	scenario(t, checkedShare(share))
}

// checkedShare is what a share becomes under the race detector, where the tests have it.
func checkedShare(share int64) int64 {
	if raced() {
		return 3 * share
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

// take waits until a share is free. A share larger than the machine is the whole machine. They are given in the order in which
// they were asked for.
func take(ctx context.Context, share int64) (give func(), err error) {
	share = min(share, capacity)
	if err := slots.Acquire(ctx, share); err != nil {
		return nil, err
	}
	return func() { slots.Release(share) }, nil
}
