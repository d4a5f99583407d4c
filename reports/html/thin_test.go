package html

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func values(all ...float64) figures {
	var f figures
	for _, v := range all {
		if v < 0 {
			f = append(f, nil)
			continue
		}
		f = append(f, &v)
	}
	return f
}

func TestAPieceKeepsItsSmallestAndLargestValueInOrder(t *testing.T) {
	for name, c := range map[string]struct{ in, want figures }{
		"each row a point": {values(3, 1, 2), values(3, 1, 2)},
		"up and down":      {values(2, 9, 1, 5, 1, 3, 8, 2), values(9, 1, 1, 8)},
		"missing values":   {values(-1, 4, -1, -1, -1, -1, -1, -1), values(4, 4, -1, -1)},
		"a short end":      {values(1, 2, 3, 4, 7), values(1, 4, 7, 7)},
	} {
		n := 4
		if len(c.in) == 3 {
			n = 1
		}
		got, want := encode(t, c.in.thin(n)), encode(t, c.want)
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func encode(t *testing.T, f figures) string {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// However a curve is thinned, its extremes stay, no value is invented, and it has no more points than allowed.
func TestThinningKeepsExtremes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := values(rapid.SliceOfN(rapid.Float64Range(-0.2, 1), 1, 500).Draw(t, "values")...)
		points := rapid.IntRange(2, 100).Draw(t, "points")
		n := pieceOf(len(in), points)
		out := in.thin(n)
		if len(out) > points+1 {
			t.Fatalf("%d points of %d values, at most %d", len(out), len(in), points)
		}
		low, high := bounds(in)
		if gotLow, gotHigh := bounds(out); gotLow != low || gotHigh != high {
			t.Fatalf("%g to %g became %g to %g", low, high, gotLow, gotHigh)
		}
		for _, v := range out {
			if v != nil && !slices.Contains(in, v) {
				t.Fatalf("%g was invented", *v)
			}
		}
	})
}

func TestFiguresAreWrittenShort(t *testing.T) {
	if got := encode(t, values(99.66666666, 1234567, 0, -1)); got != "[99.667,1.2346e+06,0,null]" {
		t.Error(got)
	}
}
