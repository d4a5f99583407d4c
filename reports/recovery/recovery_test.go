package recovery

import (
	"slices"
	"testing"
	"time"

	"wringer/reports"
	"wringer/reports/metric"
)

// row is a second of 100 offered operations.
func row(sec int, acked int64, p99 time.Duration) reports.Second {
	s := reports.Second{StartNS: int64(sec) * int64(time.Second), Counts: reports.Counts{Offered: 100, Sent: 100, Acked: acked, Attempts: 100}}
	if p99 > 0 {
		ns := int64(p99)
		s.P99NS = &ns
	}
	return s
}

func TestRecovery(t *testing.T) {
	const good, slow = 20 * time.Millisecond, 200 * time.Millisecond
	base := Normal{offered: 100, acked: 100, p99: good, amplification: 1}
	// Ten seconds of baseline, a fault from 10 s to 14 s, and then the seconds of the case.
	build := func(after ...reports.Second) []reports.Second {
		var rows []reports.Second
		for sec := range 14 {
			if sec < 11 {
				rows = append(rows, row(sec, 100, good))
			} else {
				rows = append(rows, row(sec, 20, 0))
			}
		}
		for i, s := range after {
			s.StartNS = int64(14+i) * int64(time.Second)
			rows = append(rows, s)
		}
		return rows
	}
	ok, bad, late := row(0, 100, good), row(0, 20, 0), row(0, 100, slow)
	limited := late
	limited.Limited = true
	unsent, both := row(0, 96, 0), row(0, 20, 0) // four were not sent by the generator's own doing
	unsent.DroppedByUs, both.DroppedByUs = 4, 4
	lagged := late // and was sent late by the generator
	for _, s := range []*reports.Second{&unsent, &both, &lagged} {
		s.BestP99NS = new(int64(good))
	}
	for name, c := range map[string]struct {
		after     []reports.Second
		recovered *bool
		recovery  time.Duration
		from      time.Duration // 0: the same
	}{
		"at once":                         {[]reports.Second{ok, ok, ok, ok}, new(true), 0, 0},
		"after two bad seconds":           {[]reports.Second{bad, late, ok, ok, ok}, new(true), 2 * time.Second, 0},
		"two good ones do not count":      {[]reports.Second{ok, ok, bad, ok, ok, ok}, new(true), 3 * time.Second, 0},
		"never":                           {[]reports.Second{bad, bad, late, bad}, new(false), 0, 0},
		"flapping":                        {[]reports.Second{ok, bad, ok, ok, bad}, new(false), 0, 0},
		"too early to tell":               {[]reports.Second{bad, bad, ok, ok}, nil, 0, 0},
		"too few seconds":                 {[]reports.Second{bad, bad}, nil, 0, 0},
		"perhaps the generator itself":    {[]reports.Second{limited, limited, limited, late}, nil, 0, 0},
		"bad by the unsent alone":         {[]reports.Second{unsent, unsent, unsent, unsent}, nil, 0, 0},
		"bad by the lag alone":            {[]reports.Second{lagged, lagged, lagged, lagged}, nil, 0, 0},
		"bad whatever was not sent":       {[]reports.Second{both, both, both, both}, new(false), 0, 0},
		"later, perhaps by the unsent":    {[]reports.Second{bad, unsent, ok, ok, ok}, new(true), 2 * time.Second, 0},
		"later, perhaps by the generator": {[]reports.Second{bad, ok, limited, ok, ok, ok}, new(true), 3 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			rows := build(c.after...)
			r := base.Measure(rows, 10*time.Second, 14*time.Second, time.Duration(len(rows))*time.Second)
			if r.DetectionNS == nil || *r.DetectionNS != int64(time.Second) {
				t.Errorf("detection %v, want 1 s", r.DetectionNS)
			}
			switch {
			case (r.Recovered == nil) != (c.recovered == nil), r.Recovered != nil && *r.Recovered != *c.recovered:
				t.Errorf("recovered %v, want %v", r.Recovered, c.recovered)
			case r.Recovered != nil && *r.Recovered && *r.RecoveryNS != int64(c.recovery):
				t.Errorf("recovery %s, want %s", time.Duration(*r.RecoveryNS), c.recovery)
			case (r.RecoveryFromNS != nil) != (c.from != 0), c.from != 0 && *r.RecoveryFromNS != int64(c.from):
				t.Errorf("recovery from %v, want %s", r.RecoveryFromNS, c.from)
			}
		})
	}
}

