package scenarios

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// starts lists a plan, which must be in order and within the run.
func starts(t interface{ Fatalf(string, ...any) }, r *Rate, warmup, duration time.Duration, seed uint64) []time.Duration {
	p := r.Pacer(warmup, duration, seed)
	var all []time.Duration
	last := -warmup
	for n := uint64(0); ; n++ {
		at, ok := p.At(n)
		if !ok {
			if _, again := p.At(n + 1); again {
				t.Fatalf("%s: the plan ended at %d and went on", r, n)
			}
			return all
		}
		if at < last || at >= duration {
			t.Fatalf("%s: operation %d is due at %s, after %s, in a run of %s", r, n, at, last, duration)
		}
		last = at
		all = append(all, at)
	}
}

func measured(all []time.Duration) (n int) {
	for _, at := range all {
		if at >= 0 {
			n++
		}
	}
	return n
}

func perMinute(v float64) float64 { return v / 60 }

func TestCountsAreExact(t *testing.T) {
	for _, test := range []struct {
		rate     Rate
		warmup   time.Duration
		duration time.Duration
		lead     int
		want     int
	}{
		{Rate{Constant: 400}, 0, 40 * time.Second, 0, 16000},
		{Rate{Constant: 400}, 3 * time.Second, 40 * time.Second, 1200, 16000},
		{Rate{Constant: 400}, 3*time.Second + 1, 40 * time.Second, 1200, 16000},
		{Rate{Constant: 400}, 3*time.Second - 1, 40 * time.Second, 1199, 16000},
		{Rate{Constant: 1}, 10 * time.Second, time.Second, 10, 1},
		{Rate{Constant: perMinute(20)}, time.Minute, time.Hour, 20, 1200},
		{Rate{Constant: perMinute(7)}, time.Minute, time.Hour, 7, 420},
		{Rate{Constant: 0.1}, 5 * time.Second, 5 * time.Second, 0, 1},
		{Rate{Ramp: &Ramp{To: 100}}, time.Second, 10 * time.Second, 0, 500},
		{Rate{Ramp: &Ramp{From: 100}}, time.Second, 10 * time.Second, 100, 500},
		{Rate{Ramp: &Ramp{From: 10, To: 100, Over: 10 * time.Second}}, time.Second, 20 * time.Second, 10, 550 + 1000},
		{Rate{Ramp: &Ramp{From: 50, To: 50, Over: 10 * time.Second}}, 0, 20 * time.Second, 0, 1000},
		{Rate{Ramp: &Ramp{From: 10, Over: 10 * time.Second}}, 0, 20 * time.Second, 0, 50},
		{Rate{Steps: []Step{{Rate: 10, For: 10 * time.Second}, {Rate: 0, For: 5 * time.Second}, {Rate: 20, For: 5 * time.Second}}}, time.Second, 20 * time.Second, 10, 200},
		{Rate{Steps: []Step{{Rate: 10, For: 10 * time.Second}, {Rate: 20, For: 0}}}, 0, 20 * time.Second, 0, 300},
		{Rate{Steps: []Step{{Rate: 10, For: time.Second}, {Rate: 0, For: 0}}}, 0, 20 * time.Second, 0, 10},
		{Rate{Steps: []Step{{Rate: PerSecond(perMinute(20)), For: time.Minute}, {Rate: 1000, For: 0}}}, 0, 61 * time.Second, 0, 1020},
		{Rate{Sine: &Sine{100, 100, 5 * time.Second}}, time.Second, 10 * time.Second, 100, 1000},
		{Rate{Sine: &Sine{100, 0, 3 * time.Second}}, 0, 10 * time.Second, 0, 1000},
	} {
		all := starts(t, &test.rate, test.warmup, test.duration, 1)
		if got := measured(all); got != test.want || len(all)-got != test.lead {
			t.Errorf("%s over %s: %d operations after %d in the warm-up, want %d after %d", test.rate.String(), test.duration, got, len(all)-got, test.want, test.lead)
		}
	}
}

