package main

import (
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/testscript"
)

// Every mistake in what a scenario names is told at once, with its place, by check and run alike, and nothing is started.
// -update writes the expected messages.
func TestFilesOfScenarios(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/files", UpdateScripts: *update})
}

// Memory is what the system has left, or the limit around this process.
func TestFreeMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	info := file("MemTotal:  8000 kB\nMemAvailable:    2000 kB\n")
	for name, c := range map[string]struct {
		root fstest.MapFS
		want int64
	}{
		"no limit":   {fstest.MapFS{"proc/meminfo": info, "sys/fs/cgroup/memory.max": file("max\n")}, 2000 << 10},
		"version 2":  {fstest.MapFS{"proc/meminfo": info, "sys/fs/cgroup/memory.max": file("1048576\n")}, 1 << 20},
		"version 1":  {fstest.MapFS{"proc/meminfo": info, "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 2000 << 10},
		"not linux":  {fstest.MapFS{}, 0},
		"other text": {fstest.MapFS{"proc/meminfo": file("MemFree: 1 kB\n")}, 0},
	} {
		if got := freeMemory(c.root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
