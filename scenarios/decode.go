package scenarios

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// decoder fills Go values from nodes by their yaml tags, strictly, and gathers every problem on the way. It enforces the tags
// jsonschema:"required" and, for a text, jsonschema:"enum=a,enum=b".
type decoder struct {
	file     string
	problems Problems
	vars     *variables
	// late permits the target's variables in texts.
	late bool
	// locate is that of the Options.
	locate func(kind string) (environ []string, err error)
	// unsound are the configurations that have problems.
	unsound []placed
}

// nodeDecoder is a type with its own form in the file.
type nodeDecoder interface {
	decodeNode(d *decoder, n *node, name string)
}

func (d *decoder) problem(n *node, format string, args ...any) {
	d.at(n.place, fmt.Sprintf(format, args...))
}

func (d *decoder) at(at place, message string) {
	d.problems = append(d.problems, at.problem(d.file, message))
}

// open are the keys of a table that its struct does not decode itself.
type open map[string]func(f field)

// part is one decoded field of a struct.
type part struct {
	key      string
	index    []int
	required bool
	enum     []string
}

// parts lists the fields of a struct that have a key. Fields of inlined structs count as the struct's own.
func parts(t reflect.Type) []part {
	var out []part
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.Anonymous && name == "" || options == "inline" {
			for _, p := range parts(f.Type) {
				p.index = append([]int{i}, p.index...)
				out = append(out, p)
			}
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		p := part{key: name, index: f.Index}
		if name == "" {
			p.key = strings.ToLower(f.Name)
		}
		for tag := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
			if tag == "required" {
				p.required = true
			}
			if word, ok := strings.CutPrefix(tag, "enum="); ok {
				p.enum = append(p.enum, word)
			}
		}
		out = append(out, p)
	}
	return out
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for _, p := range parts(t) {
		keys = append(keys, p.key)
	}
	return keys
}

// table decodes n into the struct v. Keys in elsewhere go to their functions, which are called in file order.
func (d *decoder) table(n *node, name string, v reflect.Value, elsewhere open) {
	ps := parts(v.Type())
	byKey := make(map[string]part)
	var allowed []string
	for _, p := range ps {
		byKey[p.key] = p
		allowed = append(allowed, p.key)
	}
	for key := range elsewhere {
		allowed = append(allowed, key)
	}
	if n.kind != table {
		d.problem(n, "%s: expects a table of keys, found %s; %s", name, n.words(), choices("", allowed))
		return
	}
	for _, f := range n.fields {
		if handle, ok := elsewhere[f.key.text]; ok {
			handle(f)
		} else if p, ok := byKey[f.key.text]; ok {
			d.field(f.value, p, v.FieldByIndex(p.index))
		} else {
			d.problem(f.key, "%s: unknown key %s; %s", name, quote(f.key.text), choices(f.key.text, allowed))
		}
	}
	for _, p := range ps {
		if p.required && n.get(p.key) == nil {
			d.problem(n, "%s: the key %s is missing", name, p.key)
		}
	}
}

func (d *decoder) field(n *node, p part, v reflect.Value) {
	before := len(d.problems)
	d.value(n, p.key, v)
	if len(p.enum) == 0 || len(d.problems) > before {
		return
	}
	if n.kind == scalar {
		d.enum(n, p)
	}
	for _, item := range n.items {
		d.enum(item, p)
	}
}

// enum checks one text against the words that its field allows.
func (d *decoder) enum(n *node, p part) {
	text, late, ok := d.text(n, p.key, "a text")
	if ok && !late && !slices.Contains(p.enum, text) {
		d.problem(n, "%s: unknown value %s; %s", p.key, quote(text), choices(text, p.enum))
	}
}

var durationType = reflect.TypeFor[time.Duration]()

// value decodes n into v. name is the key for messages.
func (d *decoder) value(n *node, name string, v reflect.Value) {
	if own, ok := v.Addr().Interface().(nodeDecoder); ok {
		own.decodeNode(d, n, name)
		return
	}
	_, text := v.Addr().Interface().(encoding.TextUnmarshaler)
	if text && n.kind == table && tabular(v.Type()) {
		d.table(n, name, v, nil)
		return
	}
	if text && n.kind == list && v.Kind() == reflect.Slice {
		d.list(n, name, v)
		return
	}
	if text || v.Type() == durationType {
		d.scalar(n, name, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		d.value(n, name, fresh.Elem())
		v.Set(fresh)
	case reflect.Struct:
		d.table(n, name, v, nil)
	case reflect.Slice:
		d.list(n, name, v)
	case reflect.Map:
		d.mapping(n, name, v)
	case reflect.Interface:
		if free := d.free(n, name); free != nil {
			v.Set(reflect.ValueOf(free))
		}
	default:
		d.scalar(n, name, v)
	}
}

// tabular reports whether a type with a text form may also be written as a table of keys.
func tabular(t reflect.Type) bool { return t.Kind() == reflect.Struct && len(parts(t)) > 0 }

func (d *decoder) list(n *node, name string, v reflect.Value) {
	if n.kind != list {
		remedy := ""
		if n.kind == scalar && !n.null() {
			remedy = ": write [" + clip(n.text) + "]"
		}
		d.problem(n, "%s: expects a list, found %s%s", name, n.words(), remedy)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		d.value(item, name, v.Index(i))
	}
}

func (d *decoder) mapping(n *node, name string, v reflect.Value) {
	if n.kind != table {
		d.problem(n, "%s: expects a table of keys, found %s", name, n.words())
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.fields)))
	for _, f := range n.fields {
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(f.value, name+"."+clip(f.key.text), value)
		v.SetMapIndex(reflect.ValueOf(f.key.text).Convert(v.Type().Key()), value)
	}
}

// text reads a scalar with its variables filled in. late means that the text still holds variables of the target. Where late
// variables are permitted, the text is encoded for fill.
func (d *decoder) text(n *node, name, wanted string) (text string, late, ok bool) {
	if n.kind != scalar || n.null() {
		d.problem(n, "%s: expects %s, found %s", name, wanted, n.words())
		return "", false, false
	}
	pieces, errs := d.vars.split(n.text)
	for _, err := range errs {
		d.problem(n, "%s: %v", name, err)
	}
	for _, p := range pieces {
		late = late || p.late
		if p.late && !d.late {
			d.problem(n, "%s: ${%s} is known only once the target runs; it may be used in the texts of a driver, of effects and of links", name, p.text)
			errs = append(errs, errors.New("late"))
		}
	}
	if d.late {
		return encode(pieces), late, len(errs) == 0
	}
	return plain(pieces), late, len(errs) == 0
}

var (
	wholeNumber  = regexp.MustCompile(`^[-+]?[0-9]+$`)
	otherNumber  = regexp.MustCompile(`^0(x[0-9a-fA-F]+|o[0-7]+)$`)
	floatNumber  = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	leadingZero  = regexp.MustCompile(`^[-+]?0[0-9]`)
	noJSONNumber = regexp.MustCompile(`^[-+]?\.(inf|Inf|INF|nan|NaN|NAN)$`)
)
