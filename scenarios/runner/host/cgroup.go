package host

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// throttle is what a control group tells of its quota.
type throttle struct {
	known bool
	count int64
	time  time.Duration // summed over the CPUs
}

// membership says whether a process is in the control group that is asked for.
type membership struct {
	start  uint64
	inside bool
	// sure: it was asked for twice. A container's program begins in the group of what starts it.
	sure bool
}

// throttling reads the control groups of this process: its own and those around it, whose quotas hold it back too.
func (r *Reader) throttling(out *Reading) {
	if !r.found {
		r.levels, r.found = r.findLevels(), true
	}
	for _, level := range r.levels {
		out.throttle = append(out.throttle, r.throttleOf(level))
		if q := r.quota(level); q > 0 && (out.quota == 0 || q < out.quota) {
			out.quota = q
		}
	}
}

// throttleOf reads a cpu.stat: nr_throttled, and throttled_usec (version 2) or throttled_time in nanoseconds (version 1).
func (r *Reader) throttleOf(level string) (t throttle) {
	text, err := fs.ReadFile(r.Root, path.Join(level, "cpu.stat"))
	if err != nil {
		return t
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "nr_throttled":
			t.known, t.count = true, n
		case "throttled_usec":
			t.time = time.Duration(n) * time.Microsecond
		case "throttled_time":
			t.time = time.Duration(n)
		}
	}
	return t
}

// quota is the quota of a control group in cores; 0: none.
func (r *Reader) quota(level string) float64 {
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	quota, period := "", ""
	if text, err := fs.ReadFile(r.Root, path.Join(level, "cpu.max")); err == nil {
		quota, period, _ = strings.Cut(string(text), " ") // "max 100000": no quota
	} else {
		q, _ := fs.ReadFile(r.Root, path.Join(level, "cpu.cfs_quota_us"))
		p, _ := fs.ReadFile(r.Root, path.Join(level, "cpu.cfs_period_us"))
		quota, period = string(q), string(p)
	}
	if of := number(period); of > 0 {
		return number(quota) / of
	}
	return 0
}

// findLevels finds the folders of this process's control group for the CPU, the innermost first, up to the mount.
func (r *Reader) findLevels() []string {
	group, version2 := r.group(r.PID)
	root, mount := r.mount(version2)
	if mount == "" {
		return nil
	}
	inner, ok := strings.CutPrefix(group, strings.TrimSuffix(root, "/"))
	level := path.Join(mount, inner)
	// In a container the path may be that of the machine, which cannot be seen.
	if _, err := fs.Stat(r.Root, path.Join(level, "cpu.stat")); !ok || err != nil {
		return []string{mount}
	}
	levels := []string{level}
	for level != mount {
		level = path.Dir(level)
		levels = append(levels, level)
	}
	return levels
}

// group is the path of a process's control group for the CPU, and whether it is one of version 2.
func (r *Reader) group(pid int) (group string, version2 bool) {
	text, err := fs.ReadFile(r.Root, "proc/"+strconv.Itoa(pid)+"/cgroup")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		switch {
		case len(part) < 3:
		case slices.Contains(strings.Split(part[1], ","), "cpu"):
			return part[2], false
		case part[0] == "0" && part[1] == "":
			group, version2 = part[2], true
		}
	}
	return group, version2
}

// mount is the mount of the control groups for the CPU: the group that it shows, and the folder without its leading slash.
func (r *Reader) mount(version2 bool) (root, folder string) {
	text, err := fs.ReadFile(r.Root, "proc/"+strconv.Itoa(r.PID)+"/mountinfo")
	if err != nil {
		return "", ""
	}
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if len(b) < 5 || len(a) < 3 {
			continue
		}
		if version2 && a[0] == "cgroup2" || !version2 && a[0] == "cgroup" && slices.Contains(strings.Split(a[2], ","), "cpu") {
			return b[3], strings.TrimPrefix(b[4], "/")
		}
	}
	return "", ""
}

// grouped are the processes whose control group has one of some texts in its path.
func (r *Reader) grouped(table processes, texts []string) (pids []int) {
	if len(texts) == 0 {
		return nil
	}
	known := make(map[int]membership, len(table))
	for pid, p := range table {
		m, ok := r.named[pid]
		if !ok || m.start != p.start || !m.sure {
			text, _ := fs.ReadFile(r.Root, "proc/"+strconv.Itoa(pid)+"/cgroup")
			names := func(part string) bool { return strings.Contains(string(text), part) }
			m = membership{p.start, slices.ContainsFunc(texts, names), ok && m.start == p.start}
		}
		known[pid] = m
		if m.inside {
			pids = append(pids, pid)
		}
	}
	r.named = known
	slices.Sort(pids)
	return pids
}

// sharing are the processes of a family, apart from this one, in its control group or in one inside it.
func (r *Reader) sharing(table processes, family map[int]bool) map[int]bool {
	own, _ := r.group(r.PID)
	known, sharing := make(map[int]membership), make(map[int]bool)
	for pid := range family {
		if pid == r.PID {
			continue
		}
		m, ok := r.inside[pid]
		if !ok || m.start != table[pid].start {
			group, _ := r.group(pid)
			m = membership{start: table[pid].start, inside: group == own || strings.HasPrefix(group, strings.TrimSuffix(own, "/")+"/")}
		}
		known[pid], sharing[pid] = m, m.inside
	}
	r.inside = known
	return sharing
}
