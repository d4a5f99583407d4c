// Package search finds the frontier between pass and fail over two axes: loads, and steps of a fault's intensity. It is pure: it says
// which trial comes next, takes the trial's result, and knows the bounds.
//
// # What it relies on
//
// The frontier is expected to be monotone: what fails at a load fails at each higher load, and at each worse step. So one load is
// halved first, the one in the middle. What it passed and failed are the first bounds of the loads on both sides.
//
// # What it does not rely on
//
// Both bounds of each load are trials at that load, two that agree, or two of three. Further trials look for what a monotone frontier
// cannot have: at both ends of the steps, and wherever more than a quarter of the steps lies between two trials
// at a load and its neighbours. A point that passes beyond one that fails is a
// [Contradiction]. The bounds then stay below the point that fails.
package search
