package scenarios

import (
	"math"
	"strings"
	"testing"
	"time"

	"wringer/reports/metric"
	"wringer/reports/recordtest"
)

var catalogue = recordtest.Catalogue()

func TestParseGate(t *testing.T) {
	for _, test := range []struct {
		expr       string
		metric     string
		unit       string
		class      metric.Class
		argument   time.Duration
		comparison string
		limit      float64
		scope      Scope
	}{
		{"orders.p99 < 250ms", "p99", metric.NS, metric.TimeOrRate, 0, "<", 250e6, Scope{}},
		{"  orders.p99<250ms  ", "p99", metric.NS, metric.TimeOrRate, 0, "<", 250e6, Scope{}},
		{"orders.p99 <= 1.5s during baseline", "p99", metric.NS, metric.TimeOrRate, 0, "<=", 1.5e9, Scope{Window: "baseline"}},
		{"orders.service.p99 < 1s during slow-broker", "service.p99", metric.NS, metric.TimeOrRate, 0, "<", 1e9, Scope{Window: "slow-broker"}},
		{"orders.acked.p99 < 1s after slow-broker", "acked.p99", metric.NS, metric.TimeOrRate, 0, "<", 1e9, Scope{Window: "after slow-broker"}},
		{"orders.effect.p99 < 2s after slow-broker", "effect.p99", metric.NS, metric.TimeOrRate, 0, "<", 2e9, Scope{Window: "after slow-broker"}},
		{"orders.p99 < 1s during after slow-broker", "p99", metric.NS, metric.TimeOrRate, 0, "<", 1e9, Scope{Window: "after slow-broker"}},
		{"orders.p99 < 1s in every second", "p99", metric.NS, metric.TimeOrRate, 0, "<", 1e9, Scope{EverySecond: true}},
		{"orders.p99 < 1s during a in every second", "p99", metric.NS, metric.TimeOrRate, 0, "<", 1e9, Scope{Window: "a", EverySecond: true}},
		{"orders.p99 < 1s in every second after a", "p99", metric.NS, metric.TimeOrRate, 0, "<", 1e9, Scope{Window: "after a", EverySecond: true}},
		{"o.within(250ms) > 99%", "within", metric.Ratio, metric.TimeOrRate, 250 * time.Millisecond, ">", 0.99, Scope{}},
		{"o.errors < 1%", "errors", metric.Ratio, metric.Outcome, 0, "<", 0.01, Scope{}},
		{"o.errors < 0.01", "errors", metric.Ratio, metric.Outcome, 0, "<", 0.01, Scope{}},
		{"o.errors < 0.7%", "errors", metric.Ratio, metric.Outcome, 0, "<", 0.007, Scope{}},
		{"o.errors < 1 % during baseline", "errors", metric.Ratio, metric.Outcome, 0, "<", 0.01, Scope{Window: "baseline"}},
		{"o.errors < 0.001", "errors", metric.Ratio, metric.Outcome, 0, "<", 0.001, Scope{}},
		{"o.errors == 0", "errors", metric.Ratio, metric.Outcome, 0, "==", 0, Scope{}},
		{"o.errors < 1.0", "errors", metric.Ratio, metric.Outcome, 0, "<", 1, Scope{}},
		{"orders.p99 < 250 ms in every second", "p99", metric.NS, metric.TimeOrRate, 0, "<", 250e6, Scope{EverySecond: true}},
		{"o.within( 250 ms ) > 99 %", "within", metric.Ratio, metric.TimeOrRate, 250 * time.Millisecond, ">", 0.99, Scope{}},
		{"o.rate >= 5000 /s", "rate", metric.PerSecond, metric.TimeOrRate, 0, ">=", 5000, Scope{}},
		{"o.errors == 100%", "errors", metric.Ratio, metric.Outcome, 0, "==", 1, Scope{}},
		{"o.rate >= 5000/s", "rate", metric.PerSecond, metric.TimeOrRate, 0, ">=", 5000, Scope{}},
		{"o.rate >= 24000/m", "rate", metric.PerSecond, metric.TimeOrRate, 0, ">=", 400, Scope{}},
		{"o.lost == 0", "lost", metric.Count, metric.Integrity, 0, "==", 0, Scope{}},
		{"o.acked != 5", "acked", metric.Count, metric.TimeOrRate, 0, "!=", 5, Scope{}},
		{"o.amplification < 1.2", "amplification", "", metric.Outcome, 0, "<", 1.2, Scope{}},
		{"o.recovery < 5s after f", "recovery", metric.NS, metric.Recovery, 0, "<", 5e9, Scope{Window: "after f"}},
		{"link(orders->stock).requests > 0 during slow", "link(NAME).requests", metric.Count, metric.Integrity, 0, ">", 0, Scope{Window: "slow"}},
		{"link(a).calls_per_operation.p99 < 3", "link(NAME).calls_per_operation.p99", "", metric.Outcome, 0, "<", 3, Scope{}},
		{"o.link(orders->stock).amplification <= 1.5", "link(NAME).amplification", "", metric.Outcome, 0, "<=", 1.5, Scope{}},
		{"o.code(check) == 0", "code(NAME)", metric.Count, metric.Outcome, 0, "==", 0, Scope{}},
		{"o.code( http_503 ) < 10 in every second", "code(NAME)", metric.Count, metric.Outcome, 0, "<", 10, Scope{EverySecond: true}},
		{"o.step(read).p99 < 200ms during a", "step(NAME).p99", metric.NS, metric.TimeOrRate, 0, "<", 200e6, Scope{Window: "a"}},
		{"o.step(read).errors < 1%", "step(NAME).errors", metric.Ratio, metric.Outcome, 0, "<", 0.01, Scope{}},
		{"o.check(paid) == 0", "check(NAME)", metric.Count, metric.Outcome, 0, "==", 0, Scope{}},
		{"o.lag < -1e3", "lag", "", metric.Gauge, 0, "<", -1000, Scope{}},
	} {
		g, err := ParseGate(test.expr, catalogue)
		if err != nil {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		if g.Metric.Full() != test.metric || g.Metric.Unit != test.unit || g.Metric.Class != test.class || g.Argument != test.argument || g.Comparison != test.comparison || g.Limit != test.limit || g.Scope != test.scope {
			t.Errorf("%s: got %+v", test.expr, g)
		}
	}
}

// A share is the exact number, to the last bit, in each way to write it.
func TestSharesAreExact(t *testing.T) {
	for percent, share := range map[string]float64{
		"1%": 0.01, "0.7%": 0.007, "99.9%": 0.999, "99.99%": 0.9999, "0.1%": 0.001, "5%": 0.05, "29%": 0.29, "57%": 0.57, "0.29%": 0.0029,
	} {
		g, err := ParseGate("o.errors < "+percent, catalogue)
		if err != nil || g.Limit != share {
			t.Errorf("%s is %v (%v), want %v", percent, g.Limit, err, share)
		}
	}
}

func TestGatesThatAreNone(t *testing.T) {
	for _, expr := range []string{
		"", "orders", "orders.p99", "orders.p99 <", "orders.p99 < 5", "orders.p99 =< 5ms", "orders.p99 <> 5ms", ".p99 < 5ms", "Orders.p99 < 5ms",
		"orders. < 5ms", "orders.p99 < -5ms", "orders.p99 < 5%", "orders.errors < -1%", "orders.errors < 101%", "orders.errors < 1e400%", "orders.errors < NaN",
		"orders.lost == -1", "orders.lost == 1%", "orders.lost == 9007199254740993", "orders.rate > 5", "orders.within > 5%", "orders.within() > 5%",
		"orders.within(0s) > 5%", "orders.within(5ms > 5%", "orders.p99() < 5ms", "orders.amplification < inf", "orders.lag < 0x10", "orders.LAG < 1",
		"orders.p99 < 5ms during", "orders.p99 < 5ms after", "orders.p99 < 5ms in every", "orders.p99 < 5ms during baseline baseline",
		"orders.p99 < 5ms after drain", "orders.p99 < 5ms in every second in every second", "orders.lost == 0 in every second", "orders.lag < 5 in every second",
		"orders.acked.errors < 1%", "orders.p99 < 5ms < 6ms",
	} {
		if g, err := ParseGate(expr, catalogue); err == nil {
			t.Errorf("%q is taken for %+v", expr, g)
		}
	}
}

// For every metric of the catalogue, a gate at the edge of what the metric can be is refused, and one inside is not.
func TestGatesThatDecideNothing(t *testing.T) {
	units := map[string][]string{metric.NS: {"0s", "1s"}, metric.Ratio: {"0", "1%"}, metric.Count: {"0", "1"}, metric.PerSecond: {"0/s", "1/s"}, "": {"0", "1"}}
	for _, m := range catalogue.List() {
		name := "o." + m.Full()
		if m.Argument {
			name += "(1s)"
		}
		if m.Instead != "" {
			if _, err := ParseGate(name+" == 0", catalogue); err == nil || !strings.Contains(err.Error(), "write "+m.Instead) {
				t.Errorf("%s, which is 0 in the end: %v", name, err)
			}
			continue
		}
		vain := []string{">=", "<"}
		if lowest, _ := m.Bounds(); math.IsInf(lowest, -1) { // a series of the target may be below 0
			vain = nil
		}
		for _, vain := range vain {
			expr := name + " " + vain + " " + units[m.Unit][0]
			if _, err := ParseGate(expr, catalogue); err == nil || !strings.Contains(err.Error(), "can never") || !strings.Contains(err.Error(), "write") {
				t.Errorf("%s: %v", expr, err)
			}
			if m.BySecond {
				if _, err := parseAbort(expr, catalogue); err == nil || !strings.Contains(err.Error(), m.Full()+" ") {
					t.Errorf("abort %s: %v", expr, err)
				}
			}
		}
		for _, comparison := range comparisons {
			if _, err := ParseGate(name+" "+comparison+" "+units[m.Unit][1], catalogue); err != nil {
				t.Error(err)
			}
		}
		if m.Unit == metric.Ratio {
			for _, vain := range []string{"<= 100%", "> 100%", "<= 1.0"} {
				if _, err := ParseGate(name+" "+vain, catalogue); err == nil {
					t.Errorf("%s %s is taken", name, vain)
				}
			}
			for _, bare := range []string{"< 1", "> 1", "== 1", "< 01"} {
				if _, err := ParseGate(name+" "+bare, catalogue); err == nil || !strings.Contains(err.Error(), "%") {
					t.Errorf("%s %s: %v", name, bare, err)
				}
			}
		}
	}
}

func TestRecoveryOfTheOnlyFault(t *testing.T) {
	s := mustParse(t, head+`traffic:
  a: {rest: {request: GET http://x/}, rate: 1/s}
faults:
  - {name: slow, at: 1s, for: 1s, link: a, latency: 1s}
expect:
  - a.recovery < 5s
  - a.detection < 5s during slow
`)
	if s.Expect[0].Scope.Window != "after slow" || s.Expect[1].Scope.Window != "slow" {
		t.Errorf("scopes are %+v and %+v", s.Expect[0].Scope, s.Expect[1].Scope)
	}
}

func FuzzParseGate(f *testing.F) {
	for _, expr := range []string{"orders.p99 < 250ms during baseline", "o.within(5ms) >= 99.9% in every second", "o.lost == 0", "o.lag != 1e3 after f", "o.rate>1/s"} {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		g, err := ParseGate(expr, catalogue)
		if err != nil {
			return
		}
		if math.IsNaN(g.Limit) || math.IsInf(g.Limit, 0) || g.Stream == "" || g.Metric.Name == "" || g.Comparison == "" {
			t.Errorf("%q is taken for %+v", expr, g)
		}
		again, err := ParseGate(g.Expr, catalogue)
		if err == nil && again.Metric.Class == metric.Gauge && again.Metric.Name == g.Metric.Name {
			again.Metric = g.Metric // no table has a gauge
		}
		if err != nil || again != g {
			t.Errorf("%q reads differently the second time: %+v, %+v, %v", expr, g, again, err)
		}
	})
}

// A gate on a part of a stream knows the number of the step or check, and the code as the driver reports it.
func TestGatesOnParts(t *testing.T) {
	s := mustParse(t, `name: parts
run: {duration: 10s}
traffic:
  calls: {grpc: {target: "x:1", steps: [create, read], checks: [paid, shipped]}, rate: 1/s}
expect: [calls.step(read).p99 < 1s, calls.check(shipped) == 0, calls.code(503) == 0, calls.code(Check) == 0]
`)
	for i, want := range []struct {
		part  string
		index int
	}{{"read", 1}, {"shipped", 1}, {"http_503", 0}, {"check", 0}} {
		if g := s.Expect[i]; g.Subject.Name != want.part || g.Index != want.index || !g.OfPart() || g.ofPlace() {
			t.Errorf("%s: %+v", g.Expr, g)
		}
	}
}
