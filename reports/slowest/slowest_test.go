package slowest

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

func ended(seq uint64, window int, took time.Duration, answered bool) reports.Ended {
	return reports.Ended{
		Op: drivers.Op{Seq: seq, Planned: time.Second}, Window: window, Done: time.Second + took, Outcome: drivers.Acked,
		Trail: []drivers.Attempt{{Number: 1, Answered: answered}},
	}
}

// Of each window the slowest answers are kept, and nothing that has no answer, no trace, or no window.
func TestTheSlowestAnswersAreKept(t *testing.T) {
	config := reports.CheckConfig{Stream: "s", Identity: drivers.Identity{Run: "r", Stream: "s"}, Windows: []string{"a", "b"}}
	s := New(config, drivers.NewTrace(1))
	var batch []reports.Ended
	for seq, took := range []time.Duration{4, 9, 2, 7, 5, 1} {
		batch = append(batch, ended(uint64(seq), 0, took, true))
	}
	s.Ended(append(batch, ended(6, 1, 3, true), ended(7, 1, 99, false), ended(8, reports.WindowWarmup, 99, true), reports.Ended{Window: 1}))
	var got []uint64
	for _, one := range s.Now() {
		got = append(got, one.Seq)
	}
	if len(got) != 4 || got[0] != 1 || got[1] != 3 || got[2] != 4 || got[3] != 6 || s.Now()[0].ID != "r.s.1" || s.Now()[3].Window != "b" {
		t.Errorf("%+v", s.Now())
	}
	none := New(config, drivers.Trace{})
	none.Ended(batch)
	if len(none.Now()) != 0 {
		t.Errorf("without a sampled trace: %+v", none.Now())
	}
}
