// Package container runs containers as parts of a target. Faults can pause, kill, stop and restart them. The package finds the
// container engine (Docker, Podman, Colima), and removes by label whatever a run made in it.
package container
