package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
)

const green = `<testsuites name="wringer" tests="1" failures="0" errors="0"/>`

// outputFlags names every output in a folder, each with what an earlier run left there.
func outputFlags(t *testing.T, dir string) (args []string) {
	t.Helper()
	for _, flag := range []string{"junit", "json", "html", "summary", "vegeta"} {
		path := filepath.Join(dir, flag)
		if err := os.WriteFile(path, []byte(green), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--"+flag, path)
	}
	return args
}

// Whatever way a command ends, no output of an earlier run stands for it.
func TestOutputsNeverStandForAnotherRun(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.yaml")
	never := filepath.Join(dir, "never.yaml")
	write(t, broken, "name: [")
	write(t, never, "name: never\nrun: {duration: 1s}\ntarget: {processes: {a: {command: [\"false\"], ports: [http]}}}\ntraffic: {a: {rest: {request: \"GET "+server.URL+"/\"}, rate: 5/s}}\nexpect: [a.errors < 1%]\n")
	for name, test := range map[string]struct {
		args []string
		code int
		want string // in each output's text
	}{
		"no scenario":         {[]string{"run", filepath.Join(dir, "absent.yaml")}, reports.ExitUsage, "absent.yaml"},
		"a broken scenario":   {[]string{"run", broken}, reports.ExitUsage, "broken.yaml"},
		"no argument":         {[]string{"run"}, reports.ExitUsage, "name a SCENARIO"},
		"a bad flag before":   {[]string{"run", "--nothing", broken}, reports.ExitUsage, "nothing"},
		"a bad value":         {[]string{"load", "--users", "x", server.URL}, reports.ExitUsage, "users"},
		"a bad URL":           {[]string{"load", "nowhere"}, reports.ExitUsage, "nowhere"},
		"two URLs":            {[]string{"load", server.URL, server.URL}, reports.ExitUsage, "name one URL"},
		"a host out of reach": {[]string{"load", "-q", "--out", filepath.Join(dir, "r1"), "http://8.8.8.8/"}, reports.ExitUsage, "--allow"},
		"a harness failure":   {[]string{"run", "-q", "--out", filepath.Join(dir, "r2"), never}, reports.ExitHarness, "process a"},
		"several scenarios":   {[]string{"run", never, broken}, reports.ExitUsage, "one scenario"},
	} {
		t.Run(name, func(t *testing.T) {
			own := t.TempDir()
			code, stdout, stderr := wringer(t, append(test.args, outputFlags(t, own)...)...)
			if code != test.code {
				t.Errorf("exit %d, want %d:\n%s%s", code, test.code, stdout, stderr)
			}
			for _, flag := range []string{"junit", "json", "html", "summary"} {
				if text := readFile(t, filepath.Join(own, flag)); !strings.Contains(text, test.want) || strings.Contains(text, green) {
					t.Errorf("%s does not say %q:\n%s", flag, test.want, text)
				}
			}
			if text := readFile(t, filepath.Join(own, "junit")); !strings.Contains(text, `errors="1"`) || !strings.Contains(text, "<error") {
				t.Errorf("no error case in\n%s", text)
			}
			if text := readFile(t, filepath.Join(own, "vegeta")); text != "" {
				t.Errorf("results %q", text)
			}
		})
	}
	t.Run("report", func(t *testing.T) {
		own := t.TempDir()
		flags := outputFlags(t, own)
		code, _, _ := wringer(t, append([]string{"report", filepath.Join(dir, "absent")}, flags[:8]...)...)
		if text := readFile(t, filepath.Join(own, "junit")); code != reports.ExitUsage || !strings.Contains(text, "absent") {
			t.Errorf("exit %d: %s", code, text)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		own := t.TempDir()
		var out strings.Builder
		code := run(ctx, append([]string{"load", "-q", "--out", filepath.Join(own, "r"), server.URL}, outputFlags(t, own)...), streams{strings.NewReader(""), &out, &out})
		if text := readFile(t, filepath.Join(own, "junit")); code != reports.ExitInterrupted || !strings.Contains(text, "<error") || !strings.Contains(text, "interrupted") {
			t.Errorf("exit %d:\n%s", code, text)
		}
	})
}

// While a run goes on, and after one that was killed, an output says that the run did not end.
func TestOutputsAreReplacedBeforeTheRun(t *testing.T) {
	own := t.TempDir()
	seen := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		text, _ := os.ReadFile(filepath.Join(own, "junit"))
		select {
		case seen <- string(text):
		default:
		}
	}))
	t.Cleanup(server.Close)
	args := append([]string{"load", "-q", "--for", "300ms", "--rate", "20/s", "--out", filepath.Join(own, "record"), server.URL}, outputFlags(t, own)...)
	if code, stdout, stderr := wringer(t, args...); code != reports.ExitPass && code != reports.ExitInconclusive {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	if text := <-seen; !strings.Contains(text, "did not end") || !strings.Contains(text, "<error") {
		t.Errorf("meanwhile it said\n%s", text)
	}
	if text := readFile(t, filepath.Join(own, "junit")); strings.Contains(text, "did not end") {
		t.Errorf("at the end it says\n%s", text)
	}
	if text := readFile(t, filepath.Join(own, "vegeta")); text == "" || text == green {
		t.Errorf("results %q", text)
	}
}

