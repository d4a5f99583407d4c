package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// screen is the live view of a terminal: it draws over its last picture. It reads nothing from the terminal.
type screen struct {
	w   io.Writer
	dir string

	mu    sync.Mutex
	shown moment
	drawn int // lines of the last picture
	// quit ends the redrawing, and done is closed when it has ended.
	quit, done chan struct{}
}

// moment is what show was given last.
type moment struct {
	run      *reports.Run
	progress runner.Progress
}

// redrawEvery is the time between two looks at the terminal's size.
const redrawEvery = time.Second

func (v *screen) start(sc *scenarios.Scenario, dir string) {
	v.dir, v.shown = dir, moment{run: &reports.Run{Name: sc.Name}}
	v.quit, v.done = make(chan struct{}), make(chan struct{})
	fmt.Fprint(v.w, hideCursor)
	v.draw()
	go v.redraw()
}

func (v *screen) redraw() {
	defer close(v.done)
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			v.draw()
		case <-v.quit:
			return
		}
	}
}

func (v *screen) show(run *reports.Run, p runner.Progress) {
	v.mu.Lock()
	v.shown = moment{run, p}
	v.mu.Unlock()
	v.draw()
}

func (v *screen) stop() {
	close(v.quit)
	<-v.done
	v.draw()
	fmt.Fprint(v.w, showCursor)
}

// The terminal's commands, as every terminal since the VT100 has them.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearBelow = "\x1b[J"
	clearRest  = "\x1b[K"
)

// draw writes the picture over the last one, in one write. What is higher than the terminal is cut: the cursor cannot go back up to it.
func (v *screen) draw() {
	v.mu.Lock()
	defer v.mu.Unlock()
	width, height := size(v.w)
	if width == 0 {
		width, height = 80, 24
	}
	picture := strings.Split(strings.TrimRight(v.shown.picture(width, v.dir, coloured(true)), "\n"), "\n")
	picture = picture[:min(len(picture), max(height-1, 1))]
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", v.drawn)
	}
	for _, line := range picture {
		b.WriteString(line + clearRest + "\r\n")
	}
	b.WriteString(clearBelow)
	v.drawn = len(picture)
	io.WriteString(v.w, b.String())
}

// style writes text in one of the terminal's renditions.
type style struct{ code string }

var (
	bold  = style{"1"}
	faint = style{"2"}
	alarm = style{"1;31"}
)

func (s style) render(text string, colour bool) string {
	if !colour {
		return text
	}
	return "\x1b[" + s.code + "m" + text + "\x1b[0m"
}

// picture is what the screen shows.
func (m moment) picture(width int, dir string, colour bool) string {
	p := m.progress
	length := time.Duration(m.run.PlannedNS)
	var b strings.Builder
	cut := func(text string) string { return clip(text, width-1) }
	// The head: the name takes a third at most, and the window what is left.
	left := width - 1
	take := func(text string, most int) string {
		text = clip(text, min(most, left))
		left -= utf8.RuneCountInString(text)
		return text
	}
	name := take(m.run.Name, width/3)
	head := take(fmt.Sprintf("  %s of %s  ", strings.TrimSpace(stamp(p.At)), length), left)
	what, loud := window(p)
	what = take(what, left)
	if loud {
		what = alarm.render(what, colour)
	}
	fmt.Fprintf(&b, "%s%s%s\n%s\n\n", bold.render(name, colour), head, what, ruler(p, length, min(width, 100)-2))
	columns := fmt.Sprintf("%-14s %9s %10s %8s %8s %9s %9s", "stream", "rate", "p99", "errors", "retries", "in flight", "unseen")
	b.WriteString(faint.render(cut(columns), colour) + "\n")
	for i := range p.Streams {
		text, bad := row(&p.Streams[i], m.run.Streams[p.Streams[i].Name].Consumes())
		if text = cut(text); bad {
			text = alarm.render(text, colour)
		}
		b.WriteString(text + "\n")
	}
	b.WriteString(faint.render(cut("record in "+dir), colour) + "\n")
	return b.String()
}

// row is one stream's line on the screen; bad says that operations failed.
func row(s *runner.StreamProgress, consumes bool) (text string, bad bool) {
	if consumes {
		return fmt.Sprintf("%-14s %s seen", clip(s.Name, 14), reports.Count(s.Seen)), false
	}
	unseen := "-"
	if s.Observed {
		unseen = reports.Count(s.Unseen)
	}
	errors := errorShare(&s.Last)
	return fmt.Sprintf("%-14s %9s %10s %8s %8d %9d %9s", clip(s.Name, 14), reports.Count(s.Last.Acked)+"/s", p99(&s.Last), reports.Share(errors), s.Last.Retries, s.InFlight, unseen), errors > 0
}

// window names the window; loud while a fault is in force, and when the run was stopped.
func window(p runner.Progress) (text string, loud bool) {
	if p.Stopped != "" {
		return stoppedText(p), true
	}
	for _, f := range p.Faults {
		if f.State == "in force" {
			return "fault " + f.Name, true
		}
	}
	return p.Window, false
}
