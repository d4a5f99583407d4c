package scenarios

import (
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
	"wringer/faults"
)

// File is a path that a scenario names by a field with the tag path.
type File struct {
	At   string // what names the path: "stream orders: rest.body_file"
	Path string // relative paths lie in the scenario's folder
	Kind string // file, folder, socket

	part  *placed
	field string // below the part, as in multipart[0].file
	text  string // as written
	tag   string
}

// The values of the tag path. A field is one path, a list of them, or for a program a command with its arguments.
const (
	pathFile    = "file"
	pathFolder  = "folder"
	pathAny     = "any"     // a file or a folder
	pathSocket  = "socket"  // to connect to
	pathImport  = "import"  // a file within folders that another field names
	pathWithin  = "within"  // a file within a folder that is listed itself
	pathLater   = "later"   // a file that may appear while the run goes on: its configuration looks at it
	pathProgram = "program" // to run; without a slash it is looked for in PATH
	pathWorkDir = "workdir" // the working directory of a program
)

// Files lists the paths to read that the scenario's streams, effects, faults and target name, in the order of the scenario. A path
// that holds a variable of the target appears as it is written.
func (s *Scenario) Files() []File {
	all := s.placed()
	files := append(slices.Clone(s.included), s.pathsOf(all)...)
	for _, p := range all {
		if i, ok := p.config.(drivers.Importer); ok {
			for _, path := range i.Imports(filepath.Dir(s.Path)) {
				if !slices.ContainsFunc(files, func(f File) bool { return f.Path == path }) {
					files = append(files, File{At: p.at + ", an import", Path: path, Kind: pathFile, tag: pathFile})
				}
			}
		}
	}
	return slices.DeleteFunc(files, func(f File) bool { return slices.Contains([]string{pathProgram, pathWorkDir, pathWithin}, f.tag) })
}

// placed is a configuration of the open language, and its place in the scenario.
type placed struct {
	at     string // "stream orders: rest"
	name   string // in messages: "rest"
	node   *node
	config any
}

// placed lists the configurations, in the order of the scenario.
func (s *Scenario) placed() []placed {
	var all []placed
	if s.Target != nil {
		all = append(all, placed{"target " + s.TargetName, s.TargetName, s.targetAt, s.Target})
	}
	for i := range s.Traffic {
		t := &s.Traffic[i]
		at := "stream " + t.Name + ": "
		if t.Driver != nil {
			all = append(all, placed{at + t.DriverName, t.DriverName, t.driverAt, t.Driver})
		}
		for i := range t.Places {
			if p := &t.Places[i]; p.Source != nil {
				all = append(all, placed{at + p.Title(), p.Title(), p.at, p.Source})
			}
		}
		if t.Consume != nil && t.Consume.Source != nil {
			name := "consume." + t.Consume.SourceName
			all = append(all, placed{at + name, name, t.Consume.at, t.Consume.Source})
		}
	}
	for _, o := range s.Observe {
		if o.Config != nil {
			all = append(all, placed{"observe " + o.Name, "observe." + o.Name, o.at, o.Config})
		}
	}
	for i := range s.entries {
		e := &s.entries[i]
		for _, config := range e.configs {
			all = append(all, placed{"fault " + e.Name, e.Name, e.at, config})
		}
	}
	return all
}

// pathsOf lists every field with the tag path whose files lie on this machine.
func (s *Scenario) pathsOf(configs []placed) []File {
	w := pathWalker{folder: filepath.Dir(s.Path)}
	for _, p := range configs {
		if d, ok := p.config.(faults.Distant); ok && d.Distant() {
			continue
		}
		w.part = &p
		w.walk(p.at, "", reflect.ValueOf(p.config), "")
	}
	return w.found
}

// pathWalker collects the fields with the tag path.
type pathWalker struct {
	folder string
	part   *placed
	found  []File
}

// walk looks at v, which stands at the place at, in the field of the part. tag is that of the field that holds v; empty: none.
func (w *pathWalker) walk(at, field string, v reflect.Value, tag string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			w.walk(at, field, v.Elem(), tag)
		}
	case reflect.String:
		if tag != "" && v.String() != "" {
			w.add(at, field, v.String(), tag)
		}
	case reflect.Slice:
		items := v.Len()
		if tag == pathProgram {
			items = min(items, 1) // the others are arguments
		}
		for i := range items {
			place, index := at, "["+strconv.Itoa(i)+"]"
			if v.Len() > 1 {
				place += index
			}
			w.walk(place, field+index, v.Index(i), tag)
		}
	case reflect.Map:
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
			w.walk(at+"."+key.String(), below(field, key.String()), v.MapIndex(key), tag)
		}
	case reflect.Struct:
		w.fields(at, field, v)
	}
}

func (w *pathWalker) add(at, field, text, tag string) {
	f := File{At: at, Path: drivers.ResolvePath(w.folder, text), Kind: tag, part: w.part, field: field, text: text, tag: tag}
	switch tag {
	case pathImport, pathAny, pathLater:
		f.Kind = pathFile
	case pathProgram:
		f.Path = faults.Program(w.folder, text)
	}
	w.found = append(w.found, f)
}

func (w *pathWalker) fields(at, field string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		place, inner := at, field
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" {
			place, inner = at+"."+name, below(field, name)
		}
		w.walk(place, inner, v.Field(i), f.Tag.Get("path"))
	}
}

// below is the path of a key below a field.
func below(field, key string) string { return strings.TrimPrefix(field+"."+key, ".") }

// Break is one way in which a fault of the scenario breaks something.
type Break struct {
	Name   string // of the fault
	Config faults.Config
}

// Breaks lists what the faults of the scenario can do, those that a nemesis may choose too, in the order of the scenario.
func (s *Scenario) Breaks() []Break {
	var all []Break
	for i := range s.entries {
		for _, config := range s.entries[i].configs {
			all = append(all, Break{s.entries[i].Name, config})
		}
	}
	return all
}
