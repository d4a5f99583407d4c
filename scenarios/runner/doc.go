// Package runner runs a scenario: it starts the target, sends the traffic, injects and heals the faults, observes the effects,
// judges the gates and returns the run record.
package runner
