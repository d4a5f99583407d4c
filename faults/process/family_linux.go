package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wringer/faults/procfs"
)

// family is a process with all that it started, also what left its group and its session: a daemon. Where the kernel lets us, the
// family has a cgroup of its own, which nothing leaves. Elsewhere orphans come to this process, the subreaper, and are told by
// their descent, their group and the run's mark. Safe for concurrent use.
type family struct {
	mark   string
	folder string // of the cgroup; empty: there is none

	mu      sync.Mutex
	leader  int
	born    uint64       // when the leader began
	adopted map[int]bool // orphans that came to this process
	known   []int        // as they were found at looked
	looked  time.Time
}

// scanEvery bounds how often all processes of the machine are looked at.
const scanEvery = 200 * time.Millisecond

// groupPrefix begins the name of each cgroup that this package makes.
const groupPrefix = "wringer-"

// useGroups says whether cgroups are used where they can be.
var useGroups = true

// newFamily makes the family's cgroup, if it can.
func newFamily(mark string) *family {
	f := &family{mark: mark, adopted: make(map[int]bool)}
	if own := ownCgroup(); useGroups && own != "" {
		name := groupPrefix + strings.NewReplacer("/", "-", "\x00", "-").Replace(mark) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
		if folder := filepath.Join(own, name); os.Mkdir(folder, 0o755) == nil {
			f.folder = folder
			return f
		}
	}
	becomeSubreaper()
	return f
}

var becomeSubreaper = sync.OnceFunc(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })

// ownCgroup is the folder of this process's cgroup v2, empty when there is none.
var ownCgroup = sync.OnceValue(func() string {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	own, _ := os.ReadFile("/proc/self/cgroup")
	path := ""
	for line := range strings.Lines(string(own)) {
		if rest, is := strings.CutPrefix(strings.TrimSpace(line), "0::"); is {
			path = rest
		}
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if at := slices.Index(fields, "-"); at < 6 || at+1 >= len(fields) || fields[at+1] != "cgroup2" {
			continue
		}
		below, err := filepath.Rel(fields[3], path)
		if path != "" && err == nil && (below == "." || filepath.IsLocal(below)) {
			return filepath.Join(fields[4], below)
		}
	}
	return ""
})

// attributes are how the leader is started: into the cgroup, if there is one. The caller closes the result's cgroup.
func (f *family) attributes() (*syscall.SysProcAttr, func()) {
	attributes := ownGroup()
	if f.folder == "" {
		return attributes, func() {}
	}
	fd, err := unix.Open(f.folder, unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_PATH, 0)
	if err != nil {
		f.leave()
		return attributes, func() {}
	}
	attributes.UseCgroupFD, attributes.CgroupFD = true, fd
	return attributes, func() { unix.Close(fd) }
}

// leave does without the cgroup: the kernel does not start processes in one.
func (f *family) leave() {
	_ = os.Remove(f.folder)
	f.folder = ""
	becomeSubreaper()
}

// begin tells the family its leader.
func (f *family) begin(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leader, f.born = pid, startOf(pid)
}

// members lists the family's processes that live.
func (f *family) members() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.folder != "" {
		return groupMembers(f.folder)
	}
	if time.Since(f.looked) >= scanEvery {
		f.scan()
	}
	return slices.DeleteFunc(slices.Clone(f.known), func(pid int) bool { return gone(pid) })
}

// gone says whether a process is over, also when nobody has asked for its end yet.
func gone(pid int) bool {
	state := procfs.Stat(pid, procfs.State)
	return state == "" || state == "Z" || state == "X"
}

