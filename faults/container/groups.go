package container

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// usageHere adds to the usage of a container of this machine what its control groups tell: Podman 4 tells nothing of limits.
func (e *Engine) usageHere(ctx context.Context, id string, u Usage) Usage {
	life, err := e.lifeHere(ctx, id, id)
	if err != nil || life.pid == 0 {
		return u
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", life.pid))
	if err != nil {
		return u
	}
	return u.told(os.DirFS("/sys/fs/cgroup"), string(groups), id)
}

// told adds what the control groups of a container tell, of either version. groups is what the kernel says of a process of it. A
// runtime may put its processes a level below the group that has the limits.
func (u Usage) told(at fs.FS, groups, id string) Usage {
	for line := range strings.Lines(groups) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		for dir := strings.Trim(path.Join(controllers, group), "/"); strings.Contains(dir, id); dir = path.Dir(dir) {
			cpu, events := counters(at, dir+"/cpu.stat"), counters(at, dir+"/memory.events")
			held := time.Duration(cmp.Or(cpu["throttled_time"], cpu["throttled_usec"]*1000))
			u.Throttled, u.ThrottledPeriods = max(u.Throttled, held), max(u.ThrottledPeriods, cpu["nr_throttled"])
			u.LimitHits = max(u.LimitHits, events["max"], counters(at, dir+"/memory.failcnt")[""])
		}
	}
	return u
}

// counters reads lines of a name and a number; a number alone has the empty name. What cannot be read is absent.
func counters(at fs.FS, name string) map[string]uint64 {
	all := make(map[string]uint64)
	file, err := at.Open(name)
	if err != nil {
		return all
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, found := strings.Cut(lines.Text(), " ")
		if !found {
			key, value = "", key
		}
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			all[key] = n
		}
	}
	return all
}
