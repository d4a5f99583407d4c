package compare

import (
	"fmt"
	"slices"
	"strings"

	"wringer/reports"
)

// differences holds what differs between runs.
type differences struct {
	matter, other []string
	notes         []string
}

// The most differences of one kind that are told.
const mostDifferences = 50

// differ compares every run with the first one: runs of one side must agree among each other too.
func differ(all []*Run) differences {
	var d differences
	if len(all) == 0 {
		return d
	}
	first := all[0]
	plan := PlanOf(first.Record)
	tree, problem := treeOf(first)
	for _, r := range all[1:] {
		for _, text := range plan.Differences(PlanOf(r.Record), first.Path, r.Path) {
			d.add(&d.matter, text)
		}
		d.environment(first, r)
		theirs, problemHere := treeOf(r)
		switch {
		case tree != nil && theirs != nil:
			d.scenario(first, r, scenarioDifferences(tree, theirs))
		case problem != "":
			d.add(&d.notes, problem)
		case problemHere != "":
			d.add(&d.notes, problemHere)
		}
	}
	return d
}

// treeOf reads a run's scenario. Without one, problem says what is compared in its place.
func treeOf(r *Run) (tree map[string]string, problem string) {
	if len(r.Scenario) == 0 {
		return nil, fmt.Sprintf("the record %s holds no scenario: load, duration and faults are compared as its run.json tells them", r.Path)
	}
	tree, err := scenarioTree(r.Scenario, r.Record.Settings)
	if err != nil {
		return nil, fmt.Sprintf("the scenario in %s cannot be read (%v): load, duration and faults are compared as run.json tells them", r.Path, err)
	}
	return tree, ""
}

// scenario adds differences of scenarios. What run.json tells as well is told once.
func (d *differences) scenario(first, r *Run, all []difference) {
	for _, one := range all {
		text := fmt.Sprintf("scenario %s: %s in %s, %s in %s", one.path, clip(one.a), first.Path, clip(one.b), r.Path)
		if one.weight == matters {
			d.add(&d.matter, text)
		} else {
			d.add(&d.other, text)
		}
	}
}

// environment adds what may explain a change and is no obstacle: who measured, and where.
func (d *differences) environment(first, r *Run) {
	a, b := first.Record, r.Record
	for _, f := range []struct{ what, a, b string }{
		{"version of wringer", a.Version, b.Version},
		{"seed", fmt.Sprint(a.Seed), fmt.Sprint(b.Seed)},
		{"machine of the load generator", machine(a.Host), machine(b.Host)},
	} {
		if f.a != f.b && !(f.what == "seed" && drawnAnew(first, r)) {
			d.add(&d.other, fmt.Sprintf("%s: %s in %s, %s in %s", f.what, none(f.a), first.Path, none(f.b), r.Path))
		}
	}
}

// drawnAnew says that both scenarios leave the seed to the run: then each run has another one, which says nothing.
func drawnAnew(a, b *Run) bool {
	return !strings.Contains("\n"+string(a.Scenario), "\nseed:") && !strings.Contains("\n"+string(b.Scenario), "\nseed:")
}

func machine(h reports.Host) string { return fmt.Sprintf("%s/%s, %d CPUs", h.OS, h.Arch, h.CPUs) }

// add appends a text once, up to a bound.
func (d *differences) add(to *[]string, text string) {
	switch {
	case slices.Contains(*to, text) || len(*to) > mostDifferences:
	case len(*to) == mostDifferences:
		*to = append(*to, "and more")
	default:
		*to = append(*to, text)
	}
}

// clip keeps a value to a length that a line can hold.
func clip(text string) string {
	const most = 120
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