func TestPauseSendsNothing(t *testing.T) {
	all := starts(t, &Rate{Steps: []Step{{Rate: 0, For: time.Second}, {Rate: 10, For: time.Second}, {Rate: 0, For: time.Second}, {Rate: 10, For: 0}}}, 0, 4*time.Second, 1)
	if all[0] != time.Second || all[9] != 1900*time.Millisecond || all[10] != 3*time.Second || len(all) != 20 {
		t.Errorf("got %v", all)
	}
}

// No error adds up: after a day the plan is as exact as after a second.
func TestNoDriftOverADay(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		rate float64
		want uint64
	}{{perMinute(20), 28_800}, {1e6, 86_400_000_000}, {400, 34_560_000}, {3, 259_200}} {
		p := (&Rate{Constant: test.rate}).Pacer(time.Minute, day, 1)
		lead := uint64(math.Round(test.rate * 60))
		if at, ok := p.At(lead); at != 0 || !ok {
			t.Errorf("%v/s: the first measured operation is due at %s", test.rate, at)
		}
		last, ok := p.At(lead + test.want - 1)
		if exact := day - time.Duration(math.Round(1e9/test.rate)); !ok || last != exact {
			t.Errorf("%v/s: the last operation is due at %s, %v, want %s", test.rate, last, ok, exact)
		}
		if at, ok := p.At(lead + test.want); ok {
			t.Errorf("%v/s: one more is due at %s", test.rate, at)
		}
		if got, ok := p.At(lead + test.want/2); !ok || got != day/2 {
			t.Errorf("%v/s: half of the day is over at %s", test.rate, got)
		}
	}
}

// integral is the number of operations of a rate until t, by its definition.
func integral(r *Rate, duration time.Duration, t float64) float64 {
	switch {
	case r.Ramp != nil:
		from, to, over := float64(r.Ramp.From), float64(r.Ramp.To), r.Ramp.Over.Seconds()
		in := min(t, over)
		return from*in + (to-from)*in*in/(2*over) + to*(t-in)
	case r.Sine != nil:
		turn := 2 * math.Pi / r.Sine.Period.Seconds()
		return float64(r.Sine.Mean)*t + float64(r.Sine.Amplitude)/turn*(1-math.Cos(turn*t))
	case len(r.Steps) > 0:
		sum := 0.0
		for i, s := range r.Steps {
			in := min(t, s.For.Seconds())
			if i == len(r.Steps)-1 {
				in = t
			}
			sum, t = sum+float64(s.Rate)*in, t-in
		}
		return sum
	}
	return r.Constant * t
}

func anyRate(t *rapid.T) *Rate {
	rate := func(name string, low float64) PerSecond { return PerSecond(rapid.Float64Range(low, 500).Draw(t, name)) }
	span := func(name string) time.Duration { return time.Duration(rapid.Int64Range(1e8, 2e10).Draw(t, name)) }
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		return &Rate{Constant: float64(rate("rate", 0.01))}
	case 1:
		return &Rate{Ramp: &Ramp{From: rate("from", 0), To: rate("to", 0.01), Over: span("over")}}
	case 2:
		mean := rate("mean", 0.01)
		return &Rate{Sine: &Sine{Mean: mean, Amplitude: PerSecond(rapid.Float64Range(0, float64(mean)).Draw(t, "amplitude")), Period: span("period")}}
	}
	r := &Rate{}
	for range rapid.IntRange(1, 5).Draw(t, "steps") {
		step := rate("rate", 0)
		if rapid.IntRange(0, 3).Draw(t, "pause") == 0 {
			step = 0
		}
		r.Steps = append(r.Steps, Step{Rate: step, For: span("for")})
	}
	return r
}

