// Package tier tells slow tests from quick ones: `go test -short` leaves the slow ones out.
package tier

import "testing"

// Slow skips the test under -short. The test's log says why the test is slow.
func Slow(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow, left out by -short: " + why)
	}
}
