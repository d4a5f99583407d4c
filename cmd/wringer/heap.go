package main

import "runtime"

// heapFloorBytes is allocated, and never touched, while a run goes on. A load generator has little live memory and makes
// garbage fast, some 7 KB per call in grpc-go. Go's collector runs each time the heap has doubled. Over a heap of 4 MB that is
// dozens of times a second, and takes a fifth of the CPU (measured). The floor lets that much more garbage gather between two
// collections. Untouched pages take no memory. A larger GOGC would cost a multiple of a large ledger instead of a constant.
const heapFloorBytes = 32 << 20

// raiseHeapFloor returns a function that releases the floor.
func raiseHeapFloor() (release func()) {
	floor := make([]byte, heapFloorBytes)
	return func() { runtime.KeepAlive(floor) }
}
