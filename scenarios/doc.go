// Package scenarios holds the scenario language: the traffic to send, the faults to inject meanwhile, and the expectations to
// check.
//
// Parse reads a scenario strictly and reports every problem at once, with positions and remedies. Its Language holds the tables
// of drivers, effects, targets, links and faults, so the package knows no protocol. Resolve completes a scenario whose texts
// hold the target's addresses, once the target runs. Schema describes the language to editors.
//
// This package plans schedules: repetitions, grudges and a nemesis become planned faults, a pure function of the entries and
// the seed. A Pacer gives the planned start of operation n, independent of the target.
package scenarios
