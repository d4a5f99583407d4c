package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wringer/faults"
	"wringer/faults/toxi"
	"wringer/reports"
	"wringer/reports/live"
	"wringer/reports/text"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// runFlags are the flags of `wringer run`.
type runFlags struct {
	out       string
	seed      int64
	set       []string
	allow     []string
	quiet     bool
	verbose   bool
	vegeta    string
	samples   string
	keep      bool
	reuse     bool
	force     bool
	repeat    int
	unkept    bool // the record's folder goes at the end
	saved     string
	telemetry telemetry
	live      string
	page      *live.Server // of --live; nil: none
	*outputs
	summary summary
	restriction
}

// summary writes what a terminal shows of a record at the end.
type summary func(io.Writer, *reports.Record, text.Options) error

func runCommand(std streams) *cobra.Command {
	f := &runFlags{summary: text.Render}
	cmd := &cobra.Command{
		Use:   "run SCENARIO|FOLDER...",
		Short: "Run scenarios, judge their gates, write the record and the report",
		Long: `Run scenarios one after the other: send the traffic, break what the plan says, heal it, judge the gates.

The record goes to runs/NAME-TIME/ or to --out DIR (with several scenarios: to DIR/NAME). A folder stands for the scenarios in it, and
patterns such as 'scenarios/*.yaml' are understood. --junit, --summary and --json write one file over all. The exit code is the worst of
the scenarios'.`,
		Args: atLeastOne("SCENARIO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args, std)
		},
	}
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "define ${name} in the scenario, `name=value`; may be repeated")
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave the containers of the target up at the end, and print how to reach them")
	cmd.Flags().StringVar(&f.saved, "saved", "", "the run against which gates such as orders.p99 < 1.2 x saved are judged: a file of wringer save, a record's folder, or a folder with NAME.json for each scenario, `FILE`")
	cmd.Flags().BoolVar(&f.reuse, "reuse", false, "run on the containers that an earlier run of the same target kept, and keep them; start them if there are none")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace the record in --out, if there is one")
	cmd.Flags().IntVar(&f.repeat, "repeat", 1, "run each scenario `N` times: any fail is a fail, else any inconclusive run is inconclusive")
	f.common(cmd, std)
	f.restriction.flags(cmd, &f.allow)
	return cmd
}

// common gives a command the flags of every run.
func (f *runFlags) common(cmd *cobra.Command, std streams) {
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "the record's folder, `DIR`")
	flags.Int64Var(&f.seed, "seed", 0, "the seed of every random choice; default: the scenario's, or one that is printed")
	flags.StringArrayVar(&f.allow, "allow", nil, "a `HOST` that may be loaded although it is neither on this machine nor in a private network; may be repeated")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what the harness does, and write the whole summary of a wide run")
	flags.StringVar(&f.live, "live", "", "serve the report while the run goes on, at `HOST:PORT`; port 0 is a free one. Where other machines can reach it, its URL holds a token")
	f.telemetry.flags(flags)
	flags.StringVar(&f.vegeta, "vegeta", "", "write each attempt of the measured part to `FILE` in vegeta's encoding")
	flags.StringVar(&f.samples, "samples", "", "write each attempt of the measured part as a row to `FILE`, whose name ends in .parquet, .csv or .jsonl.zst")
	f.outputs = newOutputs(cmd, std, map[string]*string{"vegeta": &f.vegeta, "samples": &f.samples})
	f.outputs.unanswered = f.emptyAttempts
}

// formatFlags gives a command one flag a report format.
func formatFlags(cmd *cobra.Command) map[string]*string {
	files := make(map[string]*string)
	for _, format := range formats {
		files[format.name] = cmd.Flags().String(format.name, "", "write "+format.about+" to `FILE`; - is stdout")
	}
	return files
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s: name a %s; see wringer %s --help", cmd.Name(), what, cmd.Name())
		}
		return nil
	}
}

// run runs every scenario, after all of them were found to be in order.
func (f *runFlags) run(ctx context.Context, named []string, std streams) error {
	if f.repeat < 1 {
		return usage("--repeat %d: must be at least 1", f.repeat)
	}
	paths, err := scenariosOf(named)
	if err != nil {
		return err
	}
	if len(paths)*f.repeat > 1 {
		f.outputs.several = &several{}
		if err := f.shareable(); err != nil {
			return err
		}
	}
	if err := errors.Join(f.outputs.check(), f.restriction.check()); err != nil {
		return err
	}
	all, err := f.readAll(paths, std)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return usage("run: no scenario is left")
	}
	for _, sc := range all {
		f.reseed(sc)
		if err := resolveSaved(sc, f.saved); err != nil {
			return err
		}
	}
	plays := f.plays(all)
	for i := range plays {
		if err := f.checkOutputs(plays[i].dir); err != nil {
			return err
		}
	}
	if err := f.begin(all[0].Name); err != nil {
		return err
	}
	for i := range plays { // all of them: a run that does not come about leaves no older record in its place
		if err := f.clear(plays[i].dir); err != nil {
			return err
		}
	}
	closeLive, err := f.openLive(ctx, std)
	if err != nil {
		return err
	}
	defer closeLive()
	done, err := f.telemetry.open(ctx, f, std)
	if err != nil {
		return err
	}
	defer done()
	worst := reports.ExitPass
	for i := range plays {
		code, err := f.runScenario(ctx, plays[i].scenario, plays[i].dir, std)
		if err != nil {
			return err
		}
		worst = worstExit(worst, code)
		if ctx.Err() != nil {
			break
		}
	}
	if f.several != nil {
		if err := f.conclude(len(plays), std); err != nil {
			return err
		}
	}
	if worst != reports.ExitPass {
		return exit{code: worst}
	}
	return nil
}

