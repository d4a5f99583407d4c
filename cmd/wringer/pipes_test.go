//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/reports"
)

// A named pipe as an output holds the command up for a while at most: without a reader, and with one that takes nothing.
func TestPipeOfAnOutput(t *testing.T) {
	defer func(was time.Duration) { pipePatience = was }(pipePatience)
	pipePatience = 50 * time.Millisecond
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Repeat("x", 1<<20))
	if err := writeSpecial(path, body); err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("without a reader: %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeSpecial(path, body); err == nil || !strings.Contains(err.Error(), "took nothing") {
		t.Errorf("with a reader that takes nothing: %v", err)
	}
	reader.Close()
	pipePatience = time.Minute
	got := make(chan int)
	go func() {
		b, _ := os.ReadFile(path)
		got <- len(b)
	}()
	if err := writeSpecial(path, body); err != nil {
		t.Error(err)
	}
	if n := <-got; n != len(body) {
		t.Errorf("%d bytes of %d arrived", n, len(body))
	}
}

// The verdict stands in the record though a pipe had no reader; that is told once.
func TestRunIntoAPipeThatNobodyReads(t *testing.T) {
	defer func(was time.Duration) { pipePatience = was }(pipePatience)
	pipePatience = 50 * time.Millisecond
	dir := t.TempDir()
	path, pipe := filepath.Join(dir, "s.yaml"), filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, path, "name: s\nrun: {duration: 150ms, drain: 10ms}\ntraffic: {a: {rest: {request: \"GET http://127.0.0.1:1/\"}, rate: 20/s}}\nexpect: [a.errors < 1%]\n")
	for _, flag := range []string{"json", "vegeta"} {
		code, _, stderr := wringer(t, "run", path, "-q", "--"+flag, pipe, "--out", filepath.Join(dir, flag))
		if code != reports.ExitHarness || strings.Count(stderr, "nobody reads") != 1 {
			t.Errorf("%s: exit %d, %s", flag, code, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "json", "run.json")); err != nil {
		t.Error(err)
	}
}
