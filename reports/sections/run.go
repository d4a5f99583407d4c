package sections

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wringer/reports"
)

// Gates shows the verdict on each line of `expect`.
func Gates(run *reports.Run) Section {
	s := Section{Name: NameGates, Title: "Gates", Rank: Vital, Head: []Column{
		{Name: "gate", Kind: Code},
		{Name: "observed", Kind: Factor, Plain: true},
		{Name: "limit", Kind: Factor, Rank: Usual},
		{Name: "over", Rank: Full},
		{Name: "why", Rank: Usual, Plain: true},
	}}
	held := 0
	for i := range run.Gates {
		g := &run.Gates[i]
		if g.Verdict == reports.Pass {
			held++
		}
		s.Rows = append(s.Rows, gateRow(g))
	}
	s.Aside = fmt.Sprintf("%d of %d gates held", held, len(run.Gates))
	if len(run.Gates) == 0 {
		s.Notes = []string{"The scenario has no gates"}
	}
	return s
}

func gateRow(g *reports.Gate) Row {
	observed, limit := reports.GateValues(g)
	where := "the whole run"
	if g.Window != nil {
		where = *g.Window
	}
	kind := kindOf(g.Unit)
	seen := figure(kind, observed, g.Observed, g.Unit)
	seen.State = Plain // the row's verdict says whether the figure is good
	why := g.Why
	if g.Verdict == reports.Pass {
		held, leftOut, found := strings.Cut(why, "; ")
		if why = held; found { // the figure is not that of the window: a row that passed tells it too
			seen.Notes = append(seen.Notes, leftOut)
		}
	}
	return Row{Label: g.Expr, Code: true, Verdict: g.Verdict, Cells: []Cell{
		seen, {Text: limit, Kind: kind, Value: g.Limit, Unit: g.Unit}, words(where), {Text: why},
	}}
}

// kindOf is the kind of a figure in a gate's unit.
func kindOf(unit string) Kind {
	switch unit {
	case unitTime:
		return Time
	case unitShare:
		return Share
	case unitCount:
		return Count
	case unitRate:
		return Rate
	}
	return Factor
}

// Validity shows whether the load generator and the faults followed the plan.
func Validity(run *reports.Run) Section {
	v := &run.Validity
	s := Section{
		Name: NameValidity, Title: "Validity", Aside: "did the load generator and the faults do what the plan said?",
		Verdict: v.Verdict, Rank: Vital, Pairs: true, Head: pairs("figure"), Notes: v.Why,
	}
	add := func(name string, c Cell) { s.Rows = append(s.Rows, Row{Label: name, Cells: []Cell{c}}) }
	add("schedule lag p50", duration(float(v.LagP50NS)))
	add("schedule lag p99", duration(float(v.LagP99NS)))
	add("schedule lag max", duration(float(v.LagMaxNS)))
	add("dropped arrivals", count(v.Dropped))
	cpu := factor(v.CPU)
	if v.CPU != nil {
		cpu.Text += " cores"
	}
	add("CPU", cpu)
	add("GC pause p99", duration(float(v.GCPauseP99NS)))
	if v.Machine != nil {
		machine(v.Machine, add)
	}
	for _, link := range slices.Sorted(maps.Keys(v.LinkCostNS)) {
		add("cost of link "+link, duration(new(float64(v.LinkCostNS[link]))))
	}
	return s
}

