package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
)

// A part of the target that ends by itself fails the run, with its last lines, unless it may end or a fault explains it.
func TestPartThatEndsByItself(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	const dies = `["sh", "-c", "sleep 0.3; echo out of memory; exit 137"]`
	for name, test := range map[string]struct {
		program, faults string
		code            int
	}{
		"by itself":     {"command: " + dies, "", reports.ExitFail},
		"may end":       {"command: " + dies + ", may_end: true", "", reports.ExitPass},
		"in good order": {`command: ["sleep", "0.3"]`, "", reports.ExitFail},
		"by a command":  {`command: ["sleep", "60"]`, `faults: [{name: f, at: 200ms, for: 500ms, exec: [sh, -c, "kill -9 ${processes.job.pid}"], undo: ["true"]}]`, reports.ExitPass},
		"lives":         {`command: ["sleep", "60"]`, "", reports.ExitPass},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "s.yaml")
			write(t, path, "name: s\nseed: 1\nrun: {duration: 1s, drain: 10ms, max_lag: 10s}\ntarget: {processes: {job: {"+test.program+"}}}\ntraffic: {a: {rest: {request: \"GET "+server.URL+"/\"}, rate: 20/s}}\n"+test.faults+"\nexpect: [a.errors < 1%]\n")
			code, stdout, stderr := wringer(t, "run", "-q", "--out", filepath.Join(dir, "record"), path)
			if code != test.code && code != reports.ExitInconclusive { // a busy machine
				t.Errorf("exit %d, want %d:\n%s%s", code, test.code, stdout, stderr)
			}
			why := strings.Join(loadRecord(t, filepath.Join(dir, "record")).Run.Why, "\n")
			if name == "by itself" {
				_, xml, _ := wringer(t, "report", filepath.Join(dir, "record"), "--junit", "-")
				if !strings.Contains(xml, "<failure message=\"process job ended by itself") {
					t.Errorf("JUnit:\n%s", xml)
				}
			}
			if name == "by itself" && (!strings.Contains(why, "process job ended by itself: exit status 137; its last words: out of memory") || code != reports.ExitFail) {
				t.Errorf("exit %d, why %q", code, why)
			}
		})
	}
}

// Relative programs and folders are the scenario's, and a missing folder is not called a missing program.
func TestProgramsOfTheScenario(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(t.TempDir())
	write(t, filepath.Join(dir, "tool"), "#!/bin/sh\npwd > \"$1\"\nexec sleep 60\n")
	write(t, filepath.Join(dir, "once"), "#!/bin/sh\npwd > \"$1\"\n")
	for _, name := range []string{"tool", "once"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "work"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(folder string) (int, string) {
		path := filepath.Join(dir, "s.yaml")
		write(t, path, "name: s\nseed: 1\nrun: {duration: 400ms, drain: 10ms}\ntarget: {processes: {job: {command: [./tool, process], dir: "+folder+"}}}\ntraffic: {a: {rest: {request: \"GET http://127.0.0.1:1/\"}, rate: 20/s}}\nfaults: [{name: f, at: 50ms, for: 100ms, exec: [./once, fault], undo: [\"true\"], dir: work}]\nexpect: [a.errors < 1%]\n")
		code, stdout, stderr := wringer(t, "run", "-q", "--out", filepath.Join(t.TempDir(), "record"), path)
		return code, stdout + stderr
	}
	code, text := run("work")
	for _, name := range []string{"process"} {
		if _, err := os.Stat(filepath.Join(dir, "work", name)); err != nil {
			t.Errorf("exit %d, %v:\n%s", code, err, text)
		}
	}
	if code, text := run("nowhere"); code != reports.ExitUsage || !strings.Contains(text, "s.yaml:4:61: processes: job.dir: there is no folder ") {
		t.Errorf("exit %d: %s", code, text)
	}
}

// A fault that the steady-state stop left out is told as not injected, everywhere.
func TestFaultThatWasNotInjected(t *testing.T) {
	dir := t.TempDir()
	path, record := filepath.Join(dir, "s.yaml"), filepath.Join(dir, "record")
	write(t, path, "name: s\nseed: 1\nrun: {duration: 2s, drain: 10ms}\ntraffic: {a: {rest: {request: \"GET http://127.0.0.1:1/\"}, rate: 20/s}}\nfaults: [{name: slow, at: 500ms, for: 1s, link: a, latency: 20ms}]\nexpect: [a.errors < 1% during baseline]\n")
	_, stdout, stderr := wringer(t, "run", "--out", record, "--junit", filepath.Join(dir, "junit"), path)
	if f := loadRecord(t, record).Run.Faults[0]; !f.NotInjected || f.Healed || f.Bit {
		t.Errorf("fault %+v", f)
	}
	for what, text := range map[string]string{"the summary": stdout, "JUnit": readFile(t, filepath.Join(dir, "junit"))} {
		if !strings.Contains(text, "not injected") || strings.Contains(text, "not healed") || strings.Contains(text, "not seen healed") || strings.Contains(text, "no traffic") {
			t.Errorf("%s:\n%s", what, text)
		}
	}
	if !strings.Contains(stderr, "stopped: not healthy; draining") {
		t.Errorf("progress:\n%s", stderr)
	}
}
