package html

import (
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// A second shows the reading nearest to it, and nothing where there was none: never 0.
func TestSecondsOfAGauge(t *testing.T) {
	const sec, ms = int64(1e9), int64(1e6)
	sample := func(at int64, v float64) reports.Sample { return reports.Sample{AtNS: at, Value: v} }
	for name, c := range map[string]struct {
		samples []reports.Sample
		want    []float64 // -1: none
	}{
		"none":                  {nil, []float64{-1, -1, -1, -1}},
		"each":                  {[]reports.Sample{sample(sec, 1), sample(2*sec, 2), sample(3*sec, 3), sample(4*sec, 4)}, []float64{1, 2, 3, 4}},
		"drifting":              {[]reports.Sample{sample(sec+100*ms, 1), sample(2*sec-50*ms, 2), sample(3*sec+40*ms, 3), sample(4*sec-20*ms, 4)}, []float64{1, 2, 3, 4}},
		"a gap":                 {[]reports.Sample{sample(sec, 1), sample(4*sec, 4)}, []float64{1, -1, -1, 4}},
		"before and afterwards": {[]reports.Sample{sample(0, 9), sample(6*sec, 9)}, []float64{-1, -1, -1, -1}},
	} {
		got := bySecond(c.samples, 4)
		for i, want := range c.want {
			switch {
			case want < 0 && got[i] != nil:
				t.Errorf("%s: second %d is %v, and was not measured", name, i, *got[i])
			case want >= 0 && (got[i] == nil || *got[i] != want):
				t.Errorf("%s: second %d is %v, not %v", name, i, got[i], want)
			}
		}
	}
}

func TestGaugeCharts(t *testing.T) {
	run := recordtest.Parts().Run
	c := newCharts(run)
	if len(c.Gauges) != len(drawn) {
		t.Fatalf("%d charts of %d gauges", len(c.Gauges), len(drawn))
	}
	cpu := c.Gauges[0]
	if len(cpu.Lines) != len(colours) || cpu.Note == "" {
		t.Errorf("%d lines, note %q: eight parts are more than there are colours", len(cpu.Lines), cpu.Note)
	}
	for _, l := range cpu.Lines {
		if l.Name == "broker-1" {
			t.Error("the part with the least use is drawn, and a higher one is not")
		}
	}
	if len(c.Ended) != 1 || c.Ended[0].Name != "stock ended" || c.Ended[0].Start != 12 {
		t.Errorf("ended: %+v", c.Ended)
	}
	blocked := newCharts(recordtest.Consuming().Run)
	for _, s := range blocked.Streams {
		if len(s.Blocks) > 0 && (len(s.Blocks) != 2 || s.Blocks[0] != chartBand{"blocked: low on memory", 2, 6} || s.Blocks[1] != chartBand{"blocked: low on disk", 9, blocked.Length}) {
			t.Errorf("blocks: %+v", s.Blocks)
		}
	}
	if other := newCharts(recordtest.Pass().Run); len(other.Gauges) != 0 || len(other.Ended) != 0 {
		t.Errorf("a record without parts has charts of them: %+v", other.Gauges)
	}
}

// Each link with a witness has a chart of its requests and answers; a link that could not be read says so.
func TestLinkCharts(t *testing.T) {
	rec := recordtest.Links()
	all := linkCharts(rec.Run)
	if len(all) != 2 || len(all[0].Time) != 10 || len(all[0].Lines) != 2 || *all[0].Lines[0].Values[3] != 230 || *all[0].Lines[1].Values[3] != 200 {
		t.Errorf("%+v", all)
	}
	if all[0].Note != "" || all[1].Note == "" {
		t.Errorf("notes %q, %q", all[0].Note, all[1].Note)
	}
	var page strings.Builder
	if err := Render(&page, rec); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`data-stream="link-0"`, "orders-&gt;stock: requests a second", `<section id="links"`} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
