package compare

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Published figures: R's wilcox.test(c(1.1,2.2,3.3,4.4,5.5,6.6), c(7,8,9,10,11,12), conf.int = TRUE) gives p = 0.002165. The table of
// critical values for 6 and 6 runs allows U = 5 at 5 %. So the interval runs from the sixth difference to the sixth from the end.
func TestRankTest(t *testing.T) {
	p, enough := rankTest([]float64{1.1, 2.2, 3.3, 4.4, 5.5, 6.6}, []float64{7, 8, 9, 10, 11, 12})
	if !enough || math.Abs(p-2.0/924) > 1e-12 {
		t.Errorf("p %v, %v", p, enough)
	}
	for n, want := range map[int]int{3: 0, 4: 1, 5: 3, 6: 6, 10: 24, 20: 128} {
		if got := critical(n, n); got != want {
			t.Errorf("%d runs a side: difference %d, want %d", n, got, want)
		}
	}
	if _, enough := rankTest([]float64{1, 2, 3}, []float64{4, 5, 6}); enough {
		t.Error("three runs a side are enough")
	}
	if p, enough := rankTest([]float64{1, 2}, []float64{3, 4, 5, 6, 7, 8, 9, 10}); !enough || math.Abs(p-2.0/45) > 1e-12 {
		t.Errorf("2 and 8 runs: %v, %v", p, enough)
	}
	for n := 26; n < 30; n++ { // where the exact distribution gives way to the normal one, the rank goes on
		if a, b := critical(n-1, n-1), critical(n, n); b <= a || b > a+40 {
			t.Errorf("%d runs: %d after %d", n, b, a)
		}
	}
}

// Holm's own example: 0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02.
func TestHolm(t *testing.T) {
	got := holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("%d: %v, want %v", i, got[i], want)
		}
	}
}

func TestFewest(t *testing.T) {
	for tests, want := range map[int]int{1: 4, 4: 5, 20: 6, 25: 7} {
		if got := fewest(tests); got != want {
			t.Errorf("%d tests need %d runs a side, want %d", tests, got, want)
		}
	}
	if n := needed(6, 6, 4, 0.08, -0.08, 0.24, 0.05); n != 24 { // twice as narrow: four times the runs
		t.Errorf("%d runs", n)
	}
	if n := needed(6, 6, 4, 0.0499999, -0.1, 0.2, 0.05); n <= mostNeeded {
		t.Errorf("%d runs tell a change right at the smallest that counts", n)
	}
}

// The estimate lies in its interval, moves with the values, and turns round with the sides.
func TestShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-1e6, 1e6), rapid.Just(0.0), rapid.Just(math.Inf(1))), 4, 12)
		x, y := values.Draw(t, "x"), values.Draw(t, "y")
		slices.Sort(x)
		slices.Sort(y)
		estimate, low, high := shift(x, y)
		if math.IsNaN(estimate) || low > estimate || estimate > high {
			t.Fatalf("%v is not between %v and %v", estimate, low, high)
		}
		back, lowBack, highBack := shift(y, x)
		if less(back, -estimate) > 1e-6 || less(-estimate, back) > 1e-6 || lowBack != -high || highBack != -low {
			t.Fatalf("%v %v %v and %v %v %v", estimate, low, high, back, lowBack, highBack)
		}
		if p, _ := rankTest(x, y); !(p >= 0 && p <= 1) {
			t.Fatalf("p %v", p)
		}
	})
}
