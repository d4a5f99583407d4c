package scenarios

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Rate is the shape of an open model's arrivals. Exactly one of its forms is set.
type Rate struct {
	// Constant arrivals a second: "400/s" in the scenario, also "24000/m".
	Constant float64
	// Max: as fast as the target answers, with MaxInFlight users. In effect it is a closed model.
	Max bool

	Ramp    *Ramp
	Steps   []Step
	Sine    *Sine
	Poisson float64
}

// Ramp grows (or falls) linearly and then stays constant.
type Ramp struct {
	From PerSecond     `yaml:"from" jsonschema_description:"The rate at the beginning. Default 0/s."`
	To   PerSecond     `yaml:"to" jsonschema:"required" jsonschema_description:"The rate at the end, which then stays."`
	Over time.Duration `yaml:"over" jsonschema_description:"Default: the run's duration."`
}

// Step is one constant rate. The last one stays.
type Step struct {
	Rate PerSecond     `yaml:"rate" jsonschema:"required" jsonschema_description:"The step's rate; 0/s sends nothing."`
	For  time.Duration `yaml:"for" jsonschema_description:"How long the step lasts. The last step may leave it out."`
	Name string        `yaml:"name" jsonschema_description:"Names the step's window, for gates of this stream: orders.p99 < 1s during NAME."`
}

// Sine oscillates around a mean.
type Sine struct {
	Mean      PerSecond     `yaml:"mean" jsonschema:"required" jsonschema_description:"The rate around which it oscillates."`
	Amplitude PerSecond     `yaml:"amplitude" jsonschema:"required" jsonschema_description:"How far the rate goes from the mean, at most as far as the mean."`
	Period    time.Duration `yaml:"period" jsonschema:"required" jsonschema_description:"The time from one peak to the next."`
}

// PerSecond is a rate, written 400/s, 24000/m or 1.5/s.
type PerSecond float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *PerSecond) UnmarshalText(text []byte) error {
	number, unit, _ := strings.Cut(string(text), "/")
	seconds, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !known || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%s is no rate: write 400/s, 24000/m or 1.5/s", quote(string(text)))
	}
	if v /= seconds; v < 0 || v > MaxRate {
		return fmt.Errorf("%s is out of bounds: a rate lies between 0/s and %d/s", clip(string(text)), int(MaxRate))
	}
	*p = PerSecond(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (p PerSecond) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (p PerSecond) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "/s" }

// shapes are the forms of a rate beside 400/s and max.
var shapes = []string{"poisson", "ramp", "sine", "steps"}

// decodeNode reads any form of a rate.
func (r *Rate) decodeNode(d *decoder, n *node, name string) {
	if n.kind == table {
		r.decodeShape(d, n, name)
		return
	}
	text, _, ok := d.text(n, name, "a rate such as 400/s, max, or one of the keys "+strings.Join(shapes, ", "))
	switch {
	case !ok:
	case text == "max":
		r.Max = true
	default:
		r.Constant = positiveRate(d, n, name)
	}
}

func (r *Rate) decodeShape(d *decoder, n *node, name string) {
	if len(n.fields) != 1 {
		d.problem(n, "%s: takes exactly one of %s", name, strings.Join(shapes, ", "))
	}
	for _, f := range n.fields {
		switch f.key.text {
		case "poisson":
			r.Poisson = positiveRate(d, f.value, f.key.text)
		case "ramp":
			r.Ramp = new(Ramp)
			d.value(f.value, f.key.text, reflect.ValueOf(r.Ramp).Elem())
			d.moreThanNone(f.value.get("over"), "over", r.Ramp.Over == 0)
			if at := f.value.get("to"); at != nil && r.Ramp.From == 0 && r.Ramp.To == 0 && !d.reportedAt(at) {
				d.problem(at, "ramp: from and to are both 0/s")
			}
		case "steps":
			d.value(f.value, f.key.text, reflect.ValueOf(&r.Steps).Elem())
			r.checkSteps(d, f.value)
		case "sine":
			r.Sine = new(Sine)
			d.value(f.value, f.key.text, reflect.ValueOf(r.Sine).Elem())
			d.moreThanNone(f.value.get("period"), "period", r.Sine.Period == 0)
			d.moreThanNone(f.value.get("mean"), "mean", r.Sine.Mean == 0)
			if at := f.value.get("amplitude"); at != nil && r.Sine.Amplitude > r.Sine.Mean {
				d.problem(at, "amplitude: is larger than the mean, and a rate cannot be negative")
			}
		default:
			d.problem(f.key, "%s: unknown key %s; %s", name, quote(f.key.text), choices(f.key.text, shapes))
		}
	}
}

// positiveRate reads a rate above 0.
func positiveRate(d *decoder, n *node, name string) float64 {
	var p PerSecond
	d.value(n, name, reflect.ValueOf(&p).Elem())
	d.moreThanNone(n, name, p == 0)
	return float64(p)
}

// checkSteps: every step but the last has a length, and at least one step sends something.
func (r *Rate) checkSteps(d *decoder, n *node) {
	if n.kind != list || len(r.Steps) != len(n.items) {
		return
	}
	if len(r.Steps) > MaxSteps {
		d.problem(n, "steps: %d steps; the maximum is %d", len(r.Steps), MaxSteps)
		r.Steps = r.Steps[:MaxSteps]
		return
	}
	var highest PerSecond
	for i, step := range r.Steps {
		highest = max(highest, step.Rate)
		if at := n.items[i].get("for"); at != nil {
			d.moreThanNone(at, "for", step.For == 0)
		} else if i < len(r.Steps)-1 && n.items[i].kind == table {
			d.problem(n.items[i], "steps: only the last step may leave out for: it stays to the end")
		}
	}
	if highest == 0 && !d.reportedAt(n) {
		d.problem(n, "steps: no step has a rate above 0/s")
	}
}

// Peak is the highest planned rate, in arrivals a second; for poisson its mean, and 0 for max.
func (r *Rate) Peak() float64 {
	switch {
	case r.Ramp != nil:
		return float64(max(r.Ramp.From, r.Ramp.To))
	case r.Sine != nil:
		return float64(r.Sine.Mean + r.Sine.Amplitude)
	}
	peak := max(r.Constant, r.Poisson)
	for i := range r.Steps {
		peak = max(peak, float64(r.Steps[i].Rate))
	}
	return peak
}

// String writes the rate as a scenario does.
func (r *Rate) String() string {
	switch {
	case r.Max:
		return "max"
	case r.Ramp != nil:
		return fmt.Sprintf("ramp from %s to %s over %s", r.Ramp.From, r.Ramp.To, r.Ramp.Over)
	case r.Sine != nil:
		return fmt.Sprintf("sine around %s by %s every %s", r.Sine.Mean, r.Sine.Amplitude, r.Sine.Period)
	case r.Poisson > 0:
		return "poisson " + PerSecond(r.Poisson).String()
	case len(r.Steps) > 0:
		words := make([]string, len(r.Steps))
		for i, s := range r.Steps {
			words[i] = strings.TrimPrefix(s.Name+" "+s.Rate.String(), " ")
			if s.For > 0 {
				words[i] += " for " + s.For.String()
			}
		}
		return "steps " + strings.Join(words, ", ")
	}
	return PerSecond(r.Constant).String()
}
