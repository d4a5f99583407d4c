package scenarios

import (
	"math"
	"testing"
	"time"
)

func TestParseGate(t *testing.T) {
	latency := Metric{Name: "p99", Unit: UnitNS, Class: TimeOrRate}
	of := func(of string) Metric { m := latency; m.Of = of; return m }
	for _, test := range []struct {
		expr       string
		metric     Metric
		comparison string
		limit      float64
		scope      Scope
	}{
		{"orders.p99 < 250ms", latency, "<", 250e6, Scope{}},
		{"  orders.p99<250ms  ", latency, "<", 250e6, Scope{}},
		{"orders.p99 <= 1.5s during baseline", latency, "<=", 1.5e9, Scope{Window: "baseline"}},
		{"orders.service.p99 < 1s during slow-broker", of("service"), "<", 1e9, Scope{Window: "slow-broker"}},
		{"orders.acked.p99 < 1s after slow-broker", of("acked"), "<", 1e9, Scope{Window: "after slow-broker"}},
		{"orders.effect.p99 < 2s after slow-broker", of("effect"), "<", 2e9, Scope{Window: "after slow-broker"}},
		{"orders.p99 < 1s during after slow-broker", latency, "<", 1e9, Scope{Window: "after slow-broker"}},
		{"orders.p99 < 1s in every second", latency, "<", 1e9, Scope{EverySecond: true}},
		{"orders.p99 < 1s during a in every second", latency, "<", 1e9, Scope{Window: "a", EverySecond: true}},
		{"orders.p99 < 1s in every second after a", latency, "<", 1e9, Scope{Window: "after a", EverySecond: true}},
		{"o.within(250ms) > 99%", Metric{Name: "within", Within: 250 * time.Millisecond, Unit: UnitRatio, Class: TimeOrRate}, ">", 0.99, Scope{}},
		{"o.errors < 1%", Metric{Name: "errors", Unit: UnitRatio, Class: Outcome}, "<", 0.01, Scope{}},
		{"o.errors < 0.01", Metric{Name: "errors", Unit: UnitRatio, Class: Outcome}, "<", 0.01, Scope{}},
		{"o.errors < 0.7%", Metric{Name: "errors", Unit: UnitRatio, Class: Outcome}, "<", 0.007, Scope{}},
		{"o.errors == 100%", Metric{Name: "errors", Unit: UnitRatio, Class: Outcome}, "==", 1, Scope{}},
		{"o.rate >= 5000/s", Metric{Name: "rate", Unit: UnitPerSecond, Class: TimeOrRate}, ">=", 5000, Scope{}},
		{"o.rate >= 24000/m", Metric{Name: "rate", Unit: UnitPerSecond, Class: TimeOrRate}, ">=", 400, Scope{}},
		{"o.lost == 0", Metric{Name: "lost", Unit: UnitCount, Class: Integrity}, "==", 0, Scope{}},
		{"o.acked != 5", Metric{Name: "acked", Unit: UnitCount, Class: TimeOrRate}, "!=", 5, Scope{}},
		{"o.amplification < 1.2", Metric{Name: "amplification", Class: Outcome}, "<", 1.2, Scope{}},
		{"o.recovery < 5s after f", Metric{Name: "recovery", Unit: UnitNS, Class: Recovery}, "<", 5e9, Scope{Window: "after f"}},
		{"o.lag < -1e3", Metric{Name: "lag", Class: Gauge}, "<", -1000, Scope{}},
	} {
		g, err := ParseGate(test.expr)
		if err != nil {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		if g.Metric != test.metric || g.Comparison != test.comparison || g.Limit != test.limit || g.Scope != test.scope {
			t.Errorf("%s: got %+v", test.expr, g)
		}
	}
}

// A share is the number that it says, to the last bit, whichever way it is written.
func TestSharesAreExact(t *testing.T) {
	for percent, share := range map[string]float64{
		"1%": 0.01, "0.7%": 0.007, "99.9%": 0.999, "99.99%": 0.9999, "0.1%": 0.001, "5%": 0.05, "29%": 0.29, "57%": 0.57, "0.29%": 0.0029,
	} {
		g, err := ParseGate("o.errors < " + percent)
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
		if g, err := ParseGate(expr); err == nil {
			t.Errorf("%q is taken for %+v", expr, g)
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
		g, err := ParseGate(expr)
		if err != nil {
			return
		}
		if math.IsNaN(g.Limit) || math.IsInf(g.Limit, 0) || g.Stream == "" || g.Metric.Name == "" || g.Comparison == "" {
			t.Errorf("%q is taken for %+v", expr, g)
		}
		again, err := ParseGate(g.Expr)
		if err != nil || again != g {
			t.Errorf("%q reads differently the second time: %+v, %+v, %v", expr, g, again, err)
		}
	})
}
