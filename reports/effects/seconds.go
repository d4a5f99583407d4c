package effects

import (
	"time"

	"wringer/reports/metrics"
)

// second holds the operations that were due in one second.
type second struct {
	times    metrics.Hist
	count    int64 // operations that count: acked, or seen
	over     bool  // its histogram was dropped
	p50, p99 *int64
}

// seconds holds all of them, with histograms of the latest alone. When a second's histogram is dropped, every missing time is
// longer than the times in it. Its percentiles are final, and nil where they fall among the missing.
type seconds struct {
	all  []second
	keep int
	done int // seconds below done are over
}

// of returns the second of a planned start, which is not negative.
func (s *seconds) of(planned time.Duration) *second {
	n := int(planned / time.Second)
	for len(s.all) <= n {
		s.all = append(s.all, second{})
	}
	for ; s.done < len(s.all)-s.keep; s.done++ {
		s.all[s.done].close()
	}
	return &s.all[n]
}

// expect counts an acked operation.
func (s *seconds) expect(planned time.Duration) {
	sec := s.of(planned)
	sec.count++
	sec.spoil()
}

// record adds the time of an operation that was seen.
func (s *seconds) record(end *half, took time.Duration) {
	sec := s.of(end.at)
	if !end.acked {
		sec.count++
		sec.spoil()
	}
	if !sec.over {
		sec.times.Record(took)
	}
}

// spoil gives up percentiles that were computed from too few operations.
func (s *second) spoil() {
	if s.over {
		s.p50, s.p99 = nil, nil
	}
}

func (s *second) close() {
	s.p50, s.p99 = s.at(0.5), s.at(0.99)
	s.times, s.over = metrics.Hist{}, true
}

func (s *second) at(q float64) *int64 {
	d, ok := s.times.Rank(q, s.count)
	if !ok {
		return nil
	}
	ns := int64(d)
	return &ns
}

func (s *seconds) percentiles(start time.Duration) (p50, p99 *int64) {
	n := int(start / time.Second)
	if n >= len(s.all) {
		return nil, nil
	}
	if sec := &s.all[n]; !sec.over {
		return sec.at(0.5), sec.at(0.99)
	}
	return s.all[n].p50, s.all[n].p99
}
