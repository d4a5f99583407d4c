package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/envelope"
)

// The answer's files in its folder.
const (
	envelopeFile = "envelope.json"
	envelopeMap  = "envelope.html"
)

// writeEnvelope writes the answer and its map.
func writeEnvelope(dir string, a *envelope.Answer) error {
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := envelope.Render(&page, a); err != nil {
		return err
	}
	return errors.Join(reports.WriteFile(filepath.Join(dir, envelopeFile), append(b, '\n')), reports.WriteFile(filepath.Join(dir, envelopeMap), page.Bytes()))
}

// conclude writes and prints the answer.
func (f *envelopeFlags) conclude(a *envelope.Answer, dir string, std streams) error {
	if err := writeEnvelope(dir, a); err != nil {
		return harness("write the answer: %w", err)
	}
	for flag, path := range map[string]string{"json": f.json, "html": f.html} {
		b, err := renderedEnvelope(flag, a)
		if err == nil {
			err = writeAnswerFile(path, b, std.out)
		}
		if err != nil {
			return harness("write %s: %w", path, err)
		}
	}
	if f.json != "-" && f.html != "-" {
		fmt.Fprintf(std.out, "%s\n%s\n%s\n", a.Why, filepath.Join(dir, envelopeFile), filepath.Join(dir, envelopeMap))
	}
	if a.Exit != reports.ExitPass {
		return exit{code: a.Exit}
	}
	return nil
}

// renderedEnvelope is the answer in the form of a flag.
func renderedEnvelope(flag string, a *envelope.Answer) ([]byte, error) {
	var b bytes.Buffer
	var err error
	if flag == "html" {
		err = envelope.Render(&b, a)
	} else {
		err = json.NewEncoder(&b).Encode(a)
	}
	return b.Bytes(), err
}

// folder is the answer's folder: a new one, or that of the search to go on with.
func (f *envelopeFlags) folder(sc *scenarios.Scenario, asked *envelope.Asked) (string, error) {
	before := new(envelope.Answer)
	return f.answerFolder(sc, "envelope", envelopeFile, before, func() error {
		asked.Before = before
		sc.Reseed(before.Seed)
		return asked.Resumes(before, sc.Name)
	})
}

// readBaseline reads the answer to compare with, which no output may overwrite.
func (f *envelopeFlags) readBaseline(sc *scenarios.Scenario, asked *envelope.Asked) (*envelope.Baseline, error) {
	saved := new(envelope.Answer)
	path, err := f.readSaved(envelopeFile, saved)
	if err != nil {
		return nil, err
	}
	return envelope.NewBaseline(path, saved, f.tolerance, asked, sc)
}
