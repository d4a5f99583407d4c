// Package search finds the highest load at which trials pass, in the manner of MLRsearch (draft-ietf-bmwg-mlrsearch). It is pure: it
// says which trial comes next, takes the trial's result, and knows both bounds.
//
// # What is followed of the draft
//
// A load is classified by the durations of its trials, with the draft's optimistic and pessimistic exceed ratios. A goal has a final
// trial duration, a duration sum, an exceed ratio and a width. The relevant upper bound is the smallest load that is an upper bound,
// and the relevant lower bound is the largest lower bound below it: a load that fails below one that passed is believed. Stages with
// wider goals and shorter trials come first.
//
// # What is not
//
// A trial passes or fails by the gates of the scenario, not by a loss ratio. There is one goal. The width is relative: the upper bound
// over the lower bound, less 1. The bounds are the loads of trials, not conditional throughputs.
package search
