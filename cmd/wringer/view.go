package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"golang.org/x/term"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// view shows a run while it goes on.
type view interface {
	start(sc *scenarios.Scenario, dir string)
	// show takes a partial record and what is known beside it.
	show(run *reports.Run, p runner.Progress)
	stop()
}

// newView chooses by what w is: a terminal gets a live view, a pipe plain lines.
func newView(w io.Writer, quiet bool) view {
	if quiet {
		return silent{}
	}
	if width, _ := terminal(w); width > 0 {
		return &screen{w: w, width: width}
	}
	return &lines{w: w}
}

// terminal returns the width of w, 0 when it is not a terminal, and whether to use colour.
func terminal(w io.Writer) (width int, colour bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return width, os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

type silent struct{}

func (silent) start(*scenarios.Scenario, string)  {}
func (silent) show(*reports.Run, runner.Progress) {}
func (silent) stop()                              {}

// lines tells of a run in plain lines: one every few seconds, and one at every change of a fault.
type lines struct {
	w      io.Writer
	last   time.Duration
	states map[string]string
	drain  bool
}

// linesEvery is the time between two progress lines.
const linesEvery = 5 * time.Second

func (v *lines) start(sc *scenarios.Scenario, dir string) {
	v.states, v.last = make(map[string]string), -time.Hour
	fmt.Fprintf(v.w, "run %s: seed %d, %s warm-up, %s measured, record in %s\n", sc.Name, sc.Seed, sc.Run.Warmup, sc.Run.Duration, dir)
}

func (v *lines) show(run *reports.Run, p runner.Progress) {
	for _, f := range p.Faults {
		if before, known := v.states[f.Name]; known && before != f.State {
			fmt.Fprintf(v.w, "%s fault %s: %s\n", stamp(p.At), f.Name, f.State)
		}
		v.states[f.Name] = f.State
	}
	draining := p.At >= time.Duration(run.PlannedNS)
	if p.At-v.last < linesEvery && draining == v.drain {
		return
	}
	v.last, v.drain = p.At, draining
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-12s", stamp(p.At), p.Window)
	for _, s := range p.Streams {
		if run.Streams[s.Name].Consumes() {
			fmt.Fprintf(&b, "  %s seen %s", s.Name, reports.Count(s.Seen))
			continue
		}
		fmt.Fprintf(&b, "  %s %s/s p99 %s errors %s", s.Name, reports.Count(s.Last.Acked), p99(&s.Last), reports.Share(errorShare(&s.Last)))
		if s.Unseen > 0 {
			fmt.Fprintf(&b, " unseen %d", s.Unseen)
		}
	}
	fmt.Fprintln(v.w, b.String())
}

func (*lines) stop() {}

// stamp is a time of the run, in seconds.
func stamp(at time.Duration) string { return fmt.Sprintf("%6.1fs", at.Seconds()) }

// p99 puts a second's response time in words.
func p99(s *reports.Second) string {
	switch {
	case s.Offered == 0:
		return "-"
	case s.P99NS == nil:
		return "no answer"
	}
	return reports.Duration(float64(*s.P99NS))
}

// errorShare is the share of a second's operations that were not acked.
func errorShare(s *reports.Second) float64 {
	if s.Offered == 0 {
		return 0
	}
	return float64(s.Offered-s.Acked) / float64(s.Offered)
}

// screen is the live view of a terminal.
type screen struct {
	w       io.Writer
	width   int
	program *tea.Program
	done    chan struct{}
}

func (v *screen) start(sc *scenarios.Scenario, dir string) {
	// Signals are the command's: a live view that swallowed Ctrl-C would keep the faults in force.
	v.program = tea.NewProgram(model{width: v.width, dir: dir, moment: moment{run: &reports.Run{Name: sc.Name}}},
		tea.WithOutput(v.w), tea.WithInput(nil), tea.WithoutSignalHandler())
	v.done = make(chan struct{})
	go func() {
		defer close(v.done)
		v.program.Run()
	}()
}

func (v *screen) show(run *reports.Run, p runner.Progress) { v.program.Send(moment{run, p}) }

func (v *screen) stop() {
	v.program.Quit()
	<-v.done
}

// moment is what show was given last.
type moment struct {
	run      *reports.Run
	progress runner.Progress
}

// model is the screen's state.
type model struct {
	moment
	width int
	dir   string
}

func (m model) Init() tea.Cmd { return nil }

func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case moment:
		m.moment = msg
	case tea.WindowSizeMsg:
		m.width = msg.Width
	}
	return m, nil
}

var (
	bold  = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	alarm = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)
)

func (m model) View() string {
	p := m.progress
	length := time.Duration(m.run.PlannedNS)
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s of %s  %s\n", bold.Render(m.run.Name), strings.TrimSpace(stamp(p.At)), length, window(p))
	b.WriteString(ruler(p, length, min(m.width, 100)-2) + "\n\n")
	fmt.Fprintf(&b, "%s\n", faint.Render(fmt.Sprintf("%-14s %9s %10s %8s %8s %9s %9s", "stream", "rate", "p99", "errors", "retries", "in flight", "unseen")))
	for _, s := range p.Streams {
		b.WriteString(row(&s, m.run.Streams[s.Name].Consumes()) + "\n")
	}
	b.WriteString(faint.Render("record in "+m.dir) + "\n")
	return b.String()
}

// row is one stream's line on the screen.
func row(s *runner.StreamProgress, consumes bool) string {
	if consumes {
		return fmt.Sprintf("%-14s %s seen", clip(s.Name, 14), reports.Count(s.Seen))
	}
	unseen := "-"
	if s.Observed {
		unseen = reports.Count(s.Unseen)
	}
	errors := errorShare(&s.Last)
	text := fmt.Sprintf("%-14s %9s %10s %8s %8d %9d %9s", clip(s.Name, 14), reports.Count(s.Last.Acked)+"/s", p99(&s.Last), reports.Share(errors), s.Last.Retries, s.InFlight, unseen)
	if errors > 0 {
		return alarm.Render(text)
	}
	return text
}

// window names the window, in alarm while a fault is in force.
func window(p runner.Progress) string {
	for _, f := range p.Faults {
		if f.State == "in force" {
			return alarm.Render("fault " + f.Name)
		}
	}
	return p.Window
}

// ruler draws the timeline: a dot for time to come, a line for time gone by, a block for each fault, and a mark for now.
func ruler(p runner.Progress, length time.Duration, width int) string {
	if length <= 0 || width < 10 {
		return ""
	}
	cells := []rune(strings.Repeat("·", width))
	at := func(d time.Duration) int { return min(max(int(int64(d)*int64(width)/int64(length)), 0), width-1) }
	for i := 0; i < at(p.At); i++ {
		cells[i] = '─'
	}
	for _, f := range p.Faults {
		for i := at(f.Start); i <= at(f.End-1); i++ {
			cells[i] = '▒'
			if i < at(p.At) {
				cells[i] = '█'
			}
		}
	}
	cells[at(p.At)] = '┃'
	return " " + string(cells)
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n-1] + "…"
	}
	return s
}
