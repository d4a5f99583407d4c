package integrity

import (
	"math/rand/v2"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
	"wringer/reports"
)

// TestJointAgainstSets sends operations of every outcome to three places at random, and compares the joint counts with sets.
func TestJointAgainstSets(t *testing.T) {
	for seed := range uint64(tier.Rounds(t, 20, 4)) {
		r := rand.New(rand.NewPCG(seed, 1))
		id := drivers.Identity{Run: "r1", Stream: "orders"}
		config := Config{Stream: "orders", Identity: id, Windows: []string{"a", "b"}, WindowAt: func(time.Duration) int { return 0 }, Order: RealTime, Matched: true}
		var ledgers []*Ledger
		for _, name := range []string{"ledger", "log", "refund"} {
			c := config
			c.Place, c.Optional = name, name == "refund"
			ledgers = append(ledgers, New(c))
		}
		const n = 9000
		outcomes := []drivers.Outcome{drivers.Acked, drivers.Acked, drivers.Acked, drivers.Rejected, drivers.Indeterminate, drivers.Unknown}
		want := map[string]int64{}
		for seq := range uint64(n) {
			outcome := outcomes[r.IntN(len(outcomes))]
			e := reports.Ended{Op: drivers.Op{Seq: seq}, Window: int(seq / 5000), Outcome: outcome}
			seenDue, anywhere, lost, twice, wrong := false, false, false, false, false
			for k, l := range ledgers {
				l.Ended([]reports.Ended{e})
				times := []int{1, 1, 1, 1, 0, 2, 3}[r.IntN(7)]
				for range times {
					d := drivers.Delivery{ID: id.Append(nil, seq)}
					if r.IntN(50) == 0 {
						d.Wrong, wrong = "amount is 1, and 2 was sent", true
					}
					l.Seen([]drivers.Delivery{d})
				}
				anywhere = anywhere || times > 0
				twice = twice || times > 1
				if k < 2 {
					seenDue, lost = seenDue || times > 0, lost || times == 0
				}
			}
			sent := outcome != drivers.Unknown
			count := func(name string, is bool) {
				if is {
					want[name]++
				}
			}
			count("seen", sent && seenDue)
			count("lost", outcome == drivers.Acked && lost)
			count("phantom", outcome == drivers.Rejected && anywhere)
			count("recovered", outcome == drivers.Indeterminate && seenDue)
			count("unexpected", !sent && anywhere)
			count("effect_duplicates", sent && twice)
			count("corrupt", sent && wrong)
		}
		// Two places show the same invented operation: it is unexpected once.
		for _, l := range ledgers[:2] {
			l.Seen([]drivers.Delivery{{ID: id.Append(nil, n+7)}})
		}
		want["unexpected"]++
		for _, l := range ledgers {
			lost := 0
			for _, v := range l.Finish(reports.Completeness{Known: true}).Violations {
				if v.Kind == "lost" {
					lost++
				}
			}
			if (lost > 0) == l.config.Optional {
				t.Errorf("%s: %d operations are lost in the evidence, and due there: %v", l.config.Place, lost, !l.config.Optional)
			}
			for seq := range uint64(n) { // what comes later is in no place, and so in no joint count
				l.Seen([]drivers.Delivery{{ID: id.Append(nil, seq), Wrong: "late"}})
			}
		}
		out := reports.Stream{Windows: map[string]*reports.Measures{"a": {}, "b": {}}}
		Join(ledgers).Finish(reports.Completeness{Known: true}).Write(&out)
		for name, n := range want {
			if got := out.Total.Integrity.Count(name); got == nil || *got != n {
				t.Errorf("seed %d: %s is %v, want %d", seed, name, *got, n)
			}
		}
		if a, b := *out.Windows["a"].Integrity.Lost, *out.Windows["b"].Integrity.Lost; a+b != want["lost"] || a == 0 || b == 0 {
			t.Errorf("seed %d: lost %d and %d in the windows, want %d", seed, a, b, want["lost"])
		}
	}
}

// A place that was not read to its end leaves what nobody found unknown, and what the others found stands.
func TestJointOfAnUnreadPlace(t *testing.T) {
	id := drivers.Identity{Run: "r1", Stream: "orders"}
	config := Config{Stream: "orders", Identity: id, Windows: []string{"a"}, WindowAt: func(time.Duration) int { return 0 }}
	finished := func(lost bool) (*reports.Integrity, map[string]string) {
		ledger, log := config, config
		ledger.Place, log.Place = "ledger", "log"
		ledgers := []*Ledger{New(ledger), New(log)}
		for _, l := range ledgers {
			l.Ended([]reports.Ended{{Op: drivers.Op{Seq: 1}, Outcome: drivers.Acked}})
		}
		if !lost {
			ledgers[0].Seen([]drivers.Delivery{{ID: id.Append(nil, 1)}})
		}
		ledgers[0].Finish(reports.Completeness{Known: true})
		ledgers[1].Finish(reports.Completeness{Why: "the database went away"})
		out := reports.Stream{}
		f := Join(ledgers).Finish(reports.Completeness{})
		f.Write(&out)
		return out.Total.Integrity, f.Unknown
	}
	i, unknown := finished(false)
	if i.Lost != nil || i.EffectDuplicates != nil || unknown["lost"] != "in log: the database went away" {
		t.Errorf("nothing was found, and lost is %v, duplicates %v, unknown %v", i.Lost, i.EffectDuplicates, unknown)
	}
	if i, unknown = finished(true); unknown["lost"] == "" || *i.Unseen != 1 {
		t.Errorf("one is lost in the ledger: %+v, %v", i, unknown)
	}
}
