package text

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/recordtest/golden"
	"wringer/reports/sections"
	"wringer/reports/sections/sectionstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGolden(t *testing.T) {
	golden.Compare(t, ".txt", func(w io.Writer, rec *reports.Record) error { return Render(w, rec, Options{}) })
}

func TestGoldenLoad(t *testing.T) {
	golden.Compare(t, ".load.txt", func(w io.Writer, rec *reports.Record) error { return RenderLoad(w, rec, Options{}) })
}

func rendered(t *testing.T, rec *reports.Record, opt Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, rec, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func everyRecord() map[string]*reports.Record {
	all := sectionstest.Records()
	all["hostile"] = recordtest.Hostile()
	all["empty"] = &reports.Record{Run: &reports.Run{Name: "empty", Verdict: reports.Inconclusive}}
	return all
}

func TestNoLineExceedsTheWidth(t *testing.T) {
	for name, rec := range everyRecord() {
		for _, width := range []int{80, 100, 132} {
			var load bytes.Buffer
			if err := RenderLoad(&load, rec, Options{Width: width}); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(rendered(t, rec, Options{Width: width})+load.String(), "\n") {
				if n := utf8.RuneCountInString(line); n > width {
					t.Errorf("%s: %d columns of %d: %s", name, n, width, line)
				}
			}
		}
	}
}

var ansi = regexp.MustCompile("\x1b\\[[0-9]*m")

func TestColoursChangeNothingElse(t *testing.T) {
	for name, rec := range everyRecord() {
		plain := rendered(t, rec, Options{})
		if strings.ContainsRune(plain, '\x1b') {
			t.Errorf("%s: an escape without colours", name)
		}
		if colored := rendered(t, rec, Options{Color: true}); ansi.ReplaceAllString(colored, "") != plain || colored == plain {
			t.Errorf("%s: colours changed the text", name)
		}
	}
}

// A target's answer must not control the terminal.
func TestNothingCommandsTheTerminal(t *testing.T) {
	rec := recordtest.Hostile()
	rec.Run.Why = []string{"\x1b]0;owned\a \u202e turned \u009b31m"}
	for _, r := range rendered(t, rec, Options{}) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%U came through", r)
		}
	}
}

func TestWhatWasNotMeasuredIsNoNumber(t *testing.T) {
	out := rendered(t, recordtest.Inconclusive(), Options{})
	var totals []string
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "  total") {
			totals = append(totals, line)
		}
	}
	if len(totals) != 3 {
		t.Fatalf("%d totals of 3 streams", len(totals))
	}
	if f := strings.Fields(totals[0]); f[len(f)-3] != "?" {
		t.Errorf("lost is not known, the line says %q", totals[0])
	}
	if !strings.Contains(out, "37 acked operations unseen") {
		t.Error("the operations that were not seen are not told")
	}
}

func TestEverySectionIsShown(t *testing.T) {
	for name, rec := range sectionstest.Records() {
		t.Run(name, func(t *testing.T) { sectionstest.Shown(t, rec, rendered(t, rec, Options{}), sections.Vital) })
	}
}

// A table without room for all of its columns continues in a second one.
func TestAWideTableBreaks(t *testing.T) {
	p := sections.Section{Head: []sections.Column{{Name: "window"}}, Rows: []sections.Row{{Label: "a window with a long name"}}}
	for i := range 12 {
		p.Head = append(p.Head, sections.Column{Name: strings.Repeat("n", 9), Kind: sections.Count})
		p.Rows[0].Cells = append(p.Rows[0].Cells, sections.Cell{Text: strings.Repeat(string(rune('a'+i)), 9)})
	}
	s := newSheet(Options{Width: 60})
	s.table(p)
	lines := strings.Split(strings.TrimSpace(s.String()), "\n")
	if len(lines) != 6 {
		t.Errorf("%d lines", len(lines))
	}
	for i := range 12 {
		if !strings.Contains(s.String(), strings.Repeat(string(rune('a'+i)), 9)) {
			t.Errorf("cell %d is lost in\n%s", i, s.String())
		}
	}
}

// A violation stands beside whatever made the run itself inconclusive, and the first lines say both.
func TestAFailureOfAnInconclusiveRun(t *testing.T) {
	rec := recordtest.Fail()
	rec.Run.Validity.Verdict, rec.Run.Validity.Why = reports.Inconclusive, []string{"the load generator was saturated in 9 seconds of stream orders"}
	head, _, _ := strings.Cut(rendered(t, rec, Options{Width: 132}), "Gates")
	if !strings.Contains(head, "the run itself is inconclusive: the load generator was saturated in 9 seconds") {
		t.Errorf("the first lines hide it:\n%s", head)
	}
	rec.Run.Verdict = reports.Inconclusive
	if head, _, _ := strings.Cut(rendered(t, rec, Options{Width: 132}), "Gates"); strings.Contains(head, "the run itself") {
		t.Errorf("the verdict says it already:\n%s", head)
	}
}

// What a gate that held leaves out is told beside it: the window's figure is another one.
func TestAGateThatHeldTellsWhatItLeftOut(t *testing.T) {
	rec := recordtest.Pass()
	rec.Run.Gates[1].Why = "held after lost-answers; 6 operations overtaken by cut left out"
	if out := rendered(t, rec, Options{}); !strings.Contains(out, "\n    6 operations overtaken by cut left out\n") {
		t.Error(out)
	}
}
