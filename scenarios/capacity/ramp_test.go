package capacity

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers/drivertest/tier"
	"wringer/scenarios"
)

// The ramp: arrivals from 10/s to 400/s in two minutes.
const (
	rampFrom, rampTo = 10.0, 400.0
	rampFor          = 2 * time.Minute
	rampLooks        = 2 * time.Second
)

// ramp raises the arrivals at a target as a breakpoint test of k6 does, until a threshold is crossed: the 99th percentile of all times
// so far, or a hundredth of errors among all answers so far, looked at every two seconds. It returns the rate by then; infinity: no
// threshold was crossed.
func ramp(tgt target, limit time.Duration) (rate float64, took time.Duration) {
	var mu sync.Mutex
	var times []time.Duration
	var running sync.WaitGroup
	failed, begun, look := 0, time.Now(), rampLooks
	crossed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		all := slices.Sorted(slices.Values(times))
		return len(all) > 0 && (all[int(math.Ceil(0.99*float64(len(all))))-1] >= limit || float64(failed) >= 0.01*float64(len(all)))
	}
	defer running.Wait()
	slope := (rampTo - rampFrom) / rampFor.Seconds()
	for n := 1.0; ; n++ {
		at := time.Duration((math.Sqrt(rampFrom*rampFrom+2*slope*n) - rampFrom) / slope * float64(time.Second))
		if at > rampFor {
			return math.Inf(1), rampFor
		}
		for ; look < at; look += rampLooks {
			time.Sleep(time.Until(begun.Add(look)))
			if crossed() {
				return rampFrom + slope*look.Seconds(), look
			}
		}
		time.Sleep(time.Until(begun.Add(at)))
		running.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), scenarios.DefaultTimeout)
			defer cancel()
			sent := time.Now()
			err := tgt.serve(ctx)
			mu.Lock()
			defer mu.Unlock()
			if times = append(times, time.Since(sent)); err != nil {
				failed++
			}
		})
	}
}

// A ramp ends above the capacity: its thresholds are over all that went well before, and a queue has to grow first. A group of consumers
// that falls behind answers in time at every rate. So nothing is read off a ramp. The log holds rows for the table in docs/capacity.md.
func TestARampEndsAboveTheCapacity(t *testing.T) {
	tier.Slow(t, "ramps of two minutes in virtual time")
	for name, family := range families {
		var off, seconds []float64
		missed := 0
		for seed := range uint64(*rounds) {
			synctest.Test(t, func(t *testing.T) {
				b := family(rand.New(rand.NewPCG(seed, 7)))
				limit := 300 * time.Millisecond
				if b.gate != "" {
					limit = 600 * time.Millisecond
				}
				rate, took := ramp(b.make(), limit)
				if seconds = append(seconds, took.Seconds()); math.IsInf(rate, 1) {
					missed++
					return
				}
				off = append(off, 100*(rate/b.truth-1))
			})
		}
		if (name == "consumers") != (missed > 0) || name == "workers" && slices.Min(off) < 5 {
			t.Errorf("%s: off by %v %%, %d ramps crossed nothing", name, off, missed)
		}
		slices.Sort(off)
		if len(off) > 0 {
			t.Logf("| %s | %+.0f to %+.0f %% | %.0f to %.0f s |", name, off[0], off[len(off)-1], slices.Min(seconds), slices.Max(seconds))
		}
	}
}