// Seconds in which nothing was due say nothing: of a stream of one operation every five seconds, three operations decide.
func TestRecoveryOfASlowStream(t *testing.T) {
	const s = time.Second
	base := Normal{offered: 0.2, acked: 0.2, p99: 20 * time.Millisecond, amplification: 1}
	// An operation is due every five seconds from phase on. The fault is from 20 s to 30 s.
	build := func(phase int, acked ...int64) (rows []reports.Second) {
		for sec := range 60 {
			one := reports.Second{StartNS: int64(sec) * int64(s)}
			if n := sec - 30 - phase; sec < 20 && sec%5 == 0 || n >= 0 && n%5 == 0 && n/5 < len(acked) {
				one.Counts, one.P99NS = reports.Counts{Offered: 1, Sent: 1, Attempts: 1, Acked: 1}, new(int64(20*time.Millisecond))
				if sec >= 30 && acked[n/5] == 0 {
					one.Acked, one.P99NS = 0, nil
				}
			}
			rows = append(rows, one)
		}
		return rows
	}
	for name, c := range map[string]struct {
		rows       []reports.Second
		recovered  *bool
		value, was time.Duration // the latest and the earliest recovery
	}{
		"never":             {build(0, 0, 0, 0, 0, 0), new(false), 0, 0},
		"at once":           {build(0, 1, 1, 1, 1), new(true), 0, 0},
		"before the first":  {build(4, 1, 1, 1, 1), new(true), 4 * s, 0},
		"after one":         {build(0, 0, 1, 1, 1), new(true), 5 * s, s},
		"nobody knows":      {build(0, 1, 1), nil, 0, 0},
		"nothing was due":   {build(0), nil, 0, 0},
		"good, then broken": {build(0, 1, 1, 0, 0, 0), new(false), 0, 0},
	} {
		r := base.Measure(c.rows, 20*s, 30*s, 60*s)
		if (r.Recovered == nil) != (c.recovered == nil) || r.Recovered != nil && *r.Recovered != *c.recovered {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if r.Recovered == nil || !*r.Recovered {
			continue
		}
		from := *r.RecoveryNS
		if r.RecoveryFromNS != nil {
			from = *r.RecoveryFromNS
		}
		if *r.RecoveryNS != int64(c.value) || from != int64(c.was) {
			t.Errorf("%s: between %s and %s", name, time.Duration(from), time.Duration(*r.RecoveryNS))
		}
	}
	// One user who thinks for five seconds is as quiet in the baseline.
	closed := base
	closed.closed, closed.worstAcked = true, 0
	if r := closed.Measure(build(0, 1, 1, 1, 1), 20*s, 30*s, 60*s); r.Recovered == nil || !*r.Recovered {
		t.Errorf("a closed stream: %+v", r)
	}
	// Users who had always something to do, and begin nothing, wait for the target.
	closed.worstAcked = 1
	if r := closed.Measure(build(0, 1, 1, 1, 1), 20*s, 30*s, 60*s); r.Recovered == nil || *r.Recovered {
		t.Errorf("a closed stream that hangs: %+v", r)
	}
}

// A second that was bad before a fault began is not blamed on the fault.
func TestDetectionOfWhatWasBadAlready(t *testing.T) {
	const good = 20 * time.Millisecond
	base := Normal{offered: 100, acked: 100, p99: good, amplification: 1}
	limited := row(3, 20, 0)
	limited.Limited = true
	for name, c := range map[string]struct {
		before    reports.Second
		badBefore bool
	}{"good": {row(3, 100, good), false}, "bad": {row(3, 20, 0), true}, "perhaps the generator's": {limited, false}} {
		rows := []reports.Second{row(2, 20, 0), c.before, row(4, 20, 0), row(5, 100, good), row(6, 100, good), row(7, 100, good)}
		r := base.Measure(rows, 4*time.Second, 5*time.Second, 8*time.Second)
		if r.BadBefore != c.badBefore || (r.DetectionNS == nil) != c.badBefore || r.Recovered == nil || !*r.Recovered {
			t.Errorf("%s: %+v", name, r)
		}
		f := []reports.Fault{{Name: "f", PerStream: map[string]reports.StreamRecovery{"a": r}}}
		if got := Metrics[0].Read(&metric.Facts{Name: "a", Fault: "f", Faults: f}); (got.Missing != "") != c.badBefore {
			t.Errorf("%s: observed %+v", name, got)
		}
	}
}

func TestMetastable(t *testing.T) {
	base := Normal{offered: 100, acked: 100, p99: 20 * time.Millisecond, amplification: 1}
	storm := row(0, 50, 0)
	storm.Attempts = 300
	calm := row(0, 50, 0)
	for name, c := range map[string]struct {
		tail reports.Second
		want bool
	}{"low goodput under a storm": {storm, true}, "low goodput without one": {calm, false}, "recovered": {row(0, 100, time.Millisecond), false}} {
		var rows []reports.Second
		for sec := range 12 {
			s := c.tail
			s.StartNS = int64(sec) * int64(time.Second)
			rows = append(rows, s)
		}
		r := base.Measure(rows, 2*time.Second, 4*time.Second, 12*time.Second)
		if r.Metastable == nil || *r.Metastable != c.want {
			t.Errorf("%s: metastable %v, want %v", name, r.Metastable, c.want)
		}
	}
}

// The gates of one stream and fault are judged on the record's figures for them.
func TestRecoveryObservation(t *testing.T) {
	facts := func(r reports.StreamRecovery) *metric.Facts {
		return &metric.Facts{Name: "a", Fault: "cut", Faults: []reports.Fault{{Name: "cut", PerStream: map[string]reports.StreamRecovery{"a": r}}}}
	}
	between := reports.StreamRecovery{RecoveryNS: new(int64(8 * time.Second)), RecoveryFromNS: new(int64(2 * time.Second)), Recovered: new(true)}
	if o := Metrics[1].Read(facts(between)); o.Value != float64(8*time.Second) || o.Targets != float64(2*time.Second) {
		t.Errorf("observed %+v", o)
	}
	before := reports.StreamRecovery{BadBefore: true}
	if o := Metrics[0].Read(facts(before)); o.Missing != "the stream was bad already when the fault began" {
		t.Errorf("observed %+v", o)
	}
}

// One slow second is noise, two in a row are not. One second with errors is none.
func TestDetectionByTimeNeedsTwoSeconds(t *testing.T) {
	const good, slow = 20 * time.Millisecond, 163 * time.Millisecond
	base := Normal{offered: 100, acked: 100, p99: good, amplification: 1}
	ok, late, bad := row(0, 100, good), row(0, 100, slow), row(0, 20, 0)
	limited := late
	limited.Limited = true
	for name, c := range map[string]struct {
		during []reports.Second // from 3 s on
		want   *int64
	}{
		"one slow second":              {[]reports.Second{ok, late, ok, ok}, nil},
		"two, apart":                   {[]reports.Second{late, ok, late, ok}, nil},
		"two in a row":                 {[]reports.Second{ok, late, late, ok}, new(int64(time.Second))},
		"slow, then with errors":       {[]reports.Second{late, bad, ok, ok}, new(int64(0))},
		"one with errors":              {[]reports.Second{ok, ok, bad, ok}, new(int64(2 * time.Second))},
		"the second one is not ours":   {[]reports.Second{late, limited, ok, ok}, nil},
		"the last of the fault, alone": {[]reports.Second{ok, ok, ok, late}, nil},
	} {
		rows := []reports.Second{ok, ok, ok}
		rows = append(append(rows, c.during...), ok, ok, ok)
		for i := range rows {
			rows[i].StartNS = int64(i) * int64(time.Second)
		}
		got := base.Measure(rows, 3*time.Second, 7*time.Second, 10*time.Second).DetectionNS
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The figures of a fault are those of the streams that it touched.
func TestStreamsThatTheFaultDidNotTouch(t *testing.T) {
	f := reports.Fault{PerStream: map[string]reports.StreamRecovery{
		"on":    {DetectionNS: new(int64(2)), Recovered: new(true), RecoveryNS: new(int64(5))},
		"idle":  {DetectionNS: new(int64(1)), Recovered: new(false), Metastable: new(true)},
		"quiet": {Recovered: new(true), RecoveryNS: new(int64(9))},
	}}
	Summarize(&f, func(stream string) bool { return stream == "on" })
	if f.DetectedBy != "on" || *f.DetectionNS != 2 || f.Recovered == nil || !*f.Recovered || *f.RecoveryNS != 5 || f.Metastable != nil || len(f.Unrecovered) > 0 {
		t.Errorf("%+v", f)
	}
	if !slices.Equal(f.AlsoChanged, []string{"idle"}) || !slices.Equal(f.Untouched, []string{"idle", "quiet"}) || len(f.Suffered()) != 1 {
		t.Errorf("also changed %v, untouched %v", f.AlsoChanged, f.Untouched)
	}
}
