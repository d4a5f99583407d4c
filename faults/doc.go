// Package faults holds the nouns of faults: what can be broken (Link, Part), a Fault that breaks and heals it, and the
// Timeline that does so on schedule. Each mechanism is a package below it. This package needs the standard library alone.
//
//	Config --Open--> Fault: Inject, Bite (the proof that it touched traffic), Heal, Probe (the proof that it is gone)
//
// The Timeline injects and heals each planned fault, with a bound on every call. It heals on a context of its own, on every
// way out of a run. Windows cuts the run into named intervals by the plan. The Journal holds what a run does outside its
// process, so that a later command can undo it after a crash.
package faults
