package recordtest

import (
	"math"
	"time"

	"wringer/reports"
)

// beat describes one second of a sample stream. Operations that were not rejected, indeterminate or dropped were acked.
type beat struct {
	offered, rejected, indeterminate int64
	dropped, ours                    int64 // ours: the part of dropped that the load generator caused
	retries, hidden                  int64 // hidden: the part of retries that the client library made
	p50, p99, max                    float64
	code                             string // of what failed
	limited                          bool
}

// flow describes a sample stream.
type flow struct {
	driver, model, plan, effects string
	keys                         uint64
	beat                         func(second int) beat
	// counts holds the integrity counts beside acked and seen, by window; nil: integrity was not measured.
	counts map[string]map[string]int64
	// unmeasured names integrity counts that are null.
	unmeasured []string
}

// cell sums beats up.
type cell struct {
	reports.Counts
	errors     map[string]int64
	failures   reports.Failures
	unanswered int64
	p50, p99   float64
	max        float64
}

func (b beat) cell() *cell {
	c := &cell{errors: map[string]int64{}, p50: b.p50, p99: b.p99, max: b.max}
	c.Offered, c.Rejected, c.Indeterminate = b.offered, b.rejected, b.indeterminate
	c.Dropped, c.DroppedByUs = b.dropped, b.ours
	c.Sent = b.offered - b.dropped
	c.Acked = c.Sent - b.rejected - b.indeterminate
	c.Retries, c.ClientRetries = b.retries, b.hidden
	c.Attempts = c.Sent + b.retries
	c.unanswered = b.indeterminate + b.dropped
	failed := b.retries - b.hidden + b.rejected + b.indeterminate
	switch {
	case failed == 0:
	case b.code == "timeout":
		c.errors[b.code], c.failures.AtDeadline = failed, failed
	default:
		c.errors[b.code], c.failures.Fast = failed, failed
	}
	return c
}

func (c *cell) add(o *cell) {
	if total := c.Offered + o.Offered; total > 0 {
		share := float64(o.Offered) / float64(total)
		c.p50 += (o.p50 - c.p50) * share
	}
	c.p99, c.max = max(c.p99, o.p99), max(c.max, o.max)
	c.Counts.Add(o.Counts)
	c.unanswered += o.unanswered
	for code, n := range o.errors {
		c.errors[code] += n
	}
	c.failures.Fast += o.failures.Fast
	c.failures.AtDeadline += o.failures.AtDeadline
}

// at interpolates a percentile of total operations; nil if it falls among the unanswered.
func (c *cell) at(q float64, total, unanswered int64) *float64 {
	if total == 0 || math.Ceil(q*float64(total)) > float64(total-unanswered) {
		return nil
	}
	low, high, part := c.p50, c.p99, (q-0.5)/0.49
	if q > 0.99 {
		low, high, part = c.p99, c.max, (q-0.99)/0.01
	}
	ns := math.Round(low * math.Pow(high/low, part) * 1e6)
	return &ns
}

func (c *cell) latency(total, unanswered int64, factor float64) *reports.Latency {
	if total == 0 {
		return nil
	}
	scaled := &cell{p50: c.p50 * factor, p99: c.p99 * factor, max: c.max * factor}
	at := func(q float64) *float64 { return scaled.at(q, total, unanswered) }
	l := &reports.Latency{P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), P999: at(0.999), Unanswered: ptr(float64(unanswered))}
	if total > unanswered {
		l.Min, l.Mean, l.Max = ptr(scaled.p50*0.3e6), ptr(scaled.p50*1.1e6), ptr(scaled.max*1e6)
	}
	return l
}

// histogram puts half of the answers up to the median, a few beyond p99, and the others between.
func (c *cell) histogram() []reports.Bucket {
	answered := c.Offered - c.unanswered
	if answered == 0 {
		return nil
	}
	half, slow := answered/2, answered/100
	return []reports.Bucket{
		{UpToNS: int64(c.p50 * 1e6), Count: half},
		{UpToNS: int64(c.p99 * 1e6), Count: answered - half - slow},
		{UpToNS: int64(c.max * 1e6), Count: slow},
	}
}

func (c *cell) measures(length time.Duration) *reports.Measures {
	m := &reports.Measures{
		Counts: c.Counts, Errors: c.errors, Failures: &c.failures,
		Response:      c.latency(c.Offered, c.unanswered, 1),
		AckedResponse: c.latency(c.Acked, 0, 1),
		Service:       c.latency(c.Attempts, min(c.unanswered+c.Retries, c.Attempts), 0.9),
	}
	for _, percent := range []float64{10, 75, 97.5, 99.5} {
		if at := c.at(percent/100, c.Offered, c.unanswered); at != nil {
			m.Spread = append(m.Spread, reports.Quantile{Percent: percent, NS: *at})
		}
	}
	if c.Sent > 0 {
		m.Amplification = ptr(float64(c.Attempts) / float64(c.Sent))
	}
	if length > 0 {
		m.Rate = ptr(float64(c.Acked) / length.Seconds())
	}
	return m
}

func (b beat) second(start int) reports.Second {
	c := b.cell()
	s := reports.Second{StartNS: int64(start) * int64(time.Second), Counts: c.Counts, Limited: b.limited}
	if p := c.at(0.5, c.Offered, c.unanswered); p != nil {
		s.P50NS = ptr(int64(*p))
	}
	if p := c.at(0.99, c.Offered, c.unanswered); p != nil {
		s.P99NS = ptr(int64(*p))
	}
	if c.Offered > c.unanswered {
		s.MaxNS = ptr(int64(b.max * 1e6))
	}
	return s
}

