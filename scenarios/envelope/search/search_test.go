package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"wringer/scenarios/capacity/search"
)

// play makes trials until the search ends, and returns how many there were.
func play(t interface{ Fatalf(string, ...any) }, s *Search, trial func(p Point) search.Result) (n int) {
	for ; ; n++ {
		p, ok := s.Next()
		if !ok {
			return n
		}
		if again, _ := s.Next(); again != p {
			t.Fatalf("next was %v and is %v", p, again)
		}
		if n > 10*Most(s.goal) {
			t.Fatalf("no end after %d trials, at %v", n, p)
		}
		s.Add(p, trial(p))
	}
}

// upTo passes what lies on a frontier or below it: by load the worst step that passes.
func upTo(frontier []int) func(Point) search.Result {
	return func(p Point) search.Result {
		if p.Step <= frontier[p.Load] {
			return search.Passed
		}
		return search.Failed
	}
}

// Without noise each bracket holds the frontier with neighbouring steps, and the number of trials is bounded.
func TestExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Goal{Loads: rapid.IntRange(1, 8).Draw(t, "loads"), Steps: rapid.IntRange(1, 100).Draw(t, "steps"), Patience: 3}
		frontier := rapid.SliceOfN(rapid.IntRange(-1, g.Steps-1), g.Loads, g.Loads).Draw(t, "frontier")
		slices.Sort(frontier)
		slices.Reverse(frontier)
		s := New(g)
		left := s.Left()
		n := play(t, s, upTo(frontier))
		for load, want := range frontier {
			if b := s.Bracket(load); b.Lower != want || b.Upper != want+1 || b.Of != load && b.Upper < g.Steps || !b.Certain {
				t.Fatalf("load %d: %+v, the frontier is %d", load, b, want)
			}
		}
		if found := s.Contradictions(); len(found) > 0 {
			t.Fatalf("contradictions %v", found)
		}
		if n > Most(g) || left > Most(g) {
			t.Fatalf("%d trials, estimated %d, at most %d", n, left, Most(g))
		}
	})
}

// The knowledge of one load saves trials at the others.
func TestFewTrials(t *testing.T) {
	alone, together := 0, 0
	for load := range 5 {
		s := New(Goal{Loads: 1, Steps: 56, Patience: 3})
		alone += play(t, s, upTo([]int{30 - load}))
	}
	s := New(Goal{Loads: 5, Steps: 56, Patience: 3})
	together = play(t, s, upTo([]int{30, 29, 28, 27, 26}))
	t.Logf("five loads with 56 steps: %d trials, one load after the other %d, all points %d", together, alone, 5*56)
	if together >= alone {
		t.Errorf("%d trials together, %d alone", together, alone)
	}
}

// An island that passes beyond what fails is found where a check looks, and moves no bound.
func TestIsland(t *testing.T) {
	for name, c := range map[string]struct {
		passes       func(p Point) bool
		lower, found int
	}{
		"a pass far beyond a fail":       {func(p Point) bool { return p.Step <= 10 || p.Step >= 30 && p.Step <= 50 }, 10, 1},
		"the end passes":                 {func(p Point) bool { return p.Step <= 10 || p.Step == 55 }, 10, 1},
		"the gentlest steps fail":        {func(p Point) bool { return p.Step >= 5 && p.Step <= 40 }, -1, 1},
		"a hole below what was believed": {func(p Point) bool { return p.Step <= 45 && (p.Step < 12 || p.Step > 30) }, 11, 1},
	} {
		s := New(Goal{Loads: 1, Steps: 56, Patience: 3})
		play(t, s, func(p Point) search.Result {
			if c.passes(p) {
				return search.Passed
			}
			return search.Failed
		})
		if b, found := s.Bracket(0), s.Contradictions(); b.Lower != c.lower || b.Upper != c.lower+1 || len(found) < c.found {
			t.Errorf("%s: %+v, %v", name, b, found)
		}
	}
}

// A higher load that tolerates more than a lower one is told, and its bounds stay below what the lower one failed.
func TestHigherLoadToleratesMore(t *testing.T) {
	for _, frontier := range [][]int{{10, 20}, {20, 10, 25}, {5, 30, 2}} {
		s := New(Goal{Loads: len(frontier), Steps: 40, Patience: 3})
		play(t, s, upTo(frontier))
		least := frontier[0]
		for load, own := range frontier {
			least = min(least, own)
			if b := s.Bracket(load); b.Lower != least || b.Upper != least+1 || !b.Certain {
				t.Errorf("%v, load %d: %+v", frontier, load, b)
			}
		}
		if len(s.Contradictions()) == 0 {
			t.Errorf("%v: nothing was told", frontier)
		}
	}
}

// A point that shows nothing ends its load alone; one that a check looks at ends nothing.
func TestUndecided(t *testing.T) {
	s := New(Goal{Loads: 3, Steps: 20, Patience: 3})
	play(t, s, func(p Point) search.Result {
		if p.Load == 2 {
			return search.Undecided
		}
		return upTo([]int{12, 10, 0})(p)
	})
	if b := s.Bracket(2); b.Stuck < 0 || b.Certain {
		t.Errorf("%+v", b)
	}
	for load, want := range []int{12, 10} {
		if b := s.Bracket(load); b.Lower != want || b.Stuck >= 0 {
			t.Errorf("load %d: %+v", load, b)
		}
	}
	s = New(Goal{Loads: 1, Steps: 20, Patience: 3})
	play(t, s, func(p Point) search.Result {
		if p.Step == 0 || p.Step == 19 {
			return search.Undecided
		}
		return upTo([]int{12})(p)
	})
	if b := s.Bracket(0); b.Lower != 12 || b.Stuck >= 0 || !b.Certain {
		t.Errorf("with ends that show nothing: %+v", b)
	}
}

// A load that the target does not bear without the fault is over after two trials. One unfit trial among trials that passed is a
// failure.
func TestUnfit(t *testing.T) {
	s := New(Goal{Loads: 1, Steps: 20, Patience: 3})
	for n := 0; ; n++ {
		p, ok := s.Next()
		if !ok {
			if n != 2 {
				t.Errorf("%d trials", n)
			}
			break
		}
		s.Unfit(p)
	}
	if b := s.Bracket(0); !b.Unfit || b.Lower != -1 || b.Upper != 0 || !b.Certain {
		t.Errorf("%+v", b)
	}
	s = New(Goal{Loads: 1, Steps: 20, Patience: 3})
	s.Add(Point{0, 10}, search.Passed)
	s.Unfit(Point{0, 15})
	if b := s.Bracket(0); b.Unfit || b.Lower != 10 || b.Upper != 15 {
		t.Errorf("%+v", b)
	}
}

// Trials near the frontier are drawn: two of three decide, and few brackets are far from it.
func TestNoisy(t *testing.T) {
	wrong, most := 0, 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		frontier := []int{30, 22, 15}
		s := New(Goal{Loads: 3, Steps: 56, Patience: 3})
		n := play(t, s, func(p Point) search.Result {
			if at := p.Step - frontier[p.Load]; at < -1 || at <= 1 && r.IntN(2) == 0 {
				return search.Passed
			}
			return search.Failed
		})
		most = max(most, n)
		for load, want := range frontier {
			if b := s.Bracket(load); !b.Certain || b.Lower < want-4 || b.Lower > want+1 {
				wrong++
				t.Log(fmt.Sprint(load), b, want)
			}
		}
	}
	t.Logf("%d of 600 brackets are off; at most %d trials", wrong, most)
	if wrong > 0 {
		t.Errorf("%d of 600 brackets", wrong)
	}
}
