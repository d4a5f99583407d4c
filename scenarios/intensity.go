package scenarios

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports/metric"
)

// Intensity is a number of a fault that says how bad the fault is. The tag worse of its field says so: worse:"more" where more
// of it is worse, worse:"less" where less is. Of a map the tag holds both, by key: worse:"latency=more rate=less".
type Intensity struct {
	// Key is the path of the key in the fault: latency, for, http.share.
	Key string
	// Written is the value that the scenario has, as a scenario writes it; empty: it has none.
	Written string
	// Less: the fault is worse with less of it.
	Less bool
	// Whole: it is a whole number.
	Whole bool
}

// Breakage is a fault as the file has it, with its intensities.
type Breakage struct {
	Name string
	// At is where it stands: shop.yaml:12.
	At string
	// On names what the fault breaks, each link or part once.
	On []string
	// Intensities are all that its kind has, in the order of its keys; its length, for, comes last.
	Intensities []Intensity
	// Chosen: a nemesis chooses its times, and its length.
	Chosen bool
}

// Breakages lists the faults of the file that break something: every entry but those of a nemesis.
func (s *Scenario) Breakages() []Breakage {
	var all []Breakage
	for i := range s.entries {
		e := &s.entries[i]
		if e.Nemesis != nil {
			continue
		}
		b := Breakage{Name: e.Name, At: fmt.Sprintf("%s:%d", cmp.Or(e.at.file, s.Path), e.at.line), Chosen: e.At == nil && e.After == ""}
		for _, c := range e.configs {
			if on := placeName(c.On()); !slices.Contains(b.On, on) {
				b.On = append(b.On, on)
			}
		}
		if len(e.configs) > 0 {
			b.Intensities = intensities(reflect.ValueOf(e.configs[0]).Elem(), e.at, "")
		}
		if !b.Chosen {
			b.Intensities = append(b.Intensities, Intensity{Key: lengthKey, Written: e.For.String()})
		}
		all = append(all, b)
	}
	return all
}

// lengthKey is the key of an entry's length.
const lengthKey = "for"

func placeName(p faults.Place) string {
	if p.Link != "" {
		return p.Link
	}
	return p.Part
}

// intensities lists the tagged fields of a configuration, and of the tables in it. n is its table in the file; nil: it has none. A
// field that may be written as a value or as a table has the intensities of the one that it is.
func intensities(v reflect.Value, n *node, prefix string) (all []Intensity) {
	for _, p := range parts(v.Type()) {
		at := n.value(p.key)
		worse, key, f := v.Type().FieldByIndex(p.index).Tag.Get("worse"), prefix+p.key, v.FieldByIndex(p.index)
		switch {
		case worse != "" && f.Kind() == reflect.Map:
			all = append(all, entriesOf(f, key, worse)...)
		case worse != "":
			kind := f.Kind()
			if kind == reflect.Pointer {
				kind = f.Type().Elem().Kind()
			}
			_, text := f.Addr().Interface().(fmt.Stringer)
			whole := !text && f.Type() != durationType && reflect.Int <= kind && kind <= reflect.Uint64
			i := Intensity{Key: key, Less: worse == "less", Whole: whole}
			if at != nil && at.kind == scalar {
				i.Written = written(f)
			}
			all = append(all, i)
		}
		if f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct {
			f = reflect.New(f.Type().Elem()).Elem()
			if p := v.FieldByIndex(p.index); !p.IsNil() {
				f = p.Elem()
			}
		}
		if f.Kind() == reflect.Struct && (worse == "" || at != nil) && (at == nil || at.kind == table) {
			all = append(all, intensities(f, at, key+".")...)
		}
	}
	return all
}

// value is the value of a key; nil where there is none.
func (n *node) value(key string) *node {
	if n == nil {
		return nil
	}
	return n.get(key)
}

// entriesOf lists the intensities of a map whose keys the tag names.
func entriesOf(f reflect.Value, key, worse string) (all []Intensity) {
	for word := range strings.FieldsSeq(worse) {
		name, which, _ := strings.Cut(word, "=")
		i := Intensity{Key: key + "." + name, Less: which == "less", Whole: true}
		if value := f.MapIndex(reflect.ValueOf(name)); value.IsValid() {
			i.Written = fmt.Sprint(value.Interface())
		}
		all = append(all, i)
	}
	return all
}

// written is a value as a scenario writes it; empty for the zero value.
func written(v reflect.Value) string {
	if v.IsZero() {
		return ""
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// Change gives one key of a fault another value than the file has. The text of the scenario stays as it is.
type Change struct {
	// Fault and Key name it, as a Breakage and its Intensity do.
	Fault, Key string
	// Value is the value as a scenario writes it.
	Value string
	// Longer is by how much the run is longer than the file says.
	Longer time.Duration
}

// change puts a changed value into the tree. Problems of the value are told at the place where the file has it.
func (r *reader) change(root *node, c *Change) {
	if c == nil {
		return
	}
	r.longer = c.Longer
	entry := entryNode(root.get("faults"), c.Fault)
	if entry == nil {
		r.problem(root, "faults: there is no fault %s to change", quote(c.Fault))
		return
	}
	n := entry
	for key := range strings.SplitSeq(c.Key, ".") {
		n = n.child(key)
	}
	if n.kind != scalar {
		r.problem(n, "%s: %s is %s here, and no number that can be changed", c.Fault, c.Key, n.words())
		return
	}
	_, _ = r.vars.split(n.text) // marks the variables of the value as used
	n.text, n.quoted = c.Value, false
}

// Quiet returns the scenario without its faults and phases, of that length: what the target does while nothing is broken. It keeps
// the gates on the baseline, and those on the whole run whose value does not grow with its length, where less is better.
func (s *Scenario) Quiet(d time.Duration) *Scenario {
	out := *s
	out.Run.Duration, out.entries, out.Faults, out.Phases = d, nil, nil, nil
	out.Expect = nil
	for _, g := range s.Expect {
		bounded := (g.Comparison == "<" || g.Comparison == "<=") && (g.Metric.Unit == metric.NS || g.Metric.Unit == metric.Ratio)
		if g.Scope.Window == faults.Baseline || g.Scope.Window == "" && bounded {
			out.Expect = append(out.Expect, g)
		}
	}
	return &out
}

// entryNode is the entry of a name in the list of faults; nil without any.
func entryNode(list *node, name string) *node {
	if list == nil {
		return nil
	}
	for _, item := range list.items {
		if at := item.get("name"); at != nil && at.text == name {
			return item
		}
	}
	return nil
}

// child is the value of a key, which is added where it is absent. Its node is a copy: an alias elsewhere stays as it is.
func (n *node) child(key string) *node {
	fresh := &node{place: n.place}
	if n.kind == scalar && n.null() {
		n.kind = table
	}
	n.fields = slices.Clone(n.fields)
	for i := range n.fields {
		if f := &n.fields[i]; f.key.text == key {
			*fresh = *f.value
			f.value = fresh
			return fresh
		}
	}
	n.fields = append(n.fields, field{key: &node{text: key, place: n.place}, value: fresh})
	return fresh
}
