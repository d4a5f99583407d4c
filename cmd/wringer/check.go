package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wringer/faults"
	"wringer/scenarios"
)

func checkCommand(std streams) *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:   "check SCENARIO...",
		Short: "Validate scenarios; print their targets and timeline, and send nothing",
		Args:  atLeastOne("SCENARIO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, path := range args {
				sc, err := load(path, set, std)
				if err != nil {
					return err
				}
				describe(std.out, sc)
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "define ${name} in the scenario, `name=value`; may be repeated")
	return cmd
}

// describe prints what a run of the scenario would do.
func describe(w io.Writer, sc *scenarios.Scenario) {
	fmt.Fprintf(w, "%s: ok\n", sc.Path)
	if sc.Target != nil {
		fmt.Fprintf(w, "\ntarget %s, started with the run; its addresses are chosen then:\n", sc.TargetName)
		for _, name := range sc.Target.Variables() {
			fmt.Fprintf(w, "  ${%s.%s}\n", sc.TargetName, name)
		}
	}
	links(w, sc)
	fmt.Fprintln(w, "\ntraffic")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range sc.Traffic {
		s := &sc.Traffic[i]
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", s.Name, s.DriverName, s.Plan(), place(s.Driver))
		if s.Effects != nil {
			fmt.Fprintf(table, "  \teffects\t%s\t%s\n", s.EffectName, place(s.Effects))
		}
	}
	table.Flush()
	fmt.Fprintf(w, "\ntimeline: %s warm-up, %s measured, then up to %s drain\n", sc.Run.Warmup, sc.Run.Duration, sc.Run.Drain)
	timeline(w, sc)
	fmt.Fprintf(w, "\nexpect: %d gates\n", len(sc.Expect))
	for _, g := range sc.Expect {
		fmt.Fprintf(w, "  %s\n", g.Expr)
	}
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
}

// place says where a driver sends, or where effects are looked for.
func place(config any) string {
	if s, ok := config.(fmt.Stringer); ok {
		return s.String()
	}
	return ""
}

// timeline prints the windows with what each fault does.
func timeline(w io.Writer, sc *scenarios.Scenario) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	specs := make(map[string]string)
	for i := range sc.Faults {
		f := &sc.Faults[i]
		on := f.Config.On()
		specs[f.Name] = fmt.Sprintf("%s%s: %v", on.Link, on.Part, f.Config)
	}
	for _, p := range faults.Windows(sc.Spans(), sc.Run.Duration) {
		if p.Name == "drain" {
			continue
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", seconds(p.Start), seconds(p.End), p.Name, specs[p.Name])
	}
	table.Flush()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%gs", d.Seconds()) }
