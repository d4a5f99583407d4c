package kafka

import (
	"strings"
	"testing"

	"wringer/drivers"
)

// Sizes occur as often as their weights say, and ranges evenly. All attempts of an operation have one size.
func TestSizes(t *testing.T) {
	s, err := compileSizes(map[string]uint32{"100": 80, "1KiB-2KiB": 20, "5": 0})
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	small, low, high := 0, 0, 0
	for seq := range uint64(n) {
		switch v := s.of(7, seq); {
		case v != s.of(7, seq):
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
	if s.largest() != 2048 || (&sizes{}).of(1, 1) != 0 {
		t.Errorf("largest %d", s.largest())
	}
	for _, bad := range []map[string]uint32{{"x": 1}, {"2-1": 1}, {"1": 0}, {"1-x": 1}, {"100GiB": 1}} {
		if _, err := compileSizes(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// A record has the size that was drawn, and never less than its text.
func TestSizesOfRecords(t *testing.T) {
	config := Config{Brokers: "a:1", Topic: topic, Sizes: map[string]uint32{"3": 1, "50-60": 1}}
	template, err := config.recordTemplate(newEnv(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(100) {
		record, _ := template.record(&drivers.Op{Seq: seq}, &drivers.Attempt{Number: 1}, nil)
		text := strings.TrimRight(string(record.value), " ")
		if n := len(record.value); n != len(text) && (n < 50 || n > 60) {
			t.Errorf("%q has %d bytes", record.value, n)
		}
	}
}
