package host

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
	"time"
)

const self = 100

// tree is a stand-in for the root of a file system.
type tree fstest.MapFS

func (t tree) file(name, text string) tree {
	t[name] = &fstest.MapFile{Data: []byte(text)}
	return t
}

// process adds a process that took some CPU time, in ticks, and whose ended children took some.
func (t tree) process(pid, parent, group, own, children int) tree {
	return t.flagged(pid, parent, group, own, children, 0)
}

// thread adds a thread of the kernel.
func (t tree) thread(pid, parent, own int) tree {
	return t.flagged(pid, parent, 0, own, 0, kernelThread|0x40)
}

func (t tree) flagged(pid, parent, group, own, children, flags int) tree {
	return t.file(fmt.Sprintf("proc/%d/stat", pid),
		fmt.Sprintf("%d (a ) b) S %d %d 0 0 -1 %d 0 0 0 0 %d 0 %d 0 20 0 1 0 77 0 0\n", pid, parent, group, flags, own, children))
}

// cpu sets the times of two cores, in ticks.
func (t tree) cpu(programs, interrupts, steal int) tree {
	return t.file("proc/stat", fmt.Sprintf("cpu  %d 0 0 999 9 %d 0 %d 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0 0 0\nintr 5\n", programs, interrupts, steal))
}

