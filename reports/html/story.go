package html

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"wringer/reports"
)

// drawnStories is the number of operations of a kind whose story is drawn; the table has the others.
const drawnStories = 10

// story is what became of one operation: what went from whom to whom, and when.
type story struct {
	ID        string
	Note      string // number and key
	Lifelines []string
	Steps     []storyStep
}

// storyStep is one line of the drawing. Class says between which lifelines: l12 goes from the first to the second, p2 is at the second.
type storyStep struct {
	at     int64
	Time   string
	Class  string
	Text   string
	Bad    bool
	Faults string // those in force, where the step before was under others
	Within bool   // a fault was in force
}

// newStory draws a violation; nil when the record does not know when anything happened.
func newStory(run *reports.Run, v *reports.Violation) *story {
	s := &story{ID: v.ID, Lifelines: []string{"load generator", "target", "effects"}}
	if v.Place != "" {
		s.Lifelines[2] = v.Place
	}
	switch from, to, found := strings.Cut(v.Link, "->"); {
	case v.Link != "" && found:
		s.Lifelines = []string{from, to}
	case v.Link != "":
		s.Lifelines = []string{"caller", v.Link}
	default:
		s.Note = "operation " + strconv.FormatUint(v.Seq, 10)
		s.attempts(v)
	}
	if v.Key != "" {
		s.Note += ", key " + v.Key
	}
	s.arrived(v)
	s.seen(v)
	if len(s.Steps) == 0 {
		return nil
	}
	slices.SortStableFunc(s.Steps, func(a, b storyStep) int { return cmp.Compare(a.at, b.at) })
	s.under(run)
	if v.Kind == "lost" && len(v.Seen) == 0 {
		s.Steps = append(s.Steps, storyStep{Time: "to the end", Class: "p3", Text: "never seen", Bad: true})
	}
	return s
}

func (s *story) add(at int64, class, text string, bad bool) {
	s.Steps = append(s.Steps, storyStep{at: at, Time: reports.Moment(at), Class: class, Text: text, Bad: bad})
}

// attempts draws the plan, and each attempt with its end.
func (s *story) attempts(v *reports.Violation) {
	if v.PlannedNS != nil {
		s.add(*v.PlannedNS, "p1", "due", false)
	}
	for i, at := range v.Attempts {
		s.add(at.SentNS, "l12", "attempt "+strconv.Itoa(i+1), false)
		s.ended(at.DoneNS, at.Outcome, strings.Join(slices.DeleteFunc([]string{at.Code, at.Detail}, func(t string) bool { return t == "" }), ", "))
	}
	if len(v.Attempts) > 0 {
		return
	}
	if v.SentNS != nil {
		s.add(*v.SentNS, "l12", "first attempt", false)
	}
	if v.DoneNS != nil {
		s.ended(*v.DoneNS, cmp.Or(v.Outcome, "over"), "")
	}
}

// ended draws the end of an attempt. One whose fate is not known got no answer that decides it.
func (s *story) ended(at int64, outcome, why string) {
	class, text := "l21", outcome
	if outcome == "indeterminate" {
		class = "p1"
	}
	if why != "" {
		text += ": " + why
	}
	s.add(at, class, text, outcome != "acked" && outcome != "over")
}

// arrived draws the arrivals at the target that a witness kept.
func (s *story) arrived(v *reports.Violation) {
	for i, at := range v.Arrived {
		text := "arrived"
		if i > 0 {
			text = "arrived again"
		}
		if at.Origin != "" {
			text += " on " + at.Origin
		}
		s.add(at.AtNS, "p2", text, i > 0)
	}
}

// seen draws the sightings: effects, deliveries, and arrivals on a link.
func (s *story) seen(v *reports.Violation) {
	class, first, again := "l23", "seen", "seen again"
	if v.Link != "" {
		class, first, again = "l12", "arrived", "arrived again"
	}
	for i, at := range v.Seen {
		text := first
		if i > 0 {
			text = again
		}
		if at.Partition != nil && at.Offset != nil {
			text += ": partition " + strconv.Itoa(int(*at.Partition)) + ", offset " + strconv.FormatInt(*at.Offset, 10)
		}
		if at.Place != "" {
			text += " in " + at.Place
		}
		if at.Origin != "" {
			text += " from " + at.Origin
		}
		s.add(at.AtNS, class, text, i > 0)
	}
}

// under tells which faults were in force at each step.
func (s *story) under(run *reports.Run) {
	before := ""
	for i := range s.Steps {
		step := &s.Steps[i]
		var names []string
		for j := range run.Faults {
			if f := &run.Faults[j]; !f.NotInjected && f.StartNS <= step.at && step.at < f.EndNS {
				names = append(names, f.Title())
			}
		}
		now := strings.Join(names, ", ")
		step.Within = now != ""
		if now != before {
			step.Faults = now
		}
		before = now
	}
}
