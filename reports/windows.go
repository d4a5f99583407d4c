package reports

import (
	"cmp"
	"slices"
)

// Covers reports whether a gate on the window of that name is judged on this one too. Either this window has the name, or it lies
// inside the one that has: a phase or a step of the baseline or of the time after a fault.
func (w *Window) Covers(name string) bool { return w.Name == name || w.Base == name && name != "" }

// Phase says whether the window is a phase of the scenario, and no fault's, no step's and none that every run has.
func (w *Window) Phase() bool { return w.Base != "" && w.Stream == "" }

// WindowNames returns the names of the run's windows in the order of their first pieces.
func (r *Run) WindowNames() []string {
	var names []string
	known := make(map[string]bool)
	for _, w := range r.Windows {
		if !known[w.Name] {
			known[w.Name] = true
			names = append(names, w.Name)
		}
	}
	return names
}

// WindowsOf returns the windows of a stream, in order: those of the run, without the time of the named steps of its rate, and
// the steps. A stream that looks for the operations of another one has the steps of that one. The result is the caller's.
func (r *Run) WindowsOf(stream string) []Window {
	if s := r.Streams[stream]; s != nil && s.Of != "" {
		stream = s.Of
	}
	var out, steps []Window
	for _, w := range r.Windows {
		if w.Stream == stream && w.Stream != "" {
			steps = append(steps, w)
		}
	}
	for _, w := range r.Windows {
		if w.Stream == "" {
			out = append(out, without(w, steps)...)
		}
	}
	out = append(out, steps...)
	slices.SortStableFunc(out, func(a, b Window) int { return cmp.Compare(a.StartNS, b.StartNS) })
	return out
}

// without returns what of a window no step takes. The steps are in order.
func without(w Window, steps []Window) []Window {
	var out []Window
	whole := true
	for _, step := range steps {
		if step.EndNS <= w.StartNS || step.StartNS >= w.EndNS {
			continue
		}
		whole = false
		if before := w; step.StartNS > w.StartNS {
			before.EndNS = step.StartNS
			out = append(out, before)
		}
		w.StartNS = step.EndNS
	}
	if whole || w.StartNS < w.EndNS {
		out = append(out, w)
	}
	return out
}

// windows checks that the windows of the run follow each other without a gap, and that each phase and step lies in a base.
func (c *audit) windows() {
	var end int64
	for i := range c.run.Windows {
		w := &c.run.Windows[i]
		c.that(w.Stream == "" || c.run.Streams[w.Stream] != nil, "window %s is of stream %s, which is none of the run's", w.Name, w.Stream)
		c.that(w.Stream == "" || w.Base != "", "window %s is a step and lies in no base", w.Name)
		c.that(w.Base == "" || w.Fault == nil, "window %s lies in %s, and fault %s is in force", w.Name, w.Base, pointed(w.Fault))
		if w.Stream != "" {
			continue
		}
		c.that(i == 0 || w.StartNS == end, "window %s does not begin where the one before it ends", w.Name)
		end = w.EndNS
	}
}

func pointed(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
