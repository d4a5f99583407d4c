package capacity

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity/search"
	"wringer/scenarios/runner/judge"
)

// least is the share of the offered operations that must have ended.
const least = 0.98

// Trial is one run at one load. Its times are those of the slowest of the scaled streams; a time that falls among operations without
// an answer is null.
type Trial struct {
	At       float64   `json:"at"`
	Rate     float64   `json:"rate"` // offered a second, as measured, over the scaled streams
	Seconds  float64   `json:"seconds"`
	Planned  float64   `json:"planned_seconds"` // longer than Seconds: the trial ended early, because a gate was certain to fail
	Verdict  string    `json:"verdict"`
	Achieved *float64  `json:"achieved"` // acked a second
	Errors   *float64  `json:"errors"`   // the share of the offered operations that were not acked
	MeanNS   *float64  `json:"mean_ns"`  // null too where more than a few operations got no answer
	P50NS    *float64  `json:"p50_ns"`
	P99NS    *float64  `json:"p99_ns"`
	Why      string    `json:"why"`
	Limit    *Limit    `json:"limit,omitempty"`
	Gates    []Verdict `json:"gates,omitempty"` // of the scenario, as this trial saw them
	CPU      *float64  `json:"cpu,omitempty"`
	Probe    bool      `json:"probe,omitempty"` // made for --explain alone
	Blind    bool      `json:"blind,omitempty"` // too short, or with too few operations, to show that a backlog grows
	Busy     bool      `json:"busy,omitempty"`  // operations failed only while the machine was busy, more than it held up: no bound is certain by it
	Record   string    `json:"record,omitempty"`

	Backlog float64 `json:"backlog,omitempty"` // of a group of consumers, or of a queue, at the end

	acked     int64
	answered  bool   // some operation was
	failures  string // of which kind most were; empty: none was
	silent    bool   // a stream had no answer, and nothing else was wrong
	saturated bool   // the load generator was
	disturbed bool   // it was, or the machine was busy, in some second
}

// Limit is what failed.
type Limit struct {
	Gate     string   `json:"gate"`
	Observed *float64 `json:"observed"`
	Limit    *float64 `json:"limit"`
	Text     string   `json:"text"`
}

// Verdict is what became of a gate.
type Verdict struct {
	Expr    string `json:"expr"`
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
}

// result is the verdict in the terms of the search.
func (t *Trial) result() search.Result {
	switch t.Verdict {
	case string(reports.Pass):
		return search.Passed
	case string(reports.Fail):
		return search.Failed
	}
	return search.Undecided
}

// early says whether a trial ended before its time.
func (t *Trial) early() bool { return t.Seconds < t.Planned*0.999 }

// trial reads what a run showed. A run that passed its gates fails the trial if operations were left undone, or if a backlog grew. quick is
// the median response time of the target at a lower load; nil: not known.
func trial(a *Axis, at float64, run *reports.Run, quick *float64) *Trial {
	t := &Trial{At: at, Seconds: time.Duration(run.DurationNS).Seconds(), Planned: time.Duration(run.PlannedNS).Seconds(), Verdict: string(run.Verdict), CPU: run.Validity.CPU}
	if len(run.Why) > 0 {
		t.Why = run.Why[0]
	}
	if i := slices.IndexFunc(run.Why, func(why string) bool { return !endedEarly(why) }); i >= 0 {
		t.Why = run.Why[i] // why a run ended early says nothing of why it decided nothing
	}
	for i := range run.Gates {
		t.Gates = append(t.Gates, Verdict{Expr: run.Gates[i].Expr, Verdict: string(run.Gates[i].Verdict)})
	}
	sent, offered := t.measure(a, run)
	t.failures = Failures(a.Streams, run)
	t.Backlog, t.Blind = backlog(run), blind(a, run)
	t.Limit, t.silent = firstViolated(run), silent(run)
	switch {
	case run.Verdict == reports.Inconclusive && t.acked > 0 && strings.HasPrefix(t.Why, judge.NotHealthy):
		t.fail("healthy", nil, nil, t.Why) // it was alive: a baseline that fails under a load is the load's doing
		return t
	case run.Verdict != reports.Pass && slices.ContainsFunc(run.Gates, func(g reports.Gate) bool { return violated(&g) }) && failedWhileBusy(run):
		t.excuse(run, quick)
		return t
	case run.Verdict != reports.Pass:
		return t
	}
	switch name, reader := growing(a, run), unread(a, run); {
	case float64(sent) < least*float64(offered):
		t.fail("ended", new(float64(sent)/float64(offered)), new(least), fmt.Sprintf("%s of the operations ended", reports.Share(float64(sent)/float64(offered))))
	case name != "":
		t.fail("backlog", nil, nil, "the backlog of "+name+" grew")
	case reader != "":
		t.Verdict, t.Why = string(reports.Inconclusive), "the load generator could not read the effects of "+reader+" as fast as they came"
	default:
		if name := delayed(a, run); name != "" {
			t.fail("backlog", nil, nil, "the effects of "+name+" came ever later")
		}
	}
	return t
}

