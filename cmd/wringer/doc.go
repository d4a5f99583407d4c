// Command wringer sends traffic to services, breaks things meanwhile, and judges what still held: what was retried,
// duplicated, lost and reordered, how slow it got, and how long recovery took.
//
// This package holds flags, signals, exit codes, the live view, and the tables of drivers, effects, targets, faults and report
// formats (tables.go). Each command is a function from the standard streams to a cobra command; run returns the exit code, and
// main alone calls os.Exit.
package main
