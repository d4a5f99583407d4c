package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// pkg is the description of a package by `go list`.
type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// TestImportsRunOneWay checks the import rule: cmd -> scenarios/runner -> scenarios, drivers/*, faults/*, reports/*.
func TestImportsRunOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "wringer/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; packages++ {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, imp := range p.Imports {
			if why := forbidden(p.ImportPath, imp); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
			}
		}
	}
	if packages < 10 {
		t.Fatalf("go list named %d packages: the rule was not tested", packages)
	}
}

// roots need the standard library alone, and the packages listed here.
var roots = map[string][]string{
	"wringer/drivers": nil,
	"wringer/faults":  nil,
	"wringer/reports": {"wringer/drivers", "wringer/faults"},
	// The language reads the catalogue.
	"wringer/reports/metric": {"wringer/reports"},
}

// layers may not import the listed packages; a trailing slash covers all below.
var layers = []struct {
	of  string
	not []string
}{
	{"wringer/drivers/", []string{"wringer/faults", "wringer/reports", "wringer/scenarios", "wringer/cmd"}},
	{"wringer/faults/", []string{"wringer/drivers", "wringer/reports", "wringer/scenarios", "wringer/cmd"}},
	{"wringer/reports/", []string{"wringer/scenarios", "wringer/cmd"}},
	{"wringer/scenarios", []string{"wringer/cmd"}},
}

// nouns are the packages that the language may use: the three roots, and the catalogue of metrics.
var nouns = []string{"wringer/drivers", "wringer/faults", "wringer/reports", "wringer/reports/metric"}

// forbidden returns the reason why from must not import to, empty when it may.
func forbidden(from, to string) string {
	if allowed, ok := roots[from]; ok && !slices.Contains(allowed, to) && !standard(to) {
		return "a root needs the standard library alone"
	}
	for _, l := range layers {
		if !within(from, l.of) {
			continue
		}
		for _, not := range l.not {
			if within(to, not) {
				return "imports run one way"
			}
		}
	}
	if siblings(from, to, "wringer/drivers/", "drivertest", "payload", "tlsconfig", "churn", "expiry", "jsonpath", "syntax", "http1", "http2", "effect", "reply", "coding", "chain", "checks") || siblings(from, to, "wringer/faults/", "faulttest", "request", "procfs", "visit") {
		return "one protocol or mechanism never sees another"
	}
	if strings.HasPrefix(from, "wringer/scenarios/runner/") && strings.HasPrefix(to, "wringer/scenarios/runner/") {
		return "the parts of the runner know nothing of each other"
	}
	if from == "wringer/scenarios" && strings.HasPrefix(to, "wringer/") && !slices.Contains(nouns, to) {
		return "the language knows the nouns, and no protocol, mechanism or runner"
	}
	return ""
}

func standard(path string) bool {
	return !strings.Contains(path, ".") && !strings.HasPrefix(path, "wringer")
}

// within reports whether path is the package, or below it.
func within(path, layer string) bool {
	return path == strings.TrimSuffix(layer, "/") && !strings.HasSuffix(layer, "/") || strings.HasPrefix(path, strings.TrimSuffix(layer, "/")+"/")
}

// siblings reports whether both are different packages below the folder. open are the packages below it that all others may
// use. The first of them is the conformance suite, which may use all others. The rest are packages that several protocols or
// mechanisms share.
func siblings(from, to, folder string, open ...string) bool {
	if !strings.HasPrefix(from, folder) || !strings.HasPrefix(to, folder) {
		return false
	}
	return top(from, folder) != top(to, folder) && !slices.Contains(open, top(to, folder)) && top(from, folder) != open[0]
}

func top(path, folder string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, folder), "/")
	return name
}

// The rule itself must be able to fail.
func TestForbiddenImportsAreFound(t *testing.T) {
	for _, c := range [][2]string{
		{"wringer/drivers", "github.com/IBM/sarama"},
		{"wringer/drivers/rest", "wringer/drivers/grpc"},
		{"wringer/drivers/payload", "wringer/drivers/rest"},
		{"wringer/drivers/tlsconfig", "wringer/drivers/grpc"},
		{"wringer/drivers/jsonpath", "wringer/drivers/kafka"},
		{"wringer/drivers/rest", "wringer/faults"},
		{"wringer/faults/toxi", "wringer/drivers"},
		{"wringer/faults/request", "wringer/faults/toxi"},
		{"wringer/reports/html", "wringer/scenarios/runner"},
		{"wringer/scenarios", "wringer/scenarios/runner"},
		{"wringer/scenarios", "wringer/drivers/rest"},
		{"wringer/scenarios", "wringer/reports/metrics"},
		{"wringer/scenarios/runner", "wringer/cmd/wringer"},
		{"wringer/scenarios/runner/traffic", "wringer/scenarios/runner/record"},
	} {
		if forbidden(c[0], c[1]) == "" {
			t.Errorf("%s may import %s", c[0], c[1])
		}
	}
	for _, c := range [][2]string{
		{"wringer/drivers/rest", "wringer/drivers"},
		{"wringer/drivers/rest", "wringer/drivers/tlsconfig"},
		{"wringer/drivers/kafka", "wringer/drivers/jsonpath"},
		{"wringer/drivers/grpc/unary", "wringer/drivers/http2"},
		{"wringer/scenarios", "wringer/reports/metric"},
		{"wringer/reports", "wringer/drivers"},
		{"wringer/scenarios/runner", "wringer/reports/integrity"},
		{"wringer/scenarios/runner", "wringer/scenarios/runner/traffic"},
		{"wringer/cmd/wringer", "wringer/drivers/rest"},
	} {
		if why := forbidden(c[0], c[1]); why != "" {
			t.Errorf("%s may not import %s: %s", c[0], c[1], why)
		}
	}
}
