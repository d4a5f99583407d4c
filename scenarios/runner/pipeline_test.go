package runner

import (
	"context"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/scenarios"
)

// orderly is a pipeline that notes each gap or decrease in the numbers of its operations.
type orderly struct {
	memory
	strays  *[]uint64
	next    *uint64
	keySeqs map[uint64]uint64
}

func (o *orderly) Open(context.Context, drivers.Env) (drivers.Driver, error) { return o, nil }
func (o *orderly) Flush(context.Context) error                               { return nil }

func (o *orderly) Send(_ context.Context, op *drivers.Op, at *drivers.Attempt, done func()) {
	if op.Seq != *o.next || op.KeySeq != o.keySeqs[op.Key] {
		*o.strays = append(*o.strays, op.Seq)
	}
	*o.next, o.keySeqs[op.Key] = op.Seq+1, op.KeySeq+1
	time.AfterFunc(time.Millisecond, func() {
		at.Wire, at.Answered, at.Outcome = true, true, drivers.Acked
		done()
	})
}

// Users that send at the same time are numbered in the order in which the driver gets their operations: the check of order
// relies on the numbers.
func TestUsersOfAPipelineAreNumberedAsTheySend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var strays []uint64
		var next uint64
		s := openStream("a", 0, &memory{})
		s.Driver = &orderly{strays: &strays, next: &next, keySeqs: map[uint64]uint64{}}
		s.Rate, s.Users, s.Keys = nil, 64, 5
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 200 * time.Millisecond}, []scenarios.Stream{s}, "a.errors == 0"), Options{})
		if len(strays) > 0 {
			t.Errorf("%d of %d operations came out of turn", len(strays), next)
		}
		if total := run.Streams["a"].Total; total.Acked != int64(next) || next < 5000 {
			t.Errorf("acked %d, the driver was given %d", total.Acked, next)
		}
	})
}
