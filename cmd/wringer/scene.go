package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"wringer/reports"
	"wringer/scenarios/runner"
)

// scene is all that the screen shows at one moment.
type scene struct {
	run      *reports.Run
	progress runner.Progress
	dir      string
	past     map[string]*recent // of each stream
	chosen   string             // the stream that is looked at; empty: none
	keys     bool               // keys are heard
	help     bool               // asked for
	stopping bool               // the end was asked for
	steps    *starting          // what the start of the target waits for
}

// take takes a partial record.
func (s *scene) take(run *reports.Run, p runner.Progress) {
	s.run, s.progress = run, p
	for i := range p.Streams {
		of := &p.Streams[i]
		if s.past[of.Name] == nil {
			s.past[of.Name] = &recent{}
		}
		s.past[of.Name].add(&of.Last)
	}
}

// press takes keys, and says whether one of them ends the run.
func (s *scene) press(keys string) (ends bool) {
	for keys != "" {
		switch {
		case strings.HasPrefix(keys, "\x1b[A"), strings.HasPrefix(keys, "\x1bOA"):
			s.choose(-1)
			keys = keys[3:]
			continue
		case strings.HasPrefix(keys, "\x1b[B"), strings.HasPrefix(keys, "\x1bOB"):
			s.choose(1)
			keys = keys[3:]
			continue
		case keys[0] == 'q':
			ends = true
		case keys[0] == '?':
			s.help = !s.help
		case keys == "\x1b":
			s.chosen, s.help = "", false
		}
		keys = keys[1:]
	}
	return ends
}

// choose moves the choice among the streams, in the order of the scenario.
func (s *scene) choose(by int) {
	all := s.progress.Streams
	if len(all) == 0 {
		return
	}
	at := slices.IndexFunc(all, func(p runner.StreamProgress) bool { return p.Name == s.chosen })
	if at < 0 && by < 0 {
		at = len(all)
	}
	s.chosen = all[min(max(at+by, 0), len(all)-1)].Name
}

// roomy is the height from which a picture has a legend and space between its parts.
const roomy = 22

// picture is what a terminal of that size shows: at most height-1 lines, none wider than width-1.
func (s *scene) picture(width, height int, colour bool) []string {
	p := &pen{width: width - 1, colour: colour}
	budget := max(height-1, 1)
	s.head(p, height >= roomy)
	if s.help {
		s.explain(p)
		return p.lines[:min(len(p.lines), budget)]
	}
	s.start(p)
	s.verdict(p)
	if height >= roomy {
		p.add("", style{})
	}
	foot := &pen{width: p.width, colour: colour}
	s.details(foot, max(budget/4, 2))
	s.foot(foot)
	s.streams(p, max(budget-len(p.lines)-len(foot.lines), 3))
	lines := append(p.lines, foot.lines...)
	return lines[:min(len(lines), budget)]
}

// pen collects lines.
type pen struct {
	width  int
	colour bool
	lines  []string
}

// add adds a line in a rendition, cut to the width. The zero style is plain.
func (p *pen) add(text string, look style) {
	text = clip(text, p.width)
	if look.code != "" {
		text = look.render(text, p.colour)
	}
	p.lines = append(p.lines, text)
}

// head is the name, the time and the window, and the timeline with its faults by name.
func (s *scene) head(p *pen, legend bool) {
	progress, length := s.progress, time.Duration(s.run.PlannedNS)
	// The name takes a third at most, and the window what is left.
	left := p.width
	take := func(text string, most int) string {
		text = clip(text, min(most, left))
		left -= utf8.RuneCountInString(text)
		return text
	}
	name := take(s.run.Name, (p.width+1)/3)
	at := take(fmt.Sprintf("  %s of %s  ", strings.TrimSpace(stamp(progress.At)), length), left)
	what, loud := s.window()
	if what = take(what, left); loud {
		what = alarm.render(what, p.colour)
	}
	p.lines = append(p.lines, bold.render(name, p.colour)+at+what)
	rule := min(p.width+1, 100) - 2
	p.add(ruler(progress, length, rule), style{})
	if len(progress.Faults) > 0 {
		p.add(faultNames(progress.Faults, length, rule), faint)
	}
	if legend {
		p.add(rulerLegend(progress), faint)
	}
}

// start is what the start of the target waits for, until the traffic begins.
func (s *scene) start(p *pen) {
	if s.steps == nil || s.run.PlannedNS > 0 {
		return
	}
	for _, step := range s.steps.steps {
		p.add(stepText(step)+bar(step), style{})
	}
}

