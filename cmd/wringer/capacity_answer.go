package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
	"wringer/scenarios/capacity/knee"
)

// The answer in its folder.
const (
	answerFile = "capacity.json"
	kneeFile   = "capacity.html"
)

// search opens the target and searches.
func (f *capacityFlags) search(ctx context.Context, sc *scenarios.Scenario, asked capacity.Asked, dir string, std streams) (*capacity.Answer, error) {
	res, err := f.openResources(dir, std)
	if err != nil {
		return nil, err
	}
	defer res.close(false)
	told := newHunt(std.err, f.quiet, asked.Axis)
	if res.options.Watch != nil {
		res.options.Watch = told.watch
	}
	p := &capacityPlayer{scenario: sc, options: res.options, dir: dir, reset: f.reset}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.end())
	}
	answer, err := capacity.Find(ctx, sc, asked, p, func(a *capacity.Answer, progress capacity.Progress) {
		told.tell(a, progress)
		_ = writeAnswer(filepath.Join(dir, answerFile), a) // the last one tells the error
	})
	told.clear()
	return answer, errors.Join(err, p.end())
}

func writeAnswer(path string, a *capacity.Answer) error {
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return reports.WriteFile(path, append(b, '\n'))
}

// rendered is the answer in the form of a flag.
func rendered(flag string, a *capacity.Answer) ([]byte, error) {
	var b bytes.Buffer
	var err error
	if flag == "html" {
		err = knee.Render(&b, a)
	} else {
		err = json.NewEncoder(&b).Encode(a)
	}
	return b.Bytes(), err
}

// unansweredCapacity is the answer of a command that has none, in the form of a flag: no reader takes it for one.
func unansweredCapacity(flag string, run *reports.Run) ([]byte, error) {
	why := "there is no answer"
	if len(run.Why) > 0 {
		why = run.Why[0]
	}
	return rendered(flag, capacity.Failed(run.Name, run.Exit, why))
}

// conclude writes and prints the answer.
func (f *capacityFlags) conclude(a *capacity.Answer, dir string, std streams) error {
	if err := writeAnswer(filepath.Join(dir, answerFile), a); err != nil {
		return harness("write the answer: %w", err)
	}
	page, err := rendered("html", a)
	if err != nil {
		return harness("write the answer: %w", err)
	}
	if err := reports.WriteFile(filepath.Join(dir, kneeFile), page); err != nil {
		return harness("write the answer: %w", err)
	}
	for flag, path := range map[string]string{"json": f.json, "html": f.html} {
		b, err := rendered(flag, a)
		if err == nil {
			err = writeAnswerFile(path, b, std.out)
		}
		if err != nil {
			return harness("write %s: %w", path, err)
		}
	}
	if f.json != "-" && f.html != "-" {
		fmt.Fprintf(std.out, "%s\n%s\n", a.Why, filepath.Join(dir, answerFile))
		if f.explain {
			tellWays(std.out, a)
		}
	}
	if a.Exit != reports.ExitPass {
		return exit{code: a.Exit}
	}
	return nil
}

// writeAnswerFile writes to the file of a flag; - is stdout, and empty is none.
func writeAnswerFile(path string, b []byte, out io.Writer) error {
	switch path {
	case "":
		return nil
	case "-":
		_, err := out.Write(b)
		return err
	}
	return writeBytes(path, b)
}

// tellWays prints where each gate gives way.
func tellWays(w io.Writer, a *capacity.Answer) {
	text := func(at *float64, otherwise string) string {
		if at == nil {
			return otherwise
		}
		if a.Unit == "per_second" {
			return reports.Rate(*at)
		}
		return fmt.Sprintf("%.0f users", *at)
	}
	for _, g := range a.GivesWay {
		if g.Fails == nil {
			fmt.Fprintf(w, "%s: did not give way up to %s\n", g.Gate, text(g.Holds, "any load"))
			continue
		}
		fmt.Fprintf(w, "%s: held at %s, gives way at %s\n", g.Gate, text(g.Holds, "no load"), text(g.Fails, ""))
	}
}

// readAnswer reads a saved answer.
func readAnswer(path string, into any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}

// readSaved reads the answer of --baseline: the file, or the one of that name in the folder. No output may overwrite it.
func (f *capacityFlags) readSaved(name string, into any) (path string, err error) {
	path = f.baseline
	if at, err := os.Stat(path); err == nil && at.IsDir() {
		path = filepath.Join(path, name)
	}
	if f.resume != "" && sameFile(path, filepath.Join(f.resume, name)) {
		return "", fmt.Errorf("this is the answer that --resume goes on with: name another")
	}
	if err := f.reads(path); err != nil {
		return "", err
	}
	return path, readAnswer(path, into)
}

// readBaseline reads the answer to compare with.
func (f *capacityFlags) readBaseline(sc *scenarios.Scenario, asked *capacity.Asked) (*capacity.Baseline, error) {
	saved := new(capacity.Answer)
	path, err := f.readSaved(answerFile, saved)
	if err != nil {
		return nil, err
	}
	return capacity.NewBaseline(path, saved, f.tolerance, asked, sc)
}

// sameScenario says why the search in a folder was not of this scenario; nil: it was.
func sameScenario(dir string, sc *scenarios.Scenario) error {
	source, err := os.ReadFile(filepath.Join(dir, reports.ScenarioFile))
	if err != nil {
		return err
	}
	if string(source) != sc.Redact(string(sc.Source)) {
		return fmt.Errorf("the scenario has changed since: begin a new search")
	}
	return nil
}
