// Package envelope finds how much of a fault a target takes at which load: for each load the worst intensity of one fault at which the
// scenario's gates hold, and the gentlest at which they do not. It plays the scenario again and again on one target, with the
// load and one number of the fault replaced. Package search chooses both.
package envelope
