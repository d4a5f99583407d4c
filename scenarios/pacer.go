package scenarios

import (
	"math"
	"sort"
	"time"

	"wringer/drivers"
)

// Pacer is the plan of an open model: the planned start of each operation, independent of earlier operations.
type Pacer interface {
	// At returns the planned start of operation n on the run's clock, negative in the warm-up; false when the plan has ended.
	// Calls come from one goroutine, with n ascending from 0. Starts never descend.
	At(n uint64) (start time.Duration, ok bool)
}

// Pacer returns the plan of this rate. In the warm-up the rate is that of time 0. If the rate is even, one operation is due
// exactly at time 0, and the number in [0, duration) does not depend on the warm-up. seed feeds poisson. Pacer returns nil for
// Max, which has no plan.
func (r *Rate) Pacer(warmup, duration time.Duration, seed uint64) Pacer {
	if r.Max {
		return nil
	}
	if r.Poisson > 0 {
		return &poisson{rate: r.Poisson, seed: seed, at: -warmup, end: duration}
	}
	c := r.curve(duration)
	p := &pace{curve: c, first: c.first(), end: duration}
	if p.first > 0 {
		p.lead = uint64(p.first * warmup.Seconds())
		for ; p.lead > 0 && p.before(p.lead) < -warmup; p.lead-- {
		}
		for ; p.before(p.lead+1) >= -warmup; p.lead++ {
		}
	}
	return p
}

func (r *Rate) curve(duration time.Duration) curve {
	switch {
	case r.Ramp != nil:
		over := r.Ramp.Over
		if over == 0 {
			over = duration
		}
		return ramp{float64(r.Ramp.From), float64(r.Ramp.To), over.Seconds()}
	case r.Sine != nil:
		return newSine(r.Sine)
	case len(r.Steps) > 0:
		return newSteps(r.Steps)
	}
	return constant(r.Constant)
}

const second = float64(time.Second)

// curve is a rate over the time from 0 on. due inverts its integral: it returns the nanosecond at which m operations are due,
// false when that never happens. m is a whole number.
type curve interface {
	due(m float64) (ns float64, ok bool)
	first() float64
}

// pace plans operations along a curve: lead of them in the warm-up, at even distances before 0, and then those of the curve.
// Every start is computed from its number alone, so no error adds up.
type pace struct {
	curve curve
	first float64
	lead  uint64
	end   time.Duration
}

func (p *pace) At(n uint64) (time.Duration, bool) {
	if n < p.lead {
		return p.before(p.lead - n), true
	}
	ns, ok := p.curve.due(float64(n - p.lead))
	if !ok || ns >= float64(p.end) { // also a start beyond the largest Duration
		return 0, false
	}
	start := time.Duration(math.Round(ns))
	return start, start < p.end
}

// before is the k-th start before 0.
func (p *pace) before(k uint64) time.Duration {
	return -time.Duration(math.Round(float64(k) * second / p.first))
}

type constant float64

func (c constant) first() float64 { return float64(c) }

func (c constant) due(m float64) (float64, bool) { return m * second / float64(c), c > 0 }

// ramp goes from one rate to the other within over seconds, and stays there.
type ramp struct{ from, to, over float64 }

func (r ramp) first() float64 { return r.from }

// due solves from*t + (to-from)/(2*over)*t^2 = m, in the form that does not cancel where the slope is small.
func (r ramp) due(m float64) (float64, bool) {
	if whole := (r.from + r.to) / 2 * r.over; m >= whole {
		return (r.over + (m-whole)/r.to) * second, r.to > 0
	}
	slope := (r.to - r.from) / r.over
	root := math.Sqrt(max(r.from*r.from+2*slope*m, 0))
	if m == 0 {
		return 0, true
	}
	return 2 * m / (r.from + root) * second, true
}

// steps holds the begin of each step: its second, and the operations before it.
type steps []struct{ rate, at, count float64 }

