package html

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// The pieces of an edition are the page: each stands in it, and together they hold every section.
func TestPiecesAreThePage(t *testing.T) {
	for name, rec := range recordtest.Samples() {
		e, err := NewEdition(rec)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := e.Page(&b, "7-1"); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if n := strings.Count(page, "<section "); n != len(e.Pieces)-2 || !strings.Contains(page, `content="7-1"`) || !strings.Contains(page, "connect-src &#39;self&#39;") {
			t.Errorf("%s: %d sections in the page, %d pieces", name, n, len(e.Pieces))
		}
		for _, p := range e.Pieces {
			if !strings.Contains(page, p.HTML) {
				t.Errorf("%s: the page has no piece %s", name, p.ID)
			}
		}
	}
}

// The report of a run that did not end has no faults yet, and shows their windows.
func TestFaultsOfARunThatGoesOn(t *testing.T) {
	rec := recordtest.Fail()
	run := *rec.Run
	run.Complete, run.Faults = false, []reports.Fault{}
	var got []string
	for _, f := range newCharts(&run).Faults {
		got = append(got, fmt.Sprintf("%s %g-%g", f.Name, f.Start, f.End))
	}
	if want := "slow-broker 10-12, fulfilment-paused 12-15, slow-broker 15-18, lost-answers 25-29"; strings.Join(got, ", ") != want {
		t.Errorf("faults %q, want %s", got, want)
	}
}

// While a run goes on, the gates that are open stand apart from those that are violated so far.
func TestOpenGatesOfARunThatGoesOn(t *testing.T) {
	run := *recordtest.Fail().Run
	cards, held, open := gates(&run, nil)
	if len(open.Rows) != 0 || len(cards)+len(held.Rows) != len(run.Gates) {
		t.Errorf("of a run that is over: %d cards, %d held, %d open", len(cards), len(held.Rows), len(open.Rows))
	}
	run.Verdict = Running
	violated, _, open := gates(&run, nil)
	if len(open.Rows) != 1 || len(violated) != len(cards)-1 || !strings.Contains(tally(&run), "1 open") {
		t.Errorf("of one that goes on: %d cards, %d open, %s", len(violated), len(open.Rows), tally(&run))
	}
}
