package scenarios

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := Schema(testLanguage())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON reads YAML as an editor would pass it to a validator.
func asJSON(t *testing.T, src []byte) any {
	t.Helper()
	raw, err := yaml.YAMLToJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestSchemaAcceptsWhatParses(t *testing.T) {
	schema := compiled(t)
	for _, path := range files(t, "testdata/ok/*.yaml") {
		if err := schema.Validate(asJSON(t, read(t, path))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The files whose name begins with shape- have errors that a schema can see.
func TestSchemaRefusesWrongShapes(t *testing.T) {
	schema := compiled(t)
	for _, path := range files(t, "testdata/err/shape-*.yaml") {
		if err := schema.Validate(asJSON(t, read(t, path))); err == nil {
			t.Errorf("%s is valid", filepath.Base(path))
		}
	}
}

// Each of these differs from a good scenario in one place.
func TestSchemaSeesSingleMistakes(t *testing.T) {
	schema := compiled(t)
	good := `name: t
target: {mall: {}}
run: {duration: 10s}
traffic:
  a: {rest: {request: GET http://x/, keepalive: true, mode: fast, modes: [fast], max_body: 1KiB}, rate: 400/s, keys: 5, retry: {attempts: 3, jitter: full, budget: 10%}}
faults:
  - {name: f, at: 1s, for: 1s, link: a, latency: 5ms, partition: both}
expect:
  - a.errors < 1%
`
	if err := schema.Validate(asJSON(t, []byte(good))); err != nil {
		t.Fatal(err)
	}
	mustParse(t, good)
	for _, change := range [][2]string{
		{"mall", "mal"}, {"10s", "10"}, {"10s", "ten"}, {"400/s", "400"}, {"400/s", "{ramp: {from: 1/s}}"}, {"400/s", "{waves: 1/s}"}, {"keys: 5", "keys: five"},
		{"request", "rquest"}, {"keepalive: true", "keepalive: 5"}, {"mode: fast", "mode: fst"}, {"modes: [fast]", "modes: [fst]"}, {"modes: [fast]", "modes: fast"},
		{"1KiB", "1 Kilo"}, {"attempts: 3", "attempts: x"}, {"jitter: full", "jitter: ful"}, {"10%", "ten"}, {"latency: 5ms", "latency: 5"}, {"link: a", "lnk: a"},
		{"both", "none"}, {"a.errors < 1%", "a.errors = 1%"}, {"a.errors < 1%", "a.errors"}, {"rest:", "rst:"}, {"rate:", "rte:"}, {"rate: 400/s", "rate: 400/s, users: 5"},
		{"name: t", "nme: t"}, {"  a: {rest", "  A: {rest"}, {", for: 1s", ""},
	} {
		src := strings.Replace(good, change[0], change[1], 1)
		if src == good {
			t.Fatalf("%q is not there", change[0])
		}
		if _, err := parse(t, src); err == nil {
			t.Errorf("%q: Parse accepts it", change)
		}
		if err := schema.Validate(asJSON(t, []byte(src))); err == nil {
			t.Errorf("%q: the schema accepts it", change)
		}
	}
}

func TestSchemaIsTheSameEachTime(t *testing.T) {
	first, err := Schema(testLanguage())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if again, err := Schema(testLanguage()); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("the schema differs (%v)", err)
		}
	}
	for _, text := range []string{`"$schema": "https://json-schema.org/draft/2020-12/schema"`, `"additionalProperties": false`, "The most attempts, the first included."} {
		if !bytes.Contains(first, []byte(text)) {
			t.Errorf("%s is missing", text)
		}
	}
}
