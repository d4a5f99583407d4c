package index

import (
	"fmt"
	"os"
	"testing"
	"time"

	"bytes"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/recordtest/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Shared(m).Run()) }

// In a real browser the index of a thousand runs is no wider than the screen, asks for nothing, and axe-core finds nothing.
func TestInABrowser(t *testing.T) {
	samples := []*reports.Record{recordtest.Pass(), recordtest.Fail(), recordtest.Inconclusive(), recordtest.Hostile()}
	var entries []Entry
	for i := range 60 {
		run := samples[i%len(samples)].Run
		entries = append(entries, Entry{Dir: fmt.Sprintf("run-%d", i), Report: true, Run: Run{Name: run.Name, Started: time.Unix(int64(i), 0), Verdict: run.Verdict, Why: run.Why, Gates: run.Gates}})
	}
	entries = append(entries, Entry{Dir: "broken", Broken: "it cannot be read"})
	var page bytes.Buffer
	if err := Render(&page, "runs", entries, 0); err != nil {
		t.Fatal(err)
	}
	b := browser.Open(t)
	for width, scheme := range map[int64]string{1280: "light", 360: "dark", 2560: "dark"} {
		b.Show(page.Bytes(), width, scheme)
		if got := b.Width(); got > width {
			t.Errorf("%d pixels on a screen of %d", got, width)
		}
		if width != 2560 {
			for _, v := range b.Audit("../html/testdata/axe/axe.min.js") {
				t.Errorf("%s, %d wide: %s (%s): %s %q", scheme, width, v.ID, v.Impact, v.Help, v.Nodes)
			}
		}
	}
	b.Quiet()
}
