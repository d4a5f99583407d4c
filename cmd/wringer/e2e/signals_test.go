package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/reports"
)

// However its caller goes away, a run heals, writes its record, its report and its outputs, and ends as by SIGTERM.
func TestRunWhoseCallerGoesAway(t *testing.T) {
	slow(t)
	for name, end := range map[string]func(cmd *exec.Cmd, output io.Closer){
		"SIGTERM": func(cmd *exec.Cmd, _ io.Closer) { cmd.Process.Signal(syscall.SIGTERM) },
		"SIGQUIT": func(cmd *exec.Cmd, _ io.Closer) { cmd.Process.Signal(syscall.SIGQUIT) },
		// A terminal that is closed sends it by the kernel and by the shell.
		"SIGHUP twice": func(cmd *exec.Cmd, _ io.Closer) {
			cmd.Process.Signal(syscall.SIGHUP)
			time.Sleep(20 * time.Millisecond)
			cmd.Process.Signal(syscall.SIGHUP)
		},
		"closed output": func(_ *exec.Cmd, output io.Closer) { output.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd, output := runMarker(t, dir)
			waitForFile(t, filepath.Join(dir, "BROKEN"))
			end(cmd, output)
			var ended *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != reports.ExitInterrupted {
				t.Errorf("ended with %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "BROKEN")); err == nil {
				t.Error("the fault is still in force")
			}
			record := filepath.Join(dir, "record")
			if run := loadRecord(t, record).Run; run.Exit != reports.ExitInterrupted {
				t.Errorf("the record says %d", run.Exit)
			}
			for _, file := range []string{filepath.Join(record, "report.html"), filepath.Join(dir, "junit.xml")} {
				if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "interrupted after") {
					t.Errorf("%s: %v", file, err)
				}
			}
			if _, err := os.Stat(filepath.Join(record, "journal.jsonl")); err == nil {
				t.Error("something is left to undo")
			}
		})
	}
}

// runMarker starts a run whose fault makes the file BROKEN, and which tells its progress to output, as under 2>&1 | reader.
func runMarker(t *testing.T, dir string) (cmd *exec.Cmd, output io.Closer) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	broken := filepath.Join(dir, "BROKEN")
	text := fmt.Sprintf(`name: marker
seed: 1
run: {duration: 60s, drain: 100ms}
traffic: {web: {rest: {request: GET %s/}, rate: 20/s}}
faults: [{name: marker, at: 500ms, for: 50s, exec: [touch, %q], undo: [rm, %q]}]
expect: [web.errors < 1%%]
`, server.URL, broken, broken)
	scenario := filepath.Join(dir, "s.yaml")
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	read, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	cmd = exec.CommandContext(t.Context(), string(built(t, checked)), "run", "--out", filepath.Join(dir, "record"), "--junit", filepath.Join(dir, "junit.xml"), scenario)
	cmd.Stdout, cmd.Stderr = feed, feed
	// A child of a process that ignores a signal, as under nohup, ignores the signal too. One that takes the signal passes
	// nothing on.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	if _, err := bufio.NewReader(read).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return cmd, read
}

func waitForFile(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", path)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
