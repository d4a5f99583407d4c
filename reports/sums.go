package reports

import (
	"fmt"
	"maps"
	"slices"
)

// Sums checks the record against itself. It returns each identity that does not hold, in words and in a fixed order. Counts:
// offered = sent + dropped; sent = acked + rejected + indeterminate; the windows and the seconds add up to the total. A verdict
// agrees with its reasons. An empty list means that the numbers add up.
func Sums(run *Run) []string {
	c := &audit{run: run}
	for _, name := range run.StreamNames() {
		c.stream(name, run.Streams[name])
	}
	c.links()
	c.faults()
	c.verdict()
	return c.broken
}

// audit gathers the broken identities of one record.
type audit struct {
	run    *Run
	broken []string
}

func (c *audit) that(holds bool, format string, args ...any) {
	if !holds {
		c.broken = append(c.broken, fmt.Sprintf(format, args...))
	}
}

func (c *audit) stream(name string, s *Stream) {
	c.measures(name+" total", &s.Total)
	c.known(name+" total", &s.Total, c.operations(s, ""))
	var windows, seconds Counts
	errors := make(map[string]int64)
	known := make(map[string]bool)
	for _, w := range c.run.WindowsOf(name) {
		known[w.Name] = true
	}
	for _, window := range sortedKeys(s.Windows) {
		m := s.Windows[window]
		c.that(known[window], "%s: window %s is not one of the run's", name, window)
		c.measures(name+" in "+window, m)
		c.known(name+" in "+window, m, c.operations(s, window))
		windows.Add(m.Counts)
		for code, n := range m.Errors {
			errors[code] += n
		}
	}
	for i := range s.Seconds {
		c.second(name, i, &s.Seconds[i])
		seconds.Add(s.Seconds[i].Counts)
	}
	c.that(windows == s.Total.Counts, "%s: windows add up to %+v, the total is %+v", name, windows, s.Total.Counts)
	c.that(seconds == s.Total.Counts, "%s: seconds add up to %+v, the total is %+v", name, seconds, s.Total.Counts)
	c.that(maps.Equal(errors, s.Total.Errors), "%s: errors of the windows add up to %v, the total is %v", name, errors, s.Total.Errors)
	c.steps(name, s)
	c.unanswered(name, s)
	c.histogram(name, s)
	c.heated(name, s)
	c.integrity(name, s)
	c.messages(name, s)
	c.effects(name, s)
	c.witnessed(name, s)
	c.replayed(name, s)
	c.grouped(name, s)
	c.blocked(name, s)
	c.sagas(name, s)
	c.places(name, s)
}

// steps checks the steps of a chain. Each step's windows add up to it. Its failures are the attempts that were not acked. A
// step is begun when the one before it was acked, within an attempt.
func (c *audit) steps(name string, s *Stream) {
	for i := range s.Steps {
		step := &s.Steps[i]
		where := name + " step " + step.Name
		var attempts, acked, failed int64
		for _, window := range sortedKeys(step.Windows) {
			attempts, acked = attempts+step.Windows[window].Attempts, acked+step.Windows[window].Acked
		}
		for _, n := range step.Errors {
			failed += n
		}
		c.that(attempts == step.Attempts && acked == step.Acked, "%s: windows add up to %d attempts and %d acked, the total is %d and %d", where, attempts, acked, step.Attempts, step.Acked)
		c.that(step.Attempts == step.Acked+failed, "%s: %d attempts are not %d acked + %d failed", where, step.Attempts, step.Acked, failed)
		c.that(i == 0 || step.Attempts == s.Steps[i-1].Acked, "%s: %d attempts after %d acked by the step before", where, step.Attempts, s.Steps[max(i-1, 0)].Acked)
		c.latency(where+": service", step.Service, step.Attempts)
	}
}

