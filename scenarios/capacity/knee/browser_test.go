package knee

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"wringer/reports/recordtest/browser"
	"wringer/scenarios/capacity"
)

func TestMain(m *testing.M) { os.Exit(browser.Shared(m).Run()) }

func rendered(t *testing.T, a *capacity.Answer) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, a); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The axis of loads has labels enough to read a point by, and none that run into each other, whether loads are far apart or close.
func TestLabelsOfLoads(t *testing.T) {
	b := browser.Open(t)
	for name, c := range map[string]struct{ low, high float64 }{
		"close": {190, 207}, "far": {10, 320}, "farther": {1, 100000}, "a tenth": {0.1, 2}, "one": {50, 50},
	} {
		a := sample()
		a.Trials, a.USL = a.Trials[:2], nil
		a.Trials[0].At, a.Trials[1].At = c.low, c.high
		a.Lower, a.Upper = &capacity.Bound{At: c.low}, &capacity.Bound{At: c.high}
		page := rendered(t, a)
		for _, width := range []int64{360, 1300} {
			b.Show(page, width, "light")
			labels := strings.Fields(browser.Evaluate[string](b, `document.querySelector(".plot").dataset.loads`))
			seen := make(map[string]bool)
			for _, l := range labels {
				if seen[l] {
					t.Errorf("%s, %d wide: two labels say %s: %s", name, width, l, labels)
				}
				seen[l] = true
			}
			room := browser.Evaluate[float64](b, `document.querySelector(".plot").clientWidth`)
			if len(labels) < 2 || float64(len(labels))*40 > room {
				t.Errorf("%s, %d wide: %d labels in %v pixels: %s", name, width, len(labels), room, labels)
			}
		}
	}
	b.Quiet()
}

// Charts follow the window, to narrow ones, too: no chart is wider than its place.
func TestChartsFollowTheWindow(t *testing.T) {
	b := browser.Open(t)
	b.Show(rendered(t, sample()), 1300, "dark")
	for _, width := range []int64{1300, 360, 768, 360} {
		if err := chromedp.Do(b, chromedp.EmulateViewport(width, 900)); err != nil {
			t.Fatal(err)
		}
		if got := browser.Evaluate[int64](b, `new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(document.documentElement.scrollWidth), 20)))`); got > width {
			t.Errorf("%d pixels in a window of %d", got, width)
		}
		for _, e := range browser.Evaluate[[]string](b, `[...document.querySelectorAll("canvas")].filter((c) => c.clientWidth > c.closest("section").clientWidth).map((c) => c.clientWidth + " in " + c.closest("section").clientWidth)`) {
			t.Errorf("%d wide: a chart of %s", width, e)
		}
	}
	b.Quiet()
}
