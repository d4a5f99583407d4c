package metric

import (
	"slices"
	"testing"

	"wringer/reports"
)

func TestCatalogue(t *testing.T) {
	times := Times(Metric{About: "of the time"}, func(*Facts, Statistic) Reading { return Found(1) })
	effects := Times(Metric{Of: "effect"}, func(*Facts, Statistic) Reading { return Found(2) })
	counts := Counts([]Metric{{Name: "lost"}}, func(*Facts, int64) string { return "" })
	c, err := New(times, counts, effects)
	if err != nil {
		t.Fatal(err)
	}
	if m := c.Lookup("effect.p99"); m == nil || m.Name != "p99" || m.Read(nil).Value != 2 || m.Unit != NS || m.Better != Lower {
		t.Errorf("effect.p99 is %+v", m)
	}
	if m := c.Lookup("lost"); m == nil || !m.Anomaly || m.Evidence != "lost" || m.Class != Integrity {
		t.Errorf("lost is %+v", m)
	}
	if c.Lookup("p98") != nil || len(c.List()) != 15 {
		t.Errorf("%d metrics", len(c.List()))
	}
	if got := c.Prefixes(); !slices.Equal(got, []string{"effect"}) {
		t.Errorf("prefixes %q", got)
	}
	if got := c.Names("effect"); !slices.Equal(got, []string{"p50", "p90", "p95", "p99", "p999", "max", "mean"}) {
		t.Errorf("names %q", got)
	}
	if _, err := New(times, times); err == nil {
		t.Error("two metrics of one name are taken")
	}
	var none *Catalogue
	if none.Lookup("lost") != nil || none.List() != nil {
		t.Error("no catalogue holds something")
	}
}

// A count that is not fully known is a lower bound. Without a value the reading carries the reason.
func TestReadCount(t *testing.T) {
	m := Counts([]Metric{{Name: "lost"}}, func(_ *Facts, n int64) string {
		if n == 7 {
			return "nothing was tried"
		}
		return ""
	})[0]
	n := int64(3)
	for name, c := range map[string]struct {
		facts Facts
		want  Reading
	}{
		"known":       {Facts{Measures: &reports.Measures{Integrity: &reports.Integrity{Lost: &n}}}, Found(3)},
		"at least":    {Facts{Measures: &reports.Measures{Integrity: &reports.Integrity{Lost: &n}}, Unknown: "cut short"}, Reading{Value: 3, Targets: 3, AtLeast: "cut short"}},
		"not known":   {Facts{Measures: &reports.Measures{}, Unknown: "cut short"}, Missing("not known: cut short")},
		"not reached": {Facts{}, Missing(NotReached)},
		"untested":    {Facts{Measures: &reports.Measures{Integrity: &reports.Integrity{Lost: new(int64(7))}}}, Missing("nothing was tried")},
	} {
		c.facts.Metric = &m
		if got := m.Read(&c.facts); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
