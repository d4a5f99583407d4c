package html

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	dom "golang.org/x/net/html"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/recordtest/browser"
	"wringer/reports/recordtest/golden"
	"wringer/reports/sections"
	"wringer/reports/sections/sectionstest"
)

func TestMain(m *testing.M) {
	code := browser.Shared(m).Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
		code = 1
	}
	os.Exit(code)
}

// parse renders the record and reads the page as a browser does.
func parse(t *testing.T, rec *reports.Record) *dom.Node {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, rec); err != nil {
		t.Fatal(err)
	}
	root, err := dom.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// elements calls visit for every element, in the order of the page.
func elements(n *dom.Node, visit func(*dom.Node)) {
	if n.Type == dom.ElementNode {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		elements(c, visit)
	}
}

func attribute(n *dom.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func content(n *dom.Node) string {
	if n.Type == dom.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(content(c))
		if c.Type == dom.ElementNode {
			b.WriteString(" ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// outline lists the page's sections, headings, tables and rows: its structure without its styles.
func outline(w io.Writer, rec *reports.Record) error {
	var b bytes.Buffer
	if err := Render(&b, rec); err != nil {
		return err
	}
	root, err := dom.Parse(&b)
	if err != nil {
		return err
	}
	elements(root, func(n *dom.Node) {
		switch n.Data {
		case "title", "h1", "h2", "caption", "summary", "figcaption", "li", "dt", "dd", "p":
			fmt.Fprintf(w, "%s: %s\n", n.Data, content(n))
		case "section":
			fmt.Fprintf(w, "\nsection %s\n", attribute(n, "id"))
		case "tr":
			var cells []string
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				if c.Type == dom.ElementNode {
					cells = append(cells, content(c))
				}
			}
			fmt.Fprintf(w, "  %s\n", strings.Join(cells, " | "))
		}
	})
	return nil
}

func TestGoldenOutline(t *testing.T) { golden.Compare(t, ".outline", outline) }

func TestTheSameRecordGivesTheSameBytes(t *testing.T) {
	for name, rec := range recordtest.Samples() {
		var first, second bytes.Buffer
		if err := Render(&first, rec); err != nil {
			t.Fatal(err)
		}
		if err := Render(&second, rec); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: the same record gave other bytes", name)
		}
	}
}

// Every text of a hostile record stays text: the page has the elements of an honest one, and its data reads back whole.
func TestHostileTextStaysText(t *testing.T) {
	allowed := make(map[string]bool)
	elements(parse(t, recordtest.Fail()), func(n *dom.Node) { allowed[n.Data] = true })
	scripts := 0
	var data charts
	hostile := recordtest.Hostile()
	elements(parse(t, hostile), func(n *dom.Node) {
		if !allowed[n.Data] {
			t.Errorf("an element that no honest page has: %s", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("attribute %s=%q of %s", a.Key, a.Val, n.Data)
			}
		}
		if n.Data != "script" {
			return
		}
		scripts++
		if attribute(n, "id") == "data" {
			if err := json.Unmarshal([]byte(n.FirstChild.Data), &data); err != nil {
				t.Errorf("the charts' data does not read back: %v", err)
			}
		}
	})
	if scripts != 3 {
		t.Errorf("%d scripts, want 3", scripts)
	}
	if len(data.Faults) != 3 || data.Faults[0].Name != hostile.Run.Faults[0].Name {
		t.Error("the faults' names changed on their way into the charts")
	}
}

func TestThePolicyLetsNothingIn(t *testing.T) {
	found := ""
	elements(parse(t, recordtest.Pass()), func(n *dom.Node) {
		if attribute(n, "http-equiv") == "Content-Security-Policy" {
			found = attribute(n, "content")
		}
	})
	if !strings.HasPrefix(found, "default-src 'none';") || strings.Contains(found, "unsafe") || strings.Contains(found, "http") {
		t.Errorf("the policy is %q", found)
	}
}

func TestAnEmptyRecordRenders(t *testing.T) {
	root := parse(t, &reports.Record{Run: &reports.Run{Name: "dead", Verdict: reports.Inconclusive}})
	if text := content(root); !strings.Contains(text, "The scenario has no gates.") || !strings.Contains(text, "the record gives no reason") {
		t.Error("the page does not say that there is nothing")
	}
}

func TestEvidenceTellsHowMuchOfItIsShown(t *testing.T) {
	var shown []string
	for _, e := range newEvidence(recordtest.Fail()) {
		shown = append(shown, fmt.Sprintf("%s: %s; %d", e.Title, e.Numbers, len(e.Table.Rows)))
	}
	want := []string{
		"lost in orders: 12 counted, 1 kept as evidence, all shown; 1",
		"order violation in orders: 3 counted, 1 kept as evidence, all shown; 1",
		"effect duplicate in orders: 212 counted, 60 kept as evidence, the first 50 shown; 50",
	}
	if strings.Join(shown, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", shown)
	}
}

// Every link of the page leads to an element of the page: from a count to its evidence, and from the navigation to the
// sections.
func TestLinksLeadSomewhere(t *testing.T) {
	ids, links := make(map[string]bool), 0
	root := parse(t, recordtest.Fail())
	elements(root, func(n *dom.Node) { ids["#"+attribute(n, "id")] = true })
	elements(root, func(n *dom.Node) {
		if href := attribute(n, "href"); href != "" {
			if links++; !ids[href] {
				t.Errorf("%s leads nowhere", href)
			}
		}
	})
	if !ids["#evidence-2"] || links < 16 {
		t.Errorf("%d links, evidence %v", links, ids["#evidence-2"])
	}
}

func TestEverySectionIsShown(t *testing.T) {
	for name, rec := range sectionstest.Records() {
		t.Run(name, func(t *testing.T) {
			text := content(parse(t, rec))
			sectionstest.Shown(t, rec, strings.ReplaceAll(text, "\u00ad", ""), sections.Full)
		})
	}
}

func TestChartsOfARunThatEndedWithinASecond(t *testing.T) {
	run := &reports.Run{DurationNS: 1_500_000_000}
	rows := []reports.Second{
		{StartNS: 0, Counts: reports.Counts{Offered: 100, Acked: 90, Rejected: 10}},
		{StartNS: 1_000_000_000, Counts: reports.Counts{Offered: 50}},
	}
	s := newChartStream(run, "x", &reports.Stream{Seconds: rows})
	if *s.Offered[1] != 100 {
		t.Errorf("half a second with 50 operations is %v a second, want 100", *s.Offered[1])
	}
	if *s.Errors[0] != 10 || s.Hung[0] != 2 || s.P50[0] != nil || len(s.Effect) > 0 {
		t.Errorf("got %+v", s)
	}
}

// Busy seconds are marked in the charts of a stream that had some, and their key stands below those charts alone.
func TestBusySecondsAreMarked(t *testing.T) {
	for _, busy := range []bool{true, false} {
		rec := recordtest.Fail()
		for _, stream := range rec.Run.Streams {
			for i := range stream.Seconds {
				stream.Seconds[i].Busy = busy && i == 3
			}
		}
		marked := 0
		for _, s := range newCharts(rec.Run).Streams {
			for _, bit := range s.Busy {
				marked += bit
			}
		}
		keys := 0
		elements(parse(t, rec), func(n *dom.Node) {
			if attribute(n, "class") == "swatch busy" {
				keys++
			}
		})
		if streams := len(rec.Run.Streams); busy && (marked != streams || keys == 0) || !busy && marked+keys > 0 {
			t.Errorf("busy %t: %d seconds of %d streams marked, %d keys", busy, marked, streams, keys)
		}
	}
}

// What the target says of itself has a row in the timeline, a chart and a row in the table. Its failed readings are counted.
func TestObservedSeries(t *testing.T) {
	rec := recordtest.Observed()
	v := newView(rec)
	var rows []string
	for _, r := range v.Timeline.Rows {
		if r.Kind == "series" {
			rows = append(rows, r.Name)
		}
	}
	want := []string{"db.pool_waiting", "jvm.errors_total", "jvm.heap"}
	if !slices.Equal(rows, want) || len(v.Chart.Observed) != 3 || len(v.Observed.Rows) != 3 {
		t.Fatalf("rows %q, %d charts", rows, len(v.Chart.Observed))
	}
	errors := v.Chart.Observed[1]
	if errors.Unit != "rate" || errors.Note != "2 readings missing" || errors.Lines[0].Values[20] != nil || *errors.Lines[0].Values[19] != 19 {
		t.Errorf("%+v", errors)
	}
	for _, card := range v.Cards {
		if strings.HasPrefix(card.Label, "observe(") && card.Spark == nil {
			t.Errorf("%s has no curve", card.Label)
		}
	}
}

// Beside many series those of gates come first, and the page says how many have no chart.
func TestManyObservedSeries(t *testing.T) {
	rec := recordtest.Observed()
	for i := range mostObserved {
		rec.Run.Observed["db"].Series[fmt.Sprintf("a%02d", i)] = &reports.ObservedSeries{Samples: []reports.Sample{}}
	}
	v := newView(rec)
	if len(v.Chart.Observed) != mostObserved || v.Chart.Observed[2].Title != "jvm.heap" || !slices.Contains(v.Observed.Notes, "3 further series have no chart; the table has them") {
		t.Errorf("%d charts, the third of %s, notes %q", len(v.Chart.Observed), v.Chart.Observed[2].Title, v.Observed.Notes)
	}
	if !strings.Contains(v.Timeline.Note, "35 further series") {
		t.Errorf("the timeline notes %q", v.Timeline.Note)
	}
}
