// Package effects measures the end-to-end time of a stream's operations: from the planned start of each to the first sighting
// of its effect.
//
// # What counts
//
// An acked operation counts at its time. If its effect was never seen, the operation counts as slower than every time. An
// indeterminate one counts at its time if its effect was seen, and otherwise not at all. Rejected and dropped operations do not
// count, nor does any of the warm-up. An operation belongs to the window in which it was due. Only its first sighting counts:
// package integrity counts copies and redeliveries.
//
// # What a time includes
//
// A sighting's time is drivers.Delivery.At: when the effect was observed, on the one clock of the run. So the time includes the
// observation itself: the way to the reader, the wait of a fetch or the interval of a poll, and with read_committed the wait
// for the commit. It is never too short. Timestamps in a record are not used: other machines' clocks wrote them.
//
// # What is not known
//
// A time is unknown if a bound of memory was hit or observation was incomplete. It is too if a sighting came before its operation
// was due. An unknown time is counted as unknown, never guessed.
//
// # Cost
//
// Each operation costs two bits; a page of 4,096 that is finished and seen costs nothing. An operation of which only one half
// is known also takes an entry in a bounded table. Histograms are kept by window, and by second for the last minute.
package effects

import (
	"fmt"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/reports/pages"
)

// Config describes one stream.
type Config struct {
	Identity drivers.Identity
	// Windows are the names of the windows, as in reports.CheckConfig. Ended.Window is an index into it, or WindowWarmup.
	Windows []string
	// Places is the number of places in which each effect must show up; 0 counts as 1. An operation's time is that of its first
	// sighting in the place where it came last.
	Places int
}

// limits bound the memory beyond the bits of each operation. Times beyond a bound are unknown.
type limits struct {
	ring    int    // latest operations that wait for their other half, a power of two
	waiting int    // older ones that still wait
	horizon uint64 // operations beyond the highest that ended whose sighting is believed: a target can invent any number
	seconds int    // latest seconds with a histogram
}

var usual = limits{ring: 1 << 16, waiting: 1 << 19, horizon: 1 << 20, seconds: 64}

// Cell holds the measurements of one window.
type Cell struct {
	// Times of the operations whose effect was seen.
	Times metrics.Hist
	// Lost operations were acked, and their effect was never seen.
	Lost int64
	// Unknown counts the operations that count, or may count, at a time that is not known.
	Unknown int64
	// Latest is the time at which the last of Times was observed, on the run's clock.
	Latest time.Duration
}

// Count is the number of operations that count, the unknown ones included.
func (c *Cell) Count() int64 { return c.Times.Count() + c.Lost + c.Unknown }

// AtLeast is Times with every unknown time at 0. It gives lower bounds over Count operations, of which those beyond its own
// count are slower than all others.
func (c *Cell) AtLeast() *metrics.Hist {
	if c.Unknown == 0 {
		return &c.Times
	}
	h := &metrics.Hist{}
	h.Merge(&c.Times)
	h.RecordMany(0, c.Unknown)
	return h
}

// Measures sums the cell up: nil if nothing counts. A lost or unknown operation counts as slower than every time.
func (c *Cell) Measures() *reports.EffectTimes {
	l := c.Times.Summary(c.Count())
	if l == nil {
		return nil
	}
	return &reports.EffectTimes{Latency: *l, Count: c.Count(), Unknown: c.Unknown}
}

// merge adds all of o.
func (c *Cell) merge(o *Cell) {
	c.Times.Merge(&o.Times)
	c.Lost += o.Lost
	c.Unknown += o.Unknown
	c.Latest = max(c.Latest, o.Latest)
}

// Account keeps the times of one stream. Its methods are safe for concurrent use, and do not block beyond a short lock. The
// result does not depend on whether an operation's end or its sighting comes first.
type Account struct {
	mu       sync.Mutex
	config   Config
	identity drivers.IdentityReader
	limits   limits
	pages    pages.Directory[page]
	table    table
	cells    []Cell // by window
	seconds  seconds
	// planned is above every operation that ended.
	planned uint64
	// unsureFrom is the lowest operation that was seen beyond the horizon. From there on, no sighting is surely the first.
	unsureFrom uint64
	why        reason // the reason for the first time that is unknown
	// closed: the result is read without the lock, and nothing changes any more.
	closed bool
}

