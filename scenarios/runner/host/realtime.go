package host

import (
	"io/fs"
	"strconv"
	"time"
)

// realtimePolicies are the scheduling classes whose threads take a CPU from programs of the usual class at once: SCHED_FIFO, SCHED_RR and
// SCHED_DEADLINE, as /proc/PID/stat tells them.
var realtimePolicies = []string{"1", "2", "6"}

// usual are the threads of a family that are of no real-time class; nil: this process is of none. Each thread is read, for chrt -p changes
// one alone.
func (r *Reader) usual(table processes, family map[int]bool) map[thread]bool {
	if !table[r.PID].realtime {
		return nil
	}
	usual := make(map[thread]bool)
	for pid := range family {
		folder := "proc/" + strconv.Itoa(pid) + "/task"
		tasks, _ := fs.ReadDir(r.Root, folder)
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil {
				continue
			}
			text, _ := fs.ReadFile(r.Root, folder+"/"+task.Name()+"/stat")
			if p, ok := parseProcess(pid, string(text)); !ok || !p.realtime { // one that cannot be read may be of any class
				usual[thread{pid, id}] = true
			}
		}
	}
	return usual
}

// yieldedSince is the CPU time that other programs of the usual class took since a. A run and a target of a real-time class take it from
// them whenever they need it. 0 where a thread of theirs is of another class and waited, and where that is not known.
func (b *Reading) yieldedSince(a *Reading) (sum time.Duration) {
	if a.usual == nil || b.usual == nil || a.waits == nil || b.waits == nil {
		return 0
	}
	var waited time.Duration
	for t := range b.usual {
		waited += max(b.waits[t]-a.waits[t], 0)
	}
	if waited >= time.Duration(slight*float64(b.at.Sub(a.at))) {
		return 0
	}
	for pid, p := range b.table {
		if before, ok := a.table[pid]; ok && before.start == p.start && !b.family[pid] && !p.kernel && !p.realtime {
			sum += p.time - before.time
		}
	}
	return sum
}