func (c *audit) counts(where string, n *Counts) {
	c.that(n.Offered == n.Sent+n.Dropped, "%s: offered %d is not sent %d + dropped %d", where, n.Offered, n.Sent, n.Dropped)
	ended := n.Acked + n.Rejected + n.Indeterminate
	if c.run.Complete {
		c.that(n.Sent == ended, "%s: sent %d is not acked %d + rejected %d + indeterminate %d", where, n.Sent, n.Acked, n.Rejected, n.Indeterminate)
	} else {
		c.that(n.Sent >= ended, "%s: sent %d is below acked %d + rejected %d + indeterminate %d", where, n.Sent, n.Acked, n.Rejected, n.Indeterminate)
	}
	least := min(n.Offered, n.Sent, n.Acked, n.Rejected, n.Indeterminate, n.Dropped, n.DroppedByUs, n.Attempts, n.Retries, n.ClientRetries)
	c.that(least >= 0, "%s: a count is below 0", where)
	c.that(n.DroppedByUs <= n.Dropped, "%s: the generator dropped %d of %d dropped", where, n.DroppedByUs, n.Dropped)
	c.that(n.Retries <= n.Attempts, "%s: retries %d exceed attempts %d", where, n.Retries, n.Attempts)
	c.that(n.ClientRetries <= n.Retries, "%s: the client's retries %d exceed retries %d", where, n.ClientRetries, n.Retries)
	c.that(n.TransparentRetries >= 0 && n.TransparentRetries <= n.ClientRetries, "%s: transparent retries %d exceed the client's %d", where, n.TransparentRetries, n.ClientRetries)
	// The first attempts that reached the wire belong to operations that were sent.
	c.that(n.Attempts-n.Retries <= n.Sent, "%s: %d first attempts of %d operations sent", where, n.Attempts-n.Retries, n.Sent)
}

func (c *audit) measures(where string, m *Measures) {
	c.counts(where, &m.Counts)
	var failed int64
	for _, n := range m.Errors {
		failed += n
	}
	if f := m.Failures; f != nil {
		sum := f.Fast + f.AtDeadline + f.BeyondDeadline
		c.that(sum == failed, "%s: failures add up to %d, errors to %d", where, sum, failed)
	}
	c.that((m.Amplification == nil) == (m.Sent == 0), "%s: amplification of %d operations sent is %s", where, m.Sent, presence(m.Amplification))
	if m.Amplification != nil && m.Sent > 0 {
		c.that(near(*m.Amplification, float64(m.Attempts)/float64(m.Sent)), "%s: amplification %g is not %d / %d", where, *m.Amplification, m.Attempts, m.Sent)
	}
	for _, name := range sortedKeys(m.Checks) {
		n := m.Checks[name]
		c.that(n == nil || *n >= 0, "%s: %s is below 0", where, name)
		c.that(c.describes(name), "%s: %s is a count that no check of the record describes", where, name)
	}
	c.latency(where+": response", m.Response, m.Offered)
	for i := 1; i < len(m.Spread); i++ {
		c.that(m.Spread[i-1].Percent < m.Spread[i].Percent && m.Spread[i-1].NS <= m.Spread[i].NS, "%s: the percentiles %g and %g of the spread are not in order", where, m.Spread[i-1].Percent, m.Spread[i].Percent)
	}
	c.latency(where+": acked response", m.AckedResponse, m.Acked)
	c.latency(where+": service", m.Service, -1)
}

// describes reports whether the record describes a check's count.
func (c *audit) describes(name string) bool {
	for _, d := range c.run.Checks {
		if d.Name == name {
			return true
		}
	}
	return false
}

// operations are the counts that a stream's integrity refers to, in a window or in all: its own operations, or those of the
// stream whose operations it looks for. nil if there are none.
func (c *audit) operations(s *Stream, window string) *Counts {
	of := s
	if s.Consumes() {
		if of = c.run.Streams[s.Of]; of == nil {
			return nil
		}
	}
	m := &of.Total
	if window != "" {
		m = of.Windows[window]
	}
	if m == nil {
		return nil
	}
	return &m.Counts
}

