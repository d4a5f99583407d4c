package series

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports/metric"
)

const sec = time.Second

func gauge(v float64) drivers.SeriesReading {
	return drivers.SeriesReading{Values: map[string]float64{"": v}}
}

func counter(values ...float64) drivers.SeriesReading {
	r := drivers.SeriesReading{Counter: true, Values: make(map[string]float64)}
	for i, v := range values {
		r.Values[string(rune('a'+i))] = v
	}
	return r
}

var (
	absent    = drivers.SeriesReading{Missing: "nothing matches its selector", Absent: true}
	errNoRead = errors.New("connection refused")
)

// accountOf is the account of one series with a reading a second, from the second `from` on. An error is a reading that failed.
func accountOf(from int, readings ...any) *Account {
	a := New(sec, []string{"x"})
	for i, r := range readings {
		at := time.Duration(from+i) * sec
		switch r := r.(type) {
		case drivers.SeriesReading:
			a.Add(at, at+10*time.Millisecond, map[string]drivers.SeriesReading{"x": r}, nil)
		case error:
			a.Add(at, at+10*time.Millisecond, nil, r)
		}
	}
	a.Close(time.Duration(from+len(readings))*sec - 500*time.Millisecond)
	return a
}

func reading(a *Account, name string, spans ...Span) metric.Reading {
	for _, m := range Metrics {
		if m.Name == name {
			return m.Read(&metric.Facts{Metric: &m, Kept: []any{a.Over("x", spans)}})
		}
	}
	return metric.Missing("no such metric")
}

var whole = Span{0, 100 * sec}

func TestGauges(t *testing.T) {
	a := accountOf(-1, gauge(100), gauge(3), gauge(1), gauge(-2), gauge(6))
	for name, want := range map[string]float64{"max": 6, "min": -2, "mean": 2} {
		if r := reading(a, name, whole); r != metric.Found(want) {
			t.Errorf("%s is %+v, want %v", name, r, want)
		}
	}
	if r := reading(a, "max", Span{1 * sec, 3 * sec}); r != metric.Found(1) {
		t.Errorf("within a window: %+v", r)
	}
	if r := reading(a, "increase", whole); !strings.Contains(r.Missing, "no counter") {
		t.Errorf("a gauge rose by %+v", r)
	}
	if r := reading(a, "max", Span{50 * sec, 60 * sec}); r.Missing != metric.NotReached {
		t.Errorf("a window after the end: %+v", r)
	}
}

