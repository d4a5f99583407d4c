package page

import (
	"os"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/recordtest/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Shared(m).Run()) }

// painted counts the pixels of each chart that are not of its background.
const painted = `[...document.querySelectorAll("figure canvas")].map((canvas) => {
	const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
	let n = 0;
	for (let i = 3; i < data.length; i += 4) if (data[i] > 0) n++;
	return n;
})`

// In a real browser every chart has its curves, and the pointer reads values. Nothing is requested, and nothing is wider than the
// screen. axe-core finds nothing, light and dark, with hostile names too.
func TestInABrowser(t *testing.T) {
	b := browser.Open(t)
	for name, rec := range map[string]*reports.Record{"pass": recordtest.Pass(), "fail": recordtest.Fail(), "hostile": recordtest.Hostile()} {
		text := []byte(rendered(t, runs(rec, 6, "base"), runs(rec, 6, "new")))
		for _, screen := range []struct {
			width  int64
			scheme string
		}{{1280, "light"}, {2560, "dark"}, {360, "dark"}, {700, "light"}} {
			b.Show(text, screen.width, screen.scheme)
			charts := browser.Evaluate[[]int](b, painted)
			if len(charts) != 3*len(rec.Run.Streams) {
				t.Fatalf("%s: %d charts", name, len(charts))
			}
			for i, n := range charts {
				if n < 500 {
					t.Errorf("%s, %d wide: chart %d has %d pixels", name, screen.width, i, n)
				}
			}
			if got := b.Width(); got > screen.width {
				t.Errorf("%s: %d pixels on a screen of %d", name, got, screen.width)
			}
			if screen.width != 1280 && screen.width != 360 {
				continue
			}
			for _, v := range b.Audit("../../html/testdata/axe/axe.min.js") {
				t.Errorf("%s, %s, %d wide: %s (%s): %s %q", name, screen.scheme, screen.width, v.ID, v.Impact, v.Help, v.Nodes)
			}
		}
	}
	b.Show([]byte(rendered(t, runs(recordtest.Pass(), 6, "base"), runs(recordtest.Pass(), 6, "new"))), 1280, "light")
	read := browser.Evaluate[string](b, `(() => {
		const over = document.querySelector("figure .u-over"), box = over.getBoundingClientRect();
		over.dispatchEvent(new MouseEvent("mouseenter", {clientX: box.left + box.width / 2, clientY: box.top + 50}));
		over.dispatchEvent(new MouseEvent("mousemove", {clientX: box.left + box.width / 2, clientY: box.top + 50}));
		return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(document.querySelector("figcaption").textContent))));
	})()`)
	if !strings.Contains(read, "base ") || !strings.Contains(read, " ms") {
		t.Errorf("under the pointer stands %q", read)
	}
	b.Quiet()
}