// play adds the stream that f describes to the run.
func (f flow) play(run *reports.Run, name string) {
	s := &reports.Stream{Driver: f.driver, Model: f.model, Plan: f.plan, Keys: f.keys, Effects: f.effects, Windows: map[string]*reports.Measures{}}
	own := run.WindowsOf(name)
	total, windows := &cell{errors: map[string]int64{}}, map[string]*cell{}
	for i := range int(run.DurationNS / int64(time.Second)) {
		b := f.beat(i)
		s.Seconds = append(s.Seconds, b.second(i))
		w := windowAt(own, int64(i)*int64(time.Second))
		if windows[w] == nil {
			windows[w] = &cell{errors: map[string]int64{}}
		}
		windows[w].add(b.cell())
		total.add(b.cell())
	}
	s.Total = *total.measures(time.Duration(run.DurationNS))
	s.Histogram = total.histogram()
	s.Heat = f.heat(len(s.Seconds))
	for _, w := range (&reports.Run{Windows: own}).WindowNames() {
		c := windows[w]
		if c == nil {
			c = &cell{errors: map[string]int64{}}
		}
		s.Windows[w] = c.measures(length(own, w))
	}
	f.integrity(s)
	run.Streams[name] = s
}

// integrity fills every count of every window from the flow's counts and adds them up.
func (f flow) integrity(s *reports.Stream) {
	if f.counts == nil {
		return
	}
	unmeasured := map[string]bool{}
	for _, name := range f.unmeasured {
		unmeasured[name] = true
	}
	sum := map[string]int64{}
	for w, m := range s.Windows {
		counts := f.window(w, m.Acked)
		m.Integrity = assemble(counts, unmeasured)
		for name, n := range counts {
			if name == "max_copies" {
				sum[name] = max(sum[name], n)
			} else {
				sum[name] += n
			}
		}
	}
	s.Total.Integrity = assemble(sum, unmeasured)
}

// window is one window's counts, by name.
func (f flow) window(name string, acked int64) map[string]int64 {
	counts := map[string]int64{}
	for count, n := range f.counts[name] {
		counts[count] = n
	}
	counts["acked"] = acked
	counts["seen"] = acked - counts["lost"] - counts["unseen"] + counts["recovered"] + counts["phantom"]
	if counts["seen"] > 0 {
		counts["max_copies"] = max(counts["max_copies"], 1)
	}
	return counts
}

func assemble(counts map[string]int64, unmeasured map[string]bool) *reports.Integrity {
	read := func(name string) *int64 {
		if unmeasured[name] {
			return nil
		}
		return ptr(counts[name])
	}
	return &reports.Integrity{
		Acked: read("acked"), Seen: read("seen"), Lost: read("lost"), Unseen: read("unseen"), Recovered: read("recovered"),
		Phantom: read("phantom"), Unexpected: read("unexpected"), Foreign: read("foreign"), LogDuplicates: read("log_duplicates"),
		Redelivered: read("redelivered"), EffectDuplicates: read("effect_duplicates"), ExtraCopies: read("extra_copies"),
		MaxCopies: read("max_copies"), OrderViolations: read("order_violations"), Regressions: read("regressions"),
		AckCollisions: read("ack_collisions"),
	}
}

// effectTimes lets each effect of a stream follow its operation after a fixed time, except effects that were lost or are
// unknown.
func effectTimes(s *reports.Stream, after float64) {
	var total reports.EffectTimes
	slow := &cell{}
	for _, m := range s.Windows {
		unknown := *m.Integrity.Unseen
		count := m.Acked + *m.Integrity.Recovered
		c := &cell{p50: after, p99: 3 * after, max: 7 * after}
		unseen := unknown
		if lost := m.Integrity.Lost; lost != nil {
			unseen += *lost
		}
		if l := c.latency(count, unseen, 1); l != nil {
			m.Effect = &reports.EffectTimes{Latency: *l, Count: count, Unknown: unknown}
			*slow = *c
			total.Count, total.Unknown = total.Count+count, total.Unknown+unknown
			total.Unanswered = ptr(float64(unseen) + value(total.Unanswered))
		}
	}
	total.Latency = *slow.latency(total.Count, int64(value(total.Unanswered)), 1)
	s.Total.Effect = &total
	for i := range s.Seconds {
		if row := &s.Seconds[i]; row.Acked > 0 {
			row.EffectP50NS, row.EffectP99NS = ptr(int64(after*1e6)), ptr(int64(after*(2.5+noise(i, 4))*1e6))
		}
	}
}

func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// windowAt is the name of the window that holds a time: the piece that began last decides.
func windowAt(windows []reports.Window, at int64) string {
	name := ""
	for _, w := range windows {
		if w.StartNS <= at && at < w.EndNS {
			name = w.Name
		}
	}
	return name
}

func length(windows []reports.Window, window string) time.Duration {
	var sum int64
	for _, w := range windows {
		if w.Name == window {
			sum += w.EndNS - w.StartNS
		}
	}
	return time.Duration(sum)
}

func ptr[T any](v T) *T { return &v }
