package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"wringer/scenarios"
)

// scenarioReference is the document that is generated from the schema of the language.
const scenarioReference = "docs/scenario.md"

// TestScenarioReference keeps docs/scenario.md equal to the schema. -update writes it.
func TestScenarioReference(t *testing.T) {
	raw, err := scenarios.Schema(language)
	if err != nil {
		t.Fatal(err)
	}
	want, err := reference(raw)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, scenarioReference)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the schema says (%v); write it with: go test ./cmd/wringer -run ScenarioReference -update", scenarioReference, err)
	}
}

const referenceHead = `# The scenario reference

Every key of the language. This page is made from the schema that ` + "`wringer schema`" + ` prints, and a test keeps it true.
[Getting started](getting-started.md) shows a scenario as a whole; [concepts](concepts.md) explains the words.

A scenario is YAML, at most 4 MiB. It is read strictly: an unknown key is an error that names the allowed ones. Any value may be a
variable, ` + "`${name}`" + `: of the target, of ` + "`--set name=value`" + `, or of the environment as ` + "`${env.NAME}`" + `. ` + "`$${`" + ` is the sign itself.

The keys are written as paths: ` + "`retry.attempts`" + ` is the key ` + "`attempts`" + ` inside ` + "`retry`" + `. ` + "`steps[].name`" + ` is ` + "`name`" + ` in each item of the list
` + "`steps`" + `. ` + "`NAME.ports`" + ` is ` + "`ports`" + ` below a name of your own. A key in bold is required.
`

// section is one heading of the reference: a definition of the schema, without some of its keys.
type section struct {
	title, definition string
	without           string // the definition whose keys are left out
}

// reference writes the document.
func reference(raw []byte) ([]byte, error) {
	var schema yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(raw, &schema, yaml.UseOrderedMap()); err != nil {
		return nil, err
	}
	w := &referenceWriter{defs: tableAt(schema, "$defs")}
	w.WriteString(referenceHead)
	w.section("The file", schema, nil)
	protocols := append(prefixed(w.defs, "driver_"), "effects", "consume")
	w.section("traffic.NAME: a stream", w.def("stream"), protocols)
	for _, s := range w.sections() {
		w.section(s.title, w.def(s.definition), w.keys(s.without))
	}
	w.values()
	return w.Bytes(), nil
}

// sections lists the sections after the stream: one for each entry of the language's tables.
func (w *referenceWriter) sections() (all []section) {
	add := func(title, prefix, without string) {
		for _, key := range prefixed(w.defs, prefix) {
			all = append(all, section{fmt.Sprintf(title, key), prefix + key, without})
		}
	}
	add("%s: a driver", "driver_", "")
	add("effects.%s", "effects_", "")
	all = append(all, section{"consume", "consume", ""})
	add("consume.%s", "consume_", "")
	all = append(all, section{"links.NAME", "link", ""})
	add("links.NAME.%s", "link_", "")
	all = append(all, section{"observe.NAME", "observe", ""})
	all = append(all, section{"faults: every entry", "fault_link", "kind"}, section{"faults: nemesis", "fault_nemesis", "common"})
	for _, key := range prefixed(w.defs, "fault_") {
		if key != "nemesis" {
			all = append(all, section{"faults: " + key, "fault_" + key, "common"})
		}
	}
	all = append(all, section{"phases.NAME", "phase", ""})
	add("target.%s", "target_", "")
	return all
}

// keys lists the keys that a section leaves out: those common to all faults, or all others.
func (w *referenceWriter) keys(which string) (out []string) {
	common := keysOf(w.def("fault_nemesis"))
	common = slices.DeleteFunc(common, func(k string) bool { return k == "nemesis" })
	common = append(common, "every", "times", "links", "grudge")
	switch which {
	case "common":
		return common
	case "kind":
		return slices.DeleteFunc(keysOf(w.def("fault_link")), func(k string) bool { return slices.Contains(common, k) })
	}
	return nil
}

type referenceWriter struct {
	bytes.Buffer
	defs yaml.MapSlice
}

func (w *referenceWriter) def(name string) yaml.MapSlice { return tableAt(w.defs, name) }

// section writes a heading and the table of its keys.
func (w *referenceWriter) section(title string, s yaml.MapSlice, leaveOut []string) {
	fmt.Fprintf(w, "\n## %s\n\n", title)
	if about := textAt(s, "description"); about != "" {
		fmt.Fprintf(w, "%s\n\n", about)
	}
	w.WriteString("| key | value | meaning |\n|---|---|---|\n")
	w.rows("", s, leaveOut)
}

