package capacity

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
)

// target is a service in memory whose capacity is known by construction.
type target interface {
	// serve answers one operation: nil once it was served, an error if it was refused.
	serve(ctx context.Context) error
}

// driver sends to a target without a network.
type driver struct{ target }

func (d *driver) Check(func(field, message string)) {}
func (d *driver) Describe() drivers.Description     { return drivers.Description{} }
func (d *driver) Close() error                      { return nil }

// Gauges implements drivers.Gauger for a target behind which operations wait.
func (d *driver) Gauges(emit func(name string, value float64)) {
	if b, ok := d.target.(interface{ backlog() float64 }); ok {
		emit("group_lag", b.backlog())
	}
}
func (d *driver) Session() (drivers.Session, error) { return session{d}, nil }
func (d *driver) Open(context.Context, drivers.Env) (drivers.Driver, error) {
	return d, nil
}

type session struct{ *driver }

func (s session) Do(ctx context.Context, _ *drivers.Op, at *drivers.Attempt) {
	at.Wire = true
	switch err := s.serve(ctx); {
	case ctx.Err() != nil:
		at.Fail(drivers.Indeterminate, drivers.CodeTimeout, "no answer")
	case err != nil:
		at.Answered = true
		at.Fail(drivers.Rejected, "busy", err.Error())
	default:
		at.Outcome, at.Answered = drivers.Acked, true
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// workers is a queue before some workers with a service time of their own.
type workers struct {
	free    chan struct{}
	service func() time.Duration
}

func newWorkers(n int, service func() time.Duration) *workers {
	w := &workers{free: make(chan struct{}, n), service: service}
	for range n {
		w.free <- struct{}{}
	}
	return w
}

func (w *workers) serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.free:
	}
	defer func() { w.free <- struct{}{} }()
	time.Sleep(w.service()) // work is done for a client that has left as well
	return ctx.Err()
}

func fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// patient serves one after the other, whether or not the client still waits.
type patient struct {
	mu      sync.Mutex
	free    time.Time
	service time.Duration
}

func (p *patient) serve(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(p.service)
	d := p.free.Sub(now)
	p.mu.Unlock()
	return sleep(ctx, d)
}

// bucket refuses what arrives above a rate.
type bucket struct {
	mu   sync.Mutex
	rate float64
	full time.Time // when the bucket is full again
}

func (b *bucket) serve(ctx context.Context) error {
	const burst = 200 * time.Millisecond
	b.mu.Lock()
	now := time.Now()
	if b.full.Before(now) {
		b.full = now
	}
	next := b.full.Add(time.Duration(float64(time.Second) / b.rate))
	taken := next.Sub(now) <= burst
	if taken {
		b.full = next
	}
	b.mu.Unlock()
	if !taken {
		return errors.New("too many requests")
	}
	return sleep(ctx, 5*time.Millisecond)
}

// measured answers after a time that depends on the arrivals of the last second.
type measured struct {
	mu       sync.Mutex
	arrivals []time.Time
	after    func(rate float64) time.Duration
}

func (m *measured) serve(ctx context.Context) error {
	now := time.Now()
	m.mu.Lock()
	m.arrivals = append(m.arrivals, now)
	for now.Sub(m.arrivals[0]) > time.Second {
		m.arrivals = m.arrivals[1:]
	}
	rate := 0.0
	if n := len(m.arrivals) - 1; n > 0 {
		rate = float64(n) / now.Sub(m.arrivals[0]).Seconds()
	}
	d := m.after(rate)
	m.mu.Unlock()
	return sleep(ctx, d)
}

// places refuses what exceeds a number of connections; each operation holds one for a time.
type places struct {
	free chan struct{}
	hold time.Duration
}

func (p *places) serve(ctx context.Context) error {
	select {
	case p.free <- struct{}{}:
		defer func() { <-p.free }()
		return sleep(ctx, p.hold)
	default:
		return errors.New("no connection is free")
	}
}

// stalling stands still for a while in each period, before the workers take on.
type stalling struct {
	*workers
	begun         time.Time
	period, stall time.Duration
}

func newStalling(n int, service, period, stall time.Duration) *stalling {
	s := &stalling{begun: time.Now(), period: period, stall: stall}
	s.workers = newWorkers(n, func() time.Duration {
		if in := time.Since(s.begun) % period; in < stall {
			return stall - in + service
		}
		return service
	})
	return s
}

// consumed acknowledges everything at once, and a group of consumers behind it works at a rate of its own.
type consumed struct {
	mu      sync.Mutex
	rate    float64
	waiting float64
	last    time.Time
}

