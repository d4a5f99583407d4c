package host

import "time"

// Usage is what happened between two readings. Times of CPU are means, in cores.
type Usage struct {
	Cores int
	// Used is the CPU that was in use, without Steal.
	Used float64
	// Run is the part of this process, Target that of the processes that it started and of the owners, with their descendants.
	// Others is that of all other programs.
	Run, Target, Others float64
	// Yields is the part of Others that the run and its target take at once when they need it: they are of a real-time class.
	Yields float64
	// Steal is the CPU that the hypervisor gave to other machines.
	Steal float64
	// Pressure is the share of the time in which some program waited for a CPU; nil: not told.
	Pressure *float64
	// Wait is how many threads of the run and of its target waited for a CPU, as a mean; nil: not told.
	Wait *float64
	// Throttled is how long, in all, the CPUs held the control group back by its quota, and Throttles how often. nil: not told.
	Throttled *time.Duration
	Throttles int64
	// Quota of the control group, in cores; 0: none.
	Quota float64
	// Inside is the part of Target in the same control group.
	Inside  float64
	Elapsed time.Duration
}

// Since is what happened from a to b.
func (b *Reading) Since(a *Reading) Usage {
	u := Usage{Cores: b.cores, Quota: b.quota, Elapsed: b.at.Sub(a.at)}
	if u.Elapsed <= 0 {
		return u
	}
	cores := func(d time.Duration) float64 { return max(float64(d)/float64(u.Elapsed), 0) }
	spent := b.spentSince(a)
	programs := b.programs - a.programs
	u.Used = cores(programs + b.kernel - a.kernel)
	u.Steal = cores(b.steal - a.steal)
	u.Run, u.Target, u.Inside = cores(spent.run), cores(spent.target), cores(spent.inside)
	u.Others = cores(programs - spent.run - spent.target - spent.threads)
	u.Yields = min(cores(b.yieldedSince(a)), max(u.Others, 0))
	if a.pressure != nil && b.pressure != nil {
		u.Pressure = new(cores(*b.pressure - *a.pressure))
	}
	if waited, known := b.waitedSince(a, spent); known {
		u.Wait = new(cores(waited))
	}
	u.throttle(a.throttle, b.throttle)
	return u
}

// throttle takes over what the control group that was held back longest tells.
func (u *Usage) throttle(a, b []throttle) {
	for i := range min(len(a), len(b)) {
		if !a[i].known || !b[i].known {
			continue
		}
		held := b[i].time - a[i].time
		if u.Throttled == nil || held > *u.Throttled {
			u.Throttled, u.Throttles = &held, b[i].count-a[i].count
		}
	}
}

// Limit is a set of reasons why the machine, and neither the run nor its target, was the limit.
type Limit uint8

const (
	// ByOthers: other programs took their part of the CPU, and the run or its target waited for a CPU meanwhile.
	ByOthers Limit = 1 << iota
	// BySteal: the hypervisor gave the CPU to other machines.
	BySteal
	// ByQuota: the control group of the run was held back, and not by its target.
	ByQuota
)

const (
	// full is the share of all cores from which no core is free.
	full = 0.9
	// material is the share of the cores, and of a time, from which a part counts.
	material = 0.1
	// large is the share that others must take where the run and its target want every core by themselves.
	large = 0.25
	// slight is a wait that is none, in threads: in a second, no operation lost more than 5 ms.
	slight = 0.005
)

// Limits says why the machine was the limit; 0: it was not. What the run and its target take themselves is no reason.
func (u *Usage) Limits() Limit {
	var why Limit
	if u.Cores == 0 || u.Elapsed <= 0 {
		return 0
	}
	cores := float64(u.Cores)
	if u.byOthers(cores) {
		why |= ByOthers
	}
	if u.Steal >= material*cores {
		why |= BySteal
	}
	if u.Throttled != nil && float64(*u.Throttled) >= material*float64(u.Elapsed) && u.Inside <= u.Run {
		why |= ByQuota
	}
	return why
}

// byOthers says whether other programs kept the run or its target waiting. On a full machine each wait counts. Where a core was
// free on the average, a wait counts that is as long as the work: others came in bursts. A core is free, too, that others yield.
func (u *Usage) byOthers(cores float64) bool {
	isFull := u.Used-u.Yields+u.Steal >= full*cores
	switch own := u.Run + u.Target; {
	case u.Others < material*cores:
		return false
	case u.Wait == nil:
		return isFull
	case *u.Wait < slight:
		return false
	case own+*u.Wait >= cores && u.Others < large*cores:
		return false // alone, they would have filled the machine as well
	default:
		return isFull || *u.Wait >= own
	}
}
