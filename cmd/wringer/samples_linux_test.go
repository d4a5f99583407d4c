package main

import (
	"encoding/csv"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"wringer/reports"
)

// Rows go into a pipe while the run goes on.
func TestSamplesIntoAPipe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan int, 1)
	go func() {
		pipe, err := os.Open(path)
		if err != nil {
			t.Error(err)
		}
		rows, err := csv.NewReader(pipe).ReadAll()
		if err != nil {
			t.Error(err)
		}
		read <- len(rows)
		pipe.Close()
	}()
	if code, stdout, stderr := wringer(t, "load", "-q", "--for", "100ms", "--rate", "100/s", "--samples", path, server.URL); code == reports.ExitUsage || code == reports.ExitHarness {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	if rows := <-read; rows < 2 {
		t.Errorf("%d lines", rows)
	}
	if at, err := os.Stat(path); err != nil || at.Mode().IsRegular() {
		t.Errorf("the pipe was replaced: %v", err)
	}
}
