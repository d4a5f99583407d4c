package record

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wringer/reports"
)

func hide(text string) string { return strings.ReplaceAll(text, "hunter2", "***") }

func create(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := Create(dir, []byte("name: test\n"), hide)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.OpenLog(); err != nil {
		t.Fatal(err)
	}
	return f
}

// quoting is a record in which every text quotes a secret.
func quoting() *reports.Run {
	m := func() reports.Measures {
		return reports.Measures{Details: map[string]string{"http_500": "bad password hunter2"}}
	}
	window := m()
	return &reports.Run{
		Schema: reports.Schema, Name: "test", Why: []string{"hunter2"}, Validity: reports.Validity{Why: []string{"hunter2"}},
		Gates:    []reports.Gate{{Expr: "hunter2", Why: "hunter2"}},
		Faults:   []reports.Fault{{Error: "hunter2", Spec: "hunter2"}},
		Findings: []reports.Finding{{Text: "hunter2"}},
		Streams:  map[string]*reports.Stream{"a": {Total: m(), Windows: map[string]*reports.Measures{"baseline": &window}}},
	}
}

// No file of the folder holds a value that came from the environment: neither a checkpoint nor the record at the end.
func TestNothingIsWrittenUnredacted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "record")
	f := create(t, dir)
	if err := f.Begin(time.Now()); err != nil {
		t.Fatal(err)
	}
	out, err := f.Output("parts/shop")
	if err != nil {
		t.Fatal(err)
	}
	out.Write([]byte("password hun"))
	out.Write([]byte("ter2\nand hunter2 without an end"))
	if err := f.Checkpoint(func() ([]byte, error) { return f.Encode(quoting()) }); err != nil {
		t.Fatal(err)
	}
	clean(t, dir, 3)
	if err := f.CloseOutputs(); err != nil {
		t.Fatal(err)
	}
	violations := []reports.Violation{{Kind: "lost", Attempts: []reports.Try{{Detail: "hunter2"}}}}
	if err := f.Finish(quoting(), violations); err != nil {
		t.Fatal(err)
	}
	clean(t, dir, 5)
	if text, _ := os.ReadFile(filepath.Join(dir, outputDir, "parts", "shop.log")); string(text) != "password ***\nand *** without an end" {
		t.Errorf("output %q", text)
	}
}

// clean fails when a file below dir holds the secret, or when there are fewer than the given number of files.
func clean(t *testing.T, dir string, most int) {
	t.Helper()
	files := 0
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		if text, _ := os.ReadFile(path); strings.Contains(string(text), "hunter2") {
			t.Errorf("%s holds the secret: %s", path, text)
		}
		return nil
	})
	if files < most {
		t.Errorf("%d files, want %d", files, most)
	}
}

// A second checkpoint right after the first is not made: checkpoints take at most a fiftieth of the time.
func TestCheckpointsAreBounded(t *testing.T) {
	f := create(t, t.TempDir())
	defer f.Discard()
	calls := 0
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			if err := f.Checkpoint(func() ([]byte, error) { calls++; time.Sleep(20 * time.Millisecond); return f.Encode(quoting()) }); err != nil {
				t.Fatal(err)
			}
		}
	})
	if calls != 1 {
		t.Errorf("%d checkpoints, want 1", calls)
	}
}

func TestOutputKeepsTheLastFiles(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	out, err := f.Output("shop")
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1<<16-1) + "\n")
	for range 4 * mostOutput / len(line) {
		out.Write(line)
	}
	if err := out.Close(); err != nil || out.Close() != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, outputDir, "shop.log")
	for _, p := range []string{path, path + ".1"} {
		if info, err := os.Stat(p); err != nil || info.Size() > mostOutput+2*int64(len(line)) {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	f.Discard()
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("%d entries are left of a discarded record", len(entries))
	}
}