// What the command reads is not written to.
func TestOutputsSpareWhatTheRunReads(t *testing.T) {
	dir := t.TempDir()
	rows := filepath.Join(dir, "rows.csv")
	scenario := filepath.Join(dir, "s.yaml")
	bad := filepath.Join(dir, "bad.yaml")
	linked := filepath.Join(dir, "linked")
	const text = "name\nanna\n"
	yaml := "name: s\nrun: {duration: 1s}\ntraffic: {a: {rest: {request: \"GET http://127.0.0.1:1/\", data: {file: rows.csv}}, rate: 5/s}}\nexpect: [a.errors < 1%]\n"
	write(t, rows, text)
	write(t, scenario, yaml)
	write(t, bad, yaml+"nothing: 1\n")
	if err := os.Symlink(rows, linked); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", scenario, "--junit", scenario},
		{"run", scenario, "--json", rows},
		{"run", scenario, "--vegeta", rows},
		{"run", scenario, "--html", linked},
		{"run", bad, "--html", rows},
		{"load", "http://127.0.0.1:1/", "-d", "@" + rows, "--summary", rows},
		{"load", "http://127.0.0.1:1/", "-F", "f=@" + rows, "--summary", rows},
		{"load", "--targets", rows, "--junit", rows},
		{"load", "--feed=" + rows, "--unknown", "http://127.0.0.1:1/", "--junit=" + rows},
	} {
		code, _, stderr := wringer(t, args...)
		if code != reports.ExitUsage {
			t.Errorf("%q: exit %d: %s", args, code, stderr)
		}
		if got := readFile(t, rows); got != text {
			t.Fatalf("%q: the rows are now %q", args, got)
		}
		if got := readFile(t, scenario); got != yaml {
			t.Fatalf("%q: the scenario is now %q", args, got)
		}
	}
	record := filepath.Join(dir, "record")
	wringer(t, "load", "-q", "--for", "100ms", "--out", record, "http://127.0.0.1:1/")
	before := readFile(t, filepath.Join(record, reports.RunFile))
	if code, _, stderr := wringer(t, "report", record, "--junit", filepath.Join(record, reports.RunFile)); code != reports.ExitUsage || readFile(t, filepath.Join(record, reports.RunFile)) != before {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// Names that are none are refused with the remedy, and nothing is sent or written.
func TestOutputNames(t *testing.T) {
	var requests int
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests++ }))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	t.Chdir(dir)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"curl's --json": {[]string{"--json", `{"a":1}`}, `-d '{"a":1}'`},
		"a list":        {[]string{"--json", `[1]`}, "looks like JSON"},
		"a text":        {[]string{"--json", `"a"`}, "looks like JSON"},
		"curl's file":   {[]string{"--json", "@body.json"}, "looks like a file to send: a body goes with -d '@body.json'"},
		"--out":         {[]string{"--out", `{"a":1}`}, "looks like JSON"},
		"--vegeta":      {[]string{"--vegeta", ` {"a":1}`}, "looks like JSON"},
		"a folder":      {[]string{"--junit", dir}, "is a folder"},
		"no folder":     {[]string{"--html", "nowhere/x.html"}, "no folder nowhere"},
		"twice":         {[]string{"--html", "x", "--junit", "./x"}, "the same file"},
		"in the record": {[]string{"--out", dir, "--junit", "x"}, "record"},
	} {
		code, _, stderr := wringer(t, append([]string{"load", "-q", server.URL}, test.args...)...)
		if code != reports.ExitUsage || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit %d, %s", name, code, stderr)
		}
	}
	if requests > 0 {
		t.Errorf("%d requests were sent", requests)
	}
}

// A pipe is written to, also by a command that fails.
func TestOutputsIntoDevices(t *testing.T) {
	read, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	path := fmt.Sprintf("/proc/self/fd/%d", feed.Fd())
	if _, err := os.Stat(path); err != nil {
		t.Skip("this system names no descriptors")
	}
	wringer(t, "run", "absent.yaml", "--summary", path, "--json", os.DevNull)
	feed.Close()
	buffer := make([]byte, 1<<16)
	n, _ := read.Read(buffer)
	if !strings.Contains(string(buffer[:n]), "absent.yaml") {
		t.Errorf("the pipe got %q", buffer[:n])
	}
	if at, err := os.Stat(os.DevNull); err != nil || at.Mode().IsRegular() {
		t.Errorf("%s was replaced", os.DevNull)
	}
}

// A record of others may hold a link in the report's place: what it leads to stays as it is.
func TestReportWritesNothingElsewhere(t *testing.T) {
	dir := t.TempDir()
	record, victim := filepath.Join(dir, "record"), filepath.Join(dir, "victim")
	wringer(t, "load", "-q", "--for", "100ms", "--out", record, "http://127.0.0.1:1/")
	write(t, victim, "mine")
	page := filepath.Join(record, "report.html")
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, page); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := wringer(t, "report", record)
	if text := readFile(t, victim); code != reports.ExitPass || text != "mine" {
		t.Errorf("exit %d: %s; the file now holds %.40q", code, stderr, text)
	}
	if text := readFile(t, page); !strings.Contains(text, "<html") {
		t.Errorf("report %.40q", text)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