func read(t *testing.T, r *Reader, files tree, after time.Duration, owners ...int) *Reading {
	t.Helper()
	r.Root, r.PID, r.Now = fstest.MapFS(files), self, func() time.Time { return time.Unix(0, 0).Add(after) }
	out, ok := r.Read(owners, nil)
	if !ok {
		t.Fatal("no reading")
	}
	return &out
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

func TestOthersAreWhatIsLeftOfTheRunItsTargetAndTheKernel(t *testing.T) {
	var r Reader
	a := read(t, &r, tree{}.cpu(1000, 50, 10).
		thread(2, 0, 10).thread(9, 2, 40). // threads of the kernel
		process(self, 1, 70, 300, 0).
		process(101, self, 101, 100, 0).process(102, 101, 101, 30, 0). // started here
		process(200, 1, 200, 500, 0), 0)                               // another program
	b := read(t, &r, tree{}.cpu(1180, 60, 30).
		thread(2, 0, 10).thread(9, 2, 50).
		process(self, 1, 70, 320, 0).
		process(101, self, 101, 110, 45). // 102 ended with 45: 15 of them are new
		process(103, 1, 101, 5, 0).       // left its parent, stayed in its group
		process(200, 1, 200, 620, 0), time.Second)
	u := b.Since(a)
	if !near(u.Used, 1.9) || !near(u.Steal, 0.2) || !near(u.Run, 0.2) || !near(u.Target, 0.3) || !near(u.Others, 1.2) || u.Cores != 2 {
		t.Errorf("%+v", u)
	}
	if u.Throttled != nil || u.Pressure != nil || u.Quota != 0 {
		t.Errorf("what was not told is not absent: %+v", u)
	}
	if got := u.Limits(); got != ByOthers|BySteal {
		t.Errorf("limits %b", got)
	}
}

// In a container the numbers begin anew: process 2 and its children are programs.
func TestProcessTwoIsNotAlwaysTheKernel(t *testing.T) {
	world := func(ticks int) tree {
		return tree{}.cpu(1000+ticks, 0, 0).process(1, 0, 1, 0, 0).process(self, 1, 70, 0, 0).
			process(2, 1, 2, ticks/2, 0).process(3, 2, 2, ticks/2, 0)
	}
	var r Reader
	a := read(t, &r, world(0), 0)
	if u := read(t, &r, world(200), time.Second).Since(a); !near(u.Others, 2) || u.Limits() != ByOthers {
		t.Errorf("%+v", u)
	}
}

// A server that the user started counts as the target, with its workers. Without its owner it would be another program.
func TestAnOwnerAndItsProcessesAreTheTarget(t *testing.T) {
	world := func(ticks int) tree {
		return tree{}.cpu(1000+ticks, 0, 0).process(1, 0, 1, 0, 0).process(50, 1, 50, 0, 0). // a shell
													process(self, 50, 70, 0, 0).
													process(60, 50, 60, 10+ticks/2, 0).process(61, 60, 60, 10+ticks/2, 0) // a server and its worker
	}
	for name, c := range map[string]struct {
		owners         []int
		target, others float64
	}{
		"known":   {[]int{60}, 2, 0},
		"unknown": {nil, 0, 2},
	} {
		var r Reader
		a := read(t, &r, world(0), 0, c.owners...)
		b := read(t, &r, world(200), time.Second, c.owners...)
		if u := b.Since(a); !near(u.Target, c.target) || !near(u.Others, c.others) {
			t.Errorf("%s: target %g, others %g", name, u.Target, u.Others)
		} else if busy := u.Limits() != 0; busy != (c.owners == nil) {
			t.Errorf("%s: limits %b", name, u.Limits())
		}
	}
}

// What started the run started more than the target. The group of a script holds other programs too.
func TestAFamilyDoesNotReachBeyondItsOwn(t *testing.T) {
	table := make(processes)
	add := func(pid, parent, group int) { table[pid] = process{pid: pid, parent: parent, group: group} }
	add(1, 0, 1)
	add(50, 1, 50) // the program that started the run, and listens
	add(self, 50, 50)
	add(51, 50, 50) // a busy loop beside it
	add(60, 50, 50) // a server in the same group
	add(61, 60, 50)
	for _, c := range []struct{ owners, want []int }{
		{nil, []int{self}},
		{[]int{50}, []int{50, self}},
		{[]int{60}, []int{60, 61, self}},
		{[]int{1}, []int{1, self}},
		{[]int{77}, []int{self}}, // gone
	} {
		got := slices.Sorted(maps.Keys(table.family(table[self], c.owners)))
		if !slices.Equal(got, c.want) {
			t.Errorf("owners %v: family %v, want %v", c.owners, got, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	ms := func(n int) *time.Duration { return new(time.Duration(n) * time.Millisecond) }
	for name, c := range map[string]struct {
		u    Usage
		want Limit
	}{
		"idle":                       {Usage{Cores: 2, Used: 0.3, Others: 0.1, Elapsed: time.Second}, 0},
		"others, a core is free":     {Usage{Cores: 2, Used: 1.4, Others: 1, Elapsed: time.Second}, 0},
		"others, no core is free":    {Usage{Cores: 2, Used: 1.9, Others: 1, Elapsed: time.Second}, ByOthers},
		"others, some program waits": {Usage{Cores: 2, Used: 1.4, Others: 1, Pressure: new(0.6), Elapsed: time.Second}, 0},
		"the target waits":           {Usage{Cores: 2, Used: 1.9, Target: 0.9, Others: 1, Wait: new(0.1), Elapsed: time.Second}, ByOthers},
		"nobody of it waits":         {Usage{Cores: 2, Used: 2, Target: 0.2, Others: 1.8, Wait: new(0.002), Elapsed: time.Second}, 0},
		"it waits, a core is free":   {Usage{Cores: 4, Used: 2.4, Target: 0.4, Others: 2, Wait: new(0.02), Elapsed: time.Second}, 0},
		"bursts of others":           {Usage{Cores: 4, Used: 2.4, Target: 0.02, Others: 2, Wait: new(0.05), Elapsed: time.Second}, ByOthers},
		"it burns beside a little":   {Usage{Cores: 2, Used: 2, Target: 1.6, Others: 0.4, Wait: new(3.0), Elapsed: time.Second}, 0},
		"it burns beside as much":    {Usage{Cores: 2, Used: 2, Target: 1, Others: 1, Wait: new(3.0), Elapsed: time.Second}, ByOthers},
		"the target's own load":      {Usage{Cores: 2, Used: 2, Target: 1.9, Others: 0.1, Pressure: new(1.0), Elapsed: time.Second}, 0},
		"the run's own load":         {Usage{Cores: 2, Used: 2, Run: 1.9, Others: 0.1, Elapsed: time.Second}, 0},
		"steal":                      {Usage{Cores: 4, Used: 1, Steal: 0.5, Elapsed: time.Second}, BySteal},
		"a little steal":             {Usage{Cores: 4, Used: 3.9, Steal: 0.1, Elapsed: time.Second}, 0},
		"quota":                      {Usage{Cores: 4, Used: 0.2, Run: 0.1, Throttled: ms(500), Elapsed: time.Second}, ByQuota},
		"a little quota":             {Usage{Cores: 4, Used: 0.2, Throttled: ms(50), Elapsed: time.Second}, 0},
		"quota, not held back":       {Usage{Cores: 4, Used: 0.2, Throttled: ms(0), Elapsed: time.Second}, 0},
		"the target used the quota":  {Usage{Cores: 4, Run: 0.1, Target: 0.4, Inside: 0.4, Throttled: ms(500), Elapsed: time.Second}, 0},
		"the target has its own":     {Usage{Cores: 4, Run: 0.1, Target: 0.4, Throttled: ms(500), Elapsed: time.Second}, ByQuota},
		"nothing was read":           {Usage{}, 0},
	} {
		if got := c.u.Limits(); got != c.want {
			t.Errorf("%s: %b, want %b", name, got, c.want)
		}
	}
}

func TestThrottling(t *testing.T) {
	base := func() tree { return tree{}.cpu(0, 0, 0).process(self, 1, 70, 0, 0) }
	group := func(f tree, cgroup, mounts string) tree {
		return f.file("proc/100/cgroup", cgroup).file("proc/100/mountinfo", mounts)
	}
	stat := func(f tree, at string, n, time int, unit string) tree {
		return f.file("sys/fs/cgroup/"+at+"cpu.stat", fmt.Sprintf("nr_periods 50\nnr_throttled %d\n%s %d\n", n, unit, time))
	}
	for name, c := range map[string]struct {
		world func(n int) tree // n is how much of each unit has passed
		want  *time.Duration
		quota float64
	}{
		"version 2, a group around it is held back": {func(n int) tree {
			f := group(base(), "0::/pod/app\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
			f.file("sys/fs/cgroup/cpu.stat", "usage_usec 9\n").file("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n").file("sys/fs/cgroup/pod/cpu.max", "50000 100000\n")
			return stat(stat(f, "pod/app/", 0, 0, "throttled_usec"), "pod/", 3*n, 200_000*n, "throttled_usec")
		}, new(200 * time.Millisecond), 0.5},
		"version 1": {func(n int) tree {
			f := group(base(), "4:cpu,cpuacct:/docker/ab/in\n0::/\n", "25 23 0:21 /docker/ab /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n")
			f.file("sys/fs/cgroup/cpu,cpuacct/in/cpu.cfs_quota_us", "15000\n").file("sys/fs/cgroup/cpu,cpuacct/in/cpu.cfs_period_us", "100000\n")
			return stat(f, "cpu,cpuacct/in/", 3*n, 200_000_000*n, "throttled_time")
		}, new(200 * time.Millisecond), 0.15},
		"version 1 in a container that sees another path": {func(n int) tree {
			f := group(base(), "4:cpu,cpuacct:/docker/ab\n", "25 23 0:21 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n")
			return stat(f, "cpu,cpuacct/", 3*n, 200_000_000*n, "throttled_time")
		}, new(200 * time.Millisecond), 0},
		"a root without a quota tells nothing": {func(int) tree {
			return group(base(), "0::/\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n").file("sys/fs/cgroup/cpu.stat", "usage_usec 9\n")
		}, nil, 0},
		"no control groups": {func(int) tree { return base() }, nil, 0},
	} {
		var r Reader
		a := read(t, &r, c.world(1), 0)
		b := read(t, &r, c.world(2), time.Second)
		u := b.Since(a)
		if (u.Throttled == nil) != (c.want == nil) || c.want != nil && (*u.Throttled != *c.want || u.Throttles != 3) || !near(u.Quota, c.quota) {
			t.Errorf("%s: throttled %v, %d times, quota %g", name, u.Throttled, u.Throttles, u.Quota)
		}
	}
}

// A target in the control group of the run takes from its quota. One in a group of its own does not.
func TestWhatOfTheTargetSharesTheQuota(t *testing.T) {
	world := func(n int) tree {
		f := tree{}.cpu(100*n, 0, 0).process(self, 1, 70, 10*n, 0).process(101, self, 101, 20*n, 0).process(102, self, 102, 40*n, 0)
		f.file("proc/100/cgroup", "0::/pod\n").file("proc/101/cgroup", "0::/pod/in\n").file("proc/102/cgroup", "0::/podium\n")
		f.file("proc/100/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
		return f.file("sys/fs/cgroup/pod/cpu.stat", "nr_throttled 1\nthrottled_usec 1\n").file("sys/fs/cgroup/pod/cpu.max", "50000 100000\n")
	}
	var r Reader
	a := read(t, &r, world(1), 0)
	b := read(t, &r, world(2), time.Second)
	if u := b.Since(a); !near(u.Inside, 0.2) || !near(u.Target, 0.6) {
		t.Errorf("%+v", u)
	}
}

// The processes of a container are found by its ID. Nothing else ties them to the run.
func TestContainersAreTheTarget(t *testing.T) {
	world := func(n int) tree {
		f := tree{}.cpu(200*n, 0, 0).process(self, 1, 70, 0, 0).process(1, 0, 1, 0, 0).
			process(80, 1, 80, 0, 0).process(81, 80, 81, 150*n, 0). // a shim, and the container's program
			process(82, 80, 82, 40*n, 0)                            // another container's
		f.file("proc/81/cgroup", "4:cpu:/docker/ab12cd\n0::/\n").file("proc/82/cgroup", "0::/system.slice/docker-ffee.scope\n")
		return f
	}
	look := func(n int) *Reading {
		r := Reader{Root: fstest.MapFS(world(n)), PID: self, Now: func() time.Time { return time.Unix(int64(n), 0) }}
		out, _ := r.Read(nil, []string{"ab12cd"})
		return &out
	}
	b := look(2)
	if u := b.Since(look(1)); !near(u.Target, 1.5) || !near(u.Others, 0.5) || !b.Grouped {
		t.Errorf("%+v, grouped %t", u, b.Grouped)
	}
}

func TestPressure(t *testing.T) {
	world := func(us int) tree {
		return tree{}.cpu(0, 0, 0).process(self, 1, 70, 0, 0).
			file("proc/pressure/cpu", fmt.Sprintf("some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", us))
	}
	var r Reader
	a := read(t, &r, world(5), 0)
	b := read(t, &r, world(250_005), time.Second)
	if u := b.Since(a); u.Pressure == nil || !near(*u.Pressure, 0.25) {
		t.Errorf("%v", u.Pressure)
	}
}

// The wait is that of the threads of the run and its target. What others waited, and what a process waited before it was known
// to be the target's, does not count.
func TestWaits(t *testing.T) {
	wait := func(files tree, pid, id, ms int) tree {
		return files.file(fmt.Sprintf("proc/%d/task/%d/schedstat", pid, id), fmt.Sprintf("5 %d 9\n", ms*1_000_000))
	}
	world := func(n int) tree {
		files := tree{}.cpu(100*n, 0, 0).process(self, 1, 70, 10*n, 0).process(60, 1, 60, 10*n, 0).process(61, 1, 61, 10*n, 0).process(90, 1, 90, 70*n, 0)
		wait(wait(files, self, self, 100+10*n), 60, 60, 500+20*n)
		wait(wait(files, 61, 61, 900+40*n), 90, 90, 1000*n)
		if n > 0 {
			wait(files, 60, 62, 30) // a new thread
		}
		return files
	}
	var r Reader
	a := read(t, &r, world(0), 0, 60)
	if u := read(t, &r, world(1), time.Second, 60, 61).Since(a); u.Wait == nil || !near(*u.Wait, 0.06) {
		t.Errorf("wait %v", u.Wait)
	}
	ended := world(1)
	ended.process(60, 1, 60, 20, 40) // most was done by children that ended
	if u := read(t, &r, ended, time.Second, 60).Since(a); u.Wait != nil {
		t.Errorf("wait %g of processes that ended", *u.Wait)
	}
	delete(ended, fmt.Sprintf("proc/%d/task/%d/schedstat", self, self))
	b := read(t, &r, ended, 2*time.Second, 60)
	if u := read(t, &r, ended, 3*time.Second, 60).Since(b); u.Wait != nil {
		t.Errorf("wait %g of a kernel that does not tell", *u.Wait)
	}
}

// Off Linux nothing can be read, and nothing is told.
func TestAMachineWithoutCountersHasNoReading(t *testing.T) {
	r := Reader{Root: fstest.MapFS{}, PID: self, Now: time.Now}
	if _, ok := r.Read(nil, nil); ok {
		t.Error("a reading of nothing")
	}
}

// The real machine, where it is Linux: this process finds its own listener.
func TestThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc of Linux")
	}
	r := New()
	a, ok := r.Read(nil, nil)
	if !ok {
		t.Fatal("no reading")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if pids, unowned := r.Owners([]netip.AddrPort{netip.MustParseAddrPort(l.Addr().String())}, nil, &a); !slices.Equal(pids, []int{os.Getpid()}) || unowned != nil {
		t.Errorf("owners %v, unowned %v", pids, unowned)
	}
	b, _ := r.Read([]int{os.Getppid()}, nil)
	if u := b.Since(&a); u.Cores < 1 || u.Others < 0 || u.Used < 0 {
		t.Errorf("%+v", u)
	}
}
