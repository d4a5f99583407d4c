// Package e2e holds the tests that run whole scenarios, each as a process of the command and in real time.
//
// Such a run measures the machine as well as the target, so the runs share the processors by slots (see scenario). A test
// declares how much of a processor its runs use, and begins once that much is free. `go test -short` leaves the package out.
package e2e
