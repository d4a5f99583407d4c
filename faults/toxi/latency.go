package toxi

import (
	"fmt"
	"path/filepath"
	"time"
)

// Latency is a delay of bytes as a scenario writes it: 80ms, a ramp, or recorded delays.
type Latency struct {
	From time.Duration `yaml:"from" jsonschema_description:"The latency when the fault begins; it changes evenly from there. Absent: 0ms."`
	To   time.Duration `yaml:"to" worse:"more" jsonschema_description:"The latency when the fault ends. Absent: 0ms."`
	File string        `yaml:"file" path:"file" jsonschema_description:"A file of recorded delays, one duration a line (12.5ms). Each line is equally likely. Relative to the scenario."`
}

// steady is a latency that does not change.
func steady(d time.Duration) Latency { return Latency{From: d, To: d} }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Latency) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a latency: write 80ms, {from: 0ms, to: 500ms} or {file: delays.txt}", text)
	}
	if d > longest {
		return fmt.Errorf("%s is more than a latency may be (1000h)", text)
	}
	*l = steady(d)
	return nil
}

// longest bounds a latency and the time of close_after, so that sums stay far from the end of time.Duration.
const longest = 1000 * time.Hour

// MarshalText implements encoding.TextMarshaler.
func (l Latency) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Latency) String() string {
	switch {
	case l.File != "":
		return "recorded in " + l.File
	case l.From != l.To:
		return fmt.Sprint(l.From, " to ", l.To)
	}
	return l.From.String()
}

func (l Latency) set() bool { return l != Latency{} }

func (l Latency) least() time.Duration { return min(l.From, l.To) }

func (c *Config) checkLatency(problem func(field, message string)) {
	l := c.Latency
	switch {
	case l.From < 0 || l.To < 0:
		problem("latency", "is negative")
	case l.File != "" && l.From+l.To != 0:
		problem("latency", "has both a file and from or to: keep one of them")
	case c.Jitter < 0:
		problem("jitter", "is negative")
	case l.File != "" && c.Jitter != 0:
		problem("jitter", "has no effect on recorded delays, which vary already")
	case c.Jitter > l.least() && c.Jitter != 0:
		problem("jitter", fmt.Sprintf("%v is more than the latency (%v at its smallest)", c.Jitter, l.least()))
	case c.Distribution == Normal && c.Jitter > l.least()/4:
		problem("jitter", fmt.Sprintf("%v is more than a quarter of the latency (%v at its smallest): the normal distribution would need negative delays", c.Jitter, l.least()))
	}
	switch {
	case c.Distribution == "":
	case shapes[c.Distribution] == nil:
		problem("distribution", fmt.Sprintf("%q is unknown: write uniform, normal or pareto", c.Distribution))
	case c.Jitter == 0:
		problem("distribution", "has no effect without jitter")
	}
}

// delay is the latency of one fault while it is in force.
type delay struct {
	Latency
	since  time.Time     // start of the fault
	over   time.Duration // duration of the fault
	spread *spread       // nil: no jitter
}

// at is the latency at a time, without jitter.
func (d *delay) at(now time.Time) time.Duration {
	if d.From == d.To {
		return d.From
	}
	part := float64(now.Sub(d.since)) / float64(d.over)
	return d.From + time.Duration(min(max(part, 0), 1)*float64(d.To-d.From))
}

// always reports whether every byte is delayed. A ramp from 0 and recorded delays may delay some bytes by nothing.
func (d *delay) always() bool {
	least := d.least()
	if d.spread != nil {
		least += d.spread.fine[0]
	}
	return least > 0
}

// most is the largest possible delay. mean is the mean delay at a time.
func (d *delay) most() time.Duration {
	most := max(d.From, d.To)
	if d.spread != nil {
		most += d.spread.most()
	}
	return most
}

func (d *delay) mean(now time.Time) time.Duration {
	if d.spread == nil {
		return d.at(now)
	}
	return d.at(now) + d.spread.mean
}

// latencyRule delays bytes.
type latencyRule struct{ *activeFault }

func newLatencyRule(f *activeFault) rule { return latencyRule{f} }

func (l latencyRule) add(r *laneRules, _ *flow, d direction) {
	applies := l.config.appliesTo()
	for _, dir := range []direction{toTarget, fromTarget} {
		if applies.covers(dir) {
			r.roundTrip += l.delay.mean(time.Now())
		}
	}
	if applies.covers(d) {
		r.delays = append(r.delays, l.activeFault)
		r.most = sum(r.most, l.delay.most())
		if l.delay.always() {
			r.meet(l.activeFault)
		}
	}
}

// connectDelayRule delays new connections.
type connectDelayRule struct{ *activeFault }

func newConnectDelayRule(f *activeFault) rule { return connectDelayRule{f} }

func (c connectDelayRule) add(r *laneRules, _ *flow, _ direction) {
	r.connectDelay += c.config.ConnectDelay
	r.connectBy = append(r.connectBy, c.activeFault)
}

// delay draws the delay of bytes that arrived at now. delayed are the faults that delay these bytes and might not have.
func (l *lane) delay(r *laneRules, now time.Time) (late time.Duration, delayed []*activeFault) {
	free := !now.Before(l.due)
	for _, f := range r.delays {
		by := f.delay.at(now)
		if s := f.delay.spread; s != nil {
			by = sum(by, l.walk(f.Fault).next(now, s, free))
		}
		if by > 0 && !f.delay.always() {
			delayed = append(delayed, f)
		}
		late = sum(late, by)
	}
	return late, delayed
}

func (l *lane) walk(f *Fault) *jitterWalk {
	if l.walks == nil {
		l.walks = map[*Fault]*jitterWalk{}
	}
	if l.walks[f] == nil {
		l.walks[f] = newJitterWalk(f.seed, l.flow.id, l.direction)
	}
	return l.walks[f]
}

// CheckFiles reads the recorded delays; see drivers.FileChecker.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	if c.Latency.File == "" || ready(c.Latency.File) != nil {
		return
	}
	if _, err := c.Latency.recorded(folder); err != nil {
		problem("latency.file", err.Error())
	}
}

// recorded reads the recorded delays. A relative path lies in folder.
func (l Latency) recorded(folder string) (*spread, error) {
	path := l.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	return recorded(path)
}
