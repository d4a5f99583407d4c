package search

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func goal() Goal {
	return Goal{From: 10, Most: 5000, Exceed: 0.4, Patience: 3, Stages: Stages(0.05, 5*time.Second, 30*time.Second, 60*time.Second)}
}

// play makes trials until the search ends, and returns how many there were and how long they took.
func play(t interface{ Fatalf(string, ...any) }, s *Search, trial func(at float64, d time.Duration) Result) (n int, total time.Duration) {
	for ; ; n++ {
		at, d, ok := s.Next()
		if !ok {
			return n, total
		}
		if again, _, _ := s.Next(); again != at {
			t.Fatalf("next was %v and is %v", at, again)
		}
		if n > 300 {
			t.Fatalf("no end after %d trials, at %v", n, at)
		}
		s.Add(Trial{at, d, trial(at, d)})
		total += d
	}
}

// Without noise the bracket holds the truth, is as narrow as asked, and takes some minutes.
func TestExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := goal()
		truth := rapid.Float64Range(g.From, g.Most*0.999).Draw(t, "truth")
		s := New(g)
		n, took := play(t, s, func(at float64, _ time.Duration) Result {
			if at <= truth {
				return Passed
			}
			return Failed
		})
		low, high := s.Bounds()
		if low == nil || high == nil || low.At > truth || high.At <= truth || high.At/low.At-1 > 0.0501 {
			t.Fatalf("%v to %v, the truth is %v", low, high, truth)
		}
		if !low.Certain || !high.Certain {
			t.Fatalf("%v to %v: not certain", low, high)
		}
		if n > 40 || took > 10*time.Minute {
			t.Fatalf("%d trials, %s", n, took)
		}
	})
}

func TestEnds(t *testing.T) {
	for name, truth := range map[string]float64{"everything passes": math.Inf(1), "nothing passes": 0} {
		s := New(goal())
		n, _ := play(t, s, func(at float64, _ time.Duration) Result {
			if at <= truth {
				return Passed
			}
			return Failed
		})
		low, high := s.Bounds()
		t.Log(name, n, low, high)
		if truth == 0 && (low != nil || high.load() != 10) || truth > 0 && (high != nil || low.load() != 5000) {
			t.Errorf("%s: %v to %v", name, low, high)
		}
	}
}

// One trial makes no certain bound, whichever its length; two of three of the final length do.
func TestCertain(t *testing.T) {
	for _, c := range []struct {
		trials  []Trial
		certain bool
	}{
		{[]Trial{{100, 5 * time.Second, Passed}}, false},
		{[]Trial{{100, 5 * time.Second, Passed}, {100, 30 * time.Second, Passed}}, false},
		{[]Trial{{100, 30 * time.Second, Passed}, {100, 30 * time.Second, Failed}}, false},
		{[]Trial{{100, 30 * time.Second, Passed}, {100, 30 * time.Second, Passed}}, true},
		{[]Trial{{100, 30 * time.Second, Passed}, {100, 30 * time.Second, Failed}, {100, 30 * time.Second, Passed}}, true},
		{[]Trial{{100, 30 * time.Second, Failed}}, false},
		{[]Trial{{100, 30 * time.Second, Failed}, {100, 30 * time.Second, Failed}}, true},
	} {
		s := New(goal())
		for _, trial := range c.trials {
			s.Add(trial)
		}
		l := s.loads[0]
		if got := s.certain(l, lower) || s.certain(l, upper); got != c.certain {
			t.Errorf("%v: certain %t", c.trials, got)
		}
	}
}

// A load that passed a short trial and fails a longer one leaves what is known below it, and the other way round.
func TestOvertakenBounds(t *testing.T) {
	for _, c := range []struct {
		at        float64
		then      Result
		low, high float64
	}{{113, Failed, 80, 113}, {160, Passed, 160, 320}} {
		s := New(goal())
		for at, result := range map[float64]Result{80: Passed, 113: Passed, 160: Failed, 320: Failed} {
			s.Add(Trial{at, 5 * time.Second, result})
		}
		for s.stage < 3 {
			s.advance()
		}
		for range 3 {
			s.Add(Trial{c.at, 30 * time.Second, c.then})
		}
		if low, high := s.Bounds(); low.load() != c.low || high.load() != c.high {
			t.Errorf("%v: %v to %v, want %v to %v", c.at, low.load(), high.load(), c.low, c.high)
		}
	}
}

func TestStuck(t *testing.T) {
	s := New(goal())
	play(t, s, func(at float64, _ time.Duration) Result {
		if at > 1000 {
			return Undecided
		}
		return Passed
	})
	at, ok := s.Stuck()
	low, high := s.Bounds()
	if !ok || at != 1280 || low.load() != 640 || high != nil {
		t.Errorf("stuck at %v: %v to %v", at, low, high)
	}
}

// A target whose trials pass with a probability that falls with the load: few brackets exclude the load at which half of them pass.
func TestNoisy(t *testing.T) {
	wrong, longest := 0, time.Duration(0)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		truth := 20 * math.Pow(100, r.Float64())
		s := New(goal())
		_, took := play(t, s, func(at float64, d time.Duration) Result {
			p := 1 / (1 + math.Exp(60*(at/truth-1))) // at 5 % above: 5 %
			if r.Float64() < p {
				return Passed
			}
			return Failed
		})
		longest = max(longest, took)
		low, high := s.Bounds()
		if low == nil || high == nil || low.At > truth*1.03 || high.At < truth*0.97 {
			wrong++
		}
	}
	t.Log(wrong, longest)
	if wrong > 10 {
		t.Errorf("%d of 200 brackets are wrong", wrong)
	}
}

func TestWholeNumbers(t *testing.T) {
	g := goal()
	g.From, g.Most, g.Whole = 1, 64, true
	for truth := 1.0; truth < 64; truth++ {
		s := New(g)
		play(t, s, func(at float64, _ time.Duration) Result {
			if at != math.Trunc(at) {
				t.Fatalf("%v is no whole number", at)
			}
			if at <= truth {
				return Passed
			}
			return Failed
		})
		if low, high := s.Bounds(); low.load() > truth || high.load() <= truth || high.load()-low.load() > max(1, 0.05*truth) {
			t.Errorf("%v to %v, the truth is %v", low, high, truth)
		}
	}
}