// shareable refuses outputs that take one record alone.
func (f *runFlags) shareable() error {
	for _, flag := range slices.Sorted(maps.Keys(f.extra)) {
		if *f.extra[flag] != "" {
			return usage("--%s takes one scenario", flag)
		}
	}
	for _, format := range formats {
		if *f.files[format.name] != "" && format.all == nil {
			return usage("--%s takes one scenario: with several, find the reports in each record's folder", format.name)
		}
	}
	return nil
}

// worstExit is the worse of two exit codes, from the worst: interrupted, harness failure, fail, inconclusive, pass.
func worstExit(a, b int) int {
	rank := map[int]int{reports.ExitInterrupted: 4, reports.ExitHarness: 3, reports.ExitFail: 2, reports.ExitInconclusive: 1}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// dir is the record's folder.
func (f *runFlags) dir(sc *scenarios.Scenario, several bool) string {
	switch {
	case f.out != "" && several:
		return filepath.Join(f.out, sc.Name)
	case f.out != "":
		return f.out
	}
	return filepath.Join("runs", sc.Name+"-"+time.Now().UTC().Format("20060102T150405.000Z"))
}

// checkOutputs wants the record's folder to be free, and no output in it.
func (f *runFlags) checkOutputs(dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if !f.force {
			return usage("record folder %s is not empty: name another with --out, remove it, or replace a record in it with --force", dir)
		}
		if err := replaceable(dir); err != nil {
			return err
		}
	}
	all := f.all()
	for _, name := range f.named() {
		if sameFile(filepath.Dir(*all[name]), dir) {
			return usage("--%s %s lies in the record's folder, which the run fills itself: name a place outside", name, *all[name])
		}
	}
	return noJSON("out", f.out)
}

// runScenario runs one scenario and renders its record. It returns the verdict's exit code.
func (f *runFlags) runScenario(ctx context.Context, sc *scenarios.Scenario, dir string, std streams) (int, error) {
	f.reseed(sc)
	res, err := f.openResources(dir, std)
	if err != nil {
		return 0, err
	}
	f.telemetry.begin()
	if f.page != nil {
		f.page.Begin(sc.Name, dir)
	}
	res.options.Starting, res.options.Log = res.view.starting(res.options.Starting), f.logger(res.view.beside(std.err))
	res.view.start(ctx, sc, dir)
	run, err := runner.Run(ctx, sc, res.options)
	unwritten := res.close(err == nil)
	if err != nil {
		return 0, explain(ctx, sc, err)
	}
	f.telemetry.final(run)
	if err := f.render(dir, std); err != nil {
		return 0, err
	}
	if f.page != nil {
		f.page.Final(f.record)
	}
	f.tellKept(run, dir, std)
	if unwritten != nil {
		return 0, harness("the verdict stands in the record, but %w", unwritten)
	}
	return run.Exit, nil
}

// tellKept prints how to reach what was left up, and how to remove it.
func (f *runFlags) tellKept(run *reports.Run, dir string, std streams) {
	if !f.keep && !f.reuse || len(run.Kept) == 0 {
		return
	}
	fmt.Fprintln(std.err, "kept:")
	for _, name := range slices.Sorted(maps.Keys(run.Kept)) {
		fmt.Fprintf(std.err, "  %s  %s\n", name, run.Kept[name])
	}
	fmt.Fprintf(std.err, "remove with: wringer cleanup %s\n", dir)
}

// reseed gives a scenario the seed of the flags, or one of the clock where it has none.
func (f *runFlags) reseed(sc *scenarios.Scenario) {
	switch {
	case f.seed != 0:
		sc.Reseed(f.seed)
	case sc.Seed == 0:
		sc.Reseed(time.Now().UnixNano() & (1<<53 - 1))
	}
}

// resources are what runs need of this process: the options of the runner, and what they write to.
type resources struct {
	options runner.Options
	view    view
	results results
	release func() // of the heap's floor
}

// openResources opens what the flags ask for; dir is the record's folder. The caller closes the result.
func (f *runFlags) openResources(dir string, std streams) (*resources, error) {
	results, err := f.openResults()
	if err != nil {
		return nil, harness("%w", err)
	}
	r := &resources{view: newView(std, f.quiet), results: results, release: raiseHeapFloor()}
	r.options = runner.Options{
		Dir: dir, Keep: f.keep, Reuse: f.reuse, Version: version(), Machine: machine(), Log: f.logger(std.err), Allow: f.allow, LoopbackOnly: f.restriction.on,
		Trace: f.telemetry.otlp.trace(),
		Mesh: func(network faults.Network, dial faults.DialFunc) (faults.Mesh, error) {
			return toxi.NewMesh(network, dial)
		},
	}
	if all := f.takers(results); len(all) > 0 {
		r.options.Results = all
	}
	r.options.Watch = f.watch(r.view, dir)
	if !f.quiet {
		r.options.Starting = newStarting(std.err).show
	}
	return r, nil
}

// close ends the view, and returns why files of attempts are not whole. Unless keep is set, these files are removed.
func (r *resources) close(keep bool) error {
	r.view.stop()
	defer r.release()
	return r.results.close(keep)
}

// explain gives a run that did not come about its exit code.
func explain(ctx context.Context, sc *scenarios.Scenario, err error) error {
	var own exit // an error that says its code itself
	switch {
	case ctx.Err() != nil:
		return exit{code: reports.ExitInterrupted, err: fmt.Errorf("interrupted before the run began")}
	case errors.As(err, &own):
		return own
	case errors.Is(err, runner.ErrScenario):
		return exit{code: reports.ExitUsage, err: fmt.Errorf("%s: %w", sc.Path, err)}
	}
	return harness("%s: %w", sc.Path, err)
}

func (f *runFlags) logger(w io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
