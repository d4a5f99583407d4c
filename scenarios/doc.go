// Package scenarios holds the scenario language: what traffic to send, what to break meanwhile, and what must still hold.
//
// Parse reads a scenario strictly and reports every problem at once, with positions and remedies. Its Language holds the
// tables of drivers, effects, targets, links and faults, so the package knows no protocol. A scenario whose texts wait for the
// target's addresses is completed by Resolve, once the target runs. Schema describes the language to editors.
//
// Schedules are planned here: repetitions, grudges and a nemesis become planned faults, a pure function of the entries and the
// seed. A Pacer says when operation n is due, whatever the target does.
package scenarios
