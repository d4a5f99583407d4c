// Command wringer sends traffic to services, injects faults meanwhile, and judges the result: retried, duplicated, lost and
// reordered operations, response times, and recovery.
//
// This package holds flags, signals, exit codes, the live view, and the tables of drivers, effects, targets, faults and report
// formats (tables.go). Each command is a function from the standard streams to a cobra command. run returns the exit code, and
// main alone calls os.Exit.
package main
