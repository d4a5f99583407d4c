package envelope

import (
	"bytes"
	"os"
	"testing"

	"wringer/reports/recordtest/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Shared(m).Run()) }

// On a narrow screen the page stays as wide as that. Its tables and its map scroll by themselves: no word is broken into letters.
func TestNarrowScreen(t *testing.T) {
	var page bytes.Buffer
	if err := Render(&page, sample()); err != nil {
		t.Fatal(err)
	}
	b := browser.Open(t)
	for _, width := range []int64{360, 1300} {
		b.Show(page.Bytes(), width, "dark")
		if got := browser.Evaluate[int64](b, `document.documentElement.scrollWidth`); got > width {
			t.Errorf("%d pixels on a screen of %d", got, width)
		}
		broken := `[...document.querySelectorAll("thead th")].filter((e) => e.clientHeight > 3 * parseFloat(getComputedStyle(e).lineHeight)).map((e) => e.textContent)`
		for _, e := range browser.Evaluate[[]string](b, broken) {
			t.Errorf("%d wide: %q is broken", width, e)
		}
	}
	b.Quiet()
}
