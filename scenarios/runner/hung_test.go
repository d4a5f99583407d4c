package runner

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

func catchFaulty(own reports.Check) (*caught, *member) {
	c := catch(own, "a", func(string) (io.WriteCloser, error) { return noFile{io.Discard}, nil })
	return c, &member{checks: []reports.Check{c}, broke: []*breakage{&c.breakage}}
}

// A check of the runner's own that does not return holds nothing up: it is called no more, and the reason is known.
func TestOwnCheckThatHangs(t *testing.T) {
	for _, method := range []string{"Ended", "Live", "Finish", "Write", "Measure", "Kept"} {
		synctest.Test(t, func(t *testing.T) {
			free, calls := make(chan struct{}), new(atomic.Int64)
			defer close(free)
			c, m := catchFaulty(faulty{method, func() { calls.Add(1); <-free }})
			for range 2 {
				c.Ended(make([]reports.Ended, 1))
				m.live()
			}
			record := &reports.Stream{}
			if f := c.Finish(reports.Completeness{}); f.Write != nil {
				f.Write(record)
				f.Measure(&reports.Measures{}, nil)
				f.Kept(nil)
			}
			if all := m.broken(); calls.Load() != 1 || len(all) != 1 || !strings.Contains(all[0].Why, "of stream a broke: "+method+" did not return within") {
				t.Errorf("%s: %d calls, %+v", method, calls.Load(), all)
			}
			if method == "Write" && record.Total.Checks != nil {
				t.Error("a write that did not end reached the record")
			}
			if c.Keeps() != (len(m.broken()) > 0) {
				t.Error("the batch of a call that did not return is used again")
			}
		})
	}
}

// locked is a check that stands still in Seen, and holds its lock. The lock is a channel: virtual time goes on while it is waited for.
type locked struct {
	faulty
	lock, free chan struct{}
}

func (l locked) Seen([]drivers.Delivery) { l.lock <- struct{}{}; <-l.free; <-l.lock }
func (l locked) Ended([]reports.Ended)   { l.lock <- struct{}{}; <-l.lock }

// A check that stands still in Seen holds up its observer alone.
func TestOwnCheckThatHangsInSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := locked{lock: make(chan struct{}, 1), free: make(chan struct{})}
		c, m := catchFaulty(l)
		observing := make(chan struct{})
		go func() { defer close(observing); c.Seen(make([]drivers.Delivery, 1)) }()
		synctest.Wait()
		c.Ended(make([]reports.Ended, 1))
		if f := c.Finish(reports.Completeness{}); f.Write != nil || len(m.broken()) != 1 {
			t.Errorf("%+v, %+v", f, m.broken())
		}
		close(l.free)
		<-observing
	})
}

// A process that was stopped for long has not waited for a check meanwhile.
func TestWithinCountsSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if within(3*time.Second, make(chan struct{})) || time.Since(began) != 3*time.Second {
			t.Errorf("after %s", time.Since(began))
		}
		done := make(chan struct{})
		time.AfterFunc(2500*time.Millisecond, func() { close(done) })
		if !within(3*time.Second, done) {
			t.Error("not within")
		}
	})
}

func BenchmarkCaughtEnded(b *testing.B) {
	c, _ := catchFaulty(faulty{})
	batch := make([]reports.Ended, 256)
	b.ReportAllocs()
	for b.Loop() {
		c.Ended(batch)
	}
}
