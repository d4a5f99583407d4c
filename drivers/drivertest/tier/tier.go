// Package tier tells slow tests from quick ones, and says how many of a package's parallel tests run at once.
package tier

import (
	"flag"
	"runtime/debug"
	"slices"
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

// Rounds is how many rounds of the same kind a test makes: all, or few under -short, which the test's log says. Under the race
// detector a test makes few too: a round that races does so in each, and takes several times as long.
func Rounds(t testing.TB, all, few int) int {
	t.Helper()
	switch {
	case testing.Short():
		t.Logf("slow, left out by -short: %d of %d rounds", all-few, all)
		return few
	case Raced():
		t.Logf("slow under -race, left to a test without: %d of %d rounds", all-few, all)
		return few
	}
	return all
}

// Waiting is how many tests run at once in a package whose parallel tests wait for deadlines more than they work. Under the
// race detector they work several times as much.
var Waiting = func() int {
	if Raced() {
		return 4
	}
	return 8
}()

// Raced says whether this test was built with the race detector.
func Raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// AtOnce sets how many of a package's parallel tests run at once: go test's own number is that of the processors. TestMain
// calls AtOnce before Run. The flag -parallel overrides it.
func AtOnce(n int) {
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(err) // only outside of tests
	}
}
