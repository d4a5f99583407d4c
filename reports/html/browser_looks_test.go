package html

import (
	"testing"

	"github.com/chromedp/chromedp"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/recordtest/browser"
)

// tooWide lists the elements whose content is wider than they are: something is cut off, or must be scrolled to. Everything is open.
const tooWide = `(async () => {
	document.querySelectorAll("details").forEach((d) => { d.open = true; });
	for (let i = 0; i < 3; i++) await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)));
	const all = [...document.querySelectorAll("header, nav, main, section, .scroll, .card, .lane, .track, .story, .edges, pre, .box, .facts, figure, .legend, .tools")];
	return [document.documentElement, ...all].filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1 && getComputedStyle(e).clipPath === "none")
		.map((e) => e.tagName + "." + e.className + "#" + (e.id || e.closest("section")?.id) + ": " + e.scrollWidth + " in " + e.clientWidth);
})()`

func TestNothingIsCutOff(t *testing.T) {
	b := openTab(t)
	records := map[string]*reports.Record{"fail": recordtest.Fail(), "probed": recordtest.Probed(), "consuming": recordtest.Consuming(), "parts": recordtest.Parts(), "links": recordtest.Links(), "observed": recordtest.Observed()}
	records["hostile"], records["phased"], records["chain"], records["inconclusive"] = recordtest.Hostile(), recordtest.Phased(), recordtest.Chain(), recordtest.Inconclusive()
	for name, rec := range records {
		b.show(rec, 1280, "light")
		for _, width := range []int64{360, 390, 768, 1280, 1300, 1700, 2560} {
			if err := chromedp.Do(b, chromedp.EmulateViewport(width, 900)); err != nil {
				t.Fatal(err)
			}
			if got := evaluate[int64](b, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("%s: %d pixels on a screen of %d", name, got, width)
			}
			for _, e := range evaluate[[]string](b, tooWide) {
				t.Errorf("%s, %d wide: %s", name, width, e)
			}
		}
	}
	b.Quiet()
}

// audit runs axe-core over the page, with everything open.
func (b tab) audit() []browser.Complaint {
	b.T.Helper()
	evaluate[bool](b, `document.querySelectorAll("details").forEach((d) => { d.open = true; }), true`)
	return b.Audit("testdata/axe/axe.min.js")
}

func TestThePageIsAccessible(t *testing.T) {
	b := openTab(t)
	for _, c := range []struct {
		name   string
		rec    *reports.Record
		width  int64
		scheme string
	}{
		{"pass", recordtest.Pass(), 1280, "light"},
		{"fail", recordtest.Fail(), 1280, "light"},
		{"fail", recordtest.Fail(), 1280, "dark"},
		{"links", recordtest.Links(), 1280, "dark"},
		{"observed", recordtest.Observed(), 1280, "light"},
		{"inconclusive", recordtest.Inconclusive(), 390, "dark"},
		{"fail, and streams that consume", recordtest.Consuming(), 390, "light"},
	} {
		b.show(c.rec, c.width, c.scheme)
		for _, v := range b.audit() {
			t.Errorf("%s, %s, %d wide: %s (%s): %s %q", c.name, c.scheme, c.width, v.ID, v.Impact, v.Help, v.Nodes)
		}
	}
	// The audit itself must be able to fail.
	evaluate[bool](b, `document.querySelector("main").append(document.createElement("button")), true`)
	if len(b.audit()) == 0 {
		t.Error("a button without a name was not found: nothing was audited")
	}
	b.Quiet()
}
