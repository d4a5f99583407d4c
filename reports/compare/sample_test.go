package compare

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/recordtest"
)

//go:embed contract.schema.json
var contract string

var catalogue = recordtest.Catalogue()

// valid holds an answer to what other programs rely on, and to what its own numbers say.
func valid(t *testing.T, a *Answer) {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(contract))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("contract.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("contract.json")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, a); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Error(err)
	}
	if !a.Comparable && (len(a.Changes) > 0 || a.Exit != ExitNotComparable || a.Matters == 0) {
		t.Errorf("not comparable, with %d changes, %d differences that matter and exit %d", len(a.Changes), a.Matters, a.Exit)
	}
	worse, untold := 0, 0
	for _, v := range a.Changes {
		if v.Verdict == Worse {
			worse++
		}
		if v.Verdict == CannotTell {
			untold++
			if v.Why == "" {
				t.Errorf("%s cannot be told, without a reason", v.Name())
			}
		}
		if v.Base != nil && v.New != nil && *v.Base != 0 && (v.Change == nil || *v.Change != (*v.New-*v.Base)/(*v.Base)) {
			t.Errorf("%s: change is not (new - base) / base", v.Name())
		}
	}
	if (worse > 0) != (a.Exit == ExitWorse) || a.Comparable && worse == 0 && untold == len(a.Changes) && a.Exit != ExitUntold {
		t.Errorf("exit %d with %d worse and %d of %d untold", a.Exit, worse, untold, len(a.Changes))
	}
}

const (
	ms  = 1e6
	sec = int64(time.Second)
)

var next int

// recorded is a percentile as the record has it: null, with unanswered operations, where it lies beyond every answer.
func recorded(p99 float64) (known *float64, unanswered float64) {
	if math.IsInf(p99, 1) {
		return nil, 20
	}
	return &p99, 0
}

// oneRun is a sound run of one stream without gates: 100/s for 10 s.
func oneRun(p50, p99 float64, change ...func(*reports.Run)) *Run {
	next++
	known, unanswered := recorded(p99)
	run := &reports.Run{
		Schema: reports.Schema, Name: "shop", ID: fmt.Sprintf("run%d", next), Started: time.Unix(int64(next), 0), PlannedNS: 10 * sec, DurationNS: 10 * sec, Complete: true,
		Verdict: reports.Pass, Validity: reports.Validity{Verdict: reports.Valid}, Windows: []reports.Window{{Name: "baseline", EndNS: 10 * sec}},
	}
	m := reports.Measures{
		Counts: reports.Counts{Offered: 1000, Sent: 1000, Acked: 1000, Attempts: 1000}, Rate: new(100.0), Amplification: new(1.0),
		Response:  &reports.Latency{P50: &p50, P99: known, Unanswered: &unanswered},
		Integrity: &reports.Integrity{Lost: new(int64(0)), EffectDuplicates: new(int64(0)), Seen: new(int64(1000))},
	}
	run.Streams = map[string]*reports.Stream{"orders": {Driver: "rest", Model: "open", Plan: "100/s", Total: m, Windows: map[string]*reports.Measures{"baseline": new(m)}}}
	for _, c := range change {
		c(run)
	}
	return &Run{Path: fmt.Sprintf("runs/%d", next), Record: run}
}

// runsOf are runs whose p99 are these, in milliseconds.
func runsOf(p99 ...float64) (runs []*Run) {
	for _, v := range p99 {
		runs = append(runs, oneRun(3*ms, v*ms))
	}
	return runs
}

// gated gives a run a gate whose value is known.
func gated(expr, name string, observed float64) func(*reports.Run) {
	return func(r *reports.Run) {
		r.Gates = append(r.Gates, reports.Gate{Expr: expr, Stream: "orders", Metric: name, Unit: metric.NS, Observed: &observed, Limit: new(1e9), Verdict: reports.Pass, Why: "held"})
	}
}

func compared(t *testing.T, base, fresh []*Run) *Answer {
	t.Helper()
	a := Compare(base, fresh, Options{Catalogue: catalogue, Effect: 0.05})
	valid(t, a)
	return a
}

// find is the change of a metric.
func find(t *testing.T, a *Answer, name string) *Change {
	t.Helper()
	for i := range a.Changes {
		if a.Changes[i].Name() == name {
			return &a.Changes[i]
		}
	}
	t.Fatalf("%s is not judged: %s", name, a.Why)
	return nil
}
