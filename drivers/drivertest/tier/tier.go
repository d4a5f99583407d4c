// Package tier tells slow tests from quick ones, and says how many of a package's parallel tests run at once.
package tier

import (
	"flag"
	"strconv"
	"testing"
)

// Slow skips the test under -short. The test's log says why the test is slow.
func Slow(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow, left out by -short: " + why)
	}
}

// Waiting is how many tests run at once in a package whose parallel tests wait for deadlines more than they work.
const Waiting = 8

// AtOnce sets how many of a package's parallel tests run at once: go test's own number is that of the processors. TestMain
// calls AtOnce before Run. The flag -parallel overrides it.
func AtOnce(n int) {
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(err) // only outside of tests
	}
}
