package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/compare"
	"wringer/reports/metric"
	"wringer/scenarios"
)

// savedFolder holds the files of wringer save that are named without a folder.
const savedFolder = "saved"

func saveCommand(std streams) *cobra.Command {
	return &cobra.Command{
		Use:   "save NAME [DIR]",
		Short: "Keep the figures of a run in a small file, for gates against it and for comparisons",
		Long: `Keep the figures of a run in a small file that is fit for the repository: saved/NAME.json, or NAME itself where it is a path that ends
with .json. DIR is the folder of a record; default: the newest one below runs/.

The file is a run.json without seconds, histograms, gauges and evidence. Gates such as orders.p99 < 1.2 x saved read it with
wringer run --saved, and wringer compare takes it as a run. A run that is not valid is not saved.`,
		Example: `  wringer save main
  wringer save main runs/checkout-20260314T092653.000Z
  wringer run scenarios/checkout.yaml --saved saved/main.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage("save: name the file to keep, and at most one record: wringer save NAME [DIR]")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return save(args, std) },
	}
}

func save(args []string, std streams) error {
	path, err := savedPath(args[0])
	if err != nil {
		return err
	}
	dir := ""
	if len(args) == 2 {
		dir = args[1]
	} else if dir, err = newestRecord("runs"); err != nil {
		return err
	}
	run, err := compare.Load(dir)
	if err != nil {
		return usage("save: %w", err)
	}
	if why := compare.Unusable(run.Record); why != "" {
		return usage("save: %s says nothing that could be held against another run: %s", dir, why)
	}
	if sameFile(path, dir) || sameFile(path, filepath.Join(dir, reports.RunFile)) {
		return usage("save: %s would overwrite the record: name another file", path)
	}
	data, err := reports.Encode(compare.Keep(run.Record))
	if err != nil {
		return harness("save: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return harness("save: %w", err)
	}
	if err := writeBytes(path, data); err != nil {
		return harness("save: %w", err)
	}
	fmt.Fprintf(std.out, "%s: run %s of %s, from %s\n", path, run.Record.ID, run.Record.Name, dir)
	if v := run.Record.Verdict; v != reports.Pass {
		fmt.Fprintf(std.err, "warning: the run is %s: %s\n", v, run.Record.Headline())
	}
	return nil
}

var savedName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// savedPath is the file for a name.
func savedPath(name string) (string, error) {
	switch {
	case strings.HasSuffix(name, ".json"):
		return name, nil
	case savedName.MatchString(name):
		return filepath.Join(savedFolder, name+".json"), nil
	}
	return "", usage("save: %s is no name: write letters, digits, ., - and _, or a path that ends with .json", name)
}

// newestRecord is the record below a folder whose run began last.
func newestRecord(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", usage("save: there is no folder %s: name a record", folder)
	}
	type record struct {
		dir string
		at  time.Time
	}
	var all []record
	for _, e := range entries {
		at, err := os.Stat(filepath.Join(folder, e.Name(), reports.RunFile))
		if err == nil {
			all = append(all, record{filepath.Join(folder, e.Name()), at.ModTime()})
		}
	}
	if len(all) == 0 {
		return "", usage("save: there is no record below %s: name one", folder)
	}
	newest := slices.MaxFunc(all, func(a, b record) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.dir, b.dir)) })
	return newest.dir, nil
}

// resolveSaved gives the gates of a scenario the values of the saved run. What the saved run cannot tell leaves a gate open.
func resolveSaved(sc *scenarios.Scenario, path string) error {
	gates := sc.SavedGates()
	if path == "" {
		return nil // the gates say it themselves
	}
	if len(gates) == 0 {
		return nil
	}
	saved, err := loadSaved(path, sc.Name)
	if err != nil {
		return usage("--saved: %w", err)
	}
	path = saved.Path
	r := saved.Record
	refused := ""
	if why := compare.Unusable(r); why != "" {
		refused = fmt.Sprintf("the saved run %s decides nothing: %s; save a valid run", path, why)
	} else if d := planDifference(r, sc); d != "" {
		refused = fmt.Sprintf("the saved run %s is of another plan: %s; save a run of this plan", path, d)
	}
	for _, g := range gates {
		if refused != "" {
			g.UnmetSaved(path, r.ID, refused)
			continue
		}
		value, err := compare.Saved(r, sc.Metrics, gateRecord(g))
		if err != nil {
			g.UnmetSaved(path, r.ID, fmt.Sprintf("the saved run %s has no value of %s.%s%s: %v; save a run that measured it", path, g.Stream, g.MetricName(), scopeOf(g), err))
			continue
		}
		g.ResolveSaved(path, r.ID, value)
	}
	return nil
}

// loadSaved reads a saved run. A folder that is no record holds one for each scenario, by its name: NAME.json as wringer save writes it, or
// the record's folder NAME.
func loadSaved(path, name string) (*compare.Run, error) {
	if at, err := os.Stat(path); err == nil && at.IsDir() {
		for _, inside := range []string{filepath.Join(path, name+".json"), filepath.Join(path, name)} {
			if _, err := os.Stat(filepath.Join(path, reports.RunFile)); err == nil {
				break
			}
			if _, err := os.Stat(inside); err == nil {
				return compare.Load(inside)
			}
		}
	}
	return compare.Load(path)
}

// planDifference is the first thing in which a saved run was to do something else than the scenario; empty: there is none. The text of
// a fault whose addresses are known only once the target runs is not compared.
func planDifference(r *reports.Run, sc *scenarios.Scenario) string {
	theirs, ours := compare.PlanOf(r).Sent(), planOf(sc)
	for i := range ours.Faults {
		if strings.Contains(ours.Faults[i].Spec, "${") && i < len(theirs.Faults) {
			ours.Faults[i].Spec, theirs.Faults[i].Spec = "", ""
		}
	}
	if all := theirs.Differences(ours, "the saved run", "this one"); len(all) > 0 {
		return all[0]
	}
	return ""
}

// refuseSaved refuses a scenario whose gates compare with a saved run, for a command that changes its load.
func refuseSaved(sc *scenarios.Scenario, command string) error {
	for _, g := range sc.SavedGates() {
		return usage("%s: gate %s compares with a saved run, and wringer %s changes the load: take the gate out, or give it a limit of its own; --baseline compares the answer with a saved one", sc.Path, g.Expr, command)
	}
	return nil
}

// refuseCapacity refuses gates on the capacity, which a single load does not judge.
func refuseCapacity(sc *scenarios.Scenario, path string) error {
	if len(sc.Capacity) == 0 {
		return nil
	}
	return usage("%s: gate %s is judged by wringer capacity alone: play the scenario with that command, or take the gate out", path, sc.Capacity[0].Expr)
}

// gateRecord is a gate as a record names it.
func gateRecord(g *scenarios.Gate) *reports.Gate {
	out := &reports.Gate{Expr: g.Expr, Stream: g.Stream, Metric: g.MetricName(), Unit: g.Metric.Unit}
	if g.Scope.Window != "" {
		out.Window = &g.Scope.Window
	}
	return out
}

func scopeOf(g *scenarios.Gate) string {
	text := ""
	if g.Scope.Window != "" {
		text = " during " + g.Scope.Window
	}
	if g.Scope.EverySecond {
		text += " in every second"
	}
	return text
}

// planOf is what a scenario is to send and break, as compare.PlanOf reads it from a record.
func planOf(sc *scenarios.Scenario) *compare.Plan {
	p := &compare.Plan{Warmup: sc.Run.Warmup, Duration: sc.Run.Duration, Streams: make(map[string]compare.StreamPlan)}
	for i := range sc.Traffic {
		s := &sc.Traffic[i]
		plan := compare.StreamPlan{Driver: s.DriverName, Load: s.Plan(), Keys: s.Keys}
		if s.Consume != nil {
			plan.Driver = s.Consume.SourceName
		}
		p.Streams[s.Name] = plan
	}
	for i := range sc.Faults {
		f := &sc.Faults[i]
		place := ""
		if on := f.Config.On(); on.Link != "" {
			place = "link " + on.Link
		} else if on.Part != "" {
			place = "part " + on.Part
		}
		p.Faults = append(p.Faults, compare.FaultPlan{Title: f.Label(), Kind: f.Config.Kind(), Spec: f.Config.Describe().Words, Place: place, Start: f.At, End: f.End()})
	}
	return p
}

// catalogue is that of the language.
func catalogue() (*metric.Catalogue, error) {
	c, err := metric.New(language.Metrics...)
	if err != nil {
		return nil, harness("make the catalogue of metrics: %w", err)
	}
	return c, nil
}
