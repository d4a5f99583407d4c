package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
	"wringer/scenarios/envelope"
)

// envelopeFlags are the flags of `wringer envelope`. It takes loads as `wringer capacity` does.
type envelopeFlags struct {
	capacityFlags
	fault, axis       string
	loadOne, loads    []string
	loadFrom, loadMax string
	loadSteps         int
}

func envelopeCommand(std streams) *cobra.Command {
	f := &envelopeFlags{}
	cmd := &cobra.Command{
		Use:   "envelope SCENARIO",
		Short: "Find how much of a fault the target takes at which load",
		Long: `Find how much of a fault the target takes at which load: for each load the worst intensity of one fault at which every gate of the
scenario holds, and the gentlest at which one does not. The scenario runs again and again on one target, with the load and one number of
the fault replaced. The answer's folder holds envelope.json, envelope.html (a map), and the record of each trial.

Exit codes: 0 answered, 1 less is tolerated at some load than --baseline needs, 2 inconclusive (the answer says what was in the way, or
the bounds do not decide the comparison), 3 usage or scenario error, 4 harness failure, 130 interrupted.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkTolerance(cmd); err != nil {
				return err
			}
			return f.find(cmd.Context(), args[0], std)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.fault, "fault", "", "the `FAULT` of the scenario; default: its only one")
	flags.StringVar(&f.axis, "axis", "", "the `KEY` of the fault that is searched: latency, share, for; default: the only number that it has, else for")
	flags.StringVar(&f.from, "from", "", "the lowest `VALUE` of the key, as in 10ms; default: a tenth of the scenario's")
	flags.StringVar(&f.to, "max", "", "the highest `VALUE`; default: ten times the scenario's")
	flags.Float64Var(&f.width, "width", 0.1, "how narrow the bounds must be: the worse over the better one, less 1")
	flags.StringSliceVar(&f.loadOne, "load", nil, "the `LOAD` to search at: a rate such as 1000/s, or a number of users; default: the scenario's")
	flags.StringSliceVar(&f.loads, "loads", nil, "several `LOADS` to search at, separated by commas: 500/s,1000/s,1500/s")
	flags.StringVar(&f.loadFrom, "load-from", "", "in place of --loads: the lowest `LOAD`")
	flags.StringVar(&f.loadMax, "load-max", "", "the highest `LOAD`")
	flags.IntVar(&f.loadSteps, "load-steps", 5, "with --load-from and --load-max: the number of loads, each higher than the last by the same factor")
	flags.DurationVar(&f.within, "within", 0, "answer with the bounds reached by then; default: no limit")
	flags.StringVar(&f.reset, "reset", "", "how to bring back a target that stays bad after a trial: a shell `COMMAND`, or restart")
	flags.StringVar(&f.baseline, "baseline", "", "compare with the answer in `PATH`: the folder of an earlier search, or its envelope.json")
	flags.Float64Var(&f.tolerance, "tolerance", 0.2, "with --baseline: the share of the tolerated intensity that may be missing at each load")
	flags.StringVar(&f.json, "json", "", "write the answer as JSON to `FILE`; - is stdout")
	flags.StringVar(&f.html, "html", "", "write the answer as a page with the map to `FILE`")
	f.common(cmd, std)
	return cmd
}

// find searches and prints the answer.
func (f *envelopeFlags) find(ctx context.Context, path string, std streams) error {
	if err := errors.Join(f.outputs.check(), f.restriction.check()); err != nil {
		return err
	}
	src, err := readScenario(path, &f.restriction, std.in)
	if err != nil {
		return err
	}
	std.in = bytes.NewReader(src)
	sc, err := f.read(path, std)
	if err == nil {
		err = cmp.Or(refuseSaved(sc, "envelope"), refuseCapacity(sc, path))
	}
	if err != nil {
		return err
	}
	read, err := f.reader(sc, src)
	if err != nil {
		return err
	}
	asked, err := f.asked(sc, read)
	if err != nil {
		return usage("envelope: %w", err)
	}
	if f.baseline != "" {
		if asked.Baseline, err = f.readBaseline(sc, &asked); err != nil {
			return usage("--baseline %s: %w", f.baseline, err)
		}
	}
	f.reseed(sc)
	dir, err := f.folder(sc, &asked)
	if err != nil {
		return err
	}
	if err := f.begin(sc.Name); err != nil {
		return err
	}
	answer, err := f.search(ctx, sc, asked, read, dir, std)
	if err != nil {
		return explain(ctx, sc, err)
	}
	return f.conclude(answer, dir, std)
}

// reader reads the scenario with another intensity of its fault.
func (f *envelopeFlags) reader(sc *scenarios.Scenario, src []byte) (envelope.Read, error) {
	set, err := settingsOf(f.set)
	if err != nil {
		return nil, err
	}
	return func(c *scenarios.Change) (*scenarios.Scenario, error) {
		changed, err := scenarios.Parse(sc.Path, src, language, scenarios.Options{Set: set, Environment: f.restriction.environment, Env: f.restriction.env, Locate: f.restriction.locate, Include: f.restriction.include, Change: c})
		if err != nil {
			return nil, err
		}
		changed.Reseed(sc.Seed)
		return changed, nil
	}, nil
}

// asked reads the flags.
func (f *envelopeFlags) asked(sc *scenarios.Scenario, read envelope.Read) (a envelope.Asked, err error) {
	a.Within = f.within
	if err := f.checkWithin(); err != nil {
		return a, err
	}
	if len(sc.Expect) == 0 {
		return a, errors.New("the scenario has no gate: expect says what must hold while the fault is in force")
	}
	if !(f.width >= 0.01 && f.width <= 1) { // NaN is neither
		return a, fmt.Errorf("--width %v: write a share from 0.01 to 1, such as 0.1", f.width)
	}
	if a.Axis, err = envelope.NewAxis(sc, envelope.Bounds{Fault: f.fault, Key: f.axis, From: f.from, Most: f.to, Width: f.width}); err != nil {
		return a, err
	}
	if err := a.Axis.Check(sc, read); err != nil {
		return a, err
	}
	if a.Scale, err = capacity.NewAxis(sc, f.streams, f.users); err != nil {
		return a, err
	}
	if a.Loads, err = f.askedLoads(a.Scale.Written); err == nil && a.Loads[0] < a.Scale.Least() {
		err = fmt.Errorf("a load of %s: every stream has at least one user; the scaled streams are %s", a.Scale.Text(a.Loads[0]), strings.Join(a.Scale.Streams, ", "))
	}
	return a, err
}

// mostLoads bounds the loads of a search.
const mostLoads = 100

// askedLoads are the loads to search at, ascending, each once.
func (f *envelopeFlags) askedLoads(written float64) (loads []float64, err error) {
	texts := slices.Concat(f.loadOne, f.loads)
	spread := f.loadFrom != "" || f.loadMax != ""
	switch {
	case spread && len(texts) > 0:
		return nil, errors.New("--loads stands beside --load-from and --load-max: give one of them")
	case spread && (f.loadFrom == "" || f.loadMax == ""):
		return nil, errors.New("--load-from and --load-max go together: the lowest and the highest load")
	case spread:
		return f.spreadLoads()
	case len(texts) == 0:
		return []float64{written}, nil
	}
	for i, text := range texts {
		flag := "load"
		if i >= len(f.loadOne) {
			flag = "loads"
		}
		load, err := f.load(flag, text, "", "")
		if err != nil {
			return nil, err
		}
		loads = append(loads, load)
	}
	slices.Sort(loads)
	if loads = slices.Compact(loads); len(loads) > mostLoads {
		return nil, fmt.Errorf("--loads: %d loads; at most %d", len(loads), mostLoads)
	}
	return loads, nil
}

// spreadLoads are loads at the same distance from each other, as factors.
func (f *envelopeFlags) spreadLoads() (loads []float64, err error) {
	low, err := f.load("load-from", f.loadFrom, "", "")
	if err != nil {
		return nil, err
	}
	high, err := f.load("load-max", f.loadMax, "", "")
	switch {
	case err != nil:
		return nil, err
	case low >= high:
		return nil, fmt.Errorf("--load-from %s is not below --load-max %s", f.loadFrom, f.loadMax)
	case f.loadSteps < 2 || f.loadSteps > mostLoads:
		return nil, fmt.Errorf("--load-steps %d: write a number from 2 to %d", f.loadSteps, mostLoads)
	}
	for i := range f.loadSteps {
		loads = append(loads, math.Round(low*math.Pow(high/low, float64(i)/float64(f.loadSteps-1))))
	}
	loads[0], loads[len(loads)-1] = low, high
	slices.Sort(loads)
	return slices.Compact(loads), nil
}

// search opens the target and searches.
func (f *envelopeFlags) search(ctx context.Context, sc *scenarios.Scenario, asked envelope.Asked, read envelope.Read, dir string, std streams) (*envelope.Answer, error) {
	res, err := f.openResources(dir, std)
	if err != nil {
		return nil, err
	}
	defer res.close(false)
	res.options.Watch = nil // a trial is told when it has ended
	p := &capacityPlayer{scenario: sc, options: res.options, dir: dir, reset: f.reset}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.end())
	}
	answer, err := envelope.Find(ctx, sc, asked, read, p, func(a *envelope.Answer, progress envelope.Progress) {
		if !f.quiet {
			tellPoint(std.err, asked.Scale, len(a.Trials), progress)
		}
		_ = writeEnvelope(dir, a) // the last one tells the error
	})
	return answer, errors.Join(err, p.end())
}

// tellPoint is the line of a trial.
func tellPoint(w io.Writer, scale *capacity.Axis, n int, p envelope.Progress) {
	t, why := p.Trial, ""
	if t.Verdict != string(reports.Pass) {
		why = " (" + t.Why + ")"
	}
	fmt.Fprintf(w, "trial %d  %s with %s: %s%s; %s; about %d trials and %s left\n", n, scale.Text(t.Load), t.Value, t.Verdict, why, p.Row.Known, p.LeftRuns,
		p.Left.Round(time.Second))
}
