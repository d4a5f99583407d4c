package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"wringer/reports"
)

// A reader that takes nothing holds up no line of progress, and no end of the command that a signal asked for.
func TestReaderThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		reader, pipe := io.Pipe()
		w := newSlowWriter(ctx, pipe, func() { t.Error("the reader is there") })
		progress, summary := &standardOutput{w, true}, &standardOutput{w, false}
		for range 2 * mostLate {
			if n, err := progress.Write([]byte("line\n")); n != 5 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		time.AfterFunc(time.Hour, interrupt)
		if _, err := summary.Write([]byte("verdict\n")); !errors.Is(err, syscall.EPIPE) || ctx.Err() == nil {
			t.Errorf("%v, interrupted: %v", err, ctx.Err() != nil)
		}
		w.flush()
		if _, err := summary.Write([]byte("late\n")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("written after the end: %v", err)
		}
		reader.Close()
	})
}

// A slow reader gets all, in the order of the writes to both streams, also after an interrupt.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		reader, pipe := io.Pipe()
		w := newSlowWriter(ctx, pipe, func() {})
		var got bytes.Buffer
		var whole atomic.Bool
		go func() {
			for b := make([]byte, 1); ; {
				time.Sleep(farewell / 2)
				if _, err := reader.Read(b); err != nil {
					whole.Store(true)
					return
				}
				got.Write(b)
			}
		}()
		progress, summary := &standardOutput{w, true}, &standardOutput{w, false}
		progress.Write([]byte("a"))
		progress.Write([]byte("b"))
		summary.Write([]byte("c"))
		progress.Write([]byte("d"))
		w.flush()
		pipe.Close()
		time.Sleep(farewell)
		if !whole.Load() || got.String() != "abcd" {
			t.Errorf("%q", got.String())
		}
	})
}

// Whoever closed the pipe or the terminal wants no summary. A disk that fails is told.
func TestReaderGone(t *testing.T) {
	for name, test := range map[string]struct {
		out  io.Writer
		err  error
		gone bool
	}{
		"pipe":     {io.Discard, &os.PathError{Err: syscall.EPIPE}, true},
		"terminal": {os.Stdout, &os.PathError{Err: syscall.EIO}, true},
		"disk":     {io.Discard, &os.PathError{Err: syscall.EIO}, false},
		"full":     {os.Stdout, &os.PathError{Err: syscall.ENOSPC}, false},
		"nothing":  {os.Stdout, nil, false},
	} {
		if got := readerGone(test.out, test.err); got != test.gone {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What a file of the scenario holds does not reach the terminal as a command.
func TestProblemsCommandNoTerminal(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "targets"), "GET http://127.0.0.1:1/ \x1b[2J\ax\n")
	path := filepath.Join(dir, "s.yaml")
	write(t, path, "name: s\nrun: {duration: 1s}\ntraffic: {a: {rest: {targets: {file: targets}}, rate: 2/s}}\nexpect: [a.errors < 1%]\n")
	for _, args := range [][]string{{"check", path}, {"run", path}, {"check", filepath.Join(dir, "absent\x1b[2J")}} {
		if code, _, stderr := wringer(t, args...); code != reports.ExitUsage || strings.Contains(stderr, "\x1b") || !strings.Contains(stderr, `\x1b[2J`) {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
}
