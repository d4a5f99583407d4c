package host

import (
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// process is one line of the table of processes.
type process struct {
	pid, parent, group int
	name               string
	kernel             bool          // a thread of the kernel
	realtime           bool          // its first thread is of a real-time class
	start              uint64        // tells apart processes of one number
	time               time.Duration // its own
	children           time.Duration // that of children that ended and were waited for
}

func (p *process) total() time.Duration { return p.time + p.children }

// processes are those of the machine that can be seen, by number.
type processes map[int]process

// processes reads the table of processes.
func (r *Reader) processes() processes {
	entries, err := fs.ReadDir(r.Root, "proc")
	if err != nil {
		return nil
	}
	all := make(processes, len(entries))
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if text, err := fs.ReadFile(r.Root, "proc/"+e.Name()+"/stat"); err == nil {
			if p, ok := parseProcess(pid, string(text)); ok {
				all[pid] = p
			}
		}
	}
	return all
}

// parseProcess reads /proc/PID/stat. A name may hold blanks and parentheses.
func parseProcess(pid int, text string) (process, bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return process{}, false
	}
	f := strings.Fields(text[end+1:])
	if len(f) < 20 {
		return process{}, false
	}
	p := process{pid: pid, name: text[open+1 : end], time: ticks(f[11]) + ticks(f[12]), children: ticks(f[13]) + ticks(f[14])}
	p.parent, _ = strconv.Atoi(f[1])
	p.group, _ = strconv.Atoi(f[2])
	flags, _ := strconv.ParseUint(f[6], 10, 64)
	p.kernel = flags&kernelThread != 0
	p.start, _ = strconv.ParseUint(f[19], 10, 64)
	p.realtime = len(f) > 38 && slices.Contains(realtimePolicies, f[38])
	return p, true
}

// family is this process, the owners, and all that they started: their descendants, and the other members of a process group
// that one of them belongs to. The group of this process is left out: a script's whole work can stand in it. An owner that
// started this process, and the first process, count without those that they started.
func (t processes) family(own process, owners []int) map[int]bool {
	children, groups := make(map[int][]int), make(map[int][]int)
	for pid, p := range t {
		children[p.parent] = append(children[p.parent], pid)
		groups[p.group] = append(groups[p.group], pid)
	}
	family, single := map[int]bool{own.pid: true}, t.ancestors(own)
	queue := slices.Concat([]int{own.pid}, owners)
	for len(queue) > 0 {
		p, ok := t[queue[0]]
		queue = queue[1:]
		if !ok {
			continue
		}
		family[p.pid] = true
		if single[p.pid] || p.pid == 1 {
			continue
		}
		next := children[p.pid]
		if p.group != own.group && p.group > 1 {
			next = slices.Concat(next, groups[p.group])
		}
		for _, pid := range next {
			if !family[pid] {
				family[pid] = true
				queue = append(queue, pid)
			}
		}
	}
	return family
}

// ancestors are the processes that a process descends from.
func (t processes) ancestors(p process) map[int]bool {
	all := make(map[int]bool)
	for p.parent > 0 && !all[p.parent] {
		all[p.parent] = true
		p = t[p.parent]
	}
	return all
}

// spent is CPU time: of this process, of the target, of what of the target shares this process's control group, and of threads
// of the kernel. ended is the part of processes that have ended.
type spent struct{ run, target, inside, threads, ended time.Duration }

// spentSince is the CPU time that was spent since a.
func (b *Reading) spentSince(a *Reading) (out spent) {
	gone := goneSince(a.table, b.table)
	for pid, p := range b.table {
		before, ok := a.table[pid]
		if !ok || before.start != p.start {
			before = process{}
		}
		own := p.time - before.time
		// A child that ended moves its whole time, with what was counted already, to its parent.
		ended := max(p.children-before.children-gone[pid], 0)
		switch {
		case pid == b.self:
			out.run += own
			out.target += ended
			out.ended += ended
		case b.family[pid]:
			out.target += own + ended
			out.ended += ended
			if b.inside[pid] {
				out.inside += own + ended
			}
		case p.kernel:
			out.threads += own
		}
	}
	return out
}

// kernelThread is the kernel's PF_KTHREAD. Numbers tell nothing: in a container process 2 is a program.
const kernelThread = 0x00200000

// goneSince sums up, by parent, the CPU time that processes of a had taken that are no longer in b.
func goneSince(a, b processes) map[int]time.Duration {
	gone := make(map[int]time.Duration)
	for pid, p := range a {
		if now, ok := b[pid]; !ok || now.start != p.start {
			gone[p.parent] += p.total()
		}
	}
	return gone
}

// sortedPIDs lists a set in order.
func sortedPIDs(set map[int]bool) []int { return slices.Sorted(maps.Keys(set)) }
