package saga

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
	"wringer/reports"
)

var identity = drivers.Identity{Run: "r1", Stream: "orders"}

func config() Config {
	return Config{
		CheckConfig:   reports.CheckConfig{Stream: "orders", Identity: identity, Windows: []string{"a", "b"}, WindowAt: func(time.Duration) int { return 0 }},
		Compensations: map[string]string{"ledger": "refund", "stock": "release"}, EvidencePerWindow: 100_000,
	}
}

var names = []string{"ledger", "stock", "refund", "release"}

// holds is the rule, for one operation with so many records in each place.
func holds(outcome drivers.Outcome, n map[string]int) bool {
	effects, compensations := 0, 0
	compensated := true
	for effect, compensation := range config().Compensations {
		e, c := n[effect] > 0, n[compensation]
		if e {
			effects++
		}
		compensations += c
		compensated = compensated && (e && c == 1 || !e && c == 0)
	}
	switch {
	case effects == 2 && compensations == 0:
		return true
	case effects > 0 && compensated:
		return true
	}
	return outcome != drivers.Acked && effects+compensations == 0
}

// TestAgainstTheRule sends operations of every outcome to the four places, in random numbers and orders, also before their ends.
// It compares the violations with the rule.
func TestAgainstTheRule(t *testing.T) {
	for seed := range uint64(tier.Rounds(t, 20, 4)) {
		r := rand.New(rand.NewPCG(seed, 2))
		c := New(config())
		var want []uint64
		type event func()
		var events []event
		for seq := range uint64(9000) {
			outcome := []drivers.Outcome{drivers.Acked, drivers.Rejected, drivers.Indeterminate}[r.IntN(3)]
			n := make(map[string]int)
			for _, name := range names {
				n[name] = []int{0, 0, 1, 1, 1, 2}[r.IntN(6)]
				for range n[name] {
					events = append(events, func() {
						c.SeenIn(name).Seen([]drivers.Delivery{{ID: identity.Append(nil, seq), At: time.Second}})
					})
				}
			}
			events = append(events, func() {
				c.Ended([]reports.Ended{{Op: drivers.Op{Seq: seq}, Window: int(seq / 5000), Outcome: outcome}})
			})
			if !holds(outcome, n) {
				want = append(want, seq)
			}
		}
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for _, e := range events {
			e()
		}
		f := c.Finish(reports.Completeness{Known: true})
		var got []uint64
		for _, v := range f.Violations {
			got = append(got, v.Seq)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d violations, want %d", seed, len(got), len(want))
		}
		out := reports.Stream{Windows: map[string]*reports.Measures{"a": {}, "b": {}}}
		f.Write(&out)
		if n := *out.Total.Saga.Violations; n != int64(len(want)) || *out.Windows["a"].Saga.Violations+*out.Windows["b"].Saga.Violations != n {
			t.Errorf("seed %d: counted %d, want %d", seed, n, len(want))
		}
	}
}

// The time for which an operation was mixed runs to the sighting that made it whole, or compensated.
func TestMixed(t *testing.T) {
	c := New(config())
	see := func(place string, seq uint64, at time.Duration) {
		c.SeenIn(place).Seen([]drivers.Delivery{{ID: identity.Append(nil, seq), At: at}})
	}
	for seq := range uint64(4) {
		c.Ended([]reports.Ended{{Op: drivers.Op{Seq: seq}, Outcome: drivers.Acked}})
	}
	see("ledger", 0, 1*time.Second)
	see("stock", 0, 4*time.Second) // 3 s
	see("ledger", 1, 1*time.Second)
	see("refund", 1, 6*time.Second) // 5 s
	see("stock", 2, 1*time.Second)  // to the end
	f := c.Finish(reports.Completeness{Known: true})
	cell := f.Kept([]int{0}).(*Cell)
	if low, _ := cell.Times.Rank(0.5, 2); low.Round(10*time.Millisecond) != 3*time.Second || cell.Times.Count() != 2 || cell.Never != 1 || cell.Unknown != 0 {
		t.Errorf("%d times from %s on, %d never", cell.Times.Count(), low, cell.Never)
	}
	if len(f.Violations) != 2 || !strings.Contains(f.Violations[0].Why, "has stock; lacks ledger") {
		t.Errorf("%+v", f.Violations)
	}
}

// What an earlier reading showed does not count, and nothing is known of places that were not read to their ends.
func TestUnknown(t *testing.T) {
	c := New(config())
	c.Ended([]reports.Ended{{Op: drivers.Op{Seq: 1}, Outcome: drivers.Acked}})
	for _, place := range []string{"ledger", "stock"} {
		c.SeenIn(place).Seen([]drivers.Delivery{{ID: identity.Append(nil, 1), Provisional: true}})
	}
	if f := c.Finish(reports.Completeness{Known: true}); len(f.Violations) != 1 {
		t.Errorf("effects that the last reading does not hold count: %+v", f.Violations)
	}
	c = New(config())
	c.Ended([]reports.Ended{{Op: drivers.Op{Seq: 1}, Outcome: drivers.Acked}})
	f := c.Finish(reports.Completeness{Why: "the file was cut"})
	out := reports.Stream{}
	f.Write(&out)
	if len(f.Violations) != 0 || out.Total.Saga.Violations != nil || f.Unknown["saga_violations"] != "the file was cut" {
		t.Errorf("%+v, %+v", out.Total.Saga, f.Unknown)
	}
}
