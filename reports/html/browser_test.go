package html

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"wringer/drivers/drivertest/tier"
	"wringer/reports"
	"wringer/reports/recordtest"
)

// browserLimit bounds a test that the browser does not end.
const browserLimit = 5 * time.Minute

// tab is an open page of a real browser, with the events that it reported.
type tab struct {
	context.Context
	t *testing.T

	mu       sync.Mutex
	errors   []string
	requests []string
}

// openTab opens a page of the browser that all tests share. Without a browser the test is skipped, or fails when CI is set.
func openTab(t *testing.T) *tab {
	t.Helper()
	tier.Slow(t, "opens the report in a browser")
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" && os.Getenv("CI") != "" {
		t.Fatal("no chromium in PATH: the report's charts and accessibility cannot be tested")
	}
	if path == "" {
		t.Skip("no chromium in PATH: the report's charts and accessibility are not tested; install chromium")
	}
	shared, err := browser.start(path)
	if err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	// A tab has a context of its own: no page sees the state of another one.
	ctx, leave := chromedp.NewContext(shared, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	b := &tab{Context: ctx, t: t}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// browser is started by the first test that needs a browser, and ended by TestMain.
var browser chromium

type chromium struct {
	ctx  context.Context
	ends []func()
}

func (c *chromium) start(path string) (context.Context, error) {
	if c.ctx != nil {
		return c.ctx, nil
	}
	limit, done := context.WithTimeout(context.Background(), browserLimit)
	alloc, stop := chromedp.NewExecAllocator(limit, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)...)
	ctx, leave := chromedp.NewContext(alloc)
	c.ends = []func(){leave, stop, done}
	if err := chromedp.Do(ctx); err != nil {
		return nil, err
	}
	c.ctx = ctx
	return ctx, nil
}

func (c *chromium) end() {
	for _, end := range c.ends {
		end()
	}
}

// hear keeps forbidden events: errors of the console, and requests beyond the page itself.
func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, fmt.Sprintf("exception: %+v", ev.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.errors = append(b.errors, fmt.Sprintf("console: %s", ev.Type))
	case *log.EventEntryAdded:
		b.errors = append(b.errors, fmt.Sprintf("%s: %s", ev.Entry.Level, ev.Entry.Text))
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, ev.Request.URL)
	}
}

// show opens the record's report, in the given width, in light or dark.
func (b *tab) show(rec *reports.Record, width int64, scheme string) {
	b.t.Helper()
	var page bytes.Buffer
	if err := Render(&page, rec); err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.t.TempDir(), "report.html")
	if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(b, emulation.SetEmulatedMedia, media); err != nil {
		b.t.Fatal(err)
	}
	address := (&url.URL{Scheme: "file", Path: path}).String()
	if err := chromedp.Do(b, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address)); err != nil {
		b.t.Fatal(err)
	}
}

// quiet fails the test unless the browser requested the page alone and reported no error.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.errors {
		b.t.Errorf("the browser complains: %s", e)
	}
	pages := 0
	for _, r := range b.requests {
		if strings.HasPrefix(r, "file:") && strings.HasSuffix(r, "/report.html") {
			pages++
		} else {
			b.t.Errorf("the page asks for %s", r)
		}
	}
	if pages == 0 {
		b.t.Error("not even the page's own request was seen: requests were not watched")
	}
}

// evaluate runs an expression in the page.
func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// pixels counts, for every chart, the pixels in the colour of its first line and those in the colour of the fault windows'
// bars.
const pixels = `[...document.querySelectorAll(".chart")].map((figure) => {
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
	b.quiet()
}

func TestValuesAreReadWithTheKeyboard(t *testing.T) {
	b := openTab(t)
	b.show(recordtest.Fail(), 1280, "light")
	if err := chromedp.Do(b, chromedp.Focus(".plot")); err != nil {
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
	b.quiet()
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
	b.quiet()
}

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
	b.quiet()
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
	b.quiet()
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

func TestThePageIsNoWiderThanTheScreen(t *testing.T) {
	b := openTab(t)
	records := map[string]*reports.Record{"fail": recordtest.Fail(), "probed": recordtest.Probed(), "consuming": recordtest.Consuming(), "parts": recordtest.Parts()}
	records["hostile"] = recordtest.Hostile()
	for name, rec := range records {
		for _, width := range []int64{1280, 390} {
			b.show(rec, width, "light")
			if got := evaluate[int64](b, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("%s: %d pixels on a screen of %d", name, got, width)
			}
		}
	}
	b.quiet()
}

// complaint is a defect that axe-core finds in a page.
type complaint struct {
	ID, Impact, Help string
	Nodes            []string
}

// audit runs axe-core over the page, with everything open.
func (b *tab) audit(rules string) []complaint {
	b.t.Helper()
	evaluate[bool](b, `document.querySelectorAll("details").forEach((d) => { d.open = true; }), true`)
	evaluate[bool](b, rules+";true")
	return evaluate[[]complaint](b, `axe.run({resultTypes: ["violations"]}).then((r) => r.violations.map((v) => (
		{id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))})))`)
}

func TestThePageIsAccessible(t *testing.T) {
	rules, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
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
		{"inconclusive", recordtest.Inconclusive(), 390, "dark"},
		{"fail, and streams that consume", recordtest.Consuming(), 390, "light"},
	} {
		b.show(c.rec, c.width, c.scheme)
		for _, v := range b.audit(string(rules)) {
			t.Errorf("%s, %s, %d wide: %s (%s): %s %q", c.name, c.scheme, c.width, v.ID, v.Impact, v.Help, v.Nodes)
		}
	}
	// The audit itself must be able to fail.
	evaluate[bool](b, `document.querySelector("main").append(document.createElement("button")), true`)
	if len(b.audit(string(rules))) == 0 {
		t.Error("a button without a name was not found: nothing was audited")
	}
	b.quiet()
}
