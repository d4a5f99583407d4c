package html

import (
	"bytes"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest/browser"
)

// tab is an open page of a real browser.
type tab struct{ *browser.Tab }

func openTab(t *testing.T) tab { return tab{browser.Open(t)} }

// show opens the record's report, in the given width, in light or dark.
func (b tab) show(rec *reports.Record, width int64, scheme string) {
	b.T.Helper()
	var page bytes.Buffer
	if err := Render(&page, rec); err != nil {
		b.T.Fatal(err)
	}
	b.Show(page.Bytes(), width, scheme)
	// Charts beyond the screen are drawn when there is time.
	evaluate[bool](b, `new Promise((done) => { const look = () => document.documentElement.dataset.drawn ? done(true) : setTimeout(look, 10); look(); })`)
}

// evaluate runs an expression in the page.
func evaluate[T any](b tab, expression string) T {
	b.T.Helper()
	return browser.Evaluate[T](b.Tab, expression)
}
