package junit

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/recordtest/golden"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGolden(t *testing.T) { golden.Compare(t, ".xml", Render) }

func rendered(t *testing.T, rec *reports.Record) suites {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, rec); err != nil {
		t.Fatal(err)
	}
	var all suites
	if err := xml.Unmarshal(b.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// A pipeline reads the colour alone: a run that does not pass may never be all green.
func TestOnlyAPassIsGreen(t *testing.T) {
	for _, v := range []reports.Verdict{reports.Fail, reports.Inconclusive} {
		rec := recordtest.Pass()
		rec.Run.Verdict, rec.Run.Why = v, []string{"for a reason of its own"}
		all := rendered(t, rec)
		if all.Failures+all.Errors == 0 {
			t.Errorf("a run that is %s is all green", v)
		}
	}
	if all := rendered(t, recordtest.Pass()); all.Failures+all.Errors != 0 {
		t.Error("a run that passes is not all green")
	}
}

func TestTheSumsAreThoseOfTheCases(t *testing.T) {
	for name, rec := range recordtest.Samples() {
		all := rendered(t, rec)
		s := all.Suites[0]
		failures, errors := 0, 0
		for _, c := range s.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errors++
			}
		}
		if len(s.Cases) != s.Tests || failures != s.Failures || errors != s.Errors || all.tally != s.tally {
			t.Errorf("%s: %+v does not sum up %d cases, %d failures, %d errors", name, s.tally, len(s.Cases), failures, errors)
		}
	}
}

func TestHostileTextStaysText(t *testing.T) {
	all := rendered(t, recordtest.Hostile())
	if name := all.Suites[0].Name; !strings.HasPrefix(name, "</script></style><script>") {
		t.Errorf("the name came back as %q", name)
	}
}

// Pipelines keep one case a name: of two equal gates neither may hide the other.
func TestEqualGatesHaveNamesOfTheirOwn(t *testing.T) {
	rec := recordtest.Pass()
	rec.Run.Gates = append(rec.Run.Gates, rec.Run.Gates[0], rec.Run.Gates[0])
	seen := make(map[string]bool)
	for _, c := range rendered(t, rec).Suites[0].Cases {
		if seen[c.Name] {
			t.Errorf("two cases are named %q", c.Name)
		}
		seen[c.Name] = true
	}
	if !seen[rec.Run.Gates[0].Expr+" (3)"] {
		t.Errorf("cases %v", seen)
	}
}
