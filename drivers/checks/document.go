package checks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/drivers/jsonpath"
)

// Document is the part of a check that looks at an answer's JSON form. Every condition must hold.
type Document struct {
	Name         string            `yaml:"name" jsonschema_description:"Names the check: it is told by name, and gates count its failures, as in orders.check(NAME) == 0."`
	JSON         map[string]any    `yaml:"json" jsonschema_description:"Values by path ($.items[0].id): exactly these must stand there. Strings may hold {{...}}, which equals a number or truth value written so too."`
	NotEqual     map[string]any    `yaml:"not_equal" jsonschema_description:"Values by path: something else must stand there. A path that is absent fails."`
	Match        map[string]string `yaml:"match" jsonschema_description:"Regular expressions by path, for a text, a number or a truth value. May hold {{...}}, which stands for the text itself."`
	NotMatch     map[string]string `yaml:"not_match" jsonschema_description:"Regular expressions by path that the value must not match. A path that is absent fails."`
	Absent       []string          `yaml:"absent" jsonschema_description:"Paths at which nothing may stand, not even null."`
	Null         []string          `yaml:"null" jsonschema_description:"Paths at which null must stand."`
	AbsentOrNull []string          `yaml:"absent_or_null" jsonschema_description:"Paths at which nothing may stand, or null."`
	Compare      []string          `yaml:"compare" jsonschema_description:"Two values of which both must stand in the relation: $.paid <= $.total, $.version > {{version}}. A value is a path, a text with {{...}}, or a JSON value. One of == != < <= > >= stands between blanks."`
	Length       map[string]string `yaml:"length" jsonschema_description:"Lengths of lists by path: 3, or a comparison as in > 0."`
	Schema       string            `yaml:"schema" path:"file" jsonschema_description:"A JSON Schema file that the whole document must satisfy, relative to the scenario. Its $ref stay within the file."`
}

// Looks says whether the check has a condition on the document.
func (d *Document) Looks() bool {
	return len(d.JSON)+len(d.NotEqual)+len(d.Match)+len(d.NotMatch)+len(d.Absent)+len(d.Null)+len(d.AbsentOrNull)+len(d.Compare)+len(d.Length) > 0 || d.Schema != ""
}

// Conditions are the compiled conditions of a Document. They are read only, and safe for concurrent use.
type Conditions []condition

// condition returns why it does not hold, "" if it does.
type condition func(doc any, op *drivers.Op) (why string)

// Failing returns why the first condition that does not hold does not; "" if all hold. doc is decoded JSON with its numbers as
// json.Number.
func (c Conditions) Failing(doc any, op *drivers.Op) (why string) {
	for _, holds := range c {
		if why := holds(doc, op); why != "" {
			return why
		}
	}
	return ""
}

// Renderer renders a compiled text for an operation, and appends it to dst.
type Renderer func(dst []byte, op *drivers.Op) []byte

// Compiler compiles checks. One goroutine uses it.
type Compiler struct {
	// Text compiles a text with {{...}} for the syntax in which it stands, nil for none. It tells what is wrong by itself, and then
	// returns nil.
	Text func(field, text string, where drivers.Syntax) Renderer
	// Problem takes what is wrong. field is the place below the stream's part.
	Problem func(field, message string)
	// Path says what is wrong with a path beyond its syntax; nil: nothing.
	Path func(spec string) error
	// TextNumbers says that the JSON form of the protocol writes whole numbers of 64 bits as texts: a number equals the text that is
	// the same number.
	TextNumbers bool
	// Folder is where relative paths start. Readable says whether a file can be read now; nil: none can.
	Folder   string
	Readable func(path string) bool
}

// Compile compiles the conditions of a check, which stands at field. It returns none if the check has none on the document.
func (c *Compiler) Compile(d *Document, field string) Conditions {
	var out Conditions
	add := func(more condition) { out = append(out, more) }
	c.each(d.JSON, field+".json", func(p place, want value) { add(c.equal(p, want)) })
	c.each(d.NotEqual, field+".not_equal", func(p place, want value) { add(c.notEqual(p, want)) })
	c.matches(d.Match, field+".match", true, add)
	c.matches(d.NotMatch, field+".not_match", false, add)
	c.paths(d.Absent, field+".absent", func(p place) { add(p.absent) })
	c.paths(d.Null, field+".null", func(p place) { add(p.null) })
	c.paths(d.AbsentOrNull, field+".absent_or_null", func(p place) { add(p.absentOrNull) })
	for i, text := range d.Compare {
		if holds := c.compare(fmt.Sprintf("%s.compare[%d]", field, i), text); holds != nil {
			add(holds)
		}
	}
	for _, spec := range slices.Sorted(maps.Keys(d.Length)) {
		at := field + ".length." + spec
		holds, err := parseLength(d.Length[spec])
		if err != nil {
			c.Problem(at, err.Error())
		} else if p, ok := c.place(at, spec); ok {
			add(p.length(d.Length[spec], holds))
		}
	}
	if d.Schema != "" && c.Readable != nil && c.Readable(d.Schema) {
		if holds, err := schema(drivers.ResolvePath(c.Folder, d.Schema)); err != nil {
			c.Problem(field+".schema", err.Error())
		} else {
			add(holds)
		}
	}
	return out
}

