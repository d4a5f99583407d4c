package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/annotations"
	"wringer/scenarios"
)

// several are the records of a command that makes more than one.
type several struct{ records []*reports.Record }

// render renders one more record beside those so far. A nil several renders the record alone.
func (s *several) render(f *format) func(io.Writer, *reports.Record) error {
	if s == nil || f.all == nil {
		return f.render
	}
	return func(w io.Writer, rec *reports.Record) error {
		all := slices.Clone(s.records)
		if !slices.Contains(all, rec) {
			all = append(all, rec)
		}
		return f.all(w, all)
	}
}

// scenariosOf lists the scenarios that the words of a command line mean: files, folders and patterns. - is stdin.
func scenariosOf(named []string) ([]string, error) {
	var out []string
	for _, name := range named {
		at, err := os.Stat(name)
		switch {
		case err == nil && at.IsDir():
			inside, err := scenariosIn(name)
			if err != nil {
				return nil, err
			}
			out = append(out, inside...)
		case err != nil && strings.ContainsAny(name, "*?["):
			found, err := filepath.Glob(name)
			if err != nil || len(found) == 0 {
				return nil, usage("%s: no file fits the pattern", name)
			}
			out = append(out, found...)
		default:
			out = append(out, name)
		}
	}
	return out, nil
}

// scenariosIn lists the scenarios of a folder: its files in YAML that have streams. Other files in YAML, such as a Compose file, are none.
func scenariosIn(folder string) ([]string, error) {
	var out []string
	for _, ending := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(folder, ending))
		if err != nil {
			return nil, usage("%s: %w", folder, err)
		}
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, usage("read scenario: %w", err)
			}
			if bytes.HasPrefix(text, []byte("traffic:")) || bytes.Contains(text, []byte("\ntraffic:")) {
				out = append(out, path)
			}
		}
	}
	if len(out) == 0 {
		return nil, usage("%s: there is no scenario in the folder, no .yaml file with traffic:", folder)
	}
	slices.Sort(out)
	return out, nil
}

// play is one run of the command.
type play struct {
	scenario *scenarios.Scenario
	dir      string
}

// plays are the runs, with a folder for each.
func (f *runFlags) plays(all []*scenarios.Scenario) []play {
	var out []play
	for _, sc := range all {
		for n := range f.repeat {
			dir := f.dir(sc, len(all) > 1)
			if f.repeat > 1 && f.out != "" {
				dir = filepath.Join(dir, strconv.Itoa(n+1))
			} else if f.repeat > 1 {
				dir += "-" + strconv.Itoa(n+1)
			}
			out = append(out, play{sc, dir})
		}
	}
	return out
}

// replaceable says whether --force may remove a folder: it holds a record, and nothing that is left to undo.
func replaceable(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, reports.RunFile)); err != nil {
		return usage("%s holds no record, and --force replaces records alone: remove it, or name another with --out", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, faults.JournalFile)); err == nil {
		return usage("the run of %s left something behind: wringer cleanup %s undoes it", dir, dir)
	}
	return nil
}

// clear removes the record that --force replaces.
func (f *runFlags) clear(dir string) error {
	if entries, err := os.ReadDir(dir); !f.force || err != nil || len(entries) == 0 {
		return nil
	}
	if err := replaceable(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return usage("--force: %w", err)
	}
	return nil
}

// stdoutTaken says whether a format goes to stdout.
func (f *runFlags) stdoutTaken() bool {
	return slices.ContainsFunc(formats, func(o format) bool { return *f.files[o.name] == "-" })
}

// conclude writes the outputs over all records, and the tally as the last line. planned is how many runs there should have been.
func (f *runFlags) conclude(planned int, std streams) error {
	records := f.several.records
	for _, format := range formats {
		path := *f.files[format.name]
		if path == "" {
			continue
		}
		render := func(w io.Writer, _ *reports.Record) error { return format.all(w, records) }
		var err error
		if path == "-" {
			err = render(std.out, nil)
		} else {
			err = writeOutput(path, nil, render)
		}
		if err != nil {
			return harness("write %s: %w", format.name, err)
		}
	}
	out := std.out
	if f.stdoutTaken() {
		out = std.err
	}
	if f.repeat > 1 {
		tallies(out, records)
	}
	text := reports.RunTally(records)
	if left := planned - len(records); left > 0 {
		text += fmt.Sprintf(", %d not run", left)
	}
	_, err := fmt.Fprintf(out, "\n%s\n", text)
	return err
}

// tallies writes how often each gate of a repeated scenario held, and the verdict of its runs together.
func tallies(w io.Writer, records []*reports.Record) {
	for len(records) > 0 {
		name := records[0].Run.Name
		n := 0
		for n < len(records) && records[n].Run.Name == name {
			n++
		}
		own := records[:n]
		records = records[n:]
		var verdicts []reports.Verdict
		var gates []string
		counts := make(map[string]map[reports.Verdict]int)
		for _, rec := range own {
			verdicts = append(verdicts, rec.Run.Verdict)
			for i := range rec.Run.Gates {
				g := &rec.Run.Gates[i]
				if counts[g.Expr] == nil {
					counts[g.Expr], gates = make(map[reports.Verdict]int), append(gates, g.Expr)
				}
				counts[g.Expr][g.Verdict]++
			}
		}
		fmt.Fprintf(w, "\n%s: %s (%s)\n", name, reports.Together(verdicts...), reports.RunTally(own))
		for _, gate := range gates {
			fmt.Fprintf(w, "  %s: %s\n", gate, reports.VerdictTally(counts[gate]))
		}
	}
}

// annotate tells what did not pass as GitHub Actions shows it beside the scenario's lines, unless --annotations does. Elsewhere it writes
// nothing.
func (f *runFlags) annotate(rec *reports.Record, std streams) error {
	if os.Getenv("GITHUB_ACTIONS") != "true" || f.unkept || *f.files["annotations"] != "" {
		return nil
	}
	return annotations.Render(std.err, rec)
}