// Failures says how the most of the operations of some streams failed, whatever gates say: 50 operations ended with http_503 (busy). Empty:
// none failed.
func Failures(streams []string, run *reports.Run) string {
	var most int64
	code, detail := "", ""
	for _, name := range streams {
		s := run.Streams[name]
		if s == nil {
			continue
		}
		for _, is := range slices.Sorted(maps.Keys(s.Total.Errors)) {
			if n := s.Total.Errors[is]; n > most {
				most, code, detail = n, is, s.Total.Details[is]
			}
		}
	}
	if most == 0 {
		return ""
	}
	text := reports.Counted(most, "operation") + " ended with " + code
	if detail != "" {
		text += " (" + detail + ")"
	}
	return text
}

// silent says whether a run decided nothing for the sole reason that a stream had no answer.
func silent(run *reports.Run) bool {
	unhealthy := func(why string) bool {
		return strings.HasPrefix(why, judge.NeverHealthy) || strings.HasPrefix(why, judge.NotHealthy)
	}
	why := run.Validity.Why
	return run.Verdict == reports.Inconclusive && slices.ContainsFunc(why, unhealthy) && !slices.ContainsFunc(why, func(w string) bool { return !endedEarly(w) && !unhealthy(w) })
}

func endedEarly(why string) bool { return strings.HasPrefix(why, judge.EndedEarly) }

// measure sums the scaled streams up.
func (t *Trial) measure(a *Axis, run *reports.Run) (sent, offered int64) {
	p50, p99 := new(0.0), new(0.0)
	waited, silent := 0.0, 0.0
	for _, name := range a.Streams {
		s := run.Streams[name]
		if s == nil { // the target did not let it open
			continue
		}
		sent, offered, t.acked = sent+s.Total.Sent, offered+s.Total.Offered, t.acked+s.Total.Acked
		t.saturated = t.saturated || slices.ContainsFunc(s.Seconds, func(row reports.Second) bool { return row.Limited })
		t.disturbed = t.disturbed || slices.ContainsFunc(s.Seconds, func(row reports.Second) bool { return row.Limited || row.Busy })
		if r := s.Total.Response; r != nil {
			t.answered = t.answered || r.Unanswered != nil && *r.Unanswered < float64(s.Total.Offered)
			p50, p99 = slower(p50, r.P50), slower(p99, r.P99)
			if r.Unanswered != nil {
				silent += *r.Unanswered
			}
			if r.Mean != nil {
				waited += *r.Mean * float64(s.Total.Offered)
			}
		}
	}
	if offered == 0 || t.Seconds <= 0 {
		return sent, offered
	}
	t.Rate = float64(offered) / t.Seconds
	t.Achieved = new(float64(t.acked) / t.Seconds)
	t.Errors = new(1 - float64(t.acked)/float64(offered))
	t.P50NS, t.P99NS = p50, p99
	if waited > 0 && silent <= (1-least)*float64(offered) {
		t.MeanNS = new(waited / float64(offered))
	}
	return sent, offered
}

// slower is the longer of two times; nil is longer than every time.
func slower(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	return new(math.Max(*a, *b))
}

func (t *Trial) fail(gate string, observed, limit *float64, why string) {
	t.Verdict, t.Why = string(reports.Fail), why
	t.Limit = &Limit{Gate: gate, Observed: observed, Limit: limit, Text: why}
}

func firstViolated(run *reports.Run) *Limit {
	return firstOf(run, func(g *reports.Gate) bool { return g.Verdict == reports.Fail })
}

// firstOf is the limit of the first gate that is so; nil without one.
func firstOf(run *reports.Run, is func(*reports.Gate) bool) *Limit {
	i := slices.IndexFunc(run.Gates, func(g reports.Gate) bool { return is(&g) })
	if i < 0 {
		return nil
	}
	g := &run.Gates[i]
	return &Limit{Gate: g.Expr, Observed: g.Observed, Limit: g.Limit, Text: violation(g)}
}

// violation puts a violated gate in words: orders.p99 (212 ms > 200 ms) during baseline.
func violation(g *reports.Gate) string {
	name, scope := g.Expr, ""
	if i := strings.LastIndexAny(g.Expr, "<>=!"); i > 0 {
		name = strings.TrimRight(g.Expr[:i], "<>=! ")
	}
	if g.Window != nil {
		scope = " " + *g.Window
		if !strings.HasPrefix(*g.Window, "after ") {
			scope = " during " + *g.Window
		}
	}
	observed, limit := reports.GateValues(g)
	if g.Observed == nil || g.Limit == nil {
		return fmt.Sprintf("%s (%s, limit %s)%s", name, observed, limit, scope)
	}
	if observed == limit { // their difference, if any, is that of rounding
		return fmt.Sprintf("%s (%s, at the limit)%s", name, observed, scope)
	}
	sign := "<"
	if *g.Observed > *g.Limit {
		sign = ">"
	}
	return fmt.Sprintf("%s (%s %s %s)%s", name, observed, sign, limit, scope)
}