func TestCounters(t *testing.T) {
	for name, c := range map[string]struct {
		readings []any
		spans    []Span
		want     metric.Reading // Missing and AtLeast: a part of the text
	}{
		"rises":                    {[]any{counter(5, 1), counter(5, 1), counter(7, 1), counter(8, 2)}, []Span{whole}, metric.Reading{Value: 4, Targets: 4}},
		"stands":                   {[]any{counter(5), counter(5), counter(5)}, []Span{whole}, metric.Found(0)},
		"rises outside":            {[]any{counter(5), counter(6), counter(6), counter(9)}, []Span{{1100 * time.Millisecond, 1900 * time.Millisecond}}, metric.Found(0)},
		"rises across an edge":     {[]any{counter(5), counter(6), counter(8), counter(9)}, []Span{{1500 * time.Millisecond, 9 * sec}}, metric.Reading{Value: 3, Targets: 1}},
		"appears":                  {[]any{absent, absent, counter(2)}, []Span{{1500 * time.Millisecond, 9 * sec}}, metric.Reading{Value: 2, Targets: 0}},
		"one more label":           {[]any{counter(5), counter(5, 3)}, []Span{whole}, metric.Found(3)},
		"reset":                    {[]any{counter(50), counter(52), counter(1), counter(4)}, []Span{whole}, metric.Reading{Value: 6, Targets: 6, AtLeast: "reset (1 times)"}},
		"reset before the window":  {[]any{counter(50), counter(1), counter(2), counter(4)}, []Span{{2100 * time.Millisecond, 9 * sec}}, metric.Reading{Value: 2, Targets: 0}},
		"gone while it was reset":  {[]any{counter(50), absent, counter(3)}, []Span{whole}, metric.Reading{Value: 3, Targets: 3, AtLeast: "reset"}},
		"a reading failed":         {[]any{counter(5), errNoRead, counter(6)}, []Span{whole}, metric.Reading{Value: 1, Targets: 1, AtLeast: "connection refused, at 1 s"}},
		"absent all the time":      {[]any{absent, absent, absent}, []Span{whole}, metric.Reading{Missing: "no reading: nothing matches"}},
		"its type changes":         {[]any{counter(5), gauge(7), counter(6)}, []Span{whole}, metric.Reading{Value: 1, Targets: 1, AtLeast: "type changed"}},
		"below 0":                  {[]any{counter(5), counter(-1), counter(6)}, []Span{whole}, metric.Reading{Value: 1, Targets: 1, AtLeast: "below 0"}},
		"too large":                {[]any{counter(0, 0), counter(math.MaxFloat64, math.MaxFloat64)}, []Span{whole}, metric.Reading{Missing: "too large"}},
		"failed before the window": {[]any{errNoRead, counter(5), counter(6), counter(8)}, []Span{{2 * sec, 9 * sec}}, metric.Reading{Value: 3, Targets: 2}},
	} {
		got := reading(accountOf(0, c.readings...), "increase", c.spans...)
		if !strings.Contains(got.Missing, c.want.Missing) || !strings.Contains(got.AtLeast, c.want.AtLeast) || (got.Missing == "") != (c.want.Missing == "") || (got.AtLeast == "") != (c.want.AtLeast == "") {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
			continue
		}
		if got.Missing == "" && (got.Value != c.want.Value || got.Targets != c.want.Targets) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// What a counter rose by in the warm-up is left out.
func TestWarmup(t *testing.T) {
	a := accountOf(-2, counter(1), counter(5), counter(7), counter(9))
	if r := reading(a, "increase", whole); r != metric.Found(2) {
		t.Errorf("increase: %+v", r)
	}
}

// Over missing readings a mean is not known, a maximum can only be larger, and a minimum only smaller.
func TestMissingReadings(t *testing.T) {
	a := accountOf(0, gauge(1), errNoRead, gauge(3))
	if r := reading(a, "mean", whole); !strings.Contains(r.Missing, "connection refused") {
		t.Errorf("mean: %+v", r)
	}
	if r := reading(a, "max", whole); r.Value != 3 || r.AtLeast == "" {
		t.Errorf("max: %+v", r)
	}
	if r := reading(a, "min", whole); r.Value != 1 || r.AtMost == "" {
		t.Errorf("min: %+v", r)
	}
	if r := reading(a, "mean", Span{1500 * time.Millisecond, 9 * sec}); r != metric.Found(3) {
		t.Errorf("after the failure: %+v", r)
	}
	if r := reading(a, "max", Span{1 * sec, 2 * sec}); !strings.Contains(r.Missing, "connection refused") {
		t.Errorf("nothing but the failure: %+v", r)
	}
}

// A process that stood still did not read, and says so.
func TestStalled(t *testing.T) {
	a := New(sec, []string{"x"})
	for _, at := range []time.Duration{0, sec, 2 * sec, 6 * sec, 7 * sec} {
		a.Add(at, at, map[string]drivers.SeriesReading{"x": gauge(1)}, nil)
	}
	a.Close(8 * sec)
	for _, c := range []struct {
		span Span
		want string
	}{
		{whole, "from 2 s to 6 s"}, {Span{0, 3 * sec}, ""}, {Span{3 * sec, 6 * sec}, "from 3 s to 6 s"}, {Span{6 * sec, 9 * sec}, ""},
	} {
		if r := reading(a, "max", c.span); c.want == "" && r != metric.Found(1) || !strings.Contains(r.AtLeast+r.Missing, c.want) {
			t.Errorf("%v: %+v, want %q", c.span, r, c.want)
		}
	}
}

// The record holds the last value of each second, from the end of the warm-up on, and counts what is missing.
func TestRecord(t *testing.T) {
	a := New(sec/4, []string{"x", "y"})
	for i := -4; i < 12; i++ {
		at := time.Duration(i) * sec / 4
		a.Add(at, at, map[string]drivers.SeriesReading{"x": gauge(float64(i)), "y": counter(float64(2 * max(i, 0)))}, nil)
	}
	a.Add(3*sec, 3*sec, nil, errNoRead)
	before := a.Record("there")
	a.Add(3*sec+1, 3*sec+1, map[string]drivers.SeriesReading{"x": gauge(12)}, nil)
	a.Close(4 * sec)
	r := a.Record("there")
	x, y := r.Series["x"], r.Series["y"]
	if len(before.Series["x"].Samples) != 2 || len(x.Samples) != 4 || x.Samples[0].Value != 3 || x.Samples[2].Value != 11 || x.Samples[3].Value != 12 || x.Rose != nil {
		t.Errorf("x: %+v, before %+v", x, before.Series["x"])
	}
	if len(y.Samples) != 3 || y.Samples[1].Value != 8 || y.Rose == nil || *y.Rose != 22 || y.Missing != 1 || !strings.Contains(y.Why, "does not hold it") {
		t.Errorf("y: %+v", y)
	}
	if r.Readings != 18 || r.Failed != 1 || len(r.Failures) != 1 || r.Failures[0].AtNS != int64(3*sec) || r.EveryNS != int64(sec/4) {
		t.Errorf("%+v", r)
	}
}
