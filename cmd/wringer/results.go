package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"wringer/reports"
	"wringer/reports/samples"
	"wringer/reports/vegeta"
	"wringer/scenarios/runner/traffic"
)

// results are the files that take the attempts of a run while it goes on: those of --vegeta and --samples.
type results []*attemptsFile

// attemptsFile is one of them. It is written beside its path, and takes its place at the end. A pipe or a device is written to.
type attemptsFile struct {
	attemptsWriter
	path  string
	place string // of the finished file; empty: file is a pipe or a device
	file  outputFile
}

// attemptsWriter writes attempts in one format. Close writes the rest; its error says why the file is not whole.
type attemptsWriter interface {
	traffic.Results
	Close() error
}

// openResults opens what the flags ask for. The caller closes the result.
func (f *runFlags) openResults() (results, error) {
	var all results
	for _, asked := range []struct {
		path string
		open func(io.Writer) (attemptsWriter, error)
	}{
		{f.vegeta, func(w io.Writer) (attemptsWriter, error) { return vegeta.New(w), nil }},
		{f.samples, func(w io.Writer) (attemptsWriter, error) { return samples.New(w, f.samples) }},
	} {
		if asked.path == "" {
			continue
		}
		opened, err := openAttempts(asked.path, asked.open)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("write %s: %w", asked.path, err), all.close(false))
		}
		all = append(all, opened)
	}
	return all, nil
}

func openAttempts(path string, open func(io.Writer) (attemptsWriter, error)) (*attemptsFile, error) {
	f := &attemptsFile{path: path}
	var err error
	if special(path) {
		f.file, err = openSpecial(path)
	} else {
		f.place = path
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			f.place = resolved // a symbolic link stays a link
		}
		f.file, err = os.OpenFile(f.temporary(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	}
	if err != nil {
		return nil, err
	}
	if f.attemptsWriter, err = open(f.file); err != nil {
		return nil, errors.Join(err, f.file.Close(), f.remove())
	}
	return f, nil
}

// temporary is where the file grows.
func (f *attemptsFile) temporary() string {
	folder, name := filepath.Split(f.place)
	return filepath.Join(folder, fmt.Sprintf(".%s.%d.tmp", name, os.Getpid()))
}

func (f *attemptsFile) remove() error {
	if f.place == "" {
		return nil
	}
	return os.Remove(f.temporary())
}

// end writes the rest. keep: the file takes its place, else it is removed.
func (f *attemptsFile) end(keep bool) error {
	err := errors.Join(f.Close(), f.file.Close())
	switch {
	case !keep:
		return f.remove() // what was to be told has been
	case f.place != "":
		err = errors.Join(err, os.Rename(f.temporary(), f.place))
	}
	if err != nil {
		return fmt.Errorf("%s is not whole: %w", f.path, err)
	}
	return nil
}

// close writes the rest of all. The error says which are not whole, and why. Unless keep is set, the files are removed.
func (r results) close(keep bool) (failed error) {
	for _, f := range r {
		failed = errors.Join(failed, f.end(keep))
	}
	return failed
}

// takers take the attempts of a run: files, and the exporter of spans.
type takers []traffic.Results

// takers are those that a run has.
func (f *runFlags) takers(files results) (all takers) {
	for _, file := range files {
		all = append(all, file)
	}
	if f.telemetry.otlp.spans != nil {
		all = append(all, f.telemetry.otlp.spans)
	}
	return all
}

// Begin announces a stream to each.
func (t takers) Begin(b reports.Begun) {
	for _, taker := range t {
		taker.Begin(b)
	}
}

// Ended passes an operation on to each.
func (t takers) Ended(stream string, e *reports.Ended) {
	for _, taker := range t {
		taker.Ended(stream, e)
	}
}

// Settled passes the notice on to each.
func (t takers) Settled(stream string, until time.Duration) {
	for _, taker := range t {
		taker.Settled(stream, until)
	}
}

// Finish finishes each, and returns what one of them has to tell.
func (t takers) Finish() (told *reports.Samples) {
	for _, taker := range t {
		if s := taker.Finish(); s != nil {
			told = s
		}
	}
	return told
}

// Conclude passes the record on to those that want it.
func (t takers) Conclude(run *reports.Run, evidence []reports.Violation) {
	for _, taker := range t {
		if c, ok := taker.(traffic.Concluding); ok {
			c.Conclude(run, evidence)
		}
	}
}

// emptyAttempts is what the file of a flag holds while the run goes on, and when it came to no end.
func (f *runFlags) emptyAttempts(flag string, run *reports.Run) ([]byte, error) {
	if flag != "samples" {
		return nil, nil
	}
	return samples.Empty(f.samples, run.Why[0])
}