// reason is the reason why a time is unknown.
type reason uint8

const (
	none reason = iota
	full
	tooFarAhead
	early
	unread    // observation was not whole
	takenBack // effects that were seen are gone
	vanished  // effects of earlier readings are not in the last
)

// says puts a reason in words; incomplete is the reason why observation was incomplete.
func (a *Account) says(r reason, incomplete string) string {
	switch r {
	case full:
		return fmt.Sprintf("more than %d operations waited for their effect, or their end, at once", a.limits.waiting)
	case tooFarAhead:
		return fmt.Sprintf("an operation was seen more than %d ahead of what had ended", a.limits.horizon)
	case early:
		return "effects were seen before their operations were due"
	case unread:
		return incomplete
	case vanished:
		return "effects that an earlier reading of the place held are gone from the last"
	case takenBack:
		return "effects that were seen are gone: the log was made anew or cut back"
	}
	return ""
}

// New opens the account of a stream.
func New(c Config) *Account { return newAccount(c, usual) }

func newAccount(c Config, lim limits) *Account {
	return &Account{
		config: c, identity: c.Identity.Reader(), limits: lim, table: newTable(lim), cells: make([]Cell, len(c.Windows)),
		seconds: seconds{keep: lim.seconds}, unsureFrom: ^uint64(0),
	}
}

// Ended takes operations that are over, each exactly once, in any order. It keeps nothing of the batch.
func (a *Account) Ended(batch []reports.Ended) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	for i := range batch {
		a.ended(&batch[i])
	}
}

// Seen takes deliveries in the order of observation. It keeps nothing of the batch.
func (a *Account) Seen(batch []drivers.Delivery) { a.take(0, batch) }

func (a *Account) take(place int, batch []drivers.Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	for i := range batch {
		if batch[i].Anew {
			a.why = takenBack
			continue
		}
		if seq, b := a.identity.Parse(batch[i].ID); b == drivers.Ours {
			a.seen(seq, batch[i].At, place, batch[i].Provisional)
		}
	}
}

func (a *Account) ended(e *reports.Ended) {
	seq := e.Op.Seq
	a.planned = max(a.planned, seq+1)
	end := half{seq: seq, at: e.Op.Planned, window: int16(e.Window), acked: e.Outcome == drivers.Acked}
	counts := e.Window != reports.WindowWarmup && (end.acked || e.Outcome == drivers.Indeterminate)
	if counts && end.acked {
		a.seconds.expect(end.at)
	}
	p, i := a.pages.At(seq)
	pages.Mark(&p.ended, i, &p.nEnded)
	if !p.seen.Has(i) {
		if counts {
			a.hold(end)
		}
		return
	}
	sighting, held := a.table.take(seq)
	switch {
	case !counts:
	case held:
		a.join(&end, sighting.at)
	default:
		a.unknown(&end, full)
	}
}

func (a *Account) seen(seq uint64, at time.Duration, place int, provisional bool) {
	if seq >= a.planned+a.limits.horizon {
		a.unsureFrom = min(a.unsureFrom, seq)
		return
	}
	p, i := a.pages.At(seq)
	if a.config.Places > 1 {
		if p.places == nil {
			p.places = make([]sighted, a.config.Places)
		}
		p.places[place].mark(i, provisional)
		all, sure := p.everywhere(i)
		if !all {
			return
		}
		provisional = !sure
	}
	if p.seen.Has(i) {
		p.confirm(i, provisional && p.unconfirmed.Has(i))
		return
	}
	p.confirm(i, provisional)
	pages.Mark(&p.seen, i, &p.nSeen)
	if !p.ended.Has(i) {
		a.hold(half{seq: seq, at: at, sighting: true})
		return
	}
	// An end that is not held does not count, or was counted as unknown when the table dropped it.
	if end, held := a.table.take(seq); held {
		a.join(&end, at)
	}
}

