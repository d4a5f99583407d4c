package scenarios

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// including parses a scenario of a folder d among these files.
func including(files map[string]string, src string) (*Scenario, error) {
	options := testOptions()
	options.Include = func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return Parse(filepath.Join("d", "scenario.yaml"), []byte(src), testLanguage(), options)
}

const includingScenario = `name: shared
include: [shared/orders.yaml, shared/gates.yaml]
vars: {speed: 20/s}
run: {duration: 20s}
traffic:
  orders: {rate: "${speed}"}
faults:
  - {name: late, at: 5s, for: 1s, link: orders, latency: 1s}
expect:
  - orders.p99 < 1s
`

func TestInclude(t *testing.T) {
	s, err := including(map[string]string{
		"d/shared/orders.yaml":      "include: [more/faults.yaml]\nname: other\nvars: {speed: 10/s, more: a}\ntraffic:\n  orders: {rest: {request: \"GET http://127.0.0.1/${more}\"}, rate: 1/s}\n",
		"d/shared/gates.yaml":       "expect:\n  - orders.errors < 1%\n",
		"d/shared/more/faults.yaml": "faults:\n  - {name: early, at: 1s, for: 1s, link: orders, latency: 1s}\n",
	}, includingScenario)
	if err != nil {
		t.Fatal(err)
	}
	var gates, spans []string
	for _, g := range s.Expect {
		gates = append(gates, g.Expr)
	}
	for _, f := range s.Spans("") {
		spans = append(spans, f.Name)
	}
	if s.Name != "shared" || len(s.Traffic) != 1 || s.Traffic[0].Plan() != "20/s" || s.Traffic[0].Driver.(*webConfig).Request != "GET http://127.0.0.1/a" {
		t.Errorf("%s: %+v", s.Name, s.Traffic)
	}
	if !slices.Equal(gates, []string{"orders.errors < 1%", "orders.p99 < 1s"}) || !slices.Equal(spans, []string{"early", "late"}) || s.Run.Duration != 20*time.Second {
		t.Errorf("gates %q, faults %q", gates, spans)
	}
	var files []string
	for _, f := range s.Files() {
		files = append(files, f.Path)
	}
	if !slices.Equal(files, []string{"d/shared/orders.yaml", "d/shared/more/faults.yaml", "d/shared/gates.yaml"}) {
		t.Errorf("it reads %q", files)
	}
	if text := string(s.Source); !strings.HasPrefix(text, includingScenario) || !strings.Contains(text, "\n# Included from d/shared/gates.yaml:\n# expect:\n#   - orders.errors < 1%\n") {
		t.Errorf("the source is\n%s", text)
	}
}

// A problem in an included file names that file, and each wrong include its place.
func TestIncludeProblems(t *testing.T) {
	const rest = "name: x\nrun: {duration: 20s}\ntraffic: {orders: {rest: {request: \"GET http://127.0.0.1/\"}, rate: 1/s}}\nexpect: [orders.errors < 1%]\n"
	for _, c := range []struct {
		name, include, file, want string
	}{
		{"a problem in the file", "[a.yaml]", "expect:\n  - orders.p99 < fast\n", "d/a.yaml:2:5: "},
		{"no YAML", "[a.yaml]", "expect: [\n", "d/a.yaml:"},
		{"a list", "[a.yaml]", "- orders.p99 < 1s\n", "d/a.yaml:1:1: an included file holds parts"},
		{"itself", "[a.yaml]", "include: [a.yaml]\n", "d/a.yaml:1:11: include: d/a.yaml includes itself"},
		{"an absent file", "[b.yaml]", "", "d/scenario.yaml:5:11: include: open d/b.yaml: file does not exist"},
		{"a text", "a.yaml", "", "d/scenario.yaml:5:10: include: expects a list of files"},
		{"an unknown key", "[a.yaml]", "trafic: {}\n", "d/a.yaml:1:1: scenario: unknown key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := including(map[string]string{"d/a.yaml": c.file}, rest+"include: "+c.include+"\n")
			var problems Problems
			if !errors.As(err, &problems) || !strings.HasPrefix(problems[0].String(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
