// Package metrics folds the ends of operations into counts and HdrHistograms, per second and per window, and sums them up
// as reports.Measures.
package metrics

import (
	"sort"
	"time"
)

// Span is an interval [Start, End) that belongs to the window of index Window.
type Span struct {
	Start, End time.Duration
	Window     int
}

// Slots cuts the measured time at every second and at every window's border. A slot lies in one second and in one window. Sums
// over seconds and sums over windows are sums of the same slots, so they cannot disagree.
type Slots struct {
	slots []Slot
	first []int // of second i: its first slot
}

// Slot is one of the pieces.
type Slot struct {
	Start, End time.Duration
	Second     int
	Window     int
}

// Warmup is the slot index of the unmeasured warm-up.
const Warmup = -1

// NewSlots cuts the spans, which must follow each other without a gap from 0 on. It ignores empty spans.
func NewSlots(spans []Span) *Slots {
	s := &Slots{}
	for _, span := range spans {
		for at := span.Start; at < span.End; {
			second := int(at / time.Second)
			end := min(span.End, time.Duration(second+1)*time.Second)
			for len(s.first) <= second {
				s.first = append(s.first, len(s.slots))
			}
			s.slots = append(s.slots, Slot{Start: at, End: end, Second: second, Window: span.Window})
			at = end
		}
	}
	return s
}

// Len is the number of slots.
func (s *Slots) Len() int { return len(s.slots) }

// Seconds is the number of seconds. The last one may be cut short.
func (s *Slots) Seconds() int { return len(s.first) }

// Slot returns slot i.
func (s *Slots) Slot(i int) Slot { return s.slots[i] }

// At returns the index of the slot that holds t: Warmup below 0, the last slot beyond the end.
func (s *Slots) At(t time.Duration) int {
	if t < 0 || len(s.slots) == 0 {
		return Warmup
	}
	second := int(t / time.Second)
	if second >= len(s.first) {
		return len(s.slots) - 1
	}
	i := s.first[second]
	for i+1 < len(s.slots) && t >= s.slots[i].End {
		i++
	}
	return i
}

// Window returns the window of slot i, -1 for Warmup.
func (s *Slots) Window(i int) int {
	if i == Warmup {
		return -1
	}
	return s.slots[i].Window
}

// Length is the time that the slots of a window cover before the time until.
func (s *Slots) Length(window int, until time.Duration) time.Duration {
	var sum time.Duration
	n := sort.Search(len(s.slots), func(i int) bool { return s.slots[i].Start >= until })
	for _, slot := range s.slots[:n] {
		if slot.Window == window {
			sum += min(slot.End, until) - slot.Start
		}
	}
	return sum
}
