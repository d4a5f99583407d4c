package faults

import "testing"

func TestShare(t *testing.T) {
	var share Share
	for text, want := range map[string]Share{"30%": 0.3, " 0.5 %": 0.005, "100%": 1, "0.3": 0.3, "1": 1, "1e-10%": 1e-12} {
		if err := share.UnmarshalText([]byte(text)); err != nil || share != want {
			t.Errorf("%q is %v, %v", text, share, err)
		}
	}
	for _, text := range []string{"", "30", "0%", "0", "-1%", "101%", "NaN%", "NaN", "Inf", "x%"} {
		if err := share.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, share)
		}
	}
	for share, want := range map[Share]string{0.3: "30%", 0.005: "0.5%", 1: "100%", 1.0 / 3: "33.3333%"} {
		if share.String() != want {
			t.Errorf("%v is written %s, want %s", float64(share), share, want)
		}
	}
}

// The draws of a share are even, the same each time, and different with another seed.
func TestShareDraws(t *testing.T) {
	const n = 20_000
	for _, share := range []Share{0.01, 0.3, 0.9} {
		hits, same := 0, 0
		for i := range uint64(n) {
			first := share.Draws(1, i)
			if first != share.Draws(1, i) {
				t.Fatal("the same draw fell otherwise")
			}
			if first {
				hits++
			}
			if first == share.Draws(2, i) {
				same++
			}
		}
		if got := float64(hits) / n; got < float64(share)-0.015 || got > float64(share)+0.015 {
			t.Errorf("%v drew %v", share, got)
		}
		if same == n {
			t.Errorf("%v: two seeds draw alike", share)
		}
	}
	if !Share(0).Draws(1, 1) || !Share(1).Draws(1, 1) {
		t.Error("the whole leaves something out")
	}
}
