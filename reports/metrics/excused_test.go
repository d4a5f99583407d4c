package metrics

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

func ended(outcome drivers.Outcome, code string, took time.Duration) *reports.Ended {
	at := drivers.Attempt{Outcome: outcome, Code: code, Wire: true, Done: took, Answered: code != drivers.CodeTimeout}
	return &reports.Ended{Outcome: outcome, Done: took, Trail: []drivers.Attempt{at}}
}

func TestExcusedKeepsWhatStands(t *testing.T) {
	var c Cell
	for range 5 {
		c.End(ended(drivers.Acked, "", 700*time.Millisecond), time.Second)
	}
	c.End(ended(drivers.Indeterminate, drivers.CodeTimeout, time.Second), time.Second)
	c.End(ended(drivers.Indeterminate, "http_500", time.Second), time.Second)
	c.End(ended(drivers.Indeterminate, "http_500", time.Millisecond), time.Second)
	c.End(ended(drivers.Indeterminate, drivers.CodeCheck, time.Second), time.Second)
	c.End(ended(drivers.Rejected, "http_404", time.Second), time.Second)
	c.Drop(false)
	c.Drop(true)
	got := c.Excused()
	want := reports.Counts{Offered: 12, Sent: 11, Acked: 8, Rejected: 1, Indeterminate: 2, Dropped: 1, DroppedByUs: 1, Attempts: 11}
	if got.Counts != want {
		t.Errorf("counts %+v, want %+v", got.Counts, want)
	}
	if got.Response.Count() != 11 || got.Response.Max() > time.Millisecond || got.Acked.Count() != 8 {
		t.Errorf("%d answers up to %s, %d acked", got.Response.Count(), got.Response.Max(), got.Acked.Count())
	}
}

// A bunch excuses whatever the target says of itself, at once too. Wrong answers and refusals of the operation stand.
func TestUnbunchedKeepsWhatStands(t *testing.T) {
	var c Cell
	c.End(ended(drivers.Acked, "", time.Millisecond), time.Second)
	for _, code := range []string{drivers.CodeTimeout, "http_500", "http_429", drivers.CodeReset, "grpc_unknown", "amqp_nack", "kafka_not_leader_or_follower"} {
		c.End(ended(drivers.Indeterminate, code, time.Millisecond), time.Second)
	}
	c.End(ended(drivers.Indeterminate, drivers.CodeCheck, time.Millisecond), time.Second)
	c.End(ended(drivers.Rejected, "http_404", time.Millisecond), time.Second)
	got := c.Unbunched()
	want := reports.Counts{Offered: 10, Sent: 10, Acked: 8, Rejected: 1, Indeterminate: 1, Attempts: 10}
	if got.Counts != want {
		t.Errorf("counts %+v, want %+v", got.Counts, want)
	}
	if len(got.Errors) != 2 || got.Errors[drivers.CodeCheck] != 1 || got.Errors["http_404"] != 1 {
		t.Errorf("errors %v", got.Errors)
	}
}

func TestLessTakesAwayWhatWasMerged(t *testing.T) {
	cell := func(acked, timeouts int, took time.Duration) *Cell {
		c := &Cell{}
		for range acked {
			c.End(ended(drivers.Acked, "", took), time.Second)
		}
		for range timeouts {
			c.End(ended(drivers.Indeterminate, drivers.CodeTimeout, time.Second), time.Second)
		}
		c.Lag.RecordMany(took/2, int64(acked+timeouts))
		return c
	}
	calm, busy := cell(50, 1, 3*time.Millisecond), cell(20, 7, 900*time.Millisecond)
	calm.Overtaken = []*reports.Ended{{}}
	busy.Overtaken = []*reports.Ended{{}}
	var all Cell
	all.Merge(calm)
	all.Merge(busy)
	got := all.Less(busy)
	if got.Counts != calm.Counts || got.Tries != calm.Tries {
		t.Errorf("%+v, want %+v", got.Counts, calm.Counts)
	}
	if got.Response.Max() > 4*time.Millisecond || got.Response.Count() != 50 || got.Acked.Count() != 50 || got.Lag.Max() > 2*time.Millisecond {
		t.Errorf("max %s of %d, lag %s", got.Response.Max(), got.Response.Count(), got.Lag.Max())
	}
	if len(got.Overtaken) != 1 || got.Overtaken[0] != calm.Overtaken[0] {
		t.Errorf("overtaken %v", got.Overtaken)
	}
	if all.Counts.Acked != 70 {
		t.Error("the cell itself was changed")
	}
}
