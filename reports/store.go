package reports

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of a record's folder.
const (
	RunFile        = "run.json"
	ScenarioFile   = "scenario.yaml"
	IntervalsFile  = "intervals.hlog"
	ViolationsFile = "violations.jsonl"
)

// Record is the input of a report.
type Record struct {
	Run *Run
	// Scenario is the text of the scenario as it was run; empty when the folder holds none.
	Scenario []byte
	// Violations is the evidence, in the order in which it was written. It is capped; the counts in Run are exact.
	Violations []Violation
}

// Encode returns the bytes of run.json: indented, keys in a fixed order, lists and maps never null. The same run gives
// the same bytes.
func Encode(run *Run) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(filled(run)); err != nil {
		return nil, fmt.Errorf("encode run %s: %w", run.Name, err)
	}
	return b.Bytes(), nil
}

// Save writes run.json into the folder, which must exist. A reader sees the old file or the new one, never a part.
func Save(dir string, run *Run) error {
	data, err := Encode(run)
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, RunFile), data)
}

// WriteJSON writes the record's run.json to w.
func WriteJSON(w io.Writer, rec *Record) error {
	data, err := Encode(rec.Run)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// WriteFile replaces the file at path in one step: readers see the old bytes or the new ones, also after a crash. A symbolic
// link stays a link. A pipe or a device is written to and not replaced. At most one call per path at a time.
func WriteFile(path string, data []byte) error {
	target := path
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		target = resolved
	}
	if err := writeFile(target, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func writeFile(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	dir, name := filepath.Split(path)
	temp := filepath.Join(dir, fmt.Sprintf(".%s.%d.tmp", name, os.Getpid()))
	err := fill(temp, data)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// fill makes a file whose bytes are on the disk when it returns nil.
func fill(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir puts a rename on the disk. Some file systems cannot sync a folder; the rename is atomic all the same.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}

// Load reads the record in a folder. run.json must be there. A line at the end of the evidence that a crash truncated is left
// out.
func Load(dir string) (*Record, error) {
	path := filepath.Join(dir, RunFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load record: no %s in %s; name the folder that a run wrote: %w", RunFile, dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load record: %w", err)
	}
	rec := &Record{}
	if rec.Run, err = Decode(data); err != nil {
		return nil, fmt.Errorf("load record: %s: %w", path, err)
	}
	if rec.Scenario, err = readOptional(filepath.Join(dir, ScenarioFile)); err != nil {
		return nil, err
	}
	evidence, err := readOptional(filepath.Join(dir, ViolationsFile))
	if err != nil {
		return nil, err
	}
	if rec.Violations, err = decodeViolations(bytes.NewReader(evidence)); err != nil {
		return nil, fmt.Errorf("load record: %s: %w", filepath.Join(dir, ViolationsFile), err)
	}
	return rec, nil
}

// Decode reads the bytes of run.json. Lists and maps of the result are never nil.
func Decode(data []byte) (*Run, error) {
	run := &Run{}
	if err := json.Unmarshal(data, run); err != nil {
		return nil, err
	}
	if run.Schema != Schema {
		return nil, fmt.Errorf("schema is %q, this version reads %q", run.Schema, Schema)
	}
	return filled(run), nil
}

func readOptional(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load record: %w", err)
	}
	return data, nil
}

// decodeViolations reads JSON lines. A last line without its newline was truncated by a crash and is left out, and so is a
// truncated line before a final newline. A broken line elsewhere is an error.
func decodeViolations(r io.Reader) ([]Violation, error) {
	var all []Violation
	lines := bufio.NewReader(r)
	var broken error
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if broken != nil {
			return nil, broken
		}
		var v Violation
		if err := json.Unmarshal(line, &v); err != nil {
			broken = fmt.Errorf("line %d: %w", n, err)
			continue
		}
		all = append(all, v)
	}
}

// filled copies run with empty lists and maps in place of nil ones: an empty list in the record is [] and not null. An
// unmeasured value stays nil.
func filled(run *Run) *Run {
	r := *run
	list(&r.Why)
	list(&r.Gates)
	list(&r.Windows)
	list(&r.Faults)
	list(&r.Validity.Why)
	list(&r.Findings)
	r.Streams = make(map[string]*Stream, len(run.Streams))
	for name, stream := range run.Streams {
		if stream == nil {
			continue
		}
		s := *stream
		list(&s.Seconds)
		s.Total = filledMeasures(s.Total)
		s.Windows = make(map[string]*Measures, len(stream.Windows))
		for window, m := range stream.Windows {
			if m != nil {
				copied := filledMeasures(*m)
				s.Windows[window] = &copied
			}
		}
		r.Streams[name] = &s
	}
	return &r
}

func filledMeasures(m Measures) Measures {
	if m.Errors == nil {
		m.Errors = map[string]int64{}
	}
	return m
}

func list[T any](s *[]T) {
	if *s == nil {
		*s = []T{}
	}
}
