package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/drivers/drivertest/tier"
	"wringer/reports"
)

// quick is a scenario of a moment.
const quick = `name: %s
vars: {url: http://127.0.0.1:1/}
environments:
  here: {url: "%s"}
run: {duration: 300ms, drain: 100ms}
traffic:
  reads: {rest: {request: "GET ${url}"}, users: 1, operations: 5}
expect:
  - reads.errors < 1%%
`

// severalScenarios makes a folder with one that passes, one that fails, and a file that is none.
func severalScenarios(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, filepath.Join(dir, "a-good.yaml"), fmt.Sprintf(quick, "good", answering(t, 200)))
	write(t, filepath.Join(dir, "b-bad.yaml"), fmt.Sprintf(quick, "bad", answering(t, 404)))
	write(t, filepath.Join(dir, "docker-compose.yaml"), "services: {}\n")
	return dir
}

// A folder and a pattern are several runs with one result: files over all, a tally as the last line, the worst exit code.
func TestRunSeveral(t *testing.T) {
	tier.Slow(t, "it runs scenarios in real time")
	dir := severalScenarios(t)
	for _, named := range []string{".", "*-*.yaml"} {
		if named != "." {
			if err := os.Remove("docker-compose.yaml"); err != nil {
				t.Fatal(err)
			}
		}
		code, stdout, stderr := wringer(t, "run", named, "--env", "here", "-q", "--out", "out", "--force", "--junit", "j.xml", "--json", "j.json", "--summary", "s.md")
		if code != reports.ExitFail || !strings.HasSuffix(stdout, "\n2 run: 1 pass, 1 fail\n") {
			t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
		}
	}
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Name string `xml:"name,attr"`
		} `xml:"testsuite"`
	}
	raw, err := os.ReadFile("j.xml")
	if err != nil || xml.Unmarshal(raw, &suites) != nil || len(suites.Suites) != 2 || suites.Failures == 0 {
		t.Errorf("%v, %+v", err, suites)
	}
	var all struct {
		Schema, Verdict, Tally string
		Runs                   []reports.Run
	}
	raw, err = os.ReadFile("j.json")
	if err != nil || json.Unmarshal(raw, &all) != nil || len(all.Runs) != 2 || all.Verdict != "fail" || all.Schema != reports.SeveralSchema {
		t.Errorf("%v, %+v", err, all)
	}
	if raw, err = os.ReadFile("s.md"); err != nil || strings.Count(string(raw), "### Validity") != 2 {
		t.Errorf("%v\n%s", err, raw)
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "good", "report.html")); err != nil {
		t.Error(err)
	}
	if code, _, stderr := wringer(t, "run", ".", "--env", "here", "--html", "x.html"); code != reports.ExitUsage || !strings.Contains(stderr, "--html takes one scenario") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// Any fail of several rounds is a fail, and each gate is told how often it held.
func TestRunRepeat(t *testing.T) {
	tier.Slow(t, "it runs scenarios in real time")
	severalScenarios(t)
	code, stdout, stderr := wringer(t, "run", "b-bad.yaml", "--env", "here", "-q", "--repeat", "2", "--out", "out", "--junit", "j.xml")
	for _, want := range []string{"bad: fail (2 run: 2 fail)", "  reads.errors < 1%: 2 fail", "\n2 run: 2 fail\n"} {
		if code != reports.ExitFail || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, %q is missing in\n%s%s", code, want, stdout, stderr)
		}
	}
	if _, err := os.Stat("out/2/run.json"); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile("j.xml"); err != nil || !strings.Contains(string(raw), `name="bad (2)"`) {
		t.Errorf("%v\n%s", err, raw)
	}
	if code, _, _ := wringer(t, "run", "b-bad.yaml", "--repeat", "0"); code != reports.ExitUsage {
		t.Errorf("--repeat 0: exit %d", code)
	}
}

// Of a repeated run that ends at once no older record is left, which could be taken for one of its own.
func TestForceReplacesEveryRecord(t *testing.T) {
	severalScenarios(t)
	for _, n := range []string{"1", "2"} {
		if err := os.MkdirAll(filepath.Join("out", n), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join("out", n, "run.json"), "{}")
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	code := run(ctx, []string{"run", "a-good.yaml", "--env", "here", "--repeat", "2", "--out", "out", "--force", "-q"}, streams{strings.NewReader(""), io.Discard, io.Discard})
	if _, err := os.Stat("out/2/run.json"); code != reports.ExitInterrupted || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("exit %d, %v", code, err)
	}
}

// --force replaces records, and nothing else.
func TestForceReplacesRecordsAlone(t *testing.T) {
	severalScenarios(t)
	if err := os.MkdirAll("out/photos", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, "out/photos/mine.jpg", "x")
	if code, _, stderr := wringer(t, "run", "a-good.yaml", "--out", "out", "--force"); code != reports.ExitUsage || !strings.Contains(stderr, "out holds no record") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	write(t, "out/run.json", "{}")
	write(t, "out/journal.jsonl", "{}")
	if code, _, stderr := wringer(t, "run", "a-good.yaml", "--out", "out", "--force"); code != reports.ExitUsage || !strings.Contains(stderr, "wringer cleanup out") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, err := os.Stat("out/photos/mine.jpg"); err != nil {
		t.Error(err)
	}
	if code, _, stderr := wringer(t, "run", "a-good.yaml", "--env", "nowhere"); code != reports.ExitUsage || !strings.Contains(stderr, "no such environment; allowed: here") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := wringer(t, "run", "nothing-*.yaml"); code != reports.ExitUsage || !strings.Contains(stderr, "no file fits the pattern") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := wringer(t, "check", "out/photos"); code != reports.ExitUsage || !strings.Contains(stderr, "no scenario in the folder") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// GitHub Actions shows a gate that did not hold beside its line.
func TestAnnotations(t *testing.T) {
	tier.Slow(t, "it runs scenarios in real time")
	severalScenarios(t)
	t.Setenv("GITHUB_ACTIONS", "true")
	_, _, stderr := wringer(t, "run", "b-bad.yaml", "--env", "here", "-q")
	if !strings.Contains(stderr, "::error file=b-bad.yaml,line=9,title=bad%3A reads.errors < 1%25::") {
		t.Errorf("%s", stderr)
	}
	_, _, stderr = wringer(t, "run", "a-good.yaml", "-q") // nobody listens there
	if !strings.Contains(stderr, "::warning file=a-good.yaml,") {
		t.Errorf("%s", stderr)
	}
}