// latency checks a distribution over total values; a negative total is not known.
func (c *audit) latency(where string, l *Latency, total int64) {
	if l == nil {
		return
	}
	c.that(total != 0, "%s: a distribution of no operations", where)
	if l.Unanswered != nil && total >= 0 {
		c.that(*l.Unanswered >= 0 && *l.Unanswered <= float64(total), "%s: %g of %d unanswered", where, *l.Unanswered, total)
	}
	var last *float64
	for i, p := range []*float64{l.Min, l.P50, l.P90, l.P95, l.P99, l.P999, l.Max} {
		if p == nil {
			continue
		}
		// Histogram buckets are a thousandth wide; the maximum of the answers may lie below a percentile's bucket end.
		c.that(last == nil || *p >= *last*0.998, "%s: percentile %d is below the one before", where, i)
		last = p
	}
	above := false // percentiles that are null
	for _, p := range []*float64{l.P50, l.P90, l.P95, l.P99, l.P999} {
		c.that(!above || p == nil, "%s: a percentile is known above one that is not", where)
		above = above || p == nil
	}
	if above {
		c.that(l.Unanswered != nil && *l.Unanswered > 0, "%s: a percentile is null and nothing is unanswered", where)
	}
}

func (c *audit) unanswered(name string, s *Stream) {
	if s.Total.Response == nil || s.Total.Response.Unanswered == nil {
		return
	}
	var sum float64
	for _, m := range s.Windows {
		if m.Response != nil && m.Response.Unanswered != nil {
			sum += *m.Response.Unanswered
		}
	}
	c.that(near(sum, *s.Total.Response.Unanswered), "%s: unanswered of the windows add up to %g, the total is %g", name, sum, *s.Total.Response.Unanswered)
}

func (c *audit) histogram(name string, s *Stream) {
	if len(s.Histogram) == 0 {
		return
	}
	var sum, last int64
	for _, b := range s.Histogram {
		c.that(b.UpToNS > last, "%s: histogram buckets are not in order", name)
		sum, last = sum+b.Count, b.UpToNS
	}
	if l := s.Total.Response; l != nil && l.Unanswered != nil {
		c.that(near(float64(sum)+*l.Unanswered, float64(s.Total.Offered)), "%s: histogram of %d and %g unanswered, offered %d", name, sum, *l.Unanswered, s.Total.Offered)
	}
}

func (c *audit) second(name string, i int, s *Second) {
	where := fmt.Sprintf("%s second %d", name, i)
	c.counts(where, &s.Counts)
	c.that(s.Offered > 0 || s.P50NS == nil && s.P99NS == nil && s.MaxNS == nil, "%s: times of no operations", where)
	c.that(s.P50NS != nil || s.P99NS == nil, "%s: p99 is known and p50 is not", where)
	c.that(s.P50NS == nil || s.P99NS == nil || *s.P50NS <= *s.P99NS, "%s: p50 exceeds p99", where)
	c.that(i == 0 || s.StartNS > c.run.Streams[name].Seconds[i-1].StartNS, "%s: seconds are not in order", where)
}

// known checks the integrity counts of one window against the operations to which they refer, nil when there are none.
func (c *audit) known(where string, m *Measures, of *Counts) {
	i := m.Integrity
	if i == nil {
		return
	}
	within := func(name string, limit int64) {
		if n := i.Count(name); n != nil {
			c.that(*n <= limit, "%s: %s %d exceeds %d", where, name, *n, limit)
		}
	}
	if of == nil {
		for _, name := range []string{"acked", "lost", "unseen", "recovered", "phantom", "unexpected"} {
			c.that(i.Count(name) == nil, "%s: %s has a value, and there are no operations", where, name)
		}
		of = &Counts{}
	}
	if i.Acked != nil {
		c.that(*i.Acked == of.Acked || !c.run.Complete, "%s: integrity has %d acked, the counts %d", where, *i.Acked, of.Acked)
	}
	within("lost", of.Acked)
	within("unseen", of.Acked)
	within("recovered", of.Indeterminate+of.DroppedByUs) // a part of an operation may have been sent
	within("phantom", of.Rejected)
	if i.ExtraCopies != nil {
		within("log_duplicates", *i.ExtraCopies)
		within("effect_duplicates", *i.ExtraCopies)
	}
	for _, name := range IntegrityNames() {
		if n := i.Count(name); n != nil {
			c.that(*n >= 0, "%s: %s is below 0", where, name)
		}
	}
}

