// Package containers is the targets `containers:` and `compose:`: containers that start with the run and end with it. Each is a
// part that faults can break. The package creates containers by testcontainers-go, and all of a run's containers share a network
// of the run.
package containers
