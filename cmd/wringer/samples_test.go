package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parquet-go/parquet-go"

	"wringer/reports"
	"wringer/reports/samples"
)

// The rows of a run add up to its record. While the run goes on, its file has no rows and can be read.
func TestSamplesAddUpToTheRecord(t *testing.T) {
	own := t.TempDir()
	path := filepath.Join(own, "rows.parquet")
	var requests, meanwhile atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			rows, err := parquet.ReadFile[samples.Row](path)
			if err != nil {
				t.Error(err)
			}
			meanwhile.Store(int64(len(rows)))
		}
		if requests.Load()%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	write(t, path, green)
	record := filepath.Join(own, "record")
	if code, stdout, stderr := wringer(t, "load", "-q", "--for", "300ms", "--users", "2", "--out", record, "--samples", path, server.URL); code == reports.ExitHarness || code == reports.ExitUsage {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	rec, err := reports.Load(record)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parquet.ReadFile[samples.Row](path)
	if err != nil {
		t.Fatal(err)
	}
	total := &rec.Run.Streams["load"].Total
	var sent reports.Counts
	for i := range rows {
		r := &rows[i]
		if r.Wire {
			sent.Attempts += 1 + int64(r.ClientRetries)
		}
		switch {
		case r.Outcome == "acked":
			sent.Acked++
		case r.Code == "http_503":
			sent.Indeterminate++
		}
		if r.Run != rec.Run.ID || r.Stream != "load" || r.Window != "baseline" || r.User < 1 || r.User > 2 || !r.Last || r.DoneNS < r.SentNS {
			t.Fatalf("row %d: %+v", i, r)
		}
	}
	if sent.Attempts == 0 || sent.Attempts != total.Attempts || sent.Acked != total.Acked || sent.Indeterminate != total.Errors["http_503"] {
		t.Errorf("rows %+v, record %+v %v", sent, total.Counts, total.Errors)
	}
	if told := rec.Run.Samples; told == nil || *told != (reports.Samples{File: path, Rows: int64(len(rows))}) {
		t.Errorf("the record tells %+v of %d rows", told, len(rows))
	}
	if meanwhile.Load() != 0 {
		t.Errorf("meanwhile the file had %d rows", meanwhile.Load())
	}
	noTemporary(t, own)
}

// noTemporary wants a folder without files that grow.
func noTemporary(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// A run that comes to no end leaves no rows of an earlier one. A name that says no format is refused before anything starts.
func TestSamplesOfNoRun(t *testing.T) {
	own := t.TempDir()
	path := filepath.Join(own, "rows.parquet")
	never := filepath.Join(own, "never.yaml")
	write(t, never, "name: never\nrun: {duration: 1s}\ntarget: {processes: {a: {command: [\"false\"], ports: [http]}}}\ntraffic: {a: {rest: {request: \"GET http://127.0.0.1:1/\"}, rate: 5/s}}\nexpect: [a.errors < 1%]\n")
	for name, test := range map[string]struct {
		args []string
		code int
		why  string
	}{
		"usage":   {[]string{"run", filepath.Join(own, "absent.yaml")}, reports.ExitUsage, "absent.yaml"},
		"harness": {[]string{"run", "-q", "--out", filepath.Join(own, "r"), never}, reports.ExitHarness, "process a"},
	} {
		write(t, path, green)
		code, _, stderr := wringer(t, append(test.args, "--samples", path)...)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := f.Stat()
		file, err := parquet.OpenFile(f, at.Size())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		why, _ := file.Lookup("wringer.unended")
		if code != test.code || file.NumRows() != 0 || !strings.Contains(why, test.why) {
			t.Errorf("%s: exit %d, %d rows, %q; %s", name, code, file.NumRows(), why, stderr)
		}
		f.Close()
	}
	noTemporary(t, own)
	for _, bad := range []string{"rows.txt", "nowhere/rows.csv"} {
		code, _, stderr := wringer(t, "load", "-q", "--samples", bad, "http://127.0.0.1:1/")
		if code != reports.ExitUsage || !strings.Contains(stderr, "--samples "+bad) {
			t.Errorf("%s: exit %d, %s", bad, code, stderr)
		}
	}
	if code, _, stderr := wringer(t, "run", never, never, "--samples", path); code != reports.ExitUsage || !strings.Contains(stderr, "--samples takes one scenario") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// A run that is interrupted leaves the rows until then.
func TestSamplesOfAnInterruptedRun(t *testing.T) {
	own := t.TempDir()
	path := filepath.Join(own, "rows.parquet")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) == 5 {
			interrupt()
		}
	}))
	t.Cleanup(server.Close)
	args := []string{"load", "-q", "--for", "1m", "--users", "1", "--out", filepath.Join(own, "r"), "--samples", path, server.URL}
	if code := run(ctx, args, streams{strings.NewReader(""), io.Discard, io.Discard}); code != reports.ExitInterrupted {
		t.Errorf("exit %d", code)
	}
	if rows, err := parquet.ReadFile[samples.Row](path); err != nil || len(rows) < 4 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	noTemporary(t, own)
}