// machine shows what the machine of the load generator did beside the run.
func machine(m *reports.Machine, add func(name string, c Cell)) {
	cores := func(v float64) Cell {
		c := factor(&v)
		c.Text += fmt.Sprintf(" of %d cores", m.Cores)
		return c
	}
	others := cores(m.Others)
	others.Text += ", at most " + factor(&m.OthersMax).Text
	add("CPU of the target's processes", cores(m.Target))
	add("CPU of other programs", others)
	add("CPU taken by the hypervisor", cores(m.Steal))
	if m.ThrottledNS != nil && (m.Quota != nil || *m.ThrottledNS > 0) {
		held := duration(new(float64(*m.ThrottledNS)))
		held.Text += ", in " + reports.Count(*m.Throttled) + " periods"
		if m.Quota != nil {
			held.Text += fmt.Sprintf(", quota %s cores", factor(m.Quota).Text)
		}
		add("held back by the CPU quota", held)
	}
	add("seconds with a busy machine", count(m.BusySeconds))
	if len(m.Unowned) > 0 {
		add("programs not found", Cell{Text: strings.Join(m.Unowned, ", ") + ": counted as other programs"})
	}
}

// pairs is the head of a section whose rows are a name and its value.
func pairs(name string) []Column { return []Column{{Name: name}, {Name: "value", Plain: true}} }

// Windows shows when each window of the run was.
func Windows(run *reports.Run) Section {
	s := Section{Name: NameWindows, Title: "Windows", Rank: Vital, Pairs: true, Head: pairs(columnOfWindows)}
	common := slices.DeleteFunc(slices.Clone(run.Windows), func(w reports.Window) bool { return w.Stream != "" })
	add := func(label, name string, of []reports.Window) {
		when, fault := spans(of, name)
		s.Rows = append(s.Rows, Row{Label: label, Fault: fault, Cells: []Cell{{Text: when, Kind: Moment}}})
	}
	for _, name := range names(common) {
		add(name, name, common)
	}
	for _, stream := range run.StreamNames() {
		steps := slices.DeleteFunc(slices.Clone(run.Windows), func(w reports.Window) bool { return w.Stream != stream })
		for _, name := range names(steps) {
			add(name+" of "+stream, name, steps)
		}
	}
	s.Notes = inside(run)
	return s
}

// names returns the names of windows, each once.
func names(windows []reports.Window) []string { return (&reports.Run{Windows: windows}).WindowNames() }

// inside says which phases and steps lie inside which window, and that gates on that window count them.
func inside(run *reports.Run) []string {
	var bases []string
	lie := make(map[string][]string)
	for _, w := range run.Windows {
		if w.Base == "" || slices.Contains(lie[w.Base], w.Name) {
			continue
		}
		if lie[w.Base] == nil {
			bases = append(bases, w.Base)
		}
		lie[w.Base] = append(lie[w.Base], w.Name)
	}
	var notes []string
	for _, base := range bases {
		notes = append(notes, fmt.Sprintf("Gates on %s also count what lies inside it: %s", base, strings.Join(lie[base], ", ")))
	}
	return notes
}

// spans returns the pieces of a window in words, and whether it is a fault's window.
func spans(windows []reports.Window, window string) (when string, fault bool) {
	var pieces []string
	for _, w := range windows {
		if w.Name == window {
			pieces = append(pieces, reports.Span(w.StartNS, w.EndNS))
			fault = fault || w.Fault != nil
		}
	}
	return strings.Join(pieces, " and "), fault
}

// Findings lists the observations that no gate asked for. It is empty without findings.
func Findings(run *reports.Run) Section {
	s := Section{Name: NameFindings, Title: "Findings", Aside: "what no gate asked for", Rank: Vital}
	for _, f := range run.Findings {
		s.Notes = append(s.Notes, f.Text)
	}
	return s
}

// Startup shows how long the images and the parts of the target took before the run. It is empty if nothing was awaited.
func Startup(run *reports.Run) Section {
	s := Section{
		Name: NameStartup, Title: "Start of the target", Aside: "before the run, partly at once", Rank: Vital, Pairs: true, Head: pairs("step"),
	}
	for _, step := range run.Startup {
		s.Rows = append(s.Rows, Row{Label: step.Verb + " " + step.What, Cells: []Cell{duration(new(float64(step.TookNS)))}})
	}
	return s
}

