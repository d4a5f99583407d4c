package annotations

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

func rendered(t *testing.T, rec *reports.Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, rec); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A violated gate is an error at its line of the scenario, an inconclusive one a warning, and a pass nothing.
func TestAnnotations(t *testing.T) {
	if text := rendered(t, recordtest.Pass()); text != "" {
		t.Errorf("a pass: %s", text)
	}
	rec := recordtest.Fail()
	rec.Run.File = "scenarios/a,b.yaml"
	text := rendered(t, rec)
	for _, want := range []string{
		"::error file=scenarios/a%2Cb.yaml,line=26,title=checkout%3A orders.effect_duplicates == 0::violated: observed 212, limit 0\n",
		"::warning file=scenarios/a%2Cb.yaml,title=checkout%3A stock.lost == 0::not known: observed not known, limit 0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	open := recordtest.Pass()
	open.Run.Verdict, open.Run.Why = reports.Inconclusive, []string{"50% of a\nsecond line"}
	if text := rendered(t, open); text != "::warning title=checkout::50%25 of a%0Asecond line\n" {
		t.Errorf("a reason of its own: %q", text)
	}
}

// Of very many only as many are written as a page shows.
func TestAnnotationsAreBounded(t *testing.T) {
	rec := recordtest.Pass()
	for i := range 40 {
		rec.Run.Gates = append(rec.Run.Gates, reports.Gate{Expr: fmt.Sprint("gate", i), Verdict: reports.Fail, Why: "violated"})
	}
	text := rendered(t, rec)
	if strings.Count(text, "\n") != most || !strings.Contains(text, "and 31 more") {
		t.Error(text)
	}
}

// No text of a target makes a command of its own.
func TestHostileAnnotations(t *testing.T) {
	rec := recordtest.Hostile()
	rec.Run.Gates[2].Why = "x\n::set-output name=a::b\r\n::error::c\x1b[31m"
	for _, line := range strings.Split(strings.TrimSuffix(rendered(t, rec), "\n"), "\n") {
		if !strings.HasPrefix(line, "::error ") && !strings.HasPrefix(line, "::warning ") || strings.ContainsAny(line, "\x1b\r\x00") {
			t.Errorf("%q", line)
		}
	}
}
