package knee

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity"
)

// sample is the answer of a service of four workers of 20 ms.
func sample() *capacity.Answer {
	a := &capacity.Answer{
		Schema: capacity.Schema, Name: "shop", Seed: 7, Started: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), Seconds: 312, Answer: capacity.Bracket,
		Why:  "orders: 190/s sustained, fails at 199/s; limit reached: orders.p99 (1.4 s > 250 ms); 2 x 30 s + 2 x 60 s confirmed; generator at 4.2 %",
		Axis: "rate", Unit: "per_second", Streams: []string{"orders"}, Lower: &capacity.Bound{At: 190}, Upper: &capacity.Bound{At: 199},
		Gates:    []capacity.Verdict{{Expr: "capacity.orders > 150/s", Verdict: "pass", Why: "190/s sustained"}},
		Baseline: &capacity.Baseline{File: "before/capacity.json", Verdict: "fail", Why: "it fails at 199/s, and 90 % of 400/s is needed"},
		GivesWay: []capacity.GivesWay{{Gate: "orders.p99 < 250ms", Holds: new(190.0), Fails: new(199.0)}, {Gate: "orders.errors < 1%", Holds: new(199.0)}},
	}
	add := func(at, mean, p50, p99, errors float64, verdict string) {
		t := &capacity.Trial{At: at, Rate: at, Seconds: 30, Planned: 30, Verdict: verdict, Achieved: new(at * (1 - errors)), Errors: &errors, MeanNS: new(mean * 1e6), P50NS: new(p50 * 1e6), P99NS: new(p99 * 1e6), Why: "all 2 gates held", Record: "trials/trial-001"}
		if verdict == string(reports.Fail) {
			t.Why = "orders.p99 < 250ms: 1.4 s, violated"
		}
		a.Trials = append(a.Trials, t)
	}
	add(10, 20, 20, 21, 0, "pass")
	add(40, 20.4, 20.2, 24, 0, "pass")
	add(80, 20.9, 20.4, 29, 0, "pass")
	add(160, 24, 22, 60, 0, "pass")
	add(320, 900, 800, 1900, 0.3, "fail")
	a.Trials[4].P99NS, a.Trials[4].MeanNS, a.Trials[4].Seconds = nil, nil, 4
	add(226, 400, 380, 990, 0.04, "fail")
	add(190, 31, 26, 140, 0, "pass")
	add(199, 90, 60, 420, 0, "fail")
	add(190, 33, 27, 150, 0.001, "inconclusive")
	a.USL = &capacity.USL{Lambda: 51, Sigma: 0.1, Kappa: 0.002, Peak: new(21.2), Most: new(210.0), Residuals: []capacity.Residual{
		{At: 10, InFlight: 0.2, Achieved: 10, Fitted: 11}, {At: 80, InFlight: 1.7, Achieved: 80, Fitted: 82}, {At: 160, InFlight: 3.8, Achieved: 160, Fitted: 150}, {At: 190, InFlight: 6, Achieved: 190, Fitted: 194},
	}}
	return a
}

// The page tells the answer, every trial and both bounds, and is the same for the same answer.
func TestRender(t *testing.T) {
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := Render(b, sample()); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("two pages of one answer differ")
	}
	for _, want := range []string{
		"190/s sustained, fails at 199/s", "capacity.orders &gt; 150/s", "against <code>before/capacity.json</code>", "90 % of 400/s is needed", "not seen to give way", "no answer", "ended early", "Universal Scalability Law", `"lower":190`, `"upper":199`, "N is the number of operations in flight",
	} {
		if !strings.Contains(first.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if path := os.Getenv("WRINGER_KNEE_PAGE"); path != "" { // to look at it
		if err := os.WriteFile(path, first.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// An answer without trials, of a command that could not begin, is a page too; texts stay text.
func TestRenderWithoutTrials(t *testing.T) {
	var b bytes.Buffer
	if err := Render(&b, capacity.Failed("shop", reports.ExitUsage, "<script>alert(1)</script>")); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script>alert") || !strings.Contains(b.String(), "&lt;script&gt;alert") {
		t.Error("a text is no text any more")
	}
}
