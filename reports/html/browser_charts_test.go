package html

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"wringer/reports/recordtest"
)

// pixels counts, for every chart, the pixels in the colour of its first line and those in the colour of the fault windows'
// bars.
const pixels = `[...document.querySelectorAll(".chart[data-kind=times], .chart[data-kind=rates]")].map((figure) => {
	const canvas = figure.querySelector("canvas");
	const copy = Object.assign(document.createElement("canvas"), {width: canvas.width, height: canvas.height});
	const ctx = copy.getContext("2d", {willReadFrequently: true});
	ctx.drawImage(canvas, 0, 0);
	const rgb = (name) => {
		ctx.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
		return [1, 3, 5].map((at) => parseInt(ctx.fillStyle.slice(at, at + 2), 16));
	};
	const data = ctx.getImageData(0, 0, canvas.width, canvas.height).data;
	const count = ([r, g, b]) => {
		let n = 0;
		for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) n++;
		return n;
	};
	return {line: count(rgb(figure.dataset.kind === "times" ? "p50" : "acked")), fault: count(rgb("fault")), phase: count(rgb("phase")), none: count(rgb("errors"))};
})`

type painted struct{ Line, Fault, Phase, None int }

func TestChartsAreDrawn(t *testing.T) {
	b := openTab(t)
	for name, rec := range recordtest.Samples() {
		b.show(rec, 1280, "light")
		charts := evaluate[[]painted](b, pixels)
		if want := 2 * len(rec.Run.Streams); len(charts) != want {
			t.Fatalf("%s: %d charts, want %d", name, len(charts), want)
		}
		for i, c := range charts {
			if c.Line < 200 || c.Fault < 200 {
				t.Errorf("%s: chart %d has %d pixels of its line and %d of faults", name, i, c.Line, c.Fault)
			}
			if phased := c.Phase > 100; phased != (name == "phased") {
				t.Errorf("%s: chart %d has %d pixels of phases", name, i, c.Phase)
			}
		}
		// Among the sample streams, orders alone has seconds whose percentiles were not answered. It comes first.
		if marked := charts[0].None > 100; marked != (name == "fail" || name == "inconclusive") {
			t.Errorf("%s: no answer is marked by %d pixels", name, charts[0].None)
		}
	}
	b.Quiet()
}

func TestValuesAreReadWithTheKeyboard(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Fail(), 1280, "light")
	if err := chromedp.Do(b, chromedp.Focus(".chart .plot")); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		return evaluate[string](b, `[...document.querySelectorAll(".chart")].slice(0, 2).map((f) => f.querySelector(".at").textContent + ": " +
			[...f.querySelectorAll("button b")].map((v) => v.textContent).join(", ")).join("; ")`)
	}
	press := func(key string, times int) {
		for range times {
			if err := chromedp.Do(b, chromedp.KeyEvent(key)); err != nil {
				t.Fatal(err)
			}
		}
	}
	press(kb.ArrowRight, 27)
	if got, want := read(), "at 26 s, during lost-answers: no answer, no answer, 1.49 s, 132 ms; at 26 s, during lost-answers: 400/s, 188/s, 212/s, 640/s"; got != want {
		t.Errorf("read %q, want %q", got, want)
	}
	press(kb.ArrowLeft, 30)
	if got := read(); !strings.HasPrefix(got, "at 0 s: ") || !strings.Contains(got, "; at 0 s: 400/s") {
		t.Errorf("at the left end: %q", got)
	}
	b.Quiet()
}

func TestLinesAreHiddenAndShownByTheirButtons(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Pass(), 1280, "dark")
	press := func() int {
		if err := chromedp.Do(b, chromedp.Focus(".legend button"), chromedp.KeyEvent(kb.Enter)); err != nil {
			t.Fatal(err)
		}
		// A chart paints in a microtask: it is complete one frame later.
		evaluate[bool](b, `new Promise((done) => requestAnimationFrame(() => done(true)))`)
		return evaluate[[]painted](b, pixels)[0].Line
	}
	if n := press(); n != 0 {
		t.Errorf("a hidden line has %d pixels", n)
	}
	if n := press(); n < 200 {
		t.Errorf("a line that is shown again has %d pixels", n)
	}
	b.Quiet()
}

// The rows of the timeline have areas in the colour of what was acked, and the head the bars of faults.
func TestTheTimelineIsDrawn(t *testing.T) {
	b := openTab(t)
	rec := recordtest.Fail()
	b.show(rec, 1280, "light")
	rows := evaluate[[]painted](b, strings.NewReplacer(`".chart[data-kind=times], .chart[data-kind=rates]"`, `".lane"`, `figure.dataset.kind === "times" ? "p50" : "acked"`, `"acked-area"`).Replace(pixels))
	streams := len(rec.Run.Streams)
	if len(rows) != 1+streams+1 || rows[0].Fault < 200 { // the head, the streams, and the part that a fault broke
		t.Fatalf("rows %+v", rows)
	}
	for i, r := range rows[1 : 1+streams] {
		if r.Line < 2000 {
			t.Errorf("row %d has %d pixels of its area", i, r.Line)
		}
	}
	b.Quiet()
}

// A zoom into one chart is a zoom into all, and so is the one of a key or a button.
func TestChartsZoomTogether(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Fail(), 1280, "light")
	ticks := func() []string {
		evaluate[bool](b, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
		return evaluate[[]string](b, `[...new Set(uPlot.sync("run").plots.map((u) => u.scales.x.min.toFixed(1) + " to " + u.scales.x.max.toFixed(1)))]`)
	}
	if got := ticks(); !slices.Equal(got, []string{"0.0 to 40.0"}) {
		t.Fatalf("at first %q", got)
	}
	drag := `(() => {
		const over = document.querySelectorAll(".chart .u-over")[1], box = over.getBoundingClientRect();
		over.scrollIntoView({ block: "center" });
		const at = over.getBoundingClientRect();
		const send = (type, part) => (type === "mouseup" || type === "mousemove" ? document : over).dispatchEvent(new MouseEvent(type, { bubbles: true, button: 0, clientX: at.left + at.width * part, clientY: at.top + 20, movementX: 5 }));
		over.dispatchEvent(new MouseEvent("mouseenter", { clientX: at.left + at.width / 4, clientY: at.top + 20 }));
		over.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX: at.left + at.width / 4, clientY: at.top + 20, movementX: 5 }));
		send("mousedown", 0.25);
		over.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, button: 0, clientX: at.left + at.width / 2, clientY: at.top + 20, movementX: 5 }));
		send("mouseup", 0.5);
		return true;
	})()`
	evaluate[bool](b, drag)
	if got := ticks(); len(got) != 1 || !strings.HasPrefix(got[0], "10.") && !strings.HasPrefix(got[0], "9.") {
		t.Errorf("after a drag over the second quarter: %q", got)
	}
	evaluate[bool](b, `document.querySelector("[data-zoom=all]").click(), true`)
	if got := ticks(); !slices.Equal(got, []string{"0.0 to 40.0"}) {
		t.Errorf("after the whole run was chosen: %q", got)
	}
	if err := chromedp.Do(b, chromedp.Focus(".chart .plot"), chromedp.KeyEvent("+")); err != nil {
		t.Fatal(err)
	}
	if got := ticks(); !slices.Equal(got, []string{"10.0 to 30.0"}) {
		t.Errorf("after the key +: %q", got)
	}
	b.Quiet()
}
