package system

import (
	"strings"
	"testing"

	"wringer/reports"
)

// FuzzScenario reads any text as a scenario: the record may come from anywhere.
func FuzzScenario(f *testing.F) {
	f.Add([]byte(inner))
	f.Add([]byte("traffic: {orders: {rest: {request: 7, steps: [1, {request: x}]}, effects: [kafka]}}\nlinks: {a->: , ->b: {upstream: [x]}}"))
	f.Add([]byte("a: &a [x, x]\nb: &b [*a, *a]\nlinks: *b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := read(text)
		s := &reports.Stream{Driver: "rest", Effects: "kafka effects"}
		for name := range n.streams {
			n.target(name, s)
			n.reads(name, s)
			n.places(name, s)
		}
		for name := range n.links {
			n.ends(name)
		}
	})
}

// Aliases that name each other many times over must not fill the memory.
func TestAliasesDoNotExplode(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 10; i++ {
		b.WriteString("a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat("*a"+string(rune('0'+i-1))+", ", 9) + "x]\n")
	}
	b.WriteString("traffic: {orders: *a9}\nlinks: {x->y: *a9}\n")
	read([]byte(b.String()))
}

func TestAliasesAndMergedKeysAreFollowed(t *testing.T) {
	n := read([]byte("base: &base {request: \"GET http://shared:80/\"}\ntraffic:\n  a: {rest: *base}\n  b: {rest: {<<: *base}}\n  c: {rest: {<<: *base, request: \"GET http://own:80/\"}}\n"))
	for stream, want := range map[string]string{"a": "shared:80", "b": "shared:80", "c": "own:80"} {
		if got := n.target(stream, &reports.Stream{Driver: "rest"}); got != want {
			t.Errorf("%s sends to %q, want %q", stream, got, want)
		}
	}
}
