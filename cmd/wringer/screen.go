package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// screen is the live view of a terminal: it writes the lines of its picture that changed.
type screen struct {
	w  io.Writer
	in io.Reader // keys come from it, where it is a terminal

	mu    sync.Mutex
	shown scene
	lines []string // of the last picture
	width int      // of the terminal then
	// quit ends the redrawing, and done is closed when it has ended. Both are nil before the start.
	quit, done chan struct{}
	undo       func() // gives the terminal back
	unhook     func() bool
	told       chan struct{} // closed once the view said that the run is stopping
}

// redrawEvery is the time between two looks at the terminal's size.
const redrawEvery = time.Second

func (v *screen) start(ctx context.Context, sc *scenarios.Scenario, dir string) {
	v.shown.run, v.shown.dir, v.shown.past = &reports.Run{Name: sc.Name}, dir, make(map[string]*recent)
	v.quit, v.done, v.told = make(chan struct{}), make(chan struct{}), make(chan struct{})
	terminal := consoleOf(ctx)
	v.hold(terminal)
	v.unhook = context.AfterFunc(ctx, func() {
		defer close(v.told)
		v.change(func(s *scene) { s.stopping = true })
	})
	v.draw()
	go v.redraw()
}

// hold takes the terminal: it hides the cursor, and listens to keys. The terminal is given back by stop, or by the console when the
// command dies.
func (v *screen) hold(terminal *console) {
	fmt.Fprint(v.w, hideCursor)
	quiet := func() {}
	if in, ok := v.in.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		if stop, ok := keyboard(in, func(keys string) { v.press(keys, terminal) }); ok {
			quiet = stop
			v.shown.keys = true
		}
	}
	v.undo = sync.OnceFunc(func() {
		quiet()
		fmt.Fprint(v.w, showCursor)
	})
	terminal.changed(v.undo)
}

// press takes keys.
func (v *screen) press(keys string, terminal *console) {
	ends := false
	v.change(func(s *scene) { ends = s.press(keys) })
	if ends {
		terminal.interrupt()
	}
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
	v.change(func(s *scene) { s.take(run, p) })
}

// change changes what is shown, and shows it.
func (v *screen) change(do func(*scene)) {
	v.mu.Lock()
	do(&v.shown)
	v.mu.Unlock()
	v.draw()
}

// starting implements view: the steps are lines of the picture.
func (v *screen) starting(func(scenarios.StartStep)) func(scenarios.StartStep) {
	v.shown.steps = &starting{}
	var drawn time.Time // guarded by mu
	return func(step scenarios.StartStep) {
		v.mu.Lock()
		known, now := v.shown.steps.keep(step), time.Now()
		soon := known && !step.Ended && now.Sub(drawn) < barsEvery
		if !soon {
			drawn = now
		}
		v.mu.Unlock()
		if !soon {
			v.draw()
		}
	}
}

// beside implements view: lines are written above the picture.
func (v *screen) beside(io.Writer) io.Writer { return above{v} }

type above struct{ v *screen }

// Write writes whole lines above the picture, which is drawn anew below them.
func (a above) Write(p []byte) (int, error) {
	v := a.v
	v.mu.Lock()
	var b strings.Builder
	v.clear(&b, max(v.width, 1), len(v.lines)+1)
	b.WriteString(strings.ReplaceAll(strings.TrimRight(string(p), "\n"), "\n", "\r\n") + "\r\n")
	_, err := io.WriteString(v.w, b.String())
	v.mu.Unlock()
	if v.quit != nil {
		v.draw()
	}
	return len(p), err
}

// stop ends the view. A view that was not started shows nothing, and has nothing to end.
func (v *screen) stop() {
	if v.quit == nil {
		return
	}
	if !v.unhook() {
		<-v.told
	}
	close(v.quit)
	<-v.done
	v.draw()
	v.undo()
}

// The terminal's commands, as every terminal since the VT100 has them.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearBelow = "\x1b[J"
	clearRest  = "\x1b[K"
)

// draw writes what changed since the last picture, in one write. No picture is higher than the terminal: the cursor cannot go back up to
// what scrolled away.
func (v *screen) draw() {
	v.mu.Lock()
	defer v.mu.Unlock()
	width, height := size(v.w)
	if width == 0 {
		width, height = 80, 24
	}
	picture := v.shown.picture(width, height, coloured(true))
	if width == v.width && slices.Equal(picture, v.lines) {
		return
	}
	var b strings.Builder
	if width != v.width {
		v.clear(&b, width, height)
	} else if len(v.lines) > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", len(v.lines))
	}
	for i, line := range picture {
		if i >= len(v.lines) || v.lines[i] != line {
			b.WriteString(line + clearRest)
		}
		b.WriteString("\r\n")
	}
	if len(picture) < len(v.lines) {
		b.WriteString(clearBelow)
	}
	v.lines, v.width = picture, width
	io.WriteString(v.w, b.String())
}

// clear takes the last picture away from a terminal whose width changed. Lines that are now too wide take several rows.
func (v *screen) clear(b *strings.Builder, width, height int) {
	rows := 0
	for _, line := range v.lines {
		rows += max((columnsOf(line)+width-1)/width, 1)
	}
	if rows = min(rows, height-1); rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r%s", rows, clearBelow)
	}
	v.lines = nil
}

// columnsOf is the width of a line without its renditions.
func columnsOf(line string) int {
	n := 0
	for line != "" {
		before, rest, found := strings.Cut(line, "\x1b[")
		n += utf8.RuneCountInString(before)
		if !found {
			break
		}
		_, line, _ = strings.Cut(rest, "m")
	}
	return n
}

// style writes text in one of the terminal's renditions.
type style struct{ code string }

var (
	bold    = style{"1"}
	faint   = style{"2"}
	alarm   = style{"1;31"}
	reverse = style{"7"}
)

func (s style) render(text string, colour bool) string {
	if !colour || text == "" {
		return text
	}
	return "\x1b[" + s.code + "m" + text + "\x1b[0m"
}
