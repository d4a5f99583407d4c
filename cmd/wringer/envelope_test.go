package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wringer/scenarios"
)

const changeable = `name: s
run: {duration: 10s}
traffic:
  a: {rest: {request: "GET http://127.0.0.1:1/"}, rate: 10/s}
faults:
  - {name: slow, at: 1s, for: 1s, link: a, latency: "${late}"}
  - {name: ramp, after: slow, for: 1s, link: a, latency: {from: 1ms, to: 20ms}}
  - {name: refused, after: ramp, delay: 1s, for: 1s, link: a, http: {status: 503}}
  - {name: closed, after: refused, for: 1s, link: a, close_after: 64KiB}
  - {name: drawn, link: a, loss: 2%}
  - {name: nemesis, at: 6s, for: 3s, nemesis: {choose: [drawn], every: 1s, for: 1s}}
expect: [a.errors < 1%]
`

func read(t *testing.T, c *scenarios.Change) (*scenarios.Scenario, error) {
	t.Helper()
	return scenarios.Parse("s.yaml", []byte(changeable), language, scenarios.Options{Set: map[string]string{"late": "80ms"}, Change: c})
}

// The numbers of each fault are those that its kind calls worse, with the values that the file has.
func TestNumbersOfFaults(t *testing.T) {
	sc, err := read(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, b := range sc.Breakages() {
		var words []string
		for _, i := range b.Intensities {
			if i.Written != "" {
				words = append(words, i.Key+" "+i.Written)
			}
		}
		got[b.Name] = strings.Join(words, ", ")
	}
	want := map[string]string{
		"slow": "latency 80ms, for 1s", "ramp": "latency.to 20ms, for 1s", "refused": "for 1s", "closed": "close_after 64KiB, for 1s", "drawn": "loss 2%",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A change is read as if it stood in the file, also where the file has no such key. The rest stays as it was.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		change scenarios.Change
		fault  string
		words  string
	}{
		{scenarios.Change{Fault: "slow", Key: "latency", Value: "140ms"}, "slow", "latency 140ms"},
		{scenarios.Change{Fault: "slow", Key: "jitter", Value: "5ms"}, "slow", "latency 80ms, jitter 5ms"},
		{scenarios.Change{Fault: "ramp", Key: "latency.to", Value: "1s"}, "ramp", "latency 1ms to 1s"},
		{scenarios.Change{Fault: "refused", Key: "http.share", Value: "7%"}, "refused", "answer 503, of 7%"},
		{scenarios.Change{Fault: "drawn", Key: "loss", Value: "9%"}, "drawn", "loss 9%"},
	} {
		sc, err := read(t, &c.change)
		if err != nil {
			t.Errorf("%+v: %v", c.change, err)
			continue
		}
		for i := range sc.Faults {
			if f := &sc.Faults[i]; f.Name == c.fault && f.Config.Describe().Words != c.words {
				t.Errorf("%+v: %s", c.change, f.Config.Describe().Words)
			}
		}
		if string(sc.Source) != changeable || sc.Run.Duration != 10*time.Second {
			t.Errorf("%+v: the scenario was changed", c.change)
		}
	}
	sc, err := read(t, &scenarios.Change{Fault: "slow", Key: "for", Value: "3s", Longer: 2 * time.Second})
	if err != nil || sc.Run.Duration != 12*time.Second || sc.Faults[0].For != 3*time.Second || sc.Faults[1].At != 4*time.Second {
		t.Errorf("a longer fault: %v", err)
	}
}

// What cannot be changed is told at its place.
func TestImpossibleChanges(t *testing.T) {
	for want, c := range map[string]scenarios.Change{
		"there is no fault":             {Fault: "none", Key: "latency", Value: "1s"},
		"s.yaml:7:":                     {Fault: "ramp", Key: "latency", Value: "1s"},
		"latency is a table here":       {Fault: "ramp", Key: "latency", Value: "1s"},
		`s.yaml:6:`:                     {Fault: "slow", Key: "latency", Value: "soon"},
		"more than the latency":         {Fault: "slow", Key: "jitter", Value: "90ms"},
		"unknown key":                   {Fault: "slow", Key: "speed", Value: "3"},
		"ends at 11s":                   {Fault: "closed", Key: "for", Value: "6s"},
		"the nemesis nemesis chooses i": {Fault: "drawn", Key: "for", Value: "6s"},
	} {
		if _, err := read(t, &c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

// Every number that a kind of fault calls worse stands in docs/envelope.md.
func TestNumbersInDocs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/envelope.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for kind, open := range language.Faults {
		for _, key := range tagged(reflect.TypeOf(open()).Elem(), "") {
			if n++; !strings.Contains(string(text), "`"+key+"`") && key != "latency.to" {
				t.Errorf("%s: %s is not in docs/envelope.md", kind, key)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d numbers: the test looked at too few", n)
	}
}

func tagged(of reflect.Type, prefix string) (keys []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		tag := f.Tag.Get("worse")
		if tag == "more" || tag == "less" {
			keys = append(keys, prefix+key)
		} else if tag != "" {
			for word := range strings.FieldsSeq(tag) {
				name, _, _ := strings.Cut(word, "=")
				keys = append(keys, name)
			}
		}
		at := f.Type
		if at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
		if at.Kind() == reflect.Struct && f.IsExported() {
			keys = append(keys, tagged(at, prefix+key+".")...)
		}
	}
	return keys
}
