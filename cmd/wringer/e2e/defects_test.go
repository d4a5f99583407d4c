package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// realDefects are the scenarios of scenarios/defects that run in real time too. There a group's heartbeats and commits meet its
// fetches, as they do not in virtual time. Each names the failing gate, and the count above 0 in the window with most of the
// defect. TestDefectScenarios runs all scenarios.
var realDefects = map[string]struct{ gate, window, count string }{
	"redeliver": {"orders.effect_duplicates == 0", "crashes", "redelivered"},
}

// TestDefects runs a defect's scenario twice. As shipped it fails, for its own reason; without its defect it passes. It runs
// the command as users have it: under the race detector the embedded shop takes five times the CPU, and two shops saturate the
// load generator.
func TestDefects(t *testing.T) {
	several(t)
	bin := buildCommand(t)
	for name := range realDefects {
		file := filepath.Join("../../../scenarios/defects", name+".yaml")
		t.Run(name, func(t *testing.T) {
			several(t)
			t.Run("on", func(t *testing.T) { scenario(t, usual); defective(t, bin, name, file) })
			t.Run("off", func(t *testing.T) { scenario(t, usual); honest(t, bin, name, file) })
		})
	}
}

func defective(t *testing.T, bin binary, name, file string) {
	want := realDefects[name]
	dir := filepath.Join(t.TempDir(), "record")
	file = brief(t, file)
	code, stdout, stderr := bin.run(t, "run", "--quiet", "--out", dir, file)
	if code != reports.ExitFail {
		t.Fatalf("exit %d, want fail:\n%s%s", code, stdout, stderr)
	}
	rec := loadRecord(t, dir)
	for _, g := range rec.Run.Gates {
		if failed := g.Verdict == reports.Fail; g.Expr == want.gate && !failed {
			t.Errorf("%s: %s, want fail", g.Expr, g.Verdict)
		}
	}
	recordtest.MostIn(t, rec, "orders", want.window, want.count)
}

// brief shortens the drain of a scenario that only has to fail.
func brief(t *testing.T, file string) string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.Replace(src, []byte("drain: 5s}"), []byte("drain: 1s}"), 1)
	if bytes.Equal(cut, src) {
		t.Fatal("the scenario has no drain of 5s")
	}
	short := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(short, cut, 0o644); err != nil {
		t.Fatal(err)
	}
	return short
}

// honest runs the scenario without its defect.
func honest(t *testing.T, bin binary, name, file string) {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mended := bytes.Replace(src, []byte("{shop: {defects: ["+name+"]}}"), []byte("{shop: {}}"), 1)
	if bytes.Equal(mended, src) {
		t.Fatal("the scenario names no defect")
	}
	dir := t.TempDir()
	file = filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, mended, 0o644); err != nil {
		t.Fatal(err)
	}
	passes(t, bin, file)
}

// passes runs a scenario that must pass. If the machine itself was too busy, the run says so and decides nothing: it is run
// again.
func passes(t *testing.T, bin binary, file string) {
	t.Helper()
	dir := t.TempDir()
	for try := 1; ; try++ {
		record := filepath.Join(dir, fmt.Sprintf("record%d", try))
		code, stdout, stderr := bin.run(t, "run", "--quiet", "--out", record, file)
		rec := loadRecord(t, record)
		if (code == reports.ExitInconclusive || code == reports.ExitFail && starved(rec.Run)) && onceMore(t, try, rec) {
			continue
		}
		if code != reports.ExitPass {
			t.Errorf("exit %d, want pass:\n%s%s", code, stdout, stderr)
		}
		return
	}
}
