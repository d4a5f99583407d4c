package markdown

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/recordtest/golden"
	"wringer/reports/sections"
	"wringer/reports/sections/sectionstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGolden(t *testing.T) { golden.Compare(t, ".md", Render) }

func TestTextStaysText(t *testing.T) {
	for in, want := range map[string]string{
		"a|b":          `a\|b`,
		"**bold**":     `\*\*bold\*\*`,
		"[x](y)":       `\[x\](y)`,
		"<script>":     `\<script\>`,
		"one\ntwo\r\t": "one two  ",
		`back\slash`:   `back\\slash`,
		"a & b":        `a \& b`,
		"\x1b[31mred":  ` \[31mred`,
	} {
		if got := text(in); got != want {
			t.Errorf("text(%q) is %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"a < b":  "`a < b`",
		"a|b":    "`a\\|b`",
		"a`b":    "`` a`b ``",
		"a``b`c": "``` a``b`c ```",
		"":       "`  `",
	} {
		if got := code(in); got != want {
			t.Errorf("code(%q) is %q, want %q", in, got, want)
		}
	}
}

// Each row of a table has as many cells as its head, for any text in them.
func TestHostileTextLeavesTheTablesWhole(t *testing.T) {
	var b bytes.Buffer
	if err := Render(&b, recordtest.Hostile()); err != nil {
		t.Fatal(err)
	}
	columns := 0
	for _, line := range strings.Split(b.String(), "\n") {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(line, "|") - strings.Count(line, `\|`)
		if columns == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("%d columns in a table of %d: %s", n, columns, line)
		}
	}
}

func TestNothingMeasuredIsNotNothingFound(t *testing.T) {
	run := &reports.Run{Name: "dead", Verdict: reports.Inconclusive, Streams: map[string]*reports.Stream{"load": {}}}
	var b bytes.Buffer
	if err := Render(&b, &reports.Record{Run: run}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "No anomaly") {
		t.Error("integrity that was not measured reads as clean")
	}
	if !strings.Contains(b.String(), "integrity not measured") {
		t.Error("the summary does not say that integrity was not measured")
	}
}

func TestEverySectionIsShown(t *testing.T) {
	for name, rec := range sectionstest.Records() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Render(&b, rec); err != nil {
				t.Fatal(err)
			}
			sectionstest.Shown(t, rec, strings.ReplaceAll(b.String(), `\`, ""), sections.Usual)
		})
	}
}
