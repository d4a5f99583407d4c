package runner

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// machine reads the CPU and memory use of this process.
type machine struct {
	virtual bool // time is virtual, and cannot measure the process
	cpu     time.Duration
	at      time.Time
	base    time.Duration
	from    time.Time
	gc      []uint64
}

const gcPauses = "/sched/pauses/total/gc:seconds"

func newMachine(virtual bool) *machine {
	m := &machine{virtual: virtual, cpu: processCPU(), at: time.Now(), gc: readPauses().Counts}
	m.base, m.from = m.cpu, m.at
	return m
}

// cores is the CPU used since the last call, in cores.
func (m *machine) cores() float64 {
	cpu, now := processCPU(), time.Now()
	defer func() { m.cpu, m.at = cpu, now }()
	if elapsed := now.Sub(m.at); elapsed > 0 && !m.virtual {
		return float64(cpu-m.cpu) / float64(elapsed)
	}
	return 0
}

// mean is the CPU used since newMachine, in cores.
func (m *machine) mean() *float64 {
	elapsed := time.Since(m.from)
	if elapsed <= 0 || m.virtual {
		return nil
	}
	return new(float64(processCPU()-m.base) / float64(elapsed))
}

// pauseP99 is the 99th percentile of the garbage collector's pauses since newMachine, as the upper end of its bucket; nil
// when there were none.
func (m *machine) pauseP99() *int64 {
	h := readPauses()
	var total uint64
	for i := range h.Counts {
		total += h.Counts[i] - m.gc[i]
	}
	if total == 0 || m.virtual {
		return nil
	}
	var sum uint64
	for i := range h.Counts {
		sum += h.Counts[i] - m.gc[i]
		if float64(sum) >= 0.99*float64(total) {
			upper := h.Buckets[i+1]
			if math.IsInf(upper, 1) {
				upper = h.Buckets[i]
			}
			return new(int64(upper * float64(time.Second)))
		}
	}
	return nil
}

func readPauses() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: gcPauses}}
	metrics.Read(s)
	return s[0].Value.Float64Histogram()
}

// saturated reports whether the process uses nearly all processors. An embedded target is part of the process.
func saturated(cores float64) bool { return cores > 0.95*float64(runtime.GOMAXPROCS(0)) }
