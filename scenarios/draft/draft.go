// Package draft writes a first scenario from what a service says of itself: an OpenAPI document, the types of its gRPC methods, or a
// recorded session of a browser.
package draft

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Scenario is a first scenario. The zero value has no streams.
type Scenario struct {
	Name string
	// From says in words what the scenario was written from.
	From string
	// Notes are told above the scenario: what was left out, and what to fill in.
	Notes []string
	// Secrets name the credentials that the scenario holds as they are.
	Secrets []string
	// Vars are the values of the scenario's variables beside duration, by name.
	Vars    yaml.MapSlice
	Streams []Stream
}

// Stream is one stream of a first scenario.
type Stream struct {
	Name  string
	About string // a comment of one line
	// Notes are comments below the stream's name.
	Notes []string
	// Body are the keys of the stream, the driver's first.
	Body  yaml.MapSlice
	Gates []string // without the stream's name
}

// SchemaLine is the first line of a scenario: editors read the schema of the language from the file that it names.
const SchemaLine = "# yaml-language-server: $schema="

// SchemaFile is the file beside a first scenario into which `wringer schema` writes the schema.
const SchemaFile = "wringer.schema.json"

// YAML writes the scenario with its comments.
func (s *Scenario) YAML() ([]byte, error) {
	var b strings.Builder
	b.WriteString(SchemaLine + SchemaFile + "\n")
	fmt.Fprintf(&b, "# Written by wringer init from %s. For completion in an editor: wringer schema > %s\n", oneLine(s.From), SchemaFile)
	for _, n := range s.Notes {
		b.WriteString("# " + oneLine(n) + "\n")
	}
	fmt.Fprintf(&b, "name: %s\n", s.Name)
	vars, err := yaml.MarshalWithOptions(yaml.MapSlice{item("vars", append(slices.Clone(s.Vars), item("duration", "20s")))})
	if err != nil {
		return nil, fmt.Errorf("write vars: %w", err)
	}
	b.WriteString("# --set NAME=VALUE replaces each of these:\n" + string(vars))
	b.WriteString("run: {warmup: 1s, duration: \"${duration}\", drain: 2s}   # the warm-up is not measured\n\ntraffic:\n")
	for _, st := range s.Streams {
		about := ""
		if st.About != "" {
			about = "   # " + oneLine(st.About)
		}
		fmt.Fprintf(&b, "  %s:%s\n", st.Name, about)
		for _, n := range st.Notes {
			b.WriteString("    # " + oneLine(n) + "\n")
		}
		text, err := yaml.MarshalWithOptions(st.Body, yaml.IndentSequence(true))
		if err != nil {
			return nil, fmt.Errorf("write stream %s: %w", st.Name, err)
		}
		for line := range strings.Lines(string(text)) {
			b.WriteString("    " + line)
		}
	}
	b.WriteString("\n# A fault takes one line: {name: lost-answers, at: 8s, for: 2s, link: STREAM, partition: from-target}\n")
	b.WriteString("# Then judge it: STREAM.recovery < 5s after lost-answers\nfaults: []\n\nexpect:   # each line is a gate; docs/gates.md lists the metrics\n")
	for _, st := range s.Streams {
		for _, g := range st.Gates {
			fmt.Fprintf(&b, "  - %s.%s\n", st.Name, g)
		}
	}
	return []byte(b.String()), nil
}

// usualGates are those of every stream.
var usualGates = []string{"errors < 1%", "p99 < 500ms"}

// oneLine keeps a comment in its line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var (
	lowToHigh = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	noName    = regexp.MustCompile(`[^a-z0-9_]+`)
)

// Named makes a stream's name of any text: small letters, digits and dashes, a letter first.
func Named(text string) string {
	name := strings.ToLower(lowToHigh.ReplaceAllString(text, "$1-$2"))
	name = strings.Trim(noName.ReplaceAllString(name, "-"), "-_")
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		name = strings.TrimSuffix("s-"+name, "-")
	}
	const most = 40
	return strings.TrimRight(name[:min(len(name), most)], "-_")
}

// unique gives a stream a name that no other has.
func (s *Scenario) unique(name string) string {
	for n := 1; ; n++ {
		one := name
		if n > 1 {
			one = fmt.Sprintf("%s-%d", name, n)
		}
		taken := false
		for _, st := range s.Streams {
			taken = taken || st.Name == one
		}
		if !taken {
			return one
		}
	}
}

// add appends a stream under a name of its own.
func (s *Scenario) add(st Stream) {
	st.Name = s.unique(Named(st.Name))
	s.Streams = append(s.Streams, st)
}

func item(key string, value any) yaml.MapItem { return yaml.MapItem{Key: key, Value: value} }

// paced ends a stream's keys with its load.
func paced(body yaml.MapSlice) yaml.MapSlice {
	return append(body, item("rate", "10/s"), item("timeout", "2s"))
}
