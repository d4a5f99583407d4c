package index

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// add puts a record into a folder.
func add(t testing.TB, folder, dir string, started int, run *reports.Run) {
	t.Helper()
	copied := *run
	copied.Started = time.Unix(int64(started), 0)
	path := filepath.Join(folder, dir)
	if err := os.MkdirAll(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := reports.Save(path, &copied); err != nil {
		t.Fatal(err)
	}
}

func rendered(t testing.TB, folder string) string {
	t.Helper()
	entries, left, err := Read(folder)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Render(&b, "runs", entries, left); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The index has the trend of each gate, the verdict of each run with a link to its report, and what cannot be read.
func TestIndex(t *testing.T) {
	folder := t.TempDir()
	add(t, folder, "b", 2, recordtest.Fail().Run)
	add(t, folder, "several/a", 1, recordtest.Pass().Run)
	add(t, folder, "c", 3, recordtest.Inconclusive().Run)
	add(t, folder, "d e%", 4, recordtest.Pass().Run)
	for path, text := range map[string]string{"d e%/report.html": "", "broken/run.json": "{", "other/run.json": `{"schema": "wringer.run/v9"}`, "note.txt": "", "search/capacity.json": "{}", "search/trials/x/run.json": "{}"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, path)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(folder, "b"), filepath.Join(folder, "linked")); err != nil {
		t.Fatal(err)
	}
	text := rendered(t, folder)
	for _, want := range []string{
		"4 runs of 1 scenario; 2 records cannot be read", "2 pass, 1 fail, 1 inconclusive", `href="./d%20e%25/report.html"`, "<code>orders.p99 during baseline</code>",
		"<code>orders.recovery after lost-answers</code>", "several/a", "run.json cannot be read", "wringer.run/v9", "2 of 3 held", `class="fail" cx=`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, not := range []string{"linked", "trials/x", "ZgotmplZ", "NaN", "Inf", `href="./b/report.html"`} {
		if strings.Contains(text, not) {
			t.Errorf("the index holds %q", not)
		}
	}
	if again := rendered(t, folder); again != text {
		t.Error("two indexes of one folder differ")
	}
	if !Holds(folder) || Holds(filepath.Join(folder, "b")) || Holds(filepath.Join(folder, "search", "trials", "x")) || Holds(filepath.Join(folder, "absent")) {
		t.Error("a folder of records is not told apart from a record")
	}
}

// Hostile names stay text.
func TestHostileIndex(t *testing.T) {
	folder := t.TempDir()
	add(t, folder, "javascript:alert(1)", 1, recordtest.Hostile().Run)
	add(t, folder, `"><script>x`, 2, recordtest.Hostile().Run)
	for _, dir := range []string{"javascript:alert(1)", `"><script>x`} {
		if err := os.WriteFile(filepath.Join(folder, dir, ReportFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := rendered(t, folder)
	if strings.Contains(text, "<script>alert") || strings.Contains(text, "<script>x") || strings.Contains(text, `href="javascript`) || strings.ContainsAny(text, "\x00\x1b") {
		t.Error("a name became markup")
	}
}

// A thousand runs stand in one page of a size that opens at once.
func TestThousandRuns(t *testing.T) {
	var entries []Entry
	for i := range 1000 {
		rec := recordtest.Pass()
		if i%9 == 0 {
			rec = recordtest.Fail()
		}
		entries = append(entries, Entry{Dir: fmt.Sprintf("run-%d", i), Report: true, Run: Run{
			Name: "checkout", Started: time.Unix(int64(i), 0), Verdict: rec.Run.Verdict, Why: rec.Run.Why, Gates: rec.Run.Gates, DurationNS: rec.Run.DurationNS,
		}})
	}
	var b bytes.Buffer
	if err := Render(&b, "runs", entries, 3); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 2<<20 || !strings.Contains(b.String(), "1,000 runs of 1 scenario; 3 older records are not shown") {
		t.Errorf("%d bytes", b.Len())
	}
}

func BenchmarkThousandRuns(b *testing.B) {
	folder := b.TempDir()
	for i := range 1000 {
		add(b, folder, fmt.Sprintf("run-%d", i), i, recordtest.Pass().Run)
	}
	b.ReportAllocs()
	for b.Loop() {
		rendered(b, folder)
	}
}