// integrity checks that the windows' counts add up to the total's; the largest number of copies is their largest.
func (c *audit) integrity(name string, s *Stream) {
	if s.Total.Integrity == nil {
		return
	}
	for _, count := range IntegrityNames() {
		total := s.Total.Integrity.Count(count)
		if total == nil {
			continue
		}
		var sum int64
		for _, window := range sortedKeys(s.Windows) {
			i := s.Windows[window].Integrity
			if i == nil {
				continue
			}
			n := i.Count(count)
			// A count that is only a lower bound is null in a window without findings.
			c.that(n != nil || *total > 0, "%s: %s is known in total and not in %s", name, count, window)
			if n == nil {
				continue
			}
			if count == "max_copies" {
				sum = max(sum, *n)
			} else {
				sum += *n
			}
		}
		c.that(sum == *total, "%s: %s of the windows come to %d, the total is %d", name, count, sum, *total)
	}
}

func (c *audit) faults() {
	for i := range c.run.Faults {
		f := &c.run.Faults[i]
		c.that(f.EndNS >= f.StartNS, "fault %s ends before it starts", f.Name)
		c.that((f.RecoveryNS == nil) || f.Recovered != nil && *f.Recovered, "fault %s has a recovery time and is not recovered", f.Name)
		for stream, r := range f.PerStream {
			c.that(r.RecoveryFromNS == nil || r.RecoveryNS != nil && *r.RecoveryFromNS < *r.RecoveryNS, "fault %s, stream %s: the shortest recovery is not the shortest", f.Name, stream)
		}
	}
	for _, w := range c.run.Windows {
		c.that(w.EndNS >= w.StartNS, "window %s ends before it starts", w.Name)
	}
	c.windows()
}

// verdict checks that a pass is justified: a wrong pass is the worst error of a record.
func (c *audit) verdict() {
	r := c.run
	failed := false
	for i := range r.Gates {
		g := &r.Gates[i]
		failed = failed || g.Verdict == Fail
		c.that(g.Verdict == Pass || r.Verdict != Pass, "the run passes and gate %q does not", g.Expr)
		// A time may be beyond every answer: it is null and still decides.
		c.that(g.Verdict != Pass || g.Observed != nil || g.Unit == "ns", "gate %q passes and nothing was observed", g.Expr)
	}
	for i := range r.Findings {
		ended := r.Findings[i].Kind == PartEnded
		failed = failed || ended
		c.that(!ended || r.Verdict != Pass, "the run passes and a part of its target ended by itself")
	}
	c.that(r.Verdict != Fail || failed, "the run fails and no gate does")
	c.that((r.Validity.Verdict == Valid) == (len(r.Validity.Why) == 0), "validity is %s for %d reasons", r.Validity.Verdict, len(r.Validity.Why))
	c.that((r.Exit == ExitPass) == (r.Verdict == Pass), "exit %d of a run that is %s", r.Exit, r.Verdict)
	c.that(len(r.Why) > 0, "the verdict gives no reason")
	if r.Verdict != Pass {
		return
	}
	c.that(len(r.Gates) > 0, "the run passes without a gate")
	c.that(r.Complete, "the run passes and is not complete")
	c.that(r.Validity.Verdict == Valid, "the run passes and is not valid")
	for i := range r.Faults {
		c.that(r.Faults[i].Bit && r.Faults[i].Healed, "the run passes and fault %s did not bite or heal", r.Faults[i].Name)
	}
}

func presence(v *float64) string {
	if v == nil {
		return "absent"
	}
	return "there"
}

// near compares figures that were computed in floating point.
func near(a, b float64) bool {
	d := a - b
	return d <= 1e-9*max(1, a, b) && -d <= 1e-9*max(1, a, b)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
