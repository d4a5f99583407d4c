// Package capacity finds the highest load at which a scenario's gates hold. It plays the scenario again and again on one target,
// with the rates or the users of its streams replaced. Package search chooses the loads.
package capacity
