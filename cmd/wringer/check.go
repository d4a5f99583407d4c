package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

func checkCommand(std streams) *cobra.Command {
	var set []string
	var seed int64
	var allow []string
	restrict := &restriction{}
	cmd := &cobra.Command{
		Use:   "check SCENARIO|FOLDER...",
		Short: "Validate scenarios; print their targets and timeline, and send nothing",
		Args:  atLeastOne("SCENARIO"),
		RunE: func(_ *cobra.Command, named []string) error {
			if err := restrict.check(); err != nil {
				return err
			}
			args, err := scenariosOf(named)
			if err != nil {
				return err
			}
			var failed error
			for _, path := range args {
				restrict.asked = nil
				err := check(path, set, seed, restrict, std)
				if err != nil && !isTold(err) {
					return err
				}
				if err != nil {
					failed = err
				}
			}
			return failed
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "define ${name} in the scenario, `name=value`; may be repeated")
	cmd.Flags().Int64Var(&seed, "seed", 0, "show the schedule that this seed draws; default: the scenario's")
	restrict.flags(cmd, &allow)
	cmd.Flags().StringArrayVar(&allow, "allow", nil, "with --restrict: a `HOST` on which links may listen; may be repeated")
	return cmd
}

// check validates one scenario, and prints what its run would do.
func check(path string, set []string, seed int64, restrict *restriction, std streams) error {
	sc, err := loadWithin(path, set, restrict, std)
	if err != nil {
		return err
	}
	if err := restrict.admit(sc); err != nil {
		return err
	}
	later, err := checkFiles(sc, std)
	if err != nil {
		return err
	}
	if seed != 0 {
		sc.Reseed(seed)
	}
	describe(std.out, sc)
	tellNeeds(std.out, sc, thisMachine())
	tellLater(std.out, later)
	restrict.tellAbilities(std.out, sc)
	return nil
}

// describe prints what a run of the scenario would do.
func describe(w io.Writer, sc *scenarios.Scenario) {
	fmt.Fprintf(w, "%s: ok\n", sc.Path)
	if sc.Target != nil {
		fmt.Fprintf(w, "\ntarget %s, started with the run; its addresses are chosen then:\n", sc.TargetName)
		for _, name := range sc.Target.Variables() {
			fmt.Fprintf(w, "  ${%s%s}\n", scenarios.VariablePrefix(sc.TargetName, sc.Target), name)
		}
	}
	links(w, sc)
	fmt.Fprintln(w, "\ntraffic")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range sc.Traffic {
		s := &sc.Traffic[i]
		if c := s.Consume; c != nil {
			fmt.Fprintf(table, "  %s\tconsume %s\t%s\t%s\n", s.Name, c.SourceName, s.Plan(), c.Describe().Place)
			continue
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", s.Name, s.DriverName, s.Plan(), s.Describe().Place)
		for _, p := range s.Places {
			kind := p.Kind
			if p.Name != "" {
				kind = p.Name + ": " + kind
			}
			fmt.Fprintf(table, "  \teffects\t%s\t%s\n", kind, p.Describe().Place)
		}
	}
	table.Flush()
	observed(w, sc)
	fmt.Fprintf(w, "\ntimeline: %s warm-up, %s measured, then up to %s drain\n", sc.Run.Warmup, sc.Run.Duration, sc.Run.Drain)
	tellTimeline(w, sc)
	fmt.Fprintf(w, "\nexpect: %s\n", reports.Counted(int64(len(sc.Expect)), "gate"))
	for _, g := range sc.Expect {
		fmt.Fprintf(w, "  %s\n", g.Expr)
	}
	if len(sc.Capacity) > 0 {
		fmt.Fprintf(w, "\nexpect of wringer capacity: %s\n", reports.Counted(int64(len(sc.Capacity)), "gate"))
	}
	for _, g := range sc.Capacity {
		fmt.Fprintf(w, "  %s\n", g.Expr)
	}
}

// tellLater prints the files that are not looked at before the run.
func tellLater(w io.Writer, later []scenarios.Later) {
	if len(later) == 0 {
		return
	}
	fmt.Fprintln(w, "\nnot checked before the run")
	for _, l := range later {
		fmt.Fprintf(w, "  %v\n", l.Problem)
	}
}

// observed prints where the target says how it is.
func observed(w io.Writer, sc *scenarios.Scenario) {
	if len(sc.Observe) == 0 {
		return
	}
	fmt.Fprintln(w, "\nobserve")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range sc.Observe {
		fmt.Fprintf(table, "  %s\t%v\n", sc.Observe[i].Name, &sc.Observe[i])
	}
	table.Flush()
}

// links prints what the target is pointed at.
func links(w io.Writer, sc *scenarios.Scenario) {
	if len(sc.Links) == 0 {
		return
	}
	fmt.Fprintln(w, "\nlinks")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range sc.Links {
		fmt.Fprintf(table, "  ${%s}\t%v\n", sc.Links[i].Variable(), &sc.Links[i])
	}
	table.Flush()
	if slices.ContainsFunc(sc.Links, func(l scenarios.Link) bool { return len(l.Ports) > 0 }) {
		fmt.Fprintln(w, "  Links with ports need a container engine on this machine. Elsewhere they need a relay, which is a static Linux binary of\n  wringer: see WRINGER_RELAY in docs/containers.md.")
	}
}

// tellTimeline prints the injections, the phases and the named steps in the order of their times, then the windows that they make.
func tellTimeline(w io.Writer, sc *scenarios.Scenario) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range planned(sc) {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", seconds(e.start), seconds(e.end), e.name, e.what)
	}
	table.Flush()
	if sc.Drawn() && sc.Seed == 0 {
		fmt.Fprintln(w, "  drawn with the seed 0: the scenario has none, and each run draws its own")
	} else if sc.Drawn() {
		fmt.Fprintf(w, "  drawn with the seed %d\n", sc.Seed)
	}
	fmt.Fprintln(w, "\nwindows")
	windows(w, sc, "")
	for i := range sc.Traffic {
		t := &sc.Traffic[i]
		if t.Consume == nil && slices.ContainsFunc(sc.Spans(t.Name), isStep) {
			fmt.Fprintf(w, "\nwindows of %s, whose rate has named steps\n", t.Name)
			windows(w, sc, t.Name)
		}
	}
}

// windows prints the windows of a stream, or those that all streams have in common.
func windows(w io.Writer, sc *scenarios.Scenario, stream string) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range faults.Windows(sc.Spans(stream), sc.Run.Duration) {
		switch {
		case p.Name == faults.Drain:
		case p.Named():
			fmt.Fprintf(table, "  %s\t%s\t%s, inside %s\n", seconds(p.Start), seconds(p.End), p.Name, p.Base)
		default:
			fmt.Fprintf(table, "  %s\t%s\t%s\n", seconds(p.Start), seconds(p.End), p.Name)
		}
	}
	table.Flush()
}

// event is one line of the timeline.
type event struct {
	start, end time.Duration
	name, what string
}

// planned lists the injections, the phases and the named steps in the order of their times.
func planned(sc *scenarios.Scenario) []event {
	var all []event
	for i := range sc.Faults {
		f := &sc.Faults[i]
		what := f.Config.Describe().Words
		if on := f.Config.On(); on != (faults.Place{}) {
			what = on.Link + on.Part + ": " + what
		}
		all = append(all, event{f.At, f.End(), f.Label(), what})
	}
	for i := range sc.Phases {
		all = append(all, event{sc.Phases[i].At, sc.Phases[i].End(), sc.Phases[i].Name, "phase"})
	}
	for i := range sc.Traffic {
		t := &sc.Traffic[i]
		for _, s := range sc.Spans(t.Name) {
			if t.Consume == nil && isStep(s) {
				all = append(all, event{s.Start, s.End, s.Name, "step of " + t.Name})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.start, b.start) })
	return all
}

func isStep(s faults.Span) bool { return s.Kind == faults.StepSpan }

func seconds(d time.Duration) string { return fmt.Sprintf("%gs", float64(d)/float64(time.Second)) }
