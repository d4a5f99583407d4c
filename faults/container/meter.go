package container

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Usage are the counters of a container that show whether its limits held it back. They begin anew with each start.
type Usage struct {
	Throttled        time.Duration // the time for which its processes had to wait for processors
	ThrottledPeriods uint64
	// LimitHits counts how often its memory met the limit, Reclaimed the pages that were looked at to make room.
	LimitHits, Reclaimed uint64
}

// Usage reads the counters of a container once.
func (e *Engine) Usage(ctx context.Context, id string) (Usage, error) {
	s, err := e.stats(ctx, id)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		Throttled:        time.Duration(s.CPUStats.ThrottlingData.ThrottledTime),
		ThrottledPeriods: s.CPUStats.ThrottlingData.ThrottledPeriods,
		LimitHits:        s.MemoryStats.Failcnt, Reclaimed: s.MemoryStats.Stats["pgscan"],
	}
	if u == (Usage{}) {
		u = e.usageHere(ctx, id, u)
	}
	return u, nil
}

// Flagged says whether the engine flags the container's present life as one of which the kernel ended a process for want of memory.
func (e *Engine) Flagged(ctx context.Context, id string) (bool, error) {
	inspected, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return false, err
	}
	return inspected.Container.State.OOMKilled, nil
}

// flagged is how long the engine may take to flag the end of a container as one for want of memory.
const flagged = time.Second

// Starved says whether the kernel ended the container's last life for want of memory. The engine may learn of the end, and flag it,
// a moment after it: Starved waits for both, at most for a second. life is the one that was seen last; the zero value is unknown.
func (e *Engine) Starved(ctx context.Context, id string, life Life) bool {
	ctx, cancel := context.WithTimeout(ctx, flagged)
	defer cancel()
	tick := time.NewTicker(flagged / 10)
	defer tick.Stop()
	for {
		inspected, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return false
		}
		state := inspected.Container.State
		goesOn := state.Running && (life.pid == 0 || state.Pid != life.pid || !life.Over())
		if state.OOMKilled || goesOn {
			return state.OOMKilled
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func (e *Engine) stats(ctx context.Context, id string) (*container.StatsResponse, error) {
	answer, err := e.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	s := new(container.StatsResponse)
	return s, json.NewDecoder(answer.Body).Decode(s)
}

// Reading is what a container used over about a second. Gauges that the engine did not tell are absent.
type Reading struct {
	At     time.Time // by this machine's clock
	Gauges map[string]float64
}

// The gauges of a container.
const (
	GaugeCPU       = "cpu_cores"     // processors in use
	GaugeThrottled = "cpu_throttled" // seconds a second for which its processes had to wait for processors
	GaugeMemory    = "memory_bytes"  // in use, without the files that can be dropped
	GaugeReceived  = "received_bytes_per_second"
	GaugeSent      = "sent_bytes_per_second"
	GaugeRestarts  = "restarts" // so far
)

// mostReadings bounds the readings that wait to be taken.
const mostReadings = 64

// meter follows what a container uses, over its lives. It is safe for concurrent use.
type meter struct {
	engine *Engine
	id     string
	each   func(context.Context) // called for each reading, if it is set

	once   sync.Once
	stop   context.CancelFunc
	ctx    context.Context
	worker sync.WaitGroup

	mu       sync.Mutex
	readings []Reading
}

func newMeter(e *Engine, id string) *meter {
	m := &meter{engine: e, id: id}
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// reopenAfter is the time until a stream that ended is asked for again.
const reopenAfter = time.Second

// follow begins to read. Later calls do nothing.
func (m *meter) follow() {
	m.once.Do(func() {
		m.worker.Go(func() {
			for m.ctx.Err() == nil {
				m.read()
				select {
				case <-time.After(reopenAfter):
				case <-m.ctx.Done():
				}
			}
		})
	})
}

// read reads one stream to its end: one document each second.
func (m *meter) read() {
	answer, err := m.engine.ContainerStats(m.ctx, m.id, client.ContainerStatsOptions{Stream: true})
	if err != nil {
		return
	}
	defer answer.Body.Close()
	var last *container.StatsResponse
	for documents := json.NewDecoder(answer.Body); ; {
		now := new(container.StatsResponse)
		if documents.Decode(now) != nil {
			return
		}
		if now.Read.IsZero() { // it does not run
			last = nil
			continue
		}
		m.keep(Reading{At: time.Now(), Gauges: gauges(last, now)})
		last = now
		if m.each != nil {
			m.each(m.ctx)
		}
	}
}

func (m *meter) keep(r Reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.readings) < mostReadings {
		m.readings = append(m.readings, r)
	}
}

// take returns the readings since the last call.
func (m *meter) take() []Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.readings
	m.readings = nil
	return taken
}

func (m *meter) close() {
	m.stop()
	m.worker.Wait()
}

// Readings returns what the container used since the last call, each second once. A second without a reading is left out.
func (c *Container) Readings() []Reading {
	all := c.meter.take()
	restarts := float64(c.Restarts())
	for i := range all {
		all[i].Gauges[GaugeRestarts] = restarts
	}
	return all
}

// gauges are the gauges of a reading. What it used since the last reading is unknown without one, and after a start.
func gauges(last, now *container.StatsResponse) map[string]float64 {
	all := make(map[string]float64)
	// Podman tells the memory of the machine for a container without a control group: that one has used no processor either.
	if used, known := memory(&now.MemoryStats); known && now.CPUStats.CPUUsage.TotalUsage > 0 {
		all[GaugeMemory] = used
	}
	if last == nil {
		return all
	}
	length := now.Read.Sub(last.Read)
	since := func(gauge string, before, after uint64, unit float64) {
		if length > 0 && after >= before {
			all[gauge] = float64(after-before) / unit / length.Seconds()
		}
	}
	before, after := &last.CPUStats, &now.CPUStats
	if before.CPUUsage.TotalUsage > 0 && after.CPUUsage.TotalUsage >= before.CPUUsage.TotalUsage {
		since(GaugeCPU, before.CPUUsage.TotalUsage, after.CPUUsage.TotalUsage, 1e9)
		since(GaugeThrottled, before.ThrottlingData.ThrottledTime, after.ThrottlingData.ThrottledTime, 1e9)
	}
	if len(last.Networks) > 0 && len(now.Networks) > 0 {
		received, sent := traffic(last.Networks)
		receivedNow, sentNow := traffic(now.Networks)
		since(GaugeReceived, received, receivedNow, 1)
		since(GaugeSent, sent, sentNow, 1)
	}
	return all
}

func traffic(networks map[string]container.NetworkStats) (received, sent uint64) {
	for _, n := range networks {
		received, sent = received+n.RxBytes, sent+n.TxBytes
	}
	return received, sent
}

// memory is the memory in use without the files that can be dropped, as the Docker command shows it; by the version of the
// kernel's control groups.
func memory(s *container.MemoryStats) (used float64, known bool) {
	if s.Usage == 0 {
		return 0, false
	}
	for _, files := range []string{"total_inactive_file", "inactive_file"} {
		if n, told := s.Stats[files]; told && n < s.Usage {
			return float64(s.Usage - n), true
		}
	}
	return float64(s.Usage), true
}
