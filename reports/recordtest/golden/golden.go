// Package golden compares what a report format makes of the sample records with files. It stands apart from recordtest
// for its flag, which other tests define too.
package golden

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Compare renders every sample record and compares the bytes with testdata/<sample><extension>; the flag -update writes
// them anew. It also renders each twice: the same record gives the same bytes.
func Compare(t *testing.T, extension string, render func(io.Writer, *reports.Record) error) {
	t.Helper()
	for name, rec := range recordtest.Samples() {
		t.Run(name, func(t *testing.T) {
			var first, second bytes.Buffer
			if err := render(&first, rec); err != nil {
				t.Fatal(err)
			}
			if err := render(&second, rec); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first.Bytes(), second.Bytes()) {
				t.Error("the same record gave other bytes")
			}
			match(t, filepath.Join("testdata", name+extension), first.Bytes())
		})
	}
}

func match(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if bytes.Equal(got, want) {
		return
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if a, b := line(g, i), line(w, i); a != b {
			t.Fatalf("%s line %d:\n got %q\nwant %q\nif that is intended, write it with -update", path, i+1, a, b)
		}
	}
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}
