package live

import (
	"strings"
	"testing"

	"wringer/reports/recordtest"
	"wringer/reports/recordtest/browser"
)

// wait waits until an expression in the page is true.
func wait(b *browser.Tab, expression string) {
	browser.Evaluate[bool](b, `new Promise((done) => { const look = () => (`+expression+`) ? done(true) : setTimeout(look, 10); look(); })`)
}

// In a real browser the page follows the run without being loaded again: its figures and its charts, and what was opened stays open.
// Then it is the final report.
func TestThePageFollowsTheRun(t *testing.T) {
	b := browser.Open(t)
	s, rec := open(t), recordtest.Fail()
	s.Show(part(rec, 0, 10), "")
	b.Visit(s.URL(), 1280)
	wait(b, `document.documentElement.dataset.drawn && document.querySelector(".live")?.textContent.startsWith("live")`)
	browser.Evaluate[bool](b, `(window.loaded = "once", document.querySelector("#glossary details").open = true, document.querySelector("#gates details:last-of-type").open = true)`)
	chart := func() string {
		return browser.Evaluate[string](b, `document.querySelector(".lane[data-kind=stream] canvas").toDataURL()`)
	}
	before := chart()
	s.Show(part(rec, 10, 30), "")
	wait(b, `document.querySelector(".headline").textContent.includes("30 s of 40 s")`)
	if after := chart(); after == before {
		t.Error("the chart is as it was")
	}
	s.Final(rec)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wait(b, `document.querySelector(".live").textContent.includes("over")`)
	got := browser.Evaluate[string](b, `[window.loaded, document.title, document.querySelector(".verdict").textContent.trim(),
		document.querySelector("#glossary details").open, document.querySelector("#gates details:last-of-type").open, document.querySelectorAll(".pin.lost").length > 0].join("|")`)
	if !strings.HasPrefix(got, "once|fail: "+rec.Run.Name) || !strings.HasSuffix(got, "|✗ fail|true|true|true") {
		t.Errorf("at the end: %s", got)
	}
	b.Quiet()
}
