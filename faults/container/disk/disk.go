// Package disk fills folders in memory of a container, through the file system of one of its processes.
package disk

import "wringer/faults/container/sidecar"

// File is a file that fills a folder.
type File struct {
	Dir  string `json:"dir"`
	Name string `json:"name"`
	// Leave is the room that stays, in bytes.
	Leave int64 `json:"leave_bytes,omitempty"`
}

// Grown is the answer to CallGrow, in bytes: the size of the file, and what is free then.
type Grown struct{ Size, Free int64 }

// The names of the calls. The input of CallRoom is a File without a name, and its output the free bytes.
const (
	CallRoom   = "disk.room"
	CallGrow   = "disk.grow"
	CallExists = "disk.exists"
	CallRemove = "disk.remove"
)

// Calls are this package's calls on the file system of a process.
func Calls(pid int) sidecar.Calls {
	return sidecar.Calls{
		CallRoom: sidecar.Typed(func(f File) (any, error) { return Room(pid, f.Dir) }),
		CallGrow: sidecar.Typed(func(f File) (any, error) {
			size, free, err := Grow(pid, f)
			return Grown{size, free}, err
		}),
		CallExists: sidecar.Typed(func(f File) (any, error) { return Exists(pid, f) }),
		CallRemove: sidecar.Typed(func(f File) (any, error) { return nil, Remove(pid, f) }),
	}
}
