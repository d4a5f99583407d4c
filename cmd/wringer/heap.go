package main

import "runtime"

// heapFloorBytes is held, untouched, while a run goes on. A generator has little live memory and makes garbage fast, at some
// 7 KB a call in grpc-go: Go's collector, which runs each time the heap has doubled, would run dozens of times a
// second over a heap of 4 MB, and measured takes a fifth of the CPU. So much more may gather between two collections.
// Pages that nobody touches take no memory; a larger GOGC would cost a multiple of a large ledger instead of a constant.
const heapFloorBytes = 32 << 20

// raiseHeapFloor returns what gives the floor up.
func raiseHeapFloor() (release func()) {
	floor := make([]byte, heapFloorBytes)
	return func() { runtime.KeepAlive(floor) }
}
