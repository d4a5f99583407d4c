package drivers

import "testing"

// Sizes occur as often as their weights say, and ranges evenly. All attempts of an operation have one size.
func TestSizes(t *testing.T) {
	s, err := CompileSizes(map[string]uint32{"100": 80, "1KiB-2KiB": 20, "5": 0})
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	small, low, high := 0, 0, 0
	for seq := range uint64(n) {
		switch v := s.Of(7, seq); {
		case v != s.Of(7, seq):
			t.Fatal("drawn anew")
		case v == 100:
			small++
		case v >= 1024 && v < 1536:
			low++
		case v >= 1536 && v <= 2048:
			high++
		default:
			t.Fatalf("size %d", v)
		}
	}
	for _, share := range []struct{ got, want int }{{small, n * 8 / 10}, {low, n / 10}, {high, n / 10}} {
		if share.got < share.want*95/100 || share.got > share.want*105/100 {
			t.Errorf("%d, want about %d", share.got, share.want)
		}
	}
	if s.Largest() != 2048 || (&Sizes{}).Of(1, 1) != 0 {
		t.Errorf("largest %d", s.Largest())
	}
	for _, bad := range []map[string]uint32{{"x": 1}, {"2-1": 1}, {"1": 0}, {"1-x": 1}, {"100GiB": 1}} {
		if _, err := CompileSizes(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}
