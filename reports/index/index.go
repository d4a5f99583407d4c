// Package index sums a folder of records up on one page: the trend of each gate's value with its limit, and the verdict of each run.
package index

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wringer/reports"
)

// Entry is one record of the folder.
type Entry struct {
	Dir string // of the record, from the folder, with slashes
	Run Run
	// Report: the record's folder holds a report.html.
	Report bool
	// Broken is the reason why the record cannot be read; empty: it can.
	Broken string
}

// Run is what the index takes from a run.json.
type Run struct {
	Schema     string          `json:"schema"`
	Name       string          `json:"name"`
	ID         string          `json:"id"`
	Version    string          `json:"version"`
	Started    time.Time       `json:"started"`
	DurationNS int64           `json:"duration_ns"`
	Verdict    reports.Verdict `json:"verdict"`
	Exit       int             `json:"exit"`
	Why        []string        `json:"why"`
	Gates      []reports.Gate  `json:"gates"`
}

const (
	// most bounds the records of an index. Of more the newest are shown.
	most = 5000
	// deepest is how far below the folder a record may lie: runs of several scenarios lie in DIR/NAME.
	deepest = 3
	// mostBytes bounds one run.json.
	mostBytes = 2 << 30
)

// ReportFile is the name of a record's own report in its folder.
const ReportFile = "report.html"

// answers are the files of commands whose folder holds the records of their trials: each trial has another load, and no trend.
var answers = []string{"capacity.json", "envelope.json"}

// Read reads the records below a folder, the oldest first. Links are not followed. A record that cannot be read is an entry too.
// left is the number of records beyond the bound. It blocks on the file system.
func Read(folder string) (entries []Entry, left int, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == folder:
			return err
		case err != nil || !d.IsDir():
			return nil // a folder that may not be read holds no record for us
		}
		inside, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		inside = filepath.ToSlash(inside)
		if inside != "." && (strings.Count(inside, "/") >= deepest || strings.HasPrefix(d.Name(), ".") || holds(path, answers...)) {
			return fs.SkipDir
		}
		if inside != "." && holds(path, reports.RunFile) {
			entries = append(entries, read(path, inside))
			return fs.SkipDir
		}
		return nil
	})
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Run.Started.Compare(b.Run.Started), strings.Compare(a.Dir, b.Dir))
	})
	if left = len(entries) - most; left > 0 {
		return entries[left:], left, err
	}
	return entries, 0, err
}

// Holds reports whether a folder holds records below it, and is none itself.
func Holds(folder string) bool {
	if at, err := os.Stat(folder); err != nil || !at.IsDir() || holds(folder, reports.RunFile) {
		return false
	}
	found := errors.New("found")
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		inside, failed := filepath.Rel(folder, path)
		switch {
		case err != nil || failed != nil:
			return nil
		case d.IsDir() && strings.Count(filepath.ToSlash(inside), "/") >= deepest:
			return fs.SkipDir
		case d.Name() == reports.RunFile && d.Type().IsRegular():
			return found
		}
		return nil
	})
	return errors.Is(err, found)
}

// holds says whether a folder holds one of the files.
func holds(folder string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		at, err := os.Lstat(filepath.Join(folder, name))
		return err == nil && at.Mode().IsRegular()
	})
}

func read(path, inside string) Entry {
	e := Entry{Dir: inside, Report: holds(path, ReportFile)}
	f, err := os.Open(filepath.Join(path, reports.RunFile))
	if err != nil {
		e.Broken = err.Error()
		return e
	}
	defer f.Close()
	switch err := json.NewDecoder(io.LimitReader(f, mostBytes)).Decode(&e.Run); {
	case err != nil:
		e.Run, e.Broken = Run{}, fmt.Sprintf("%s cannot be read: %v", reports.RunFile, err)
	case e.Run.Schema != reports.Schema:
		e.Run, e.Broken = Run{}, fmt.Sprintf("its schema is %q, this version reads %q", e.Run.Schema, reports.Schema)
	}
	return e
}
