package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/reports/compare"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

const savedScenario = `name: held
seed: 7
target: {shop: {}}
run: {duration: 3s, drain: 2s}
traffic:
  stock:
    grpc: {target: "${shop.grpc}", method: shop.v1.Inventory/Reserve, message: {orderId: "{{id}}", itemId: item1, quantity: 2}}
    rate: 50/s
expect:
  - stock.errors <= 1%
  - stock.rate > 0.9 x saved
  - stock.rate < saved - 1/s
  - stock.errors < 1.2 x saved
  - stock.retries <= saved
  - stock.within(5s) >= saved - 1%
  - stock.p99 < saved + 5s in every second
`

// parsed reads a scenario, with its gates held against a saved run.
func parsed(t *testing.T, src, saved string) *scenarios.Scenario {
	t.Helper()
	sc, err := scenarios.Parse("held.yaml", []byte(src), language, scenarios.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := resolveSaved(sc, saved); err != nil {
		t.Fatal(err)
	}
	return sc
}

// kept writes a record as wringer save does, after a change.
func kept(t *testing.T, rec *reports.Record, change func(*reports.Run)) string {
	t.Helper()
	dir := t.TempDir()
	copied := *rec.Run
	if change != nil {
		change(&copied)
	}
	if err := reports.Save(dir, &copied); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "main.json")
	var out, stderr bytes.Buffer
	if code := run(t.Context(), []string{"save", file, dir}, streams{strings.NewReader(""), &out, &stderr}); code != reports.ExitPass {
		return filepath.Join(dir, reports.RunFile) // not valid: wringer run reads it all the same
	}
	return file
}

// A gate is judged against the saved value of its metric and scope. What the saved run cannot tell leaves it open, with the remedy; its own
// value stands, so that the first run can be saved.
func TestSavedGates(t *testing.T) {
	first := playedVirtually(t, parsed(t, savedScenario, ""))
	for _, g := range first.Run.Gates[1:] {
		if g.Verdict != reports.Inconclusive || !strings.Contains(g.Why, "wringer save makes one") || g.Observed == nil || !g.Saved.Open() {
			t.Errorf("without a saved run: %+v", g)
		}
	}
	if first.Run.Verdict != reports.Inconclusive || first.Run.Validity.Verdict != reports.Valid {
		t.Fatalf("%s, %q", first.Run.Verdict, first.Run.Why)
	}
	file := kept(t, first, nil)
	info, err := os.Stat(file)
	if err != nil || info.Size() > 32<<10 || !strings.HasSuffix(file, "main.json") {
		t.Fatalf("%s: %v, %v", file, info, err)
	}
	second := playedVirtually(t, parsed(t, savedScenario, file))
	for i, want := range []reports.Verdict{reports.Pass, reports.Pass, reports.Fail, reports.Inconclusive, reports.Pass, reports.Pass, reports.Pass} {
		g := second.Run.Gates[i]
		if g.Verdict != want || i > 0 && (g.Saved == nil || g.Saved.Value == nil || g.Saved.Run != first.Run.ID) {
			t.Errorf("%s: %s (%s), want %s: %+v", g.Expr, g.Verdict, g.Why, want, g.Saved)
		}
	}
	if idle := second.Run.Gates[3]; !strings.Contains(idle.Why, "can never hold") || !strings.Contains(idle.Why, "write saved + 1%") {
		t.Error(idle.Why)
	}
}

