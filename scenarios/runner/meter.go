package runner

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner/host"
	"wringer/scenarios/runner/judge"
)

// meter reads the machine once a second. The collector's mutex guards it while the run goes on.
type meter struct {
	reader  *host.Reader
	reached *reached
	target  scenarios.Target // nil: none was started
	last    host.Reading
	until   int // seconds before this one were read
	seconds map[int]host.Usage

	owners  []int // the processes that listen on the addresses that the run dialled
	looked  time.Time
	pause   time.Duration           // until the next look
	asked   int                     // addresses and paths at the last look
	more    bool                    // there are addresses that are not known
	unowned map[netip.AddrPort]bool // false: its program was found once
}

// newMeter starts reading at now; nil without a reader, and where the machine cannot be read.
func newMeter(reader *host.Reader, target scenarios.Target, reached *reached, now time.Duration) *meter {
	if reader == nil {
		return nil
	}
	m := &meter{reader: reader, target: target, reached: reached, seconds: make(map[int]host.Usage), until: secondOf(now), unowned: make(map[netip.AddrPort]bool)}
	m.look()
	var ok bool
	if m.last, ok = reader.Read(m.owners, m.groups()); !ok {
		return nil
	}
	return m
}

func secondOf(at time.Duration) int { return int(math.Floor(at.Seconds())) }

// least is the time below which a reading says nothing: the kernel counts in hundredths of a second.
const least = 200 * time.Millisecond

// read takes what happened since the last reading as what happened in each second that ended since then. last: the second that
// is not over at now counts too.
func (m *meter) read(now time.Duration, last bool) {
	until := secondOf(now)
	if last {
		until++
	}
	if m == nil || until <= m.until {
		return
	}
	m.look()
	reading, ok := m.reader.Read(m.owners, m.groups())
	if !ok {
		return
	}
	usage := reading.Since(&m.last)
	if len(m.lost()) > 0 { // a part of the target may have waited unseen
		usage.Wait = nil
	}
	if before, ok := m.seconds[m.until-1]; ok && usage.Elapsed < least {
		usage = before
	} else {
		m.last = reading
	}
	for ; m.until < until; m.until++ {
		m.seconds[m.until] = usage
	}
}

// patience is the time after which programs are looked for again. It doubles with each look that finds nothing new: the target
// connects to what stands behind it soon, and a look reads every process.
const patience = time.Second

// look looks for the programs that listen on the addresses that the run dialled, and for those behind them.
func (m *meter) look() {
	addresses, paths, more := m.reached.list()
	m.more = more
	gone := func(pid int) bool { return !m.last.Runs(pid) }
	if len(addresses)+len(paths) == m.asked && time.Since(m.looked) <= m.pause && !slices.ContainsFunc(m.owners, gone) {
		return
	}
	pids, unowned := m.reader.Owners(addresses, paths, &m.last)
	unknown := func(pid int) bool { return !slices.Contains(m.owners, pid) }
	if m.pause *= 2; m.pause == 0 || len(addresses)+len(paths) != m.asked || slices.ContainsFunc(pids, unknown) {
		m.pause = patience
	}
	m.asked, m.looked = len(addresses)+len(paths), time.Now()
	m.owners = slices.DeleteFunc(m.owners, gone)
	for _, pid := range pids {
		if unknown(pid) {
			m.owners = append(m.owners, pid)
		}
	}
	for _, a := range addresses {
		if !slices.Contains(unowned, a) {
			m.unowned[a] = false
		}
	}
	for _, a := range unowned {
		if _, asked := m.unowned[a]; !asked {
			m.unowned[a] = true
		}
	}
}

// load is what held the machine in a second; zero where that is not known.
func (m *meter) load(second int) judge.Load {
	u := m.seconds[second]
	why := u.Limits()
	return judge.Load{
		Others: why&host.ByOthers != 0, Steal: why&host.BySteal != 0, Throttled: why&host.ByQuota != 0,
		OthersCores: u.Others, StealCores: u.Steal, Quota: u.Quota, Cores: u.Cores,
	}
}

