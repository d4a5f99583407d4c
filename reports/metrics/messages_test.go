package metrics

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
)

func streamed(m drivers.Messages, answered bool) *reports.Ended {
	at := drivers.Attempt{Outcome: drivers.Acked, Wire: true, Answered: answered, Messages: &m}
	if !answered {
		at.Fail(drivers.Indeterminate, drivers.CodeTimeout, "no word")
	}
	return &reports.Ended{Trail: []drivers.Attempt{at}, Outcome: at.Outcome}
}

func TestMessages(t *testing.T) {
	var whole, cell Cell
	cell.End(streamed(drivers.Messages{Sent: 3, Received: 3, First: time.Millisecond, Gaps: []time.Duration{2 * time.Millisecond, 4 * time.Millisecond},
		Counted: true, Tracked: true, Duplicated: 1, Evidence: drivers.MessageEvidence{Duplicated: "one"}}, true), time.Second)
	whole.Merge(&cell)
	cell = Cell{}
	cell.End(streamed(drivers.Messages{Sent: 3, Received: 1, First: time.Millisecond, Tracked: true, Undecided: 2, Awaited: true,
		Evidence: drivers.MessageEvidence{Duplicated: "two"}}, false), time.Second)
	cell.End(streamed(drivers.Messages{Sent: 3, Tracked: true, Undecided: 3, Awaited: true}, false), time.Second)
	whole.Merge(&cell)

	m := whole.Measures(time.Second)
	for name, want := range map[string]int64{"sent": 9, "received": 4, "lost": 0, "undecided": 5, "unexpected": 0, "duplicated": 1, "reordered": 0} {
		if got := m.Messages.Count(name); got == nil || *got != want {
			t.Errorf("%s is %v, want %d", name, got, want)
		}
	}
	// One call of three never got a first message, and one wait after a message never ended.
	if *m.Messages.First.Unanswered != 1 || *m.Messages.Gap.Unanswered != 1 || m.Messages.Gap.P50 == nil || m.Messages.Gap.P99 != nil {
		t.Errorf("first %+v, gap %+v", m.Messages.First, m.Messages.Gap)
	}
	if m.Messages.Evidence["duplicated"] != "one" || m.Details[drivers.CodeTimeout] != "no word" {
		t.Errorf("evidence %v, details %v", m.Messages.Evidence, m.Details)
	}
}

// Calls that never ended well show neither that nothing was lost nor that nothing was copied.
func TestMessagesThatShowNothing(t *testing.T) {
	var cell Cell
	cell.End(streamed(drivers.Messages{Sent: 3, Undecided: 3, Tracked: true, Awaited: true}, false), time.Second)
	m := cell.Measures(time.Second).Messages
	if m.Lost != nil || m.Duplicated != nil || m.Reordered != nil || m.Unexpected != nil || *m.Undecided != 3 {
		t.Errorf("%+v", m)
	}
	cell.End(streamed(drivers.Messages{Sent: 3, Duplicated: 1, Tracked: true, Awaited: true}, false), time.Second)
	if m := cell.Measures(time.Second).Messages; m.Duplicated == nil || *m.Duplicated != 1 {
		t.Error("a copy stands by itself")
	}
}

// How many messages a call would have had that the load generator did not send is not known.
func TestMessagesOfCallsThatWereNotSent(t *testing.T) {
	var cell Cell
	cell.End(streamed(drivers.Messages{Sent: 3, Received: 3, Tracked: true}, true), time.Second)
	read := func(name string) metric.Reading {
		for i := range MessageMetrics {
			if m := &MessageMetrics[i]; m.Name == name {
				return m.Read(&metric.Facts{Metric: m, Kept: []any{&cell}})
			}
		}
		t.Fatalf("no metric %s", name)
		return metric.Reading{}
	}
	if r := read("messages_received"); r != metric.Found(3) {
		t.Errorf("%+v", r)
	}
	cell.Drop(true)
	if r := read("messages_received"); r.Value != 3 || r.Targets != metric.Infinite {
		t.Errorf("%+v", r)
	}
}
