package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"wringer/reports"
	"wringer/reports/html"
	"wringer/reports/text"
)

// render writes the report into the record's folder, the files that the flags name, and the summary to stdout.
func (f *runFlags) render(dir string, std streams) error {
	rec, err := reports.Load(dir)
	if err != nil {
		return harness("read record back: %w", err)
	}
	f.record = rec
	report := filepath.Join(dir, "report.html")
	if err := writeReport(report, rec); err != nil {
		return harness("write report: %w", err)
	}
	if f.unkept {
		report = ""
	}
	if err := f.annotate(rec, std); err != nil {
		return harness("write annotations: %w", err)
	}
	render := f.summary
	if f.verbose {
		render = all(render)
	}
	if f.several != nil {
		f.several.records = append(f.several.records, rec)
		if f.stdoutTaken() {
			return nil
		}
		return summarize(rec, render, std, report)
	}
	return writeReports(rec, f.files, render, std, report)
}

// writeReport writes a record's own report. What stands in its place and leads elsewhere, a link of a record that others made, is
// removed: reading a record writes nothing outside it.
func writeReport(path string, rec *reports.Record) error {
	if at, err := os.Lstat(path); err == nil && !at.Mode().IsRegular() && !at.IsDir() {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return writeFile(path, rec, html.Render)
}

// writeReports writes what the format flags ask for. Unless one of them took stdout, the summary goes there, and it does so whatever
// became of the others.
func writeReports(rec *reports.Record, files map[string]*string, render summary, std streams, report string) error {
	taken := false
	var unwritten []error
	for _, format := range formats {
		switch path := *files[format.name]; path {
		case "":
		case "-":
			taken = true
			if err := format.render(std.out, rec); err != nil {
				return harness("write %s: %w", format.name, err)
			}
		default:
			if err := writeOutput(path, rec, format.render); err != nil {
				unwritten = append(unwritten, fmt.Errorf("%s%w", unwrittenTo(format.name), err))
			}
		}
	}
	if !taken {
		if err := summarize(rec, render, std, report); err != nil {
			unwritten = append(unwritten, err)
		}
	}
	if len(unwritten) > 0 {
		return exit{code: reports.ExitHarness, err: errors.Join(unwritten...)}
	}
	return nil
}

// all is a summary that leaves out nothing of a wide run.
func all(render summary) summary {
	return func(w io.Writer, rec *reports.Record, opt text.Options) error {
		opt.All = true
		return render(w, rec, opt)
	}
}

// summarize writes the summary to stdout.
func summarize(rec *reports.Record, render summary, std streams, report string) error {
	width, colour := terminal(std.out)
	options := text.Options{Width: width, Color: colour}
	err := render(std.out, rec, options)
	if err == nil {
		err = text.Verdict(std.out, rec, options)
	}
	if readerGone(std.out, err) {
		return nil // whoever closed the pipe or the terminal wants no more, and the record holds all of it
	}
	if err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	if report != "" {
		fmt.Fprintf(std.out, "report: %s\n", report)
	}
	return nil
}

// writeFile renders into a file that appears whole or not at all.
func writeFile(path string, rec *reports.Record, render func(io.Writer, *reports.Record) error) error {
	var b bytes.Buffer
	if err := render(&b, rec); err != nil {
		return err
	}
	return reports.WriteFile(path, b.Bytes())
}
