package host

import (
	"io/fs"
	"slices"
	"strconv"
	"time"
)

// realtimePolicies are the scheduling classes whose threads take a CPU from programs of the usual class at once: SCHED_FIFO, SCHED_RR and
// SCHED_DEADLINE, as /proc/PID/stat tells them.
var realtimePolicies = []string{"1", "2", "6"}

// realtime says whether every thread of a family is of a real-time class. chrt -p changes one thread alone, so each is read, but only
// where the first thread of every process is of such a class.
func (r *Reader) realtime(table processes, family map[int]bool) bool {
	for pid := range family {
		if !table[pid].realtime {
			return false
		}
	}
	for pid := range family {
		folder := "proc/" + strconv.Itoa(pid) + "/task"
		tasks, _ := fs.ReadDir(r.Root, folder)
		isUsual := func(task fs.DirEntry) bool {
			text, err := fs.ReadFile(r.Root, folder+"/"+task.Name()+"/stat")
			p, ok := parseProcess(pid, string(text))
			return err == nil && !(ok && p.realtime) // a thread that has ended tells nothing
		}
		if len(tasks) == 0 || slices.ContainsFunc(tasks, isUsual) {
			return false
		}
	}
	return true
}

// yieldedSince is the CPU time that other programs of the usual class took since a. A family of a real-time class takes it from them
// whenever it needs it. 0 for any other family.
func (b *Reading) yieldedSince(a *Reading) (sum time.Duration) {
	if !a.realtime || !b.realtime {
		return 0
	}
	for pid, p := range b.table {
		if before, ok := a.table[pid]; ok && before.start == p.start && !b.family[pid] && !p.kernel && !p.realtime {
			sum += p.time - before.time
		}
	}
	return sum
}