// place is a path, as written and compiled.
type place struct {
	spec string
	path *jsonpath.Path
}

// place compiles a path.
func (c *Compiler) place(field, spec string) (place, bool) {
	path, err := jsonpath.Parse(spec)
	if err == nil && c.Path != nil {
		err = c.Path(spec)
	}
	if err != nil {
		c.Problem(field, err.Error())
		return place{}, false
	}
	return place{spec, path}, true
}

// each compiles values by path, in the order of their paths.
func (c *Compiler) each(wants map[string]any, field string, take func(place, value)) {
	for _, spec := range slices.Sorted(maps.Keys(wants)) {
		p, ok := c.place(field, spec)
		if want := c.value(field+"."+spec, wants[spec]); ok && want != nil {
			take(p, want)
		}
	}
}

// paths compiles a list of paths.
func (c *Compiler) paths(specs []string, field string, take func(place)) {
	for i, spec := range specs {
		if p, ok := c.place(fmt.Sprintf("%s[%d]", field, i), spec); ok {
			take(p)
		}
	}
}

// matches compiles regular expressions by path.
func (c *Compiler) matches(all map[string]string, field string, want bool, add func(condition)) {
	for _, spec := range slices.Sorted(maps.Keys(all)) {
		p, ok := c.place(field, spec)
		if re := c.Pattern(field+"."+spec, all[spec]); ok && re != nil {
			add(p.match(re, want))
		}
	}
}

// missing tells that nothing stands at the place.
func (p place) missing(doc any) string { return "json " + p.spec + " is absent: " + Shown(doc) }

func (p place) absent(doc any, _ *drivers.Op) string {
	if got, found := p.path.In(doc); found {
		return "json " + p.spec + " is " + Shown(got) + ", not absent"
	}
	return ""
}

func (p place) null(doc any, _ *drivers.Op) string {
	switch got, found := p.path.In(doc); {
	case !found:
		return "json " + p.spec + " is absent, not null: " + Shown(doc)
	case got != nil:
		return "json " + p.spec + " is " + Shown(got) + ", not null"
	}
	return ""
}

func (p place) absentOrNull(doc any, _ *drivers.Op) string {
	if got, found := p.path.In(doc); found && got != nil {
		return "json " + p.spec + " is " + Shown(got) + ", neither absent nor null"
	}
	return ""
}

func (c *Compiler) equal(p place, want value) condition {
	return func(doc any, op *drivers.Op) string {
		got, found := p.path.In(doc)
		if !found {
			return p.missing(doc)
		}
		if want := want(op); !c.same(got, want) {
			return "json " + p.spec + " is " + Shown(got) + ", not " + Shown(want)
		}
		return ""
	}
}

func (c *Compiler) notEqual(p place, want value) condition {
	return func(doc any, op *drivers.Op) string {
		got, found := p.path.In(doc)
		if !found {
			return p.missing(doc)
		}
		switch want := want(op); {
		case c.same(got, want):
			return "json " + p.spec + " is " + Shown(got) + ", which it must not be"
		case c.unsure(got, want):
			return "json " + p.spec + " is " + Shown(got) + ", which is too long a number to be compared"
		}
		return ""
	}
}

func (p place) match(re *Pattern, want bool) condition {
	return func(doc any, op *drivers.Op) string {
		got, found := p.path.In(doc)
		text, scalar := scalarText(got)
		switch {
		case !found:
			return p.missing(doc)
		case !scalar:
			return "json " + p.spec + " is " + Shown(got) + ", and no text, number or truth value"
		}
		matched, err := re.Match(op, []byte(text))
		switch {
		case err != nil:
			return "json " + p.spec + ": " + err.Error()
		case want && !matched:
			return "json " + p.spec + " is " + Shown(got) + ", which does not match " + re.String()
		case !want && matched:
			return "json " + p.spec + " is " + Shown(got) + ", which matches " + re.String()
		}
		return ""
	}
}

func (p place) length(spec string, holds func(n int64) bool) condition {
	return func(doc any, _ *drivers.Op) string {
		got, found := p.path.In(doc)
		list, is := got.([]any)
		switch {
		case !found:
			return p.missing(doc)
		case !is:
			return "json " + p.spec + " is " + Shown(got) + ", and no list"
		case !holds(int64(len(list))):
			return fmt.Sprintf("json %s has %d elements, which is not %s", p.spec, len(list), spec)
		}
		return ""
	}
}

var digits = regexp.MustCompile(`^[0-9]{1,9}$`)

// parseLength reads 3, or > 0.
func parseLength(text string) (func(int64) bool, error) {
	sign, amount := CutComparison(strings.TrimSpace(text))
	if !digits.MatchString(amount) {
		return nil, fmt.Errorf("%q: write a number of elements, or a comparison as in > 0", text)
	}
	var limit int64
	fmt.Sscan(amount, &limit)
	if sign == "" {
		sign = "=="
	}
	return func(n int64) bool { return Holds(sign, int(n-limit)) }, nil
}
