package extending

import (
	"testing"

	"wringer/drivers"
	"wringer/reports/checktest"
	"wringer/reports/metric"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// TestErrorRunInAScenario: one line in the table makes the check's metric one that gates can name.
func TestErrorRunInAScenario(t *testing.T) {
	language := scenarios.Language{
		Drivers: map[string]func() drivers.Config{"line": func() drivers.Config { return new(LineConfig) }},
		Metrics: recordtest.Metrics(),
		Checks:  []metric.Check{checktest.ErrorRun},
	}
	src := `name: lines
run: {duration: 10s}
traffic:
  lines: {line: {address: "127.0.0.1:7000"}, rate: 100/s}
expect:
  - lines.errors < 1%
  - lines.error_run < 5 during baseline
`
	sc, err := scenarios.Parse("lines.yaml", []byte(src), language, scenarios.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m := sc.Expect[1].Metric; m.Name != "error_run" || m.Unit != metric.Count {
		t.Errorf("the gate is on %+v", m)
	}
	language.Checks = nil
	if _, err := scenarios.Parse("lines.yaml", []byte(src), language, scenarios.Options{}); err == nil {
		t.Error("a language without the check knows its metric")
	}
}
