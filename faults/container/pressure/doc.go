// Package pressure makes resources of containers scarce: processors, memory, and room on a disk.
package pressure