// window names the window; loud while a fault is in force, and when the run was stopped.
func (s *scene) window() (text string, loud bool) {
	p := s.progress
	switch {
	case p.Stopped != "":
		return stoppedText(p), true
	case s.stopping:
		return stopping, true
	}
	for _, f := range p.Faults {
		if f.State == "in force" {
			return "fault " + f.Name, true
		}
	}
	return p.Window, false
}

// mostViolated is the number of violated gates that are shown at most.
const mostViolated = 3

// verdict is how the gates and the validity stand so far.
func (s *scene) verdict(p *pen) {
	count := make(map[reports.Verdict]int)
	var violated []string
	for i := range s.run.Gates {
		g := &s.run.Gates[i]
		if count[g.Verdict]++; g.Verdict == reports.Fail {
			observed, _ := reports.GateValues(g)
			violated = append(violated, "  ✗ "+g.Expr+": "+observed)
		}
	}
	if len(s.run.Gates) > 0 {
		look := style{}
		if len(violated) > 0 {
			look = alarm
		}
		p.add(fmt.Sprintf("gates so far: %d held, %d violated, %d open", count[reports.Pass], count[reports.Fail], count[reports.Inconclusive]), look)
	}
	more := 0
	if len(violated) > mostViolated {
		more = len(violated) - mostViolated + 1
		violated = violated[:mostViolated-1]
	}
	for _, line := range violated {
		p.add(line, alarm)
	}
	if more > 0 {
		p.add(fmt.Sprintf("  ✗ and %d more", more), alarm)
	}
	switch why := s.run.Validity.Why; {
	case len(why) > 0:
		p.add("validity: "+strings.Join(why, "; "), alarm)
	case s.run.Validity.Verdict == reports.Valid:
		p.add("validity: nothing against the run so far", faint)
	}
}

// details are the errors by code: of the stream that is looked at with so many of its gates, else of all.
func (s *scene) details(p *pen, most int) {
	if stream := s.run.Streams[s.chosen]; stream != nil {
		p.add(s.chosen+": "+codes(stream.Total.Errors), style{})
		s.gates(p, most)
		return
	}
	all := make(map[string]int64)
	for _, stream := range s.run.Streams {
		for code, n := range stream.Total.Errors {
			all[code] += n
		}
	}
	if len(all) > 0 {
		p.add(codes(all), style{})
	}
}

// gates are those of the stream that is looked at: first the violated ones, then those that hold so far.
func (s *scene) gates(p *pen, most int) {
	var own []reports.Gate
	for _, verdict := range []reports.Verdict{reports.Fail, reports.Pass, reports.Inconclusive} {
		for _, g := range s.run.Gates {
			if g.Stream == s.chosen && g.Verdict == verdict {
				own = append(own, g)
			}
		}
	}
	left := 0
	if len(own) > most {
		own, left = own[:most-1], len(own)-most+1
	}
	for i := range own {
		observed, _ := reports.GateValues(&own[i])
		p.add("  "+gateSign(own[i].Verdict)+" "+own[i].Expr+": "+observed, style{})
	}
	if left > 0 {
		p.add(fmt.Sprintf("  and %d more gates", left), style{})
	}
}

func gateSign(v reports.Verdict) string {
	switch v {
	case reports.Pass:
		return "✓"
	case reports.Fail:
		return "✗"
	}
	return "?"
}

// codes lists errors by code, the most frequent first.
func codes(errors map[string]int64) string {
	if len(errors) == 0 {
		return "no errors"
	}
	names := slices.Sorted(maps.Keys(errors))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(errors[b], errors[a]) })
	var parts []string
	for _, name := range names {
		parts = append(parts, name+" "+reports.Count(errors[name]))
	}
	return "errors: " + strings.Join(parts, ", ")
}

func (s *scene) foot(p *pen) {
	keys := ""
	if s.keys {
		keys = "q stop  ? help  ↑↓ stream   "
	}
	p.add(keys+"record in "+s.dir, faint)
}

// explain is the help.
func (s *scene) explain(p *pen) {
	for _, line := range []string{
		"", "q       stop in good order: faults are healed, and the record is written", "Ctrl-C  the same; a second one ends at once",
		"↑ ↓     look at a stream: its errors by code, and its gates so far", "Esc     look at all streams", "?       back", "",
		"rate    operations acked in the last second, and the seconds before", "p99     of the response time; × where it is no answer",
		"unseen  acked, and the effect was not seen yet", "gates   by what is known so far: counts of effects are known after the drain",
	} {
		p.add(line, style{})
	}
}
