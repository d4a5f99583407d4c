package envelope

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/scenarios/capacity"
)

// sample is an answer of two loads, with a trial of each kind.
func sample() *Answer {
	const ms = 1e6
	return &Answer{
		Name: "late", Answer: capacity.Bracket, Exit: reports.ExitPass, Why: "in words <b>", Axis: "slow.latency", On: "orders->kafka", Unit: inNS, Worse: "more",
		From: 10 * ms, Most: 2000 * ms, LoadAxis: "rate", LoadUnit: "per_second",
		Frontier: []*Row{
			{Load: 1000, Answer: capacity.Bracket, Lower: new(140.0 * ms), Upper: new(150.0 * ms), UpperLoad: new(1000.0), Limit: &Limit{Gate: "a.p99 < 200ms"}},
			{Load: 1500, Answer: capacity.Below, Upper: new(150.0 * ms), UpperLoad: new(1000.0)},
		},
		NotMonotone: []Contradiction{{Why: "this passed, although that failed"}},
		Trials: []*Trial{
			{Load: 1000, At: 140 * ms, Value: "140ms", Verdict: "pass", Record: "trials/trial-001"},
			{Load: 1000, At: 150 * ms, Value: "150ms", Verdict: "fail", Why: "a <gate>"},
			{Load: 1500, At: 150 * ms, Value: "150ms", Verdict: "inconclusive"},
		},
	}
}

// The page holds the bounds, each trial at its place, and what is not monotone. Texts stay texts, and nothing is loaded or run.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	if err := Render(&b, sample()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"140 ms", "150 ms (at 1,000/s)", "trial-pass", "trial-fail", "trial-inconclusive", "a &lt;gate&gt;", "in words &lt;b&gt;", "Not monotone", "trials/trial-001",
		"default-src &#39;none&#39;", "a.p99 &lt; 200ms", "1,500/s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, not := range []string{"<script", "http:", "https:", "ZgotmplZ", "NaN", "Inf"} {
		if strings.Contains(text, not) {
			t.Errorf("the page holds %q", not)
		}
	}
	var again bytes.Buffer
	if err := Render(&again, sample()); err != nil || again.String() != text {
		t.Errorf("a second page differs: %v", err)
	}
}

// Worse lies higher, whichever way the numbers run.
func TestChart(t *testing.T) {
	for _, less := range []bool{false, true} {
		a := sample()
		if less {
			a.Worse, a.From, a.Most = "less", a.Most, a.From
		}
		c := newChart(a)
		gentle, bad := c.Marks[0].Y, c.Marks[1].Y
		if (bad < gentle) == less || len(c.Grid) < 4 {
			t.Errorf("less %v: 140 ms at %v, 150 ms at %v, %d lines", less, gentle, bad, len(c.Grid))
		}
		for _, m := range c.Marks {
			if m.X < c.Left || m.X > c.Right || m.Y < c.Top || m.Y > c.Bottom || math.IsNaN(m.Y) {
				t.Errorf("a trial at %v, %v", m.X, m.Y)
			}
		}
	}
}

// Neighbouring steps are as near as asked, both ends are among them, and whole numbers are whole.
func TestLadder(t *testing.T) {
	for _, width := range []float64{0.01, 0.05, 0.1, 0.5, 1} {
		all := ladder(10e6, 2e9, width, false)
		for i := 1; i < len(all); i++ {
			if all[i] <= all[i-1] || all[i]/all[i-1]-1 > width*1.0001 {
				t.Errorf("width %v: from %v to %v", width, all[i-1], all[i])
			}
		}
		if all[0] != 10e6 || all[len(all)-1] != 2e9 {
			t.Errorf("width %v: %v to %v", width, all[0], all[len(all)-1])
		}
	}
	if got, want := ladder(1, 12, 0.3, true), []float64{1, 2, 3, 4, 5, 6, 7, 9, 11, 12}; !slices.Equal(got, want) {
		t.Errorf("whole numbers %v, want %v", got, want)
	}
}

func TestQuantities(t *testing.T) {
	for text, want := range map[string]struct {
		v    float64
		unit string
	}{
		"140ms": {140e6, inNS}, "2m": {120e9, inNS}, "5%": {0.05, inRatio}, "1MiB/s": {1 << 20, inBytesPerSecond}, "64KiB": {64 << 10, inBytes}, "0.3": {0.3, inCount}, "7": {7, inCount},
	} {
		v, unit, err := parseQuantity(text)
		if err != nil || math.Abs(v-want.v) > 1e-9 || unit != want.unit {
			t.Errorf("%s: %v %s, %v", text, v, unit, err)
		}
		if again, _, err := parseQuantity(writeQuantity(v, unit)); err != nil || math.Abs(again-v) > 1e-9 {
			t.Errorf("%s was written as %s", text, writeQuantity(v, unit))
		}
	}
	for _, text := range []string{"", "0", "-5ms", "soon", "1/s", "%", "Inf", "NaN"} {
		if _, _, err := parseQuantity(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
