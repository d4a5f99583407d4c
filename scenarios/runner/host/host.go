// Package host reads what the machine of the load generator does. It reads the CPU that the run, its target, other programs and
// the hypervisor take. It reads how long the quota held the run's control group back. It reads /proc and /sys of
// Linux. Elsewhere there is no reading.
package host

import (
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reader reads the machine of one process. It is not safe for concurrent use.
type Reader struct {
	// Root is the root of the file system, or a stand-in.
	Root fs.FS
	// PID is this process.
	PID int
	// Now is the clock.
	Now func() time.Time
	// peers tells the other ends of Unix sockets, by inode; nil: they are not known.
	peers func() map[string]string
	// levels are the control groups of this process, the innermost first; found at the first reading.
	levels []string
	found  bool
	inside map[int]membership
	named  map[int]membership
}

// New returns a Reader of this process.
func New() *Reader {
	return &Reader{Root: os.DirFS("/"), PID: os.Getpid(), Now: time.Now, peers: unixPeers}
}

// Reading is one look at counters that only grow. Two of them make a Usage.
type Reading struct {
	self int
	// Grouped: some process was found by its control group.
	Grouped  bool
	at       time.Time
	cores    int
	programs time.Duration // user and system time of all programs
	kernel   time.Duration // interrupts
	steal    time.Duration
	pressure *time.Duration // some program waited for a CPU; nil: not told
	throttle []throttle     // by level
	quota    float64        // in cores; 0: none
	table    processes
	family   map[int]bool
	waits    map[thread]time.Duration // of the family's threads; nil: not told
	inside   map[int]bool             // those of the family, apart from this process, that share its control group
	usual    map[thread]bool          // the family's threads of no real-time class; nil: this process is of none
}

// Read reads the counters. The target's processes that this process did not start are the owners. Those whose control group has
// one of groups in its path, such as the ID of a container, are the target's too. ok is false where the machine cannot be read.
func (r *Reader) Read(owners []int, groups []string) (out Reading, ok bool) {
	out.self, out.at = r.PID, r.Now()
	if !r.cpu(&out) {
		return out, false
	}
	out.table = r.processes()
	own, ok := out.table[r.PID]
	if !ok {
		return out, false
	}
	grouped := r.grouped(out.table, groups)
	out.Grouped = len(grouped) > 0
	out.family = out.table.family(own, slices.Concat(owners, grouped))
	out.waits = r.waits(out.family)
	out.usual = r.usual(out.table, out.family)
	out.pressure = r.pressure()
	r.throttling(&out)
	if out.quota > 0 {
		out.inside = r.sharing(out.table, out.family)
	}
	return out, true
}

// tick is the unit of the CPU times of /proc.
const tick = 10 * time.Millisecond

// cpu reads the machine's CPU times, and counts its cores.
func (r *Reader) cpu(out *Reading) bool {
	text, err := fs.ReadFile(r.Root, "proc/stat")
	if err != nil {
		return false
	}
	found := false
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu"):
		case fields[0] == "cpu":
			// user nice system idle iowait irq softirq steal; what guests took is part of user
			out.programs = ticks(fields[1]) + ticks(fields[2]) + ticks(fields[3])
			out.kernel = ticks(fields[6]) + ticks(fields[7])
			out.steal = ticks(fields[8])
			found = true
		default:
			out.cores++
		}
	}
	return found && out.cores > 0
}

func ticks(text string) time.Duration {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Duration(n) * tick
}

// pressure reads how long some program has waited for a CPU.
func (r *Reader) pressure() *time.Duration {
	text, err := fs.ReadFile(r.Root, "proc/pressure/cpu")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "some "); ok {
			_, total, _ := strings.Cut(rest, "total=")
			if n, err := strconv.ParseInt(strings.TrimSpace(total), 10, 64); err == nil {
				return new(time.Duration(n) * time.Microsecond)
			}
		}
	}
	return nil
}

// Runs reports whether a process was there.
func (r *Reading) Runs(pid int) bool {
	_, ok := r.table[pid]
	return ok
}
