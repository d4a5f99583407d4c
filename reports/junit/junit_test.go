package junit

import (
	"bytes"
	"encoding/xml"
	"slices"
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

// A part that ended fails a suite only where it failed the run.
func TestAPartThatEndedDecidesNothingInAnOpenRun(t *testing.T) {
	for verdict, failures := range map[reports.Verdict]string{reports.Fail: `failures="1"`, reports.Inconclusive: `failures="0"`} {
		var b strings.Builder
		err := Render(&b, &reports.Record{Run: &reports.Run{Verdict: verdict, Validity: reports.Validity{Verdict: reports.Valid}, Findings: []reports.Finding{{Kind: reports.PartEnded, Text: "stock ended"}}}})
		if err != nil || !strings.Contains(b.String(), failures) {
			t.Errorf("%s: %v\n%s", verdict, err, b.String())
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

// A gate that failed carries its evidence, and each gate its facts. What a page shows beside the cases is bounded and holds no control
// characters, whatever the target said.
func TestDetails(t *testing.T) {
	rec := recordtest.Fail()
	s := rendered(t, rec).Suites[0]
	i := slices.IndexFunc(s.Cases, func(c testcase) bool { return c.Name == "orders.effect_duplicates == 0" })
	c := s.Cases[i]
	if c.Out == nil || strings.Count(c.Out.Text, "\n") != mostEvidence+1 || !strings.Contains(c.Failure.Text, "observed 212, limit 0") || c.Time == "" {
		t.Errorf("%+v %+v", c, c.Out)
	}
	if !slices.Contains(c.Properties.All, property{"observed", "212"}) || !slices.Contains(s.Properties, property{"load.orders", "rest, open model, 400/s"}) {
		t.Errorf("%+v %+v", c.Properties, s.Properties)
	}
	if s.Out == nil || !strings.Contains(s.Out.Text, "finding: stream orders") {
		t.Errorf("%+v", s.Out)
	}
	hostile := recordtest.Hostile()
	hostile.Run.Gates[2].Why = strings.Repeat("long\x1b[2J\u0085 ", 100_000)
	for range 1000 {
		hostile.Run.Findings = append(hostile.Run.Findings, reports.Finding{Text: strings.Repeat("x\x07", 1000)})
	}
	var b bytes.Buffer
	if err := Render(&b, hostile); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 200<<10 || strings.ContainsAny(b.String(), "\x1b\x07\u0085\ufffd") {
		t.Errorf("%d bytes, or control characters", b.Len())
	}
}
