package scenarios

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wringer/faults"
)

var update = flag.Bool("update", false, "rewrite the expected outputs in testdata")

func files(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	return paths
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestGoodScenarios(t *testing.T) {
	for _, path := range files(t, "testdata/ok/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if _, err := Parse(filepath.Base(path), read(t, path), testLanguage(), testOptions()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBadScenarios(t *testing.T) {
	for _, path := range files(t, "testdata/err/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Parse(filepath.Base(path), read(t, path), testLanguage(), testOptions())
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("the error is %T (%v), not Problems", err, err)
			}
			got := err.Error() + "\n"
			want := strings.TrimSuffix(path, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if expected := string(read(t, want)); got != expected {
				t.Errorf("got\n%swant\n%s", got, expected)
			}
			if strings.Contains(got, "tok/en secret") {
				t.Error("a message holds a value of the environment")
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	s := mustParse(t, head+`traffic:
  a: {rest: {request: GET http://x/}, rate: 1/s, retry: {attempts: 2}}
  b: {rest: {request: GET http://x/}, rate: max}
  c: {rest: {request: GET http://x/}, users: 5}
  d: {rest: {request: GET http://x/}, rate: 1/s, retry: {attempts: 2, backoff: 1m}}
`)
	if want := (Timing{Duration: 10 * time.Second, Drain: DefaultDrain, MaxLag: DefaultMaxLag}); s.Run != want {
		t.Errorf("run is %+v, want %+v", s.Run, want)
	}
	a := &s.Traffic[0]
	if a.Timeout != DefaultTimeout || a.MaxInFlight != DefaultMaxInFlight {
		t.Errorf("timeout %s, in flight %d", a.Timeout, a.MaxInFlight)
	}
	if a.Retry.MaxBackoff != DefaultMaxBackoff || a.Retry.Jitter != JitterFull || a.Retry.Budget != nil {
		t.Errorf("retry is %+v", *a.Retry)
	}
	if got := s.Traffic[1].MaxInFlight; got != DefaultMaxRateUsers {
		t.Errorf("rate: max has %d in flight", got)
	}
	if got := s.Traffic[2].MaxInFlight; got != 5 {
		t.Errorf("5 users have %d in flight", got)
	}
	if got := s.Traffic[3].Retry.MaxBackoff; got != time.Minute {
		t.Errorf("the bound of a backoff of 1m is %s", got)
	}
}

func TestWholeScenario(t *testing.T) {
	s, err := Parse("checkout.yaml", read(t, "testdata/ok/checkout.yaml"), testLanguage(), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, stream := range s.Traffic {
		kind := ""
		for _, p := range stream.Places {
			kind += p.Kind
		}
		names = append(names, stream.Name+" "+stream.DriverName+" "+kind+" "+stream.Plan())
	}
	if want := []string{"orders rest kafka 400/s", "stock grpc  400/s", "payments kafka  400/s"}; !reflect.DeepEqual(names, want) {
		t.Errorf("streams are %q, want %q", names, want)
	}
	orders := s.Traffic[0]
	web := orders.Driver.(*webConfig)
	if web.Request != "POST ${mall.web}/orders" || web.Headers["X-Attempts"] != "3" || *web.Keep || web.MaxBody != 10240 {
		t.Errorf("the driver is %+v", web)
	}
	if got, want := web.Checks[0].JSON["$.list"], []any{int64(1), "two", nil}; !reflect.DeepEqual(got, want) {
		t.Errorf("the list is %#v", got)
	}
	if want := []string{"timeout", "http_503", "grpc_unavailable"}; !reflect.DeepEqual(orders.Retry.On, want) {
		t.Errorf("retried are %q", orders.Retry.On)
	}
	if want := map[string][]string{"rejected": {"http_503", "check"}, "acked": {"http_409"}}; !reflect.DeepEqual(orders.Outcomes, want) {
		t.Errorf("outcomes are %q", orders.Outcomes)
	}
	if want := []faults.Span{{Name: "slow-broker", Start: 10 * time.Second, End: 18 * time.Second}, {Name: "lost-answers", Start: 25 * time.Second, End: 29 * time.Second},
		{Name: "frozen", Start: 35 * time.Second, End: 36 * time.Second}}; !reflect.DeepEqual(s.Spans(""), want) {
		t.Errorf("faults are %+v", s.Spans(""))
	}
	if s.TargetName != "mall" || s.Target.(*mallConfig).Port != 8080 || s.Seed != 7 || len(s.Expect) != 15 || s.Expect[0].at.line != 45 {
		t.Errorf("target %s, seed %d, %d gates, first in line %d", s.TargetName, s.Seed, len(s.Expect), s.Expect[0].at.line)
	}
}

func TestFreeValues(t *testing.T) {
	s, err := Parse("free.yaml", read(t, "testdata/ok/free.yaml"), testLanguage(), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"whole": int64(12), "hex": int64(31), "negative": int64(-3), "fraction": 1500.0, "truth": true, "nothing": nil, "empty": nil,
		"text": "yes", "quoted": "12", "set": int64(7), "quotedset": "7", "block": "line one\n  line two 400/s\n", "folded": "one line",
		"nested": []any{[]any{int64(1), int64(2)}, map[string]any{"a": "b"}}, "time": "12:30:00", "date": "2001-01-01",
	}
	if got := s.Traffic[0].Driver.(*callConfig).Message; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestMergeAndAliases(t *testing.T) {
	s, err := Parse("rates.yaml", read(t, "testdata/ok/rates.yaml"), testLanguage(), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	web := s.Traffic[5].Driver.(*webConfig)
	if web.Request != "GET http://example.test/" || web.Headers["Authorization"] != "Bearer tok/en secret" {
		t.Errorf("the merged driver is %+v", web)
	}
	if s.Traffic[0].Driver == s.Traffic[1].Driver {
		t.Error("two streams share a configuration through an alias")
	}
}

// A hostile file ends soon, with a problem and not with a crash.
func TestBoundedInput(t *testing.T) {
	laughs := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := byte('b'); c < 'z'; c++ {
		p := string(c - 1)
		laughs += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+p+", ", 9) + "*" + p + "]\n"
	}
	long := strings.Repeat("k: v\n", 200_000)
	for name, src := range map[string]string{
		"brackets":  strings.Repeat("[", 1<<20),
		"braces":    strings.Repeat("{a: ", 1<<18),
		"dashes":    strings.Repeat("- ", 1<<20),
		"questions": strings.Repeat("? ", 1<<20),
		"anchors":   strings.Repeat("&a ", 1<<18),
		"laughs":    laughs,
		"keys":      long,
		"too long":  strings.Repeat("#", MaxScenarioFileBytes+1),
		"not UTF-8": "name: \xff\n",
		"zero":      "name: a\x00\n",
	} {
		if _, err := parse(t, src); err == nil {
			t.Errorf("%s: no problem was told", name)
		} else if problems := new(Problems); !errors.As(err, problems) || len(*problems) > maxProblems+1 {
			t.Errorf("%s: the error is a %T of %d bytes", name, err, len(err.Error()))
		}
	}
}

func TestLineEndsAndByteOrderMark(t *testing.T) {
	src := head + "traffic:\n  a: {rest: {request: GET http://x/}, rate: 1/s}\n"
	mustParse(t, "\ufeff"+strings.ReplaceAll(src, "\n", "\r\n"))
}

func TestWarnings(t *testing.T) {
	s := mustParse(t, head+`about: pin ${env.PIN}
traffic:
  a: {rest: {request: GET http://x/}, users: 3}
  b: {rest: {request: GET http://x/}, rate: 1/s}
expect:
  - a.p99 < 1s
  - b.errors < 1%
  - b.p99 < 1s during drain
`)
	got := Problems(s.Warnings()).Error()
	for _, want := range []string{"t.yaml:5:3: a: no gate on errors or within", "t.yaml:8:5: a.p99 < 1s: users wait", "t.yaml:10:5: b.p99 < 1s during drain: no operation is due",
		"t.yaml: --set rate has no effect", "t.yaml: ${env.PIN} is shorter than 4"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "b: no gate") {
		t.Errorf("a stream with a gate on errors is warned of:\n%s", got)
	}
	if s := mustParse(t, head+"traffic:\n  b: {rest: {request: GET http://x/}, rate: 1/s}\n"); !strings.Contains(Problems(s.Warnings()).Error(), "t.yaml:1:1: expect holds no gate") {
		t.Error("a scenario without gates is not warned of")
	}
}

// A step of which a phase takes a part is judged on the rest, and its gates say so.
func TestWarningOfAStepThatAPhaseHides(t *testing.T) {
	for phase, hides := range map[string]bool{"{at: 2s, for: 2s}": true, "{at: 5s, for: 1s}": false, "{at: 3s, for: 1s}": false} {
		s := mustParse(t, head+`traffic:
  a: {rest: {request: GET http://x/}, rate: {steps: [{rate: 1/s, for: 3s, name: early}, {rate: 1/s}]}}
phases: {peak: `+phase+`}
expect:
  - a.errors < 1%
  - a.errors < 1% during early
  - a.errors < 1% during peak
`)
		got := Problems(s.Warnings()).Error()
		if warned := strings.Contains(got, "t.yaml:8:5: a.errors < 1% during early: a part of the step early belongs to the phase peak"); warned != hides || strings.Count(got, "alone") > 1 {
			t.Errorf("%s: warned: %v, want %v\n%s", phase, warned, hides, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/ok/*.yaml", "testdata/err/*.yaml"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if src, err := os.ReadFile(path); err == nil {
				f.Add(src)
			}
		}
	}
	lang, opts := testLanguage(), testOptions()
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Parse("f.yaml", src, lang, opts)
		var problems Problems
		switch {
		case err == nil:
			if _, err := json.Marshal(s.Expect); err != nil {
				t.Errorf("the gates hold no numbers: %v", err)
			}
			for i := range s.Traffic {
				if c := s.Traffic[i].Consume; c != nil {
					if c.Source == nil || s.Traffic[i].Driver != nil {
						t.Errorf("stream %+v is accepted", s.Traffic[i])
					}
					continue
				}
				if s.Traffic[i].Driver == nil || (s.Traffic[i].Rate == nil) == (s.Traffic[i].Users == 0) {
					t.Errorf("stream %+v is accepted", s.Traffic[i])
				}
			}
		case !errors.As(err, &problems) || len(problems) == 0:
			t.Errorf("the error is %T: %v", err, err)
		default:
			for _, p := range problems {
				if p.Line < 1 || p.Col < 1 || p.Message == "" {
					t.Errorf("a problem has no place or no text: %v", p)
				}
			}
		}
	})
}
