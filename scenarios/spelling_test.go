package scenarios

import (
	"strings"
	"testing"

	"wringer/reports/metric"
)

// k6's thresholds are spellings of gates, with k6's units. What looks alike and is this language's own keeps its meaning.
func TestThresholdsOfK6(t *testing.T) {
	for expr, want := range map[string]string{
		"load.p(95)<500":                                   "p95 < 500ms",
		"load.p(99.9) <= 1500 during baseline":             "p999 <= 1500ms during baseline",
		"load.p( 90 ) < 1s":                                "p90 < 1s",
		"load.avg<200":                                     "mean < 200ms",
		"load.med < 12.5":                                  "p50 < 12.5ms",
		"load.http_req_duration: p(95)<500":                "service.p95 < 500ms",
		"load.http_req_duration:max<2000":                  "service.max < 2000ms",
		"load.http_req_failed: rate<0.01":                  "errors < 0.01",
		"load.http_req_failed: rate <= 1% in every second": "errors <= 1% in every second",
		"load.http_reqs: count>100":                        "attempts > 100",
		"load.rate > 400/s":                                "rate > 400/s",
		"load.max < 1s":                                    "max < 1s",
	} {
		got, err := ParseGate(expr, catalogue)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		other, err := ParseGate("load."+want, catalogue)
		if err != nil {
			t.Fatal(err)
		}
		if got.Expr != expr {
			t.Errorf("%s is told as %s", expr, got.Expr)
		}
		got.Expr, other.Expr = "", ""
		if got != other {
			t.Errorf("%s: %+v, want %+v", expr, got, other)
		}
	}
	for expr, want := range map[string]string{
		"load.p(98)<500":                    "p(98) is not measured",
		"load.max < 500":                    "500 has no unit",
		"load.http_req_failed: count<1":     "http_req_failed has a rate alone",
		"load.http_req_failed: rate<1":      "1 has no unit",
		"load.http_reqs: rate>100":          "counts failed requests too: write rate > 100/s",
		"load.checks: rate>0.9":             "Write errors < 1%",
		"load.http_req_waiting: p(95)<5":    "none of k6's metrics",
		"load.http_req_duration: min<5":     "min of a time is not judged",
		"load.http_req_duration: p95 < 5ms": "write p(95)<500",
	} {
		if _, err := ParseGate(expr, catalogue); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
	if g, err := ParseGate("load.http_req_failed: rate<0.01", catalogue); err != nil || g.Metric.Unit != metric.Ratio || g.Limit != 0.01 {
		t.Errorf("%+v, %v", g, err)
	}
}
