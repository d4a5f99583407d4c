package container

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/moby/moby/api/types/container"
)

// A container's processes are known by their control groups, whichever version the kernel has and whoever manages them.
func TestControlGroupsOfAContainer(t *testing.T) {
	id, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	for groups, want := range map[string]bool{
		"12:memory:/docker/" + id + "\n11:cpu,cpuacct:/docker/" + id + "\n": true,
		"0::/system.slice/docker-" + id + ".scope\n":                        true,
		"0::/machine.slice/libpod-" + id + ".scope/container\n":             true,
		"0::/user.slice/user-1000.slice/user@1000.service/docker-" + id:     true,
		"0::/system.slice/docker-" + other + ".scope\n":                     false,
		"0::/\n":              false,
		"0::/init.scope\n":    false,
		"12:memory:/docker\n": false,
	} {
		if got := grouped(groups, id); got != want {
			t.Errorf("%q: %v", groups, got)
		}
	}
	if grouped("0::/\n", "") {
		t.Error("a container without an identity has every process")
	}
}

// The memory in use leaves out files that can be dropped, by either version's name for them.
func TestMemoryOfBothVersions(t *testing.T) {
	for name, stats := range map[string]map[string]uint64{
		"version 1": {"total_inactive_file": 30, "inactive_file": 10}, "version 2": {"inactive_file": 30, "anon": 5},
	} {
		if used, known := memory(&container.MemoryStats{Usage: 100, Stats: stats}); !known || used != 70 {
			t.Errorf("%s: %v, %v", name, used, known)
		}
	}
	if used, known := memory(&container.MemoryStats{Usage: 100}); !known || used != 100 {
		t.Errorf("without details: %v, %v", used, known)
	}
	if _, known := memory(&container.MemoryStats{}); known {
		t.Error("nothing told is taken for nothing used")
	}
}

// What limits held back is read of the control groups where the engine tells nothing, of either version.
func TestUsageOfControlGroups(t *testing.T) {
	id := strings.Repeat("ab", 32)
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		groups string
		files  fstest.MapFS
	}{
		"version 1": {"4:memory:/libpod_parent/libpod-" + id + "\n1:cpu,cpuacct:/libpod_parent/libpod-" + id + "\n0::/libpod_parent/libpod-" + id + "\n", fstest.MapFS{
			"memory/libpod_parent/libpod-" + id + "/memory.failcnt":   file("5\n"),
			"cpu,cpuacct/libpod_parent/libpod-" + id + "/cpu.stat":    file("nr_periods 9\nnr_throttled 3\nthrottled_time 2000000\n"),
			"cpu,cpuacct/libpod_parent/cpu.stat":                      file("nr_throttled 99\n"),
			"cpu,cpuacct/libpod_parent/libpod-" + id + "/memory.stat": file("total_cache x\n"),
		}},
		"version 2, a level below": {"0::/machine.slice/libpod-" + id + ".scope/container\n", fstest.MapFS{
			"machine.slice/libpod-" + id + ".scope/container/cpu.stat": file("usage_usec 7\nnr_throttled 0\nthrottled_usec 0\n"),
			"machine.slice/libpod-" + id + ".scope/cpu.stat":           file("nr_throttled 3\nthrottled_usec 2000\n"),
			"machine.slice/libpod-" + id + ".scope/memory.events":      file("low 0\nmax 5\noom 0\n"),
			"machine.slice/cpu.stat":                                   file("nr_throttled 99\n"),
		}},
	} {
		want := Usage{Throttled: 2 * time.Millisecond, ThrottledPeriods: 3, LimitHits: 5}
		if got := (Usage{}).told(c.files, c.groups, id); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := (Usage{Throttled: 1}).told(fstest.MapFS{}, "0::/other\n", id); got != (Usage{Throttled: 1}) {
		t.Errorf("%+v", got)
	}
}

// Processes that ended for want of memory are counted by control groups of both versions, and those of other containers are not.
func TestStarvedOfControlGroups(t *testing.T) {
	for name, c := range map[string]struct{ groups, file, text string }{
		"one":   {"4:memory:/docker/abc\n1:cpu:/docker/abc\n", "memory/docker/abc/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"},
		"two":   {"0::/machine.slice/libpod-abc.scope/container\n", "machine.slice/libpod-abc.scope/memory.events", "max 5\noom 3\noom_kill 3\n"},
		"other": {"0::/machine.slice/libpod-abd.scope\n", "machine.slice/libpod-abd.scope/memory.events", "oom_kill 3\n"},
	} {
		want := 3
		if name == "other" {
			want = 0
		}
		if n := starved(fstest.MapFS{c.file: {Data: []byte(c.text)}}, c.groups, "abc"); n != want {
			t.Errorf("%s: %d, want %d", name, n, want)
		}
	}
}

// A container without a control group, as Podman runs it for a user, has no figures: the engine tells those of the machine.
func TestGaugesWithoutAControlGroup(t *testing.T) {
	now := &container.StatsResponse{Read: time.Unix(2, 0)}
	now.MemoryStats.Usage = 3 << 30
	if g := gauges(nil, now); len(g) > 0 {
		t.Errorf("%v", g)
	}
	now.CPUStats.CPUUsage.TotalUsage = 1
	if g := gauges(nil, now); g[GaugeMemory] != 3<<30 {
		t.Errorf("%v", g)
	}
}
