package host

import (
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// thread is one thread of a process.
type thread struct{ pid, id int }

// mostThreads bounds the threads of a family that are read. Of a larger one nothing is known.
const mostThreads = 4096

// waits reads how long each thread of a family has waited for a CPU, ready to run; nil: not told.
func (r *Reader) waits(family map[int]bool) map[thread]time.Duration {
	waits := make(map[thread]time.Duration)
	for pid := range family {
		folder := "proc/" + strconv.Itoa(pid) + "/task"
		tasks, _ := fs.ReadDir(r.Root, folder)
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil {
				continue
			}
			text, err := fs.ReadFile(r.Root, folder+"/"+task.Name()+"/schedstat")
			f := strings.Fields(string(text)) // on a CPU, waiting for one, in nanoseconds; times that it ran
			if err != nil || len(f) < 2 {
				continue
			}
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				waits[thread{pid, id}] = time.Duration(n)
			}
		}
		if len(waits) > mostThreads {
			return nil
		}
	}
	for t := range waits {
		if t.pid == r.PID {
			return waits
		}
	}
	return nil // a kernel that does not tell it of this process tells it of none
}

// waitedSince is how long the threads of the run and of its target waited for a CPU since a, in all. Nothing is known where much
// of what they did was done by processes that have ended.
func (b *Reading) waitedSince(a *Reading, spent spent) (sum time.Duration, known bool) {
	if a.waits == nil || b.waits == nil || 2*spent.ended > spent.run+spent.target {
		return 0, false
	}
	for t, now := range b.waits {
		before, ok := a.waits[t]
		p, there := a.table[t.pid]
		again := there && p.start == b.table[t.pid].start
		switch {
		case ok && again:
			sum += max(now-before, 0)
		case again && !a.family[t.pid]: // it joined the family: what it waited before is not known
		default:
			sum += now
		}
	}
	return sum, true
}
