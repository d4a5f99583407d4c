package scenarios

import (
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"wringer/drivers"
	"wringer/faults"
)

// File is a path that a scenario names by a field with the tag path: "file", "folder" or "socket".
type File struct {
	At   string // what names the path: "stream orders: rest.body_file"
	Path string // relative paths lie in the scenario's folder
	Kind string // file, folder, socket
}

// Files lists the paths that the scenario's streams, effects, faults and target name, in the order of the scenario. A path that
// holds a variable of the target appears as it is written.
func (s *Scenario) Files() []File {
	w := pathWalker{folder: filepath.Dir(s.Path)}
	if s.Target != nil {
		w.walk("target "+s.TargetName, reflect.ValueOf(s.Target), "")
	}
	for i := range s.Traffic {
		t := &s.Traffic[i]
		at := "stream " + t.Name + ": "
		if t.Driver != nil {
			w.walk(at+t.DriverName, reflect.ValueOf(t.Driver), "")
		}
		if t.Effects != nil {
			w.walk(at+"effects."+t.EffectName, reflect.ValueOf(t.Effects), "")
		}
		if t.Consume != nil && t.Consume.Source != nil {
			w.walk(at+"consume."+t.Consume.SourceName, reflect.ValueOf(t.Consume.Source), "")
		}
	}
	for _, b := range s.Breaks() {
		w.walk("fault "+b.Name, reflect.ValueOf(b.Config), "")
	}
	return w.found
}

// pathWalker collects the fields with the tag path.
type pathWalker struct {
	folder string
	found  []File
}

// walk looks at v, which stands at the place at. kind is the tag of the field that holds v; empty: no tag.
func (w *pathWalker) walk(at string, v reflect.Value, kind string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			w.walk(at, v.Elem(), kind)
		}
	case reflect.String:
		if kind != "" && v.String() != "" {
			w.found = append(w.found, File{At: at, Path: drivers.ResolvePath(w.folder, v.String()), Kind: kind})
		}
	case reflect.Slice:
		for i := range v.Len() {
			place := at
			if v.Len() > 1 {
				place += "[" + strconv.Itoa(i) + "]"
			}
			w.walk(place, v.Index(i), kind)
		}
	case reflect.Map:
		for key, value := range v.Seq2() {
			w.walk(at+"."+key.String(), value, kind)
		}
	case reflect.Struct:
		w.fields(at, v)
	}
}

func (w *pathWalker) fields(at string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		place := at
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" {
			place += "." + name
		}
		w.walk(place, v.Field(i), f.Tag.Get("path"))
	}
}

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