// At every start, the number of begun operations is the integral of the rate.
func TestPlansFollowTheirRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRate(t)
		warmup := time.Duration(rapid.Int64Range(0, 2e9).Draw(t, "warmup"))
		duration := time.Duration(rapid.Int64Range(1e9, 3e10).Draw(t, "duration"))
		all := starts(t, r, warmup, duration, 1)
		n := measured(all)
		if whole := integral(r, duration, duration.Seconds()); math.Abs(whole-float64(n)) > 1+1e-6 {
			t.Fatalf("%s: %d operations, and the integral is %v", r, n, whole)
		}
		for i, at := range all[len(all)-n:] {
			if so := integral(r, duration, at.Seconds()); math.Abs(so-float64(i)) > 1e-3 {
				t.Fatalf("%s: operation %d is due at %s, where the integral is %v", r, i, at, so)
			}
		}
	})
}

func TestPoisson(t *testing.T) {
	const rate, duration = 400, 100 * time.Second
	r := &Rate{Poisson: rate}
	all := starts(t, r, 10*time.Second, duration, 7)
	n := float64(measured(all))
	if mean, sd := rate*duration.Seconds(), math.Sqrt(rate*duration.Seconds()); math.Abs(n-mean) > 5*sd {
		t.Errorf("%v operations, expected about %v", n, mean)
	}
	// In a Poisson process the variance of the counts of equal intervals is equal to their mean.
	counts := make([]float64, 100)
	for _, at := range all {
		if at >= 0 {
			counts[at/time.Second]++
		}
	}
	variance := 0.0
	for _, c := range counts {
		variance += (c - rate) * (c - rate) / float64(len(counts))
	}
	if ratio := variance / rate; ratio < 0.6 || ratio > 1.5 {
		t.Errorf("the variance of the counts is %v times their mean", ratio)
	}
	if same := starts(t, r, 10*time.Second, duration, 7); same[1000] != all[1000] || len(same) != len(all) {
		t.Error("the same seed gives another plan")
	}
	if other := starts(t, r, 10*time.Second, duration, 8); other[1000] == all[1000] {
		t.Error("another seed gives the same plan")
	}
}

func TestMaxHasNoPlan(t *testing.T) {
	if p := (&Rate{Max: true}).Pacer(0, time.Second, 1); p != nil {
		t.Errorf("got %v", p)
	}
}

func TestRetryWait(t *testing.T) {
	r := Retry{Backoff: 20 * time.Millisecond, MaxBackoff: 400 * time.Millisecond, Jitter: JitterNone}
	for retry, want := range []time.Duration{1: 20, 2: 40, 3: 80, 4: 160, 5: 320, 6: 400, 7: 400, 99: 400} {
		if got := r.Wait(1, 1, retry); retry > 0 && want > 0 && got != want*time.Millisecond {
			t.Errorf("the wait before retry %d is %s, want %dms", retry, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		seed, seq := rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "seq")
		retry := rapid.IntRange(1, 100).Draw(t, "retry")
		whole := r.Wait(seed, seq, retry)
		full, equal := r, r
		full.Jitter, equal.Jitter = JitterFull, JitterEqual
		if w := full.Wait(seed, seq, retry); w < 0 || w > whole || w != full.Wait(seed, seq, retry) {
			t.Fatalf("full jitter of %s is %s", whole, w)
		}
		if w := equal.Wait(seed, seq, retry); w < whole/2 || w > whole {
			t.Fatalf("equal jitter of %s is %s", whole, w)
		}
	})
	if got := (Retry{Backoff: time.Hour}).Wait(1, 1, 50); got > DefaultMaxBackoff {
		t.Errorf("without a bound of its own the wait is %s", got)
	}
}

func BenchmarkPacer(b *testing.B) {
	for name, r := range map[string]*Rate{
		"constant": {Constant: 1e6}, "ramp": {Ramp: &Ramp{To: 1e6}}, "steps": {Steps: []Step{{Rate: 1e6, For: time.Hour}, {Rate: 2e6, For: 0}}},
		"sine": {Sine: &Sine{1e6, 5e5, time.Minute}}, "poisson": {Poisson: 1e6},
	} {
		b.Run(name, func(b *testing.B) {
			p := r.Pacer(0, MaxPlanLength, 1)
			b.ReportAllocs()
			for n := uint64(0); b.Loop(); n++ {
				p.At(n)
			}
		})
	}
}
