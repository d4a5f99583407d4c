package main

import (
	"wringer/reports"
)

// recent holds the last seconds of a stream, for the small curves.
type recent struct {
	at          []int64
	rate, times []float64 // acked a second; p99 in nanoseconds, below 0 where it is no answer
}

// mostPast is the number of seconds that are kept.
const mostPast = 60

// noValue stands for a second in which nothing was due.
const noValue, noAnswer = -2, -1

// add takes a second. One that is told again has changed.
func (p *recent) add(s *reports.Second) {
	rate, p99 := float64(s.Acked), float64(noValue)
	switch {
	case s.Offered == 0:
	case s.P99NS == nil:
		p99 = noAnswer
	default:
		p99 = float64(*s.P99NS)
	}
	if n := len(p.at); n > 0 && p.at[n-1] == s.StartNS {
		p.rate[n-1], p.times[n-1] = rate, p99
		return
	}
	p.at, p.rate, p.times = append(p.at, s.StartNS), append(p.rate, rate), append(p.times, p99)
	if cut := len(p.at) - mostPast; cut > 0 {
		p.at, p.rate, p.times = p.at[cut:], p.rate[cut:], p.times[cut:]
	}
}

// bars draws the last values, so many, as bars from 0 to the highest of them.
func bars(values []float64, n int) string {
	values = values[max(len(values)-n, 0):]
	highest := 0.0
	for _, v := range values {
		highest = max(highest, v)
	}
	out := make([]rune, 0, n)
	for range n - len(values) {
		out = append(out, ' ')
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	for _, v := range values {
		switch {
		case v == noAnswer:
			out = append(out, '×')
		case v < 0:
			out = append(out, ' ')
		case highest == 0:
			out = append(out, levels[0])
		default:
			out = append(out, levels[int(v/highest*float64(len(levels)-1)+0.5)])
		}
	}
	return string(out)
}
