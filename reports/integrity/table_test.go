package integrity

import (
	"testing"

	"wringer/reports"
	"wringer/reports/metric"
)

// Where nothing was seen, nothing can have been seen twice, late or wrong: a count of 0 shows nothing. What is about acked operations
// does.
func TestCountsOfNothingSeen(t *testing.T) {
	some, none := int64(80), int64(0)
	read := func(name string, stream *reports.Stream, i reports.Integrity) metric.Reading {
		for k := range Metrics {
			if m := &Metrics[k]; m.Name == name {
				return m.Read(&metric.Facts{Metric: m, Stream: stream, Measures: &reports.Measures{Integrity: &i}})
			}
		}
		t.Fatalf("no metric %s", name)
		return metric.Reading{}
	}
	unseen := reports.Integrity{
		Acked: &some, Seen: &none, Lost: &some, EffectDuplicates: &none, ExtraCopies: &none, MaxCopies: &none, Corrupt: &none, Phantom: &none,
		Unexpected: &none, OrderViolations: &none, Foreign: &none, Recovered: &none, Redelivered: &none, LogDuplicates: &none, AckCollisions: &none,
	}
	for name, open := range map[string]bool{
		"effect_duplicates": true, "extra_copies": true, "max_copies": true, "corrupt": true, "phantom": true, "unexpected": true, "redelivered": true,
		"order_violations": true, "log_duplicates": true, "recovered": true, "lost": false, "seen": false, "ack_collisions": false,
	} {
		if r := read(name, &reports.Stream{}, unseen); (r.Missing != "") != open {
			t.Errorf("%s: %+v", name, r)
		}
	}
	found := unseen
	found.Phantom = &some
	if r := read("phantom", &reports.Stream{}, found); r.Value != 80 || r.Missing != "" {
		t.Errorf("a finding: %+v", r)
	}
}

// A count of all places shows nothing either where one of them showed nothing. At the place of a compensation that is as it should be.
func TestCountsWithABlankPlace(t *testing.T) {
	some, none := int64(80), int64(0)
	seen := reports.Integrity{Acked: &some, Seen: &some, EffectDuplicates: &none, Lost: &none}
	blank := reports.Integrity{Acked: &some, Seen: &none, EffectDuplicates: &none, Lost: &some}
	place := func(name string, i reports.Integrity, lack map[string]string) reports.Place {
		return reports.Place{Name: name, Unmeasured: lack, Total: reports.PlaceMeasures{Integrity: &i}}
	}
	for _, test := range []struct {
		places []reports.Place
		open   bool
	}{
		{[]reports.Place{place("ledger", seen, nil), place("log", seen, nil)}, false},
		{[]reports.Place{place("ledger", seen, nil), place("log", blank, nil)}, true},
		{[]reports.Place{place("ledger", seen, nil), place("refund", blank, map[string]string{"lost": "none is due"})}, false},
	} {
		for k := range Metrics {
			m := &Metrics[k]
			if m.Name != "effect_duplicates" {
				continue
			}
			r := m.Read(&metric.Facts{Metric: m, Stream: &reports.Stream{Places: test.places}, Measures: &reports.Measures{Integrity: &seen}})
			if (r.Missing != "") != test.open {
				t.Errorf("%s and %s: %+v", test.places[0].Name, test.places[1].Name, r)
			}
		}
	}
}

// What the load generator did not send might have been seen: whether too little was seen is not decided.
func TestSeenOfWhatWasNotSent(t *testing.T) {
	some := int64(80)
	for k := range Metrics {
		if m := &Metrics[k]; m.Name == "seen" {
			measures := &reports.Measures{Counts: reports.Counts{Dropped: 4, DroppedByUs: 3}, Integrity: &reports.Integrity{Acked: &some, Seen: &some}}
			if r := m.Read(&metric.Facts{Metric: m, Attempts: 1, Stream: &reports.Stream{}, Measures: measures}); r.Value != 80 || r.Targets != 83 {
				t.Errorf("%+v", r)
			}
		}
	}
}