func (c *consumed) work() {
	now := time.Now()
	c.waiting = max(0, c.waiting-c.rate*now.Sub(c.last).Seconds())
	c.last = now
}

func (c *consumed) serve(ctx context.Context) error {
	c.mu.Lock()
	c.work()
	c.waiting++
	c.mu.Unlock()
	return sleep(ctx, 2*time.Millisecond)
}

func (c *consumed) backlog() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.work()
	return c.waiting
}

// tipping is a queue before workers that tips over once more than 400 ms of work wait: it then takes three times as long, until it
// is reset.
type tipping struct {
	*workers
	most    int64
	waiting atomic.Int64
	tipped  atomic.Bool
}

func newTipping(n int, service time.Duration) *tipping {
	t := &tipping{most: int64(0.4 * float64(n) / service.Seconds())}
	t.workers = newWorkers(n, func() time.Duration {
		if t.tipped.Load() {
			return 3 * service
		}
		return service
	})
	return t
}

func (t *tipping) serve(ctx context.Context) error {
	if t.waiting.Add(1) > t.most {
		t.tipped.Store(true)
	}
	defer t.waiting.Add(-1)
	return t.workers.serve(ctx)
}

func (t *tipping) reset() { t.tipped.Store(false) }

// built is a target with its truth: the highest load that passes.
type built struct {
	make  func() target
	truth float64
	gate  string        // on times; empty: a.p99 < 300ms
	trial time.Duration // 0: 30 s
	from  float64       // 0: 5/s
	// within bounds the search; 0: nothing does.
	within time.Duration
}

// families are the kinds of targets, with parameters drawn from a seed. Arrivals are even.
var families = map[string]func(r *rand.Rand) built{
	"workers": func(r *rand.Rand) built {
		n, service := 1+r.IntN(4), time.Duration(20+r.IntN(60))*time.Millisecond
		return built{make: func() target { return newWorkers(n, fixed(service)) }, truth: float64(n) / service.Seconds()}
	},
	"token bucket": func(r *rand.Rand) built {
		rate := 20 + 80*r.Float64()
		return built{make: func() target { return &bucket{rate: rate} }, truth: rate / 0.99} // 1 % may be refused
	},
	"explodes": func(r *rand.Rand) built {
		at := 20 + 80*r.Float64()
		return built{make: func() target {
			return &measured{after: func(rate float64) time.Duration {
				if rate > at {
					return 2 * time.Second
				}
				return 5 * time.Millisecond
			}}
		}, truth: at}
	},
	"degrades slowly": func(r *rand.Rand) built {
		at := 20 + 80*r.Float64() // where it takes 300 ms
		return built{make: func() target {
			return &measured{after: func(rate float64) time.Duration { return time.Duration(rate / at * 300 * float64(time.Millisecond)) }}
		}, truth: at}
	},
	"connections": func(r *rand.Rand) built {
		n, hold := 4+r.IntN(8), time.Duration(80+r.IntN(100))*time.Millisecond
		return built{make: func() target { return &places{free: make(chan struct{}, n), hold: hold} }, truth: float64(n) / hold.Seconds()}
	},
	"stalls": func(r *rand.Rand) built { // a stall fails a p99 below 350 ms at every rate
		n, service := 1+r.IntN(4), time.Duration(20+r.IntN(40))*time.Millisecond
		return built{make: func() target { return newStalling(n, service, 5*time.Second, 400*time.Millisecond) }, truth: float64(n) / service.Seconds() * 0.92, gate: "a.p99 < 600ms"}
	},
	"warms up": func(r *rand.Rand) built {
		n, service := 1+r.IntN(4), time.Duration(20+r.IntN(40))*time.Millisecond
		return built{make: func() target {
			begun := time.Now()
			return newWorkers(n, func() time.Duration {
				if time.Since(begun) < 10*time.Second {
					return 3 * service
				}
				return service
			})
		}, truth: float64(n) / service.Seconds()}
	},
	"tips over": func(r *rand.Rand) built {
		n, service := 1+r.IntN(4), time.Duration(20+r.IntN(60))*time.Millisecond
		return built{make: func() target { return newTipping(n, service) }, truth: float64(n) / service.Seconds()}
	},
	"consumers": func(r *rand.Rand) built {
		rate := 20 + 80*r.Float64()
		return built{make: func() target { return &consumed{rate: rate, last: time.Now()} }, truth: rate}
	},
}