// About identifies the run: identity, seed, version, times and machine.
func About(run *reports.Run) Section {
	s := Section{Name: NameRun, Title: "Run", Rank: Vital, Pairs: true, Head: pairs("fact")}
	add := func(name, value string) { s.Rows = append(s.Rows, Row{Label: name, Cells: []Cell{words(value)}}) }
	add("run", run.ID)
	add("seed", strconv.FormatInt(run.Seed, 10))
	add("version", run.Version)
	add("started", run.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
	add("warm-up", nanoseconds(run.WarmupNS))
	add("measured", nanoseconds(run.DurationNS)+" of "+nanoseconds(run.PlannedNS)+" planned")
	add("exit code", strconv.Itoa(run.Exit))
	add("host", fmt.Sprintf("%s/%s, %d CPUs, %s", run.Host.OS, run.Host.Arch, run.Host.CPUs, run.Host.Go))
	if !run.Complete {
		add("complete", "no: operations were still under way when this record was written")
	}
	for _, name := range slices.Sorted(maps.Keys(run.Settings)) {
		add("--set "+name, run.Settings[name])
	}
	return s
}

// Integrity lists the anomalies of every stream, and the counts that are not known.
func Integrity(run *reports.Run) Section {
	s := Section{Name: NameIntegrity, Title: "Integrity", Rank: Vital, Head: []Column{
		{Name: "stream", Kind: Code}, {Name: "anomaly"}, {Name: "in total", Kind: Count}, {Name: "by window", Rank: Usual},
	}}
	observed := false
	for _, name := range run.StreamNames() {
		st := run.Streams[name]
		s.Rows = append(s.Rows, anomalies(run, name)...)
		s.Notes = append(s.Notes, unknowns(name, st)...)
		observed = observed || st.Total.Integrity != nil
	}
	switch {
	case len(s.Rows) > 0 || !observed:
	case len(s.Notes) > 0:
		s.Notes = slices.Insert(s.Notes, 0, "No anomaly was found in what was measured")
	default:
		s.Notes = []string{"No anomaly was found"}
	}
	return s
}

// anomalies are the counts of a stream that are defects and above 0.
func anomalies(run *reports.Run, stream string) []Row {
	var rows []Row
	s := run.Streams[stream]
	for _, name := range defects(run) {
		var where []string
		var sum int64
		for _, window := range run.WindowNames() {
			if n := s.Windows[window].Count(name); n != nil && *n > 0 {
				where = append(where, window+" "+reports.Count(*n))
				sum += *n
			}
		}
		if n := s.Total.Count(name); n != nil {
			sum = *n
		}
		if sum == 0 {
			continue
		}
		c := unwanted(sum)
		c.Anchor = anchor(stream, name)
		rows = append(rows, Row{Label: stream, Code: true, Cells: []Cell{words(column(name).Name), c, words(strings.Join(where, ", ") + inPlaces(s, name))}})
	}
	return rows
}

// unknowns lists the integrity counts of a stream that were not measured or are not known.
func unknowns(name string, s *reports.Stream) []string {
	var all []string
	add := func(text string) { all = append(all, name+": "+text) }
	i := s.Total.Integrity
	if i == nil {
		add("integrity " + reports.NotMeasured)
		return all
	}
	switch {
	case i.Lost != nil:
	case s.Consumes() && s.Of == "":
		add("lost " + reports.NotMeasured + " (nothing tells what should be there)")
	case s.Consumes():
		add("lost " + reports.NotKnown)
	case i.Unseen != nil:
		add(fmt.Sprintf("lost %s (%s acked operations unseen when observation ended)", reports.NotKnown, reports.Count(*i.Unseen)))
	}
	if s.Consumes() && i.LogDuplicates == nil {
		add(column("log_duplicates").Name + " " + reports.NotKnown)
	}
	if i.OrderViolations == nil {
		add("order " + reports.NotMeasured)
	}
	return all
}
