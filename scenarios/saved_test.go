package scenarios

import (
	"strings"
	"testing"

	"wringer/reports/recordtest"
)

// A limit may be a saved run's value with a factor and an amount. A scope may follow.
func TestSavedLimits(t *testing.T) {
	for text, want := range map[string]struct {
		factor, plus, limit float64
		window              string
	}{
		"orders.p99 < 1.2 x saved":                    {1.2, 0, 120e6, ""},
		"orders.p99 < saved + 20ms":                   {1, 20e6, 120e6, ""},
		"orders.p99 < saved+20 ms":                    {1, 20e6, 120e6, ""},
		"orders.p99 < saved":                          {1, 0, 100e6, ""},
		"orders.p99 < 1.5 × saved - 10ms during slow": {1.5, -10e6, 140e6, "slow"},
		"orders.p99 < 2 x saved after slow":           {2, 0, 200e6, "after slow"},
		"orders.p99 < 2 x saved during saved":         {2, 0, 200e6, "saved"},
	} {
		g, err := ParseGate(text, recordtest.Catalogue())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if g.Saved == nil || g.Saved.Factor != want.factor || g.Saved.Plus != want.plus || g.Saved.Unmet == "" || g.Scope.Window != want.window {
			t.Errorf("%s: %+v, %+v", text, g.Saved, g.Scope)
			continue
		}
		g.ResolveSaved("saved/main.json", "id", 100e6)
		if diff := g.Limit - want.limit; diff > 1 || diff < -1 || g.Saved.Unmet != "" || *g.Saved.Value != 100e6 {
			t.Errorf("%s: limit %v, %+v", text, g.Limit, g.Saved)
		}
	}
	for text, want := range map[string]string{
		"orders.p99 < 0 x saved":                             "the factor must be above 0",
		"orders.p99 < saved + 20":                            "saved + 20ms",
		"orders.p99 < saved +":                               "no value after saved +",
		"orders.p99 < saved + 1% during slow":                "write 1.2 x saved",
		"orders.lost == saved + 1.5":                         "no whole number",
		"orders.p99 < 1.2 x baseline":                        "1.2",
		"orders.p99 < saved x 1.2":                           "is not a scope",
		"orders.p99 < saved in every minute":                 "is not a scope",
		"orders.recovery < saved in every second after slow": "is not measured for each second",
	} {
		if _, err := ParseGate(text, recordtest.Catalogue()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// With some saved values a gate could decide nothing. It is left open, with the remedy.
func TestIdleSavedLimits(t *testing.T) {
	for text, value := range map[string]float64{
		"orders.errors < 1.2 x saved":  0,
		"orders.errors <= saved + 60%": 0.5,
		"orders.p99 < saved - 20ms":    5e6,
		"orders.rate >= 0.9 x saved":   0,
		"orders.lost < 2 x saved":      0,
	} {
		g, err := ParseGate(text, recordtest.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		if g.ResolveSaved("f", "id", value); !strings.Contains(g.Saved.Unmet, "write saved + ") {
			t.Errorf("%s with %v: %q, limit %v", text, value, g.Saved.Unmet, g.Limit)
		}
	}
}

// A condition that ends a run takes no saved run.
func TestAbortTakesNoSavedLimit(t *testing.T) {
	if _, err := parseAbort("orders.errors > 2 x saved for 5s", recordtest.Catalogue()); err == nil || !strings.Contains(err.Error(), "limit of its own") {
		t.Error(err)
	}
}
