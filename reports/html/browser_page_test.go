package html

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"wringer/reports/recordtest"
	"wringer/reports/sections"
)

// A table is sorted by the head of a column, by click and by keyboard: up, down, and as it was. The total stays last.
func TestTablesAreSorted(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Fail(), 1280, "light")
	type state struct {
		Order  string
		Values []float64
		Labels []string
	}
	const table = `const table = [...document.querySelectorAll("table")].find((t) => t.caption.textContent.includes("operations and response time"));
		const head = [...table.tHead.rows[0].cells].find((h) => h.textContent === "p99"), column = head.cellIndex;`
	read := func() state {
		return evaluate[state](b, `(() => { `+table+`
			const rows = [...table.tBodies[0].rows];
			return { Order: head.getAttribute("aria-sort") ?? "", Labels: rows.map((r) => r.cells[0].textContent),
				Values: rows.filter((r) => !r.classList.contains("total") && r.cells[column].dataset.value).map((r) => Number(r.cells[column].dataset.value)) };
		})()`)
	}
	first := read()
	if len(first.Values) < 2 || first.Order != "" {
		t.Fatalf("at first %+v", first)
	}
	last := first.Labels[len(first.Labels)-1]
	press := map[bool]func(){
		false: func() {
			evaluate[bool](b, `(() => { `+table+` head.querySelector("button").click(); return true; })()`)
		},
		true: func() {
			evaluate[bool](b, `(() => { `+table+` head.querySelector("button").focus(); return true; })()`)
			if err := chromedp.Do(b, chromedp.KeyEvent(kb.Enter)); err != nil {
				t.Fatal(err)
			}
		},
	}
	for _, keyboard := range []bool{false, true} {
		for _, order := range []string{"ascending", "descending", ""} {
			press[keyboard]()
			got := read()
			up, down := slices.IsSorted(got.Values), slices.IsSortedFunc(got.Values, func(a, b float64) int { return cmp.Compare(b, a) })
			if got.Order != order || order == "ascending" && !up || order == "descending" && !down || order == "" && !slices.Equal(got.Labels, first.Labels) ||
				got.Labels[len(got.Labels)-1] != last {
				t.Errorf("keyboard %v, %q: %+v", keyboard, order, got)
			}
		}
	}
	b.Quiet()
}

// A mark of the timeline stands at its time, and says what it is when it has the focus. It opens its evidence, with the story of
// the operation.
func TestAMarkOpensItsEvidence(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Fail(), 1280, "light")
	place := evaluate[float64](b, `(() => { const li = document.querySelector(".pin.lost").parentElement; return parseFloat(li.style.left) / li.closest(".track").querySelector(".u-over").clientWidth; })()`)
	if place < 0.63 || place > 0.67 {
		t.Errorf("the mark of 26 s of 40 s stands at %g", place)
	}
	words := func() int { return evaluate[int](b, `document.querySelector(".pin.lost .text").offsetWidth`) }
	if before := words(); before > 1 {
		t.Errorf("the words of a mark are %d wide before it has the focus", before)
	}
	if err := chromedp.Do(b, chromedp.Focus(".pin.lost")); err != nil {
		t.Fatal(err)
	}
	if got := words(); got < 50 {
		t.Errorf("the words of a mark with the focus are %d wide", got)
	}
	if err := chromedp.Do(b, chromedp.KeyEvent(kb.Enter)); err != nil {
		t.Fatal(err)
	}
	evaluate[bool](b, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
	got := evaluate[string](b, `[...document.querySelectorAll("#evidence > details[open] .told[open] .step")].map((s) => s.innerText.replace(/\s+/g, " ")).join("; ")`)
	if !strings.Contains(got, "attempt 1") || !strings.Contains(got, "never seen") {
		t.Errorf("the story that a mark opens: %q", got)
	}
	b.Quiet()
}

// The picture of the system shows one window after another: its counts, and what is broken in it.
func TestThePictureFollowsTheWindow(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Fail(), 1280, "light")
	read := func() string {
		return evaluate[string](b, `[...document.querySelectorAll(".edges li")].filter((e) => e.querySelector(".by").textContent !== "").map((e) => e.textContent.trim().replace(/\s+/g, " ")).join("; ")`)
	}
	if got := read(); !strings.Contains(got, "lost-answers") || !strings.Contains(got, "slow-broker") {
		t.Errorf("the whole run: %q", got)
	}
	evaluate[bool](b, `[...document.querySelectorAll(".windows button")].find((w) => w.textContent === "lost-answers").click(), true`)
	if got := read(); !strings.Contains(got, "broken by lost-answers") || strings.Contains(got, "slow-broker") {
		t.Errorf("in lost-answers: %q", got)
	}
	if n := evaluate[int](b, `document.querySelectorAll(".system .edge.broken").length`); n != 1 {
		t.Errorf("%d edges are marked, want 1", n)
	}
	b.Quiet()
}

// The meaning of a column's name is there for the pointer, for the keyboard, and for a screen reader.
func TestTermsAreExplainedWhereTheyStand(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Fail(), 1280, "light")
	got := evaluate[string](b, `(() => {
		const button = [...document.querySelectorAll("th.term button")].find((b) => b.textContent.replaceAll("\u00ad", "") === "phantom");
		button.focus();
		const tip = document.querySelector("[role=tooltip]");
		return button.getAttribute("aria-description") + "|" + (tip.hidden ? "" : tip.textContent);
	})()`)
	if meaning := sections.Meaning("phantom"); got != meaning+"|"+meaning {
		t.Errorf("got %q", got)
	}
	b.Quiet()
}

// Text of a target or a scenario must not run, and must not make the page request anything.
func TestHostileTextIsHarmlessInABrowser(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Hostile(), 1280, "light")
	if n := len(evaluate[[]painted](b, pixels)); n != 6 {
		t.Errorf("%d charts, want 6", n)
	}
	if n := evaluate[int](b, `document.scripts.length`); n != 3 {
		t.Errorf("%d scripts in the page, want its own 3", n)
	}
	b.Quiet()
}

// The evidence is closed at first, and opens when a link from a count leads to it.
func TestACountOpensItsEvidence(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Fail(), 1280, "light")
	open := func() string {
		return evaluate[string](b, `[...document.querySelectorAll("#evidence details[open] b")].map((b) => b.textContent).join()`)
	}
	if got := open(); got != "" {
		t.Errorf("open at first: %s", got)
	}
	evaluate[bool](b, `document.querySelector('td a[href="#evidence-2"]').click(), true`)
	evaluate[bool](b, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
	if got := open(); got != "effect duplicate in orders" {
		t.Errorf("open after a click: %q", got)
	}
}