// busy says whether the machine was the limit in a second or in one beside it, as far as they were read.
func (m *meter) busy(second int) bool {
	if m == nil {
		return false
	}
	for at := second - 1; at <= second+1; at++ {
		if u := m.seconds[at]; u.Limits() != 0 {
			return true
		}
	}
	return false
}

// mayBeBusy is busy for a second that was not yet read, too: it may turn out to be.
func (m *meter) mayBeBusy(second int) bool {
	return m != nil && (second+1 >= m.until || m.busy(second))
}

// groups are parts of the paths of the target's control groups.
func (m *meter) groups() []string {
	if g, ok := m.target.(scenarios.Grouped); ok {
		return g.ControlGroups()
	}
	return nil
}

// lost lists the addresses whose program was never found. Those of a target whose processes were found by their control groups
// are held by what forwards to it.
func (m *meter) lost() (texts []string) {
	var own map[string]string
	if m.last.Grouped {
		own = m.target.Vars()
	}
	for a, missing := range m.unowned {
		if missing && !slices.Contains(slices.Collect(maps.Values(own)), a.String()) {
			texts = append(texts, a.String())
		}
	}
	slices.Sort(texts)
	if m.more {
		texts = append(texts, fmt.Sprintf("more than %d addresses", mostReached))
	}
	return texts
}

// rows are the seconds up to the end of the measured part, for the record.
func (m *meter) rows(ended time.Duration) []reports.MachineSecond {
	var rows []reports.MachineSecond
	for second := 0; time.Duration(second)*time.Second < ended; second++ {
		u, ok := m.seconds[second]
		if !ok {
			continue
		}
		row := reports.MachineSecond{
			StartNS: int64(second) * int64(time.Second), Used: round(u.Used), Run: round(u.Run), Target: round(u.Target), Others: round(u.Others),
			Steal: round(u.Steal), Busy: u.Limits() != 0,
		}
		if u.Pressure != nil {
			row.Pressure = new(round(*u.Pressure))
		}
		if u.Wait != nil {
			row.Wait = new(round(*u.Wait))
		}
		if u.Throttled != nil {
			row.ThrottledNS = new(int64(*u.Throttled))
		}
		rows = append(rows, row)
	}
	return rows
}

// round keeps three decimals: the kernel's counters tell no more.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// sum sums up the seconds of the measured part; nil when none was read.
func (m *meter) sum(ended time.Duration) *reports.Machine {
	out := &reports.Machine{}
	var n, pressed, pressure float64
	for second := 0; time.Duration(second)*time.Second < ended; second++ {
		u, ok := m.seconds[second]
		if !ok {
			continue
		}
		n++
		out.Cores = u.Cores
		out.Used, out.Run, out.Target, out.Others, out.Steal = out.Used+u.Used, out.Run+u.Run, out.Target+u.Target, out.Others+u.Others, out.Steal+u.Steal
		out.OthersMax = max(out.OthersMax, round(u.Others))
		if u.Pressure != nil {
			pressed, pressure = pressed+1, pressure+*u.Pressure
		}
		if u.Throttled != nil {
			if out.ThrottledNS == nil {
				out.ThrottledNS, out.Throttled = new(int64), new(int64)
			}
			*out.ThrottledNS += int64(*u.Throttled)
			*out.Throttled += u.Throttles
		}
		if u.Quota > 0 {
			out.Quota = new(round(u.Quota))
		}
		if u.Limits() != 0 {
			out.BusySeconds++
		}
	}
	if n == 0 {
		return nil
	}
	for _, v := range []*float64{&out.Used, &out.Run, &out.Target, &out.Others, &out.Steal} {
		*v = round(*v / n)
	}
	if pressed > 0 {
		out.Pressure = new(round(pressure / pressed))
	}
	out.Unowned = m.lost()
	return out
}
