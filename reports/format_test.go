package reports_test

import (
	"testing"

	"wringer/reports"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{reports.Duration(0), "0 s"},
		{reports.Duration(850), "850 ns"},
		{reports.Duration(85_310), "85.3 µs"},
		{reports.Duration(250e6), "250 ms"},
		{reports.Duration(1.876e9), "1.88 s"},
		{reports.Duration(999.9e6), "1 s"},
		{reports.Duration(59.96e9), "1 min"},
		{reports.Duration(125e9), "2 min 5 s"},
		{reports.Duration(3720e9), "1 h 2 min"},
		{reports.Duration(-20e6), "-20 ms"},
		{reports.Moment(12_031e6), "12.031 s"},
		{reports.Moment(12e9), "12 s"},
		{reports.Moment(100e9), "100 s"},
		{reports.Moment(0), "0 s"},
		{reports.Span(10e9, 18e9), "10 s – 18 s"},
		{reports.Count(0), "0"},
		{reports.Count(999), "999"},
		{reports.Count(1_234_567), "1,234,567"},
		{reports.Count(-1_000), "-1,000"},
		{reports.Rate(400), "400/s"},
		{reports.Rate(0.5), "0.5/s"},
		{reports.Rate(12_410), "12.4 k/s"},
		{reports.Rate(999_999), "1 M/s"},
		{reports.Bytes(0), "0 B"},
		{reports.Bytes(1_230_000), "1.23 MB"},
		{reports.Share(0), "0 %"},
		{reports.Share(1), "100 %"},
		{reports.Share(0.0125), "1.25 %"},
		{reports.Share(1e-7), "< 0.001 %"},
		{reports.Share(0.99996), "99.996 %"},
		{reports.Share(0.99999999), "> 99.999 %"},
		{reports.Factor(1.0234), "1.02"},
		{reports.Value(1234, "count"), "1,234"},
		{reports.Value(2.5, "count"), "2.5"},
		{reports.Value(0.5, "ratio"), "50 %"},
		{reports.Value(1.2, ""), "1.2"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestGateValuesTellTheObservationFromTheLimit(t *testing.T) {
	gate := func(observed *float64, limit float64, unit, metric string, v reports.Verdict) *reports.Gate {
		return &reports.Gate{Observed: observed, Limit: &limit, Unit: unit, Metric: metric, Verdict: v}
	}
	at := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		gate            *reports.Gate
		observed, limit string
	}{
		{gate(at(12.4e6), 250e6, "ns", "p99", reports.Pass), "12.4 ms", "250 ms"},
		{gate(at(250e6), 250e6, "ns", "p99", reports.Fail), "250 ms", "250 ms"},
		{gate(at(250_040_000), 250e6, "ns", "p99", reports.Fail), "250.04 ms", "250 ms"},
		{gate(at(90_004e6), 90e9, "ns", "recovery", reports.Fail), "90.004 s", "90 s"},
		{gate(at(0.010004), 0.01, "ratio", "errors", reports.Fail), "1.0004 %", "1 %"},
		{gate(nil, 250e6, "ns", "p99", reports.Fail), "no answer", "250 ms"},
		{gate(nil, 250e6, "ns", "p99", reports.Inconclusive), "not known", "250 ms"},
		{&reports.Gate{Limit: at(2e9), Unit: "ns", Metric: "effect.p99", Beyond: "not seen", Verdict: reports.Fail}, "not seen", "2 s"},
		{&reports.Gate{Limit: at(5e9), Unit: "ns", Metric: "recovery", Beyond: "not recovered", Verdict: reports.Fail}, "not recovered", "5 s"},
		{gate(nil, 0, "count", "lost", reports.Inconclusive), "not known", "0"},
		{&reports.Gate{Observed: at(1), Unit: "count"}, "1", ""},
	} {
		observed, limit := reports.GateValues(c.gate)
		if observed != c.observed || limit != c.limit {
			t.Errorf("got %q, %q, want %q, %q", observed, limit, c.observed, c.limit)
		}
	}
}

func TestAbsentIsNeverZero(t *testing.T) {
	zero, some := 0.0, 3.0
	none, one := int64(0), int64(1)
	answered := &reports.Latency{P50: &some, Unanswered: &zero}
	hung := &reports.Latency{Unanswered: &some}
	for _, c := range []struct{ got, want string }{
		{reports.Percentile(answered, answered.P50), "3 ns"},
		{reports.Percentile(hung, hung.P99), "no answer"},
		{reports.Percentile(answered, answered.P99), "not measured"},
		{reports.Percentile(nil, nil), "not measured"},
		{reports.IntegrityCount(nil, "lost"), "not measured"},
		{reports.IntegrityCount(&reports.Integrity{}, "lost"), "not measured"},
		{reports.IntegrityCount(&reports.Integrity{Unseen: &one}, "lost"), "not known"},
		{reports.IntegrityCount(&reports.Integrity{Lost: &none}, "lost"), "0"},
		{reports.Measured(nil, reports.Count), "not measured"},
		{reports.Measured(&one, reports.Count), "1"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestPlace(t *testing.T) {
	link, own, part := "payments/leader(orders,0)", "payments/broker-2", "stock"
	for want, f := range map[string]reports.Fault{
		"link payments/leader(orders,0), which was broker-2": {Link: &link, Peer: "broker-2"},
		"link payments/leader(orders,0)":                     {Link: &link},
		"link payments/broker-2":                             {Link: &own, Peer: "broker-2"},
		"part stock":                                         {Part: &part},
		"":                                                   {},
	} {
		if got := f.Place(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCounted(t *testing.T) {
	for n, want := range map[int64]string{0: "0 requests", 1: "1 request", 2: "2 requests", 12345: "12,345 requests"} {
		if got := reports.Counted(n, "request"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
