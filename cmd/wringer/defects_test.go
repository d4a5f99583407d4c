package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
)

// realDefects are the scenarios of scenarios/defects that run in real time too, where a group's heartbeats and commits meet its
// fetches as they do not in virtual time: what must fail, and the count that is above 0 in the window in which most of it lies.
// TestDefectScenarios runs all of them.
var realDefects = map[string]struct{ gate, window, count string }{
	"redeliver": {"orders.effect_duplicates == 0", "crashes", "redelivered"},
}

// TestDefects runs a defect's scenario twice: as shipped it fails, for its own reason; without its defect it passes. It runs the
// command as users have it: under the race detector the embedded shop takes five times the CPU, and two of them at once make the
// generator the limit.
func TestDefects(t *testing.T) {
	bin := buildCommand(t)
	for name := range realDefects {
		file := filepath.Join("../../scenarios/defects", name+".yaml")
		// The two at once, and no more: each has a shop of its own, and waits more than it works.
		t.Run(name, func(t *testing.T) {
			t.Run("on", func(t *testing.T) { t.Parallel(); defective(t, bin, name, file) })
			t.Run("off", func(t *testing.T) { t.Parallel(); honest(t, bin, name, file) })
		})
	}
}

// binary is a built wringer.
type binary string

// buildCommand builds wringer without the race detector.
func buildCommand(t *testing.T) binary {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "wringer")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary(bin)
}

// run runs it to its end.
func (b binary) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	cmd := exec.CommandContext(t.Context(), string(b), args...)
	cmd.Stdout, cmd.Stderr = &out, &err
	var ended *exec.ExitError
	if failed := cmd.Run(); failed != nil && !errors.As(failed, &ended) {
		t.Fatal(failed)
	}
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

func defective(t *testing.T, bin binary, name, file string) {
	want := realDefects[name]
	dir := filepath.Join(t.TempDir(), "record")
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
	mostIn(t, rec, want.window, want.count)
}

// honest runs the scenario with its defect taken out.
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

// passes runs a scenario that must pass. Where the machine itself was too busy the run says so and decides nothing: it is
// run again.
func passes(t *testing.T, bin binary, file string) {
	t.Helper()
	dir := t.TempDir()
	for try := 1; ; try++ {
		record := filepath.Join(dir, fmt.Sprintf("record%d", try))
		code, stdout, stderr := bin.run(t, "run", "--quiet", "--out", record, file)
		rec := loadRecord(t, record)
		if code == reports.ExitInconclusive && onceMore(t, try, rec) {
			continue
		}
		if code != reports.ExitPass {
			t.Errorf("exit %d, want pass:\n%s%s", code, stdout, stderr)
		}
		return
	}
}

// onceMore says whether a run that decided nothing, for the machine was too busy, is to be tried again.
func onceMore(t *testing.T, try int, rec *reports.Record) bool {
	again := try < 5 && strings.Contains(strings.Join(rec.Run.Validity.Why, "\n"), "the load generator was saturated")
	if again {
		t.Logf("once more: %s", rec.Run.Validity.Why)
	}
	return again
}