func newSteps(list []Step) steps {
	s := make(steps, len(list))
	var at, count float64
	for i, step := range list {
		s[i].rate, s[i].at, s[i].count = float64(step.Rate), at, count
		at += step.For.Seconds()
		count += float64(step.Rate) * step.For.Seconds()
		// 20/m for 3 s is one operation. Without this the sum might be slightly less, and one more would fit in.
		if whole := math.Round(count); math.Abs(count-whole) < 1e-9*max(1, whole) {
			count = whole
		}
	}
	return s
}

func (s steps) first() float64 { return s[0].rate }

// due looks for the last step that begins at or before m. Of several that begin at the same count, those of rate 0 have nothing
// to send.
func (s steps) due(m float64) (float64, bool) {
	i := sort.Search(len(s), func(i int) bool { return s[i].count > m }) - 1
	return (s[i].at + (m-s[i].count)/s[i].rate) * second, s[i].rate > 0
}

// sine keeps a period in nanoseconds and the operations of one period, which do not depend on the amplitude.
type sine struct{ mean, amplitude, period, whole float64 }

func newSine(s *Sine) sine {
	return sine{float64(s.Mean), float64(s.Amplitude), float64(s.Period), float64(s.Mean) * s.Period.Seconds()}
}

func (s sine) first() float64 { return s.mean }

// due finds the period by division and the nanosecond within it by bisection, because the integral never falls. It bisects the
// same interval for every m, so that the results stay in order despite rounding.
func (s sine) due(m float64) (float64, bool) {
	periods := math.Floor(m / s.whole)
	rest := m - periods*s.whole
	ns := sort.Search(int(s.period), func(ns int) bool { return s.integral(float64(ns)) >= rest })
	return periods*s.period + float64(ns), true
}

// integral is the number of operations in the first nanoseconds of a period.
func (s sine) integral(ns float64) float64 {
	turn := 2 * math.Pi / s.period
	return (s.mean*ns + s.amplitude/turn*(1-math.Cos(turn*ns))) / second
}

// poisson plans independent arrivals: exponential gaps, each drawn by its number. It keeps the sum of the gaps so far, whole
// nanoseconds and the rest apart, so that no error adds up.
type poisson struct {
	rate float64
	seed uint64
	next uint64        // the operation whose gap is drawn next
	at   time.Duration // planned start of the operation before
	rest float64
	end  time.Duration
}

// Places keep the draws of the plan and of the retries apart from those of templates.
const (
	gapPlace   = 1 << 61
	retryPlace = 1 << 60
)

func (p *poisson) At(n uint64) (time.Duration, bool) {
	for ; p.next <= n && p.at < p.end; p.next++ {
		u := drivers.DrawUnit(drivers.Draw(p.seed, p.next, gapPlace))
		whole, rest := math.Modf(p.rest - math.Log1p(-u)*second/p.rate)
		if whole >= float64(p.end-p.at) { // also a start beyond the largest Duration
			p.at = p.end
			break
		}
		p.at, p.rest = p.at+time.Duration(whole), rest
	}
	return p.at, p.at < p.end
}

// Wait is the wait before a retry, 1 for the first: Backoff doubled with each, at most MaxBackoff, with jitter. It depends on
// its arguments alone.
func (r Retry) Wait(seed, seq uint64, retry int) time.Duration {
	wait, most := r.Backoff, r.MaxBackoff
	setDefault(&most, DefaultMaxBackoff)
	for i := 1; i < retry && wait < most && wait > 0; i++ {
		wait *= 2
	}
	wait = min(wait, most)
	u := drivers.DrawUnit(drivers.Draw(seed, seq, retryPlace+uint64(retry)))
	switch r.Jitter {
	case JitterNone:
		return wait
	case JitterEqual:
		return wait/2 + time.Duration(u*float64(wait-wait/2))
	}
	return time.Duration(u * float64(wait))
}
