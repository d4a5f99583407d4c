package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"wringer/scenarios"
)

// pace is what the flags say about a load's arrivals: the stream's key with its value, and how long they need by themselves (0:
// unknown). constant is set for arrivals of one rate, in a second.
type pace struct {
	item     yaml.MapItem
	length   time.Duration
	constant float64
}

// pace reads --rate, --ramp, --steps and --users, of which one may be given.
func (f *loadFlags) pace(changed func(flag string) bool) (pace, error) {
	var given []string
	for _, name := range []string{"rate", "ramp", "steps", "users"} {
		if changed(name) {
			given = append(given, "--"+name)
		}
	}
	switch {
	case len(given) > 1:
		return pace{}, fmt.Errorf("%s and %s exclude each other", given[0], given[1])
	case f.users > 0:
		return pace{item: yaml.MapItem{Key: "users", Value: f.users}}, nil
	case f.ramp != "":
		return readRamp(f.ramp)
	case f.steps != "":
		return readSteps(f.steps)
	}
	text, perSecond, err := readRate(f.rate)
	if err != nil {
		return pace{}, fmt.Errorf("--rate %s: %w", f.rate, err)
	}
	return pace{item: yaml.MapItem{Key: "rate", Value: text}, constant: perSecond}, nil
}

const rateForms = "write 500 or 500/s (a second), 6000/m or max"

// readRate reads a rate as other tools write it: 500 is 500 a second, 50/1m is 50 a minute. perSecond is 0 for max.
func readRate(text string) (written string, perSecond float64, err error) {
	text = strings.TrimSpace(text)
	if text == "max" || text == "infinity" {
		return "max", 0, nil
	}
	number, unit, has := strings.Cut(text, "/")
	if !has {
		unit = "s"
	}
	if long, err := time.ParseDuration(unit); err == nil && long > 0 {
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil {
			return "", 0, fmt.Errorf("is no rate: %s", rateForms)
		}
		number, unit = strconv.FormatFloat(n/long.Seconds(), 'f', -1, 64), "s"
	}
	var p scenarios.PerSecond
	written = number + "/" + unit
	if err := p.UnmarshalText([]byte(written)); err != nil {
		return "", 0, fmt.Errorf("is no rate: %s", rateForms)
	}
	if p == 0 {
		return "", 0, fmt.Errorf("must be more than 0, or max")
	}
	return written, float64(p), nil
}

// readRamp reads 10/s..400/s:20s.
func readRamp(text string) (pace, error) {
	rates, over, timed := strings.Cut(text, ":")
	from, to, ok := strings.Cut(rates, "..")
	if !ok {
		return pace{}, fmt.Errorf("--ramp %s: write FROM..TO:LENGTH, as in 10/s..400/s:20s", text)
	}
	ramp := yaml.MapSlice{}
	for _, end := range []struct{ key, rate string }{{"from", from}, {"to", to}} {
		rate, err := rateOrNone(end.rate)
		if err != nil {
			return pace{}, fmt.Errorf("--ramp %s: %s %w", text, end.rate, err)
		}
		ramp = append(ramp, yaml.MapItem{Key: end.key, Value: rate})
	}
	if ramp[0].Value == "0/s" && ramp[1].Value == "0/s" {
		return pace{}, fmt.Errorf("--ramp %s: both rates are 0", text)
	}
	var length time.Duration
	if timed {
		var err error
		if length, err = readLength(over); err != nil {
			return pace{}, fmt.Errorf("--ramp %s: %w", text, err)
		}
		ramp = append(ramp, yaml.MapItem{Key: "over", Value: length.String()})
	}
	return pace{item: yaml.MapItem{Key: "rate", Value: yaml.MapSlice{{Key: "ramp", Value: ramp}}}, length: length}, nil
}

// rateOrNone is readRate for a part of a shape, which may send nothing and is never max.
func rateOrNone(text string) (string, error) {
	if number, _, _ := strings.Cut(strings.TrimSpace(text), "/"); number == "0" {
		return "0/s", nil
	}
	written, _, err := readRate(text)
	if written == "max" {
		return "", fmt.Errorf("is no rate of a shape: write a number")
	}
	return written, err
}

// readSteps reads 100/s:10s,200/s:10s.
func readSteps(text string) (pace, error) {
	var steps []yaml.MapSlice
	var sum time.Duration
	all := strings.Split(text, ",")
	for i, part := range all {
		rate, length, timed := strings.Cut(part, ":")
		written, err := rateOrNone(rate)
		if err != nil {
			return pace{}, fmt.Errorf("--steps %s: %s %w", text, rate, err)
		}
		step := yaml.MapSlice{{Key: "rate", Value: written}}
		switch {
		case timed:
			d, err := readLength(length)
			if err != nil {
				return pace{}, fmt.Errorf("--steps %s: %w", text, err)
			}
			sum += d
			step = append(step, yaml.MapItem{Key: "for", Value: d.String()})
		case i < len(all)-1:
			return pace{}, fmt.Errorf("--steps %s: %s has no length: write RATE:LENGTH, as in 100/s:10s", text, part)
		default:
			sum = 0 // the last step stays
		}
		steps = append(steps, step)
	}
	return pace{item: yaml.MapItem{Key: "rate", Value: yaml.MapSlice{{Key: "steps", Value: steps}}}, length: sum}, nil
}

func readLength(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no length: write 20s or 2m", text)
	}
	return d, nil
}

// longestCount bounds a load that ends with its number of requests, and has no rate to say how long they need.
const longestCount = time.Hour

// lasts is the length of the run: what --for says, what the shape or the number of requests needs, or the default.
func (f *loadFlags) lasts(p pace, changed func(flag string) bool) time.Duration {
	switch {
	case changed("for"):
		return f.length
	case p.length > 0 && f.requests == 0:
		return p.length
	case f.requests > 0 && p.constant > 0:
		return max(time.Duration(float64(f.requests)/p.constant*float64(time.Second)), time.Millisecond)
	case f.requests > 0:
		return longestCount
	}
	return f.length
}