// scan looks at all processes for those of the family, under mu.
func (f *family) scan() {
	f.looked = time.Now()
	parents, groups := make(map[int]int), make(map[int]int)
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			fields := procfs.Stats(pid)
			if len(fields) > int(procfs.StartTime) && fields[procfs.State] != "Z" {
				parents[pid], _ = strconv.Atoi(fields[procfs.Parent])
				groups[pid], _ = strconv.Atoi(fields[procfs.Group])
			}
		}
	}
	self := os.Getpid()
	f.known = f.known[:0]
	for pid := range parents {
		own := groups[pid] == f.leader || marked(pid, marker+f.mark)
		for at, steps := pid, 0; !own && at > 1 && at != self && steps < 1000; at, steps = parents[at], steps+1 {
			own = at == f.leader || f.adopted[at]
		}
		if own {
			f.known = append(f.known, pid)
			if parents[pid] == self && pid != f.leader {
				f.adopted[pid] = true
			}
		}
	}
	slices.Sort(f.known)
	f.reap()
}

// reap takes note of the ends of adopted orphans, under mu.
func (f *family) reap() {
	for pid := range f.adopted {
		if got, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); got == pid || errors.Is(err, syscall.ECHILD) {
			delete(f.adopted, pid)
		}
	}
}

// adopt looks for orphans that the leader left as it ended. One that has overwritten its environment, as a program that sets its
// title does, has no mark: it is known by having come just now, and by no mark of anything else that this process started.
func (f *family) adopt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.folder != "" {
		return
	}
	self := strconv.Itoa(os.Getpid())
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == f.leader || procfs.Stat(pid, procfs.Parent) != self || startOf(pid) < f.born || gone(pid) {
			continue
		}
		// One reading decides: a daemon replaces its environment as we look, and two readings would be of two programs.
		own, others := marks(pid, f.mark)
		if own || !others {
			f.adopted[pid] = true
		}
	}
	f.scan()
}

// main is the process that leads the family now, 0 when none lives: the leader, or the oldest whose parent is none of the family.
func (f *family) main() int {
	all := f.members()
	f.mu.Lock()
	leader := f.leader
	f.mu.Unlock()
	if slices.Contains(all, leader) {
		return leader
	}
	oldest := 0
	for _, pid := range all {
		parent, _ := strconv.Atoi(procfs.Stat(pid, procfs.Parent))
		if !slices.Contains(all, parent) && (oldest == 0 || startOf(pid) < startOf(oldest)) {
			oldest = pid
		}
	}
	return oldest
}

// outside says whether a member has left the leader's group, as a daemon does.
func (f *family) outside() bool {
	return slices.ContainsFunc(f.members(), func(pid int) bool { return procfs.Stat(pid, procfs.Group) != strconv.Itoa(f.leader) })
}

// kill kills every member, and those that are started meanwhile.
func (f *family) kill() {
	if f.folder != "" {
		killGroup(f.folder)
		return
	}
	for range 100 {
		f.mu.Lock()
		f.scan()
		f.mu.Unlock()
		all := f.members()
		if len(all) == 0 {
			return
		}
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
}

// end gives the cgroup up, and takes note of the ends of orphans. Nothing of the family lives any more.
func (f *family) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reap()
	if f.folder != "" {
		removeGroup(f.folder)
	}
}

// removeGroup removes a cgroup. What was killed may take a moment to leave it.
func removeGroup(folder string) {
	for range 100 {
		if err := os.Remove(folder); !errors.Is(err, syscall.EBUSY) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// groupMembers lists the processes of a cgroup and of those below it.
func groupMembers(folder string) (all []int) {
	raw, _ := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	for word := range strings.FieldsSeq(string(raw)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			all = append(all, pid)
		}
	}
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, groupMembers(filepath.Join(folder, e.Name()))...)
		}
	}
	return all
}

// killGroup kills a cgroup's processes.
func killGroup(folder string) {
	if os.WriteFile(filepath.Join(folder, "cgroup.kill"), []byte("1"), 0) == nil {
		return
	}
	// An older kernel: whatever is started while we kill is killed in the next round.
	for range 100 {
		all := groupMembers(folder)
		if len(all) == 0 {
			return
		}
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
}

// killLeftGroup kills what is left in a cgroup of a run that was killed.
func killLeftGroup(folder string) {
	if folder == "" || !strings.HasPrefix(filepath.Base(folder), groupPrefix) {
		return
	}
	killGroup(folder)
	removeGroup(folder)
}