// rows writes a row for each key, and for each key below it.
func (w *referenceWriter) rows(path string, s yaml.MapSlice, leaveOut []string) {
	if named := tableAt(s, "additionalProperties"); named != nil && tableAt(named, "properties") != nil && path == "" {
		w.rows("NAME.", named, nil)
	}
	required := listAt(s, "required")
	for _, item := range tableAt(s, "properties") {
		key := fmt.Sprint(item.Key)
		value, _ := item.Value.(yaml.MapSlice)
		if slices.Contains(leaveOut, key) {
			continue
		}
		shown := "`" + path + key + "`"
		if slices.Contains(required, key) {
			shown = "**" + shown + "**"
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", shown, cell(form(value)), cell(textAt(value, "description")))
		w.below(path+key, value)
	}
}

// below writes the rows of the keys inside a value: of a table, of the items of a list, of a form among several.
func (w *referenceWriter) below(path string, value yaml.MapSlice) {
	w.rows(path+".", value, nil)
	if items := tableAt(value, "items"); items != nil {
		w.rows(path+"[].", items, nil)
	}
	for _, choice := range tablesAt(value, "anyOf") {
		w.rows(path+".", choice, nil)
	}
}

// cell is text that fits a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// form describes the possible values in words.
func form(s yaml.MapSlice) string {
	if ref := textAt(s, "$ref"); ref != "" {
		name := ref[strings.LastIndex(ref, "/")+1:]
		return strings.ReplaceAll(name[strings.LastIndex(name, "-")+1:], "_", " ")
	}
	if words := listAt(s, "enum"); words != nil {
		return "`" + strings.Join(words, "`, `") + "`"
	}
	switch kind := textAt(s, "type"); kind {
	case "array":
		return "list of " + form(tableAt(s, "items"))
	case "object":
		if of := tableAt(s, "additionalProperties"); of != nil {
			return form(of) + " by name"
		}
		return "table"
	case "integer", "number":
		return "number"
	case "boolean":
		return "true, false"
	case "string":
		return "text"
	}
	var all []string
	for _, choice := range tablesAt(s, "anyOf") {
		if textAt(choice, "pattern") == `\$\{` {
			continue // a variable may stand for any value
		}
		if f := form(choice); !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	if all == nil {
		return "any"
	}
	return strings.Join(all, ", or ")
}

// values writes the forms of scalars.
func (w *referenceWriter) values() {
	w.WriteString("\n## Values\n\n| value | how it is written |\n|---|---|\n")
	for _, name := range []string{"duration", "per_second", "share", "bytes", "rate", "gate", "abort"} {
		s := w.def(name)
		about := textAt(s, "description")
		for _, choice := range tablesAt(s, "anyOf") {
			about = strings.TrimSpace(about + " " + textAt(choice, "description"))
		}
		fmt.Fprintf(w, "| %s | %s |\n", strings.ReplaceAll(name, "_", " "), cell(about))
	}
	w.WriteString("\nThe shapes of a rate:\n\n| key | value | meaning |\n|---|---|---|\n")
	for _, choice := range tablesAt(w.def("rate"), "anyOf") {
		w.rows("rate.", choice, nil)
	}
}

// prefixed lists the definitions whose name begins with prefix, without the prefix.
func prefixed(defs yaml.MapSlice, prefix string) (all []string) {
	for _, item := range defs {
		if name, ok := strings.CutPrefix(fmt.Sprint(item.Key), prefix); ok {
			all = append(all, name)
		}
	}
	return all
}

func keysOf(s yaml.MapSlice) (all []string) {
	for _, item := range tableAt(s, "properties") {
		all = append(all, fmt.Sprint(item.Key))
	}
	return all
}

func valueAt(s yaml.MapSlice, key string) any {
	for _, item := range s {
		if item.Key == key {
			return item.Value
		}
	}
	return nil
}

func tableAt(s yaml.MapSlice, key string) yaml.MapSlice {
	table, _ := valueAt(s, key).(yaml.MapSlice)
	return table
}

func textAt(s yaml.MapSlice, key string) string {
	text, _ := valueAt(s, key).(string)
	return text
}

func tablesAt(s yaml.MapSlice, key string) (all []yaml.MapSlice) {
	list, _ := valueAt(s, key).([]any)
	for _, item := range list {
		if table, ok := item.(yaml.MapSlice); ok {
			all = append(all, table)
		}
	}
	return all
}

func listAt(s yaml.MapSlice, key string) (all []string) {
	list, _ := valueAt(s, key).([]any)
	for _, item := range list {
		all = append(all, fmt.Sprint(item))
	}
	return all
}