// What makes a saved run useless for a gate.
func TestUselessSavedRuns(t *testing.T) {
	first := playedVirtually(t, parsed(t, savedScenario, ""))
	for want, change := range map[string]func(*reports.Run){
		"decides nothing: it was interrupted": func(r *reports.Run) { r.Exit = reports.ExitInterrupted },
		"decides nothing: it is not valid": func(r *reports.Run) {
			r.Validity = reports.Validity{Verdict: reports.Inconclusive, Why: []string{"saturated"}}
		},
		"load of stream stock: 40/s in the saved run": func(r *reports.Run) {
			s := *r.Streams["stock"]
			s.Plan = "40/s"
			r.Streams = map[string]*reports.Stream{"stock": &s}
		},
		"duration: 4s in the saved run": func(r *reports.Run) { r.PlannedNS = int64(4 * time.Second) },
		"has no value of stock.rate: it is not measured": func(r *reports.Run) {
			s := *r.Streams["stock"]
			s.Total.Rate = nil
			r.Streams, r.Gates, r.DurationNS = map[string]*reports.Stream{"stock": &s}, nil, 0
		},
		`its unit is "ns"`: func(r *reports.Run) {
			r.Gates = append([]reports.Gate{}, r.Gates...)
			r.Gates[1].Unit = "ns"
		},
	} {
		g := parsed(t, savedScenario, kept(t, first, change)).Expect[1]
		if !strings.Contains(g.Saved.Unmet, want) || !strings.Contains(g.Saved.Unmet, "save a") {
			t.Errorf("%q, want %q", g.Saved.Unmet, want)
		}
	}
	sc, err := scenarios.Parse("held.yaml", []byte(savedScenario), language, scenarios.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := resolveSaved(sc, "absent.json"); err == nil || !strings.Contains(err.Error(), "there is no absent.json") {
		t.Error(err)
	}
	file := kept(t, first, nil)
	byName := filepath.Join(filepath.Dir(file), "held.json")
	if err := os.Rename(file, byName); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(file), reports.RunFile)); err != nil {
		t.Fatal(err)
	}
	if g := parsed(t, savedScenario, filepath.Dir(file)).Expect[1]; g.Saved.Unmet != "" || g.Saved.From != byName {
		t.Errorf("a folder with a file for each scenario: %+v", g.Saved)
	}
	if err := refuseSaved(sc, "capacity"); err == nil {
		t.Error("wringer capacity takes a gate against a saved run")
	}
}

// Runs of one scenario are compared by the command from end to end, in every form, and the answer is the same.
func TestCompareCommand(t *testing.T) {
	var paths []string
	rec := recordtest.Hostile()
	rec.Run.Validity = reports.Validity{Verdict: reports.Valid}
	for i := range 12 {
		r := *rec.Run
		r.ID = fmt.Sprintf("id%d", i)
		dir := filepath.Join(t.TempDir(), "run")
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := reports.Save(dir, &r); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, dir)
	}
	args := append([]string{"compare"}, paths[:6]...)
	args = append(append(args, "--"), paths[6:]...)
	for _, form := range [][]string{nil, {"--json", "-"}, {"--summary", "-"}, {"--html", "-"}} {
		var first string
		for range 2 {
			var out, stderr bytes.Buffer
			code := run(t.Context(), append(args[:len(args):len(args)], form...), streams{strings.NewReader(""), &out, &stderr})
			if code != compare.ExitFine || stderr.Len() > 0 {
				t.Fatalf("%q: exit %d: %s%.2000s", form, code, stderr.String(), out.String())
			}
			if first != "" && first != out.String() {
				t.Errorf("%q: two answers differ", form)
			}
			first = out.String()
		}
		if strings.ContainsAny(first, "\x1b\x00") {
			t.Errorf("%q: the answer commands the terminal", form)
		}
		if form == nil {
			continue
		}
		if form[0] == "--html" && strings.Contains(first, "<script>alert") || form[0] == "--summary" && strings.Contains(first, "\n# new line") {
			t.Errorf("%q: a name became markup", form)
		}
	}
}

// The newest record is saved where none is named, and a run that did not pass is saved with a warning.
func TestSaveTheNewest(t *testing.T) {
	t.Chdir(t.TempDir())
	try := func(args ...string) (int, string, string) {
		var out, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"save"}, args...), streams{strings.NewReader(""), &out, &stderr})
		return code, out.String(), stderr.String()
	}
	if code, _, stderr := try("main"); code != reports.ExitUsage || !strings.Contains(stderr, "there is no folder runs") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	for i, rec := range []*reports.Record{recordtest.Pass(), recordtest.Fail()} {
		dir := filepath.Join("runs", fmt.Sprint(i))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := reports.Save(dir, rec.Run); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-2) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, reports.RunFile), at, at); err != nil {
			t.Fatal(err)
		}
	}
	code, out, stderr := try("main")
	if code != reports.ExitPass || !strings.HasPrefix(out, "saved/main.json: run k3v9q2xa of checkout, from runs/1") || !strings.Contains(stderr, "warning: the run is fail: ") {
		t.Errorf("exit %d, %s%s", code, out, stderr)
	}
	saved, err := compare.Load("saved/main.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range saved.Record.Streams {
		if len(s.Seconds) > 0 || len(s.Histogram) > 0 || s.Total.Response == nil {
			t.Errorf("%s is not kept as it should be", name)
		}
	}
	if code, _, stderr := try("runs/1/run.json", "runs/1"); code != reports.ExitUsage || !strings.Contains(stderr, "would overwrite the record") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