// hold keeps one half of an operation's facts. If another operation's sighting is dropped for it, that operation's end will
// miss the sighting.
func (a *Account) hold(h half) {
	if old, spilt := a.table.put(h); spilt && !old.sighting {
		a.unknown(&old, full)
	}
}

// join counts an operation of which both halves are known.
func (a *Account) join(end *half, seen time.Duration) {
	switch {
	case end.seq >= a.unsureFrom:
		a.unknown(end, tooFarAhead)
	case seen < end.at:
		a.unknown(end, early)
	default:
		c := &a.cells[end.window]
		c.Times.Record(seen - end.at)
		c.Latest = max(c.Latest, seen)
		a.seconds.record(end, seen-end.at)
	}
}

func (a *Account) unknown(end *half, why reason) {
	a.cells[end.window].Unknown++
	if a.why == none {
		a.why = why
	}
}

// Result is the account of a stream.
type Result struct {
	// Total is the sum of Windows, which holds every window of the Config by its name.
	Total   Cell
	Windows map[string]*Cell
	cells   []Cell // by window
	// The reason why some time is unknown; empty when none is.
	Why string

	seconds *seconds
}

// Second returns percentiles of the operations that were due in the second that begins at that time, in nanoseconds. A
// percentile is nil if it falls among effects that were not seen. All are nil outside the last minute's seconds, or if nothing
// counts.
func (r *Result) Second(start time.Duration) (p50, p99 *int64) { return r.seconds.percentiles(start) }

// Finish closes the account. Call it once, after the last Ended; later events change nothing. If observation was incomplete,
// effects that were not seen are unknown.
func (a *Account) Finish(c reports.Completeness) reports.Findings {
	r := a.result(c.Reason())
	f := reports.Findings{Write: r.write, Measure: r.measure, Kept: r.kept}
	if r.Why != "" {
		f.Unknown = make(map[string]string)
		for i := range Metrics {
			f.Unknown[Metrics[i].Full()] = r.Why
		}
	}
	return f
}

// write puts the times into the record of the stream.
func (r *Result) write(out *reports.Stream) {
	out.Total.Effect = r.Total.Measures()
	for name, m := range out.Windows {
		m.Effect = r.Windows[name].Measures()
	}
	for i := range out.Seconds {
		row := &out.Seconds[i]
		row.EffectP50NS, row.EffectP99NS = r.Second(time.Duration(row.StartNS))
	}
}

// measure puts the times of some windows together into m.
func (r *Result) measure(m *reports.Measures, windows []int) { m.Effect = r.over(windows).Measures() }

// kept is the cell of some windows together, nil without any.
func (r *Result) kept(windows []int) any {
	if len(windows) == 0 {
		return nil
	}
	return r.over(windows)
}

func (r *Result) over(windows []int) *Cell {
	if len(windows) == 1 {
		return &r.cells[windows[0]]
	}
	sum := &Cell{}
	for _, w := range windows {
		sum.merge(&r.cells[w])
	}
	return sum
}

// result closes the account. incomplete is the reason why observation was not complete; empty when it was.
func (a *Account) result(incomplete string) Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.table.each(func(end *half) {
		switch {
		case end.sighting:
		case incomplete != "":
			a.unknown(end, unread)
		case end.seq >= a.unsureFrom:
			a.unknown(end, tooFarAhead)
		case end.acked:
			a.cells[end.window].Lost++
		}
	})
	a.doubt(incomplete)
	r := Result{Windows: make(map[string]*Cell, len(a.cells)), Why: a.says(a.why, incomplete), cells: a.cells, seconds: &a.seconds}
	for name, windows := range reports.ByName(a.config.Windows) {
		r.Windows[name] = r.over(windows)
		r.Total.merge(r.Windows[name])
	}
	return r
}
