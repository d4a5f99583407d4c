package churn

import (
	"fmt"
	"testing"
	"time"
)

// The schedule is a pure function of the seed. No member is struck twice at once, one member always stays, and all are back
// in time.
func TestChurnPlan(t *testing.T) {
	schedule := &Config{Choose: []string{"leave", "freeze", "die"}}
	for field, text := range map[*Span]string{&schedule.Every: "100ms..1s", &schedule.For: "1s..3s"} {
		if err := field.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	const length = time.Minute
	kinds := make(map[string]int)
	for seed := range uint64(20) {
		plan := schedule.Plan(3, length, seed)
		if again := schedule.Plan(3, length, seed); fmt.Sprint(plan) != fmt.Sprint(again) {
			t.Fatal("the same seed draws two schedules")
		}
		if other := schedule.Plan(3, length, seed+1); fmt.Sprint(plan) == fmt.Sprint(other) {
			t.Error("two seeds draw one schedule")
		}
		for i, s := range plan {
			kinds[s.Kind]++
			if s.End > length || s.At <= 0 || s.End <= s.At {
				t.Errorf("%+v", s)
			}
			away := 1
			for _, b := range plan[:i] {
				if b.End > s.At {
					away++
					if b.Member == s.Member {
						t.Errorf("%+v while %+v", s, b)
					}
				}
			}
			if away > 2 {
				t.Errorf("%d of 3 are away at %v", away, s.At)
			}
		}
	}
	if len(kinds) != 3 {
		t.Errorf("drawn: %v", kinds)
	}
	if plan := schedule.Plan(1, length, 1); len(plan) == 0 {
		t.Error("a single member is never struck")
	}
}
