package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/sections"
	"wringer/scenarios"
)

// readAll reads the scenarios. Of several with errors, it tells those of all.
func (f *runFlags) readAll(paths []string, std streams) ([]*scenarios.Scenario, error) {
	var all []*scenarios.Scenario
	var failed error
	from := make(map[string]string)
	for _, path := range paths {
		sc, err := f.read(path, std)
		if isTold(err) {
			failed = err
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := refuseCapacity(sc, path); err != nil {
			return nil, err
		}
		if first, taken := from[sc.Name]; taken && f.out != "" {
			return nil, usage("%s and %s are both named %s: their records would share a folder", first, path, sc.Name)
		}
		from[sc.Name] = path
		all = append(all, sc)
	}
	return all, failed
}

// load reads a scenario; - is stdin. Its warnings go to stderr.
func load(path string, set []string, std streams) (*scenarios.Scenario, error) {
	return loadWithin(path, set, &restriction{}, std)
}

// loadWithin is load for a scenario that may not do everything.
func loadWithin(path string, set []string, restrict *restriction, std streams) (*scenarios.Scenario, error) {
	src, err := readScenario(path, restrict, std.in)
	if err != nil {
		return nil, err
	}
	return parse(path, src, set, restrict, std)
}

// parse reads a scenario's text. Problems and warnings go to stderr.
func parse(path string, src []byte, set []string, restrict *restriction, std streams) (*scenarios.Scenario, error) {
	if path == "-" {
		path = "stdin"
	}
	settings, err := settingsOf(set)
	if err != nil {
		return nil, err
	}
	restrict.folder = filepath.Dir(path)
	sc, err := scenarios.Parse(path, src, language, scenarios.Options{Set: settings, Environment: restrict.environment, Env: restrict.env, Locate: restrict.locate, Include: restrict.include, Files: !restrict.on})
	if refused := restrict.refusedReads(); refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, misread(err, std)
	}
	for _, w := range sc.Warnings() {
		fmt.Fprintln(std.err, "warning: "+sections.Lines(w.String()))
	}
	return sc, nil
}

// settingsOf reads the values of --set.
func settingsOf(set []string) (map[string]string, error) {
	settings := make(map[string]string)
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, usage("--set %s: write name=value", s)
		}
		settings[name] = value
	}
	return settings, nil
}

func readScenario(path string, restrict *restriction, stdin io.Reader) ([]byte, error) {
	if err := restrict.link(path); err != nil {
		return nil, err
	}
	read := func() (string, error) { return drivers.ReadFile(path) }
	if path == "-" {
		read = func() (string, error) {
			src, err := io.ReadAll(io.LimitReader(stdin, scenarios.MaxScenarioFileBytes+1))
			return string(src), err
		}
	}
	src, err := read()
	if err != nil {
		return nil, usage("read scenario: %w", err)
	}
	return []byte(src), nil
}

// read reads a scenario, and refuses outputs that would overwrite what it names.
func (f *runFlags) read(path string, std streams) (*scenarios.Scenario, error) {
	src, err := readScenario(path, &f.restriction, std.in)
	if err != nil {
		return nil, err
	}
	f.outputs.name = filepath.Base(path)
	sc, err := parse(path, src, f.set, &f.restriction, std)
	if err != nil {
		return nil, errors.Join(err, f.readsTexts(filepath.Dir(path), src))
	}
	if err := errors.Join(f.readsFiles(sc), f.admit(sc)); err != nil {
		return nil, err
	}
	_, err = checkFiles(sc, std)
	return sc, err
}

// checkFiles opens what a scenario names, and looks at what the machine has for it. Problems and warnings go to stderr.
func checkFiles(sc *scenarios.Scenario, std streams) ([]scenarios.Later, error) {
	later, err := sc.CheckFiles()
	if err != nil {
		return nil, misread(err, std)
	}
	warnOfNeeds(std.err, sc, thisMachine())
	return later, nil
}

// isTold says whether an error was printed already, so that the next scenario can be read.
func isTold(err error) bool {
	var e exit
	return errors.As(err, &e) && e.err == nil
}

// misread prints the problems of a scenario.
func misread(err error, std streams) error {
	fmt.Fprintln(std.err, sections.Lines(strings.TrimRight(err.Error(), "\n")))
	return exit{code: reports.ExitUsage, told: err}
}

// readsFiles refuses outputs that are among the files which a scenario names.
func (f *runFlags) readsFiles(sc *scenarios.Scenario) error {
	var paths []string
	for _, file := range sc.Files() {
		paths = append(paths, file.Path)
	}
	return f.reads(paths...)
}
