package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"wringer/reports"
	"wringer/scenarios"
)

// starting tells what the start of a target waits for: on a terminal one line a step, with a bar where bytes are known; elsewhere a
// line at the begin and the end of a step. Its method show is safe for concurrent use.
type starting struct {
	w     io.Writer
	width int // of the terminal; 0: plain lines

	mu    sync.Mutex
	steps []scenarios.StartStep
	drawn int // lines on the terminal
	last  time.Time
}

func newStarting(w io.Writer) *starting {
	s := &starting{w: w}
	if width, _ := terminal(w); drawable() {
		s.width = width
	}
	return s
}

// barsEvery bounds how often the bars are drawn.
const barsEvery = 100 * time.Millisecond

func (s *starting) show(step scenarios.StartStep) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.keep(step)
	if s.width == 0 {
		if !known || step.Ended {
			fmt.Fprintln(s.w, stepText(step))
		}
		return
	}
	if known && !step.Ended && time.Since(s.last) < barsEvery {
		return
	}
	s.draw()
}

// keep replaces the step of the same name, and says whether there was one.
func (s *starting) keep(step scenarios.StartStep) bool {
	for i, other := range s.steps {
		if other.What == step.What && other.Verb == step.Verb {
			step.Done, step.Total = max(step.Done, other.Done), max(step.Total, other.Total)
			s.steps[i] = step
			return true
		}
	}
	s.steps = append(s.steps, step)
	return false
}

func (s *starting) draw() {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, step := range s.steps {
		line := []rune(stepText(step) + bar(step))
		if len(line) >= s.width {
			line = line[:s.width-1]
		}
		fmt.Fprintf(&b, "\r\x1b[K%s\n", string(line))
	}
	s.drawn, s.last = len(s.steps), time.Now()
	io.WriteString(s.w, b.String())
}

// past are the verbs of steps that are over.
var past = map[string]string{"pull": "pulled", "build": "built", "start": "started", "connect to": "connected to"}

func stepText(s scenarios.StartStep) string {
	if s.Ended {
		return fmt.Sprintf("%s %s in %s", past[s.Verb], s.What, reports.Duration(float64(s.Took)))
	}
	return s.Verb + " " + s.What
}

// bar is the share of the bytes that came.
func bar(s scenarios.StartStep) string {
	if s.Ended || s.Total == 0 {
		return ""
	}
	const cells = 20
	full := int(cells * s.Done / s.Total)
	return fmt.Sprintf("  [%s%s] %s of %s", strings.Repeat("#", full), strings.Repeat(".", cells-full), reports.Bytes(s.Done), reports.Bytes(s.Total))
}
