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
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wringer/faults"
	"wringer/faults/toxi"
	"wringer/reports"
	"wringer/reports/text"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// runFlags are the flags of `wringer run`.
type runFlags struct {
	out     string
	seed    int64
	set     []string
	allow   []string
	quiet   bool
	verbose bool
	vegeta  string
	keep    bool
	reuse   bool
	*outputs
	summary summary
	restriction
}

// summary writes what a terminal shows of a record at the end.
type summary func(io.Writer, *reports.Record, text.Options) error

func runCommand(std streams) *cobra.Command {
	f := &runFlags{summary: text.Render}
	cmd := &cobra.Command{
		Use:   "run SCENARIO...",
		Short: "Run scenarios, judge their gates, write the record and the report",
		Long: `Run scenarios one after the other: send the traffic, break what the plan says, heal it, judge the gates.

The record goes to runs/NAME-TIME/ or to --out DIR (with several scenarios: to DIR/NAME). The exit code is the worst of the scenarios'.`,
		Args: atLeastOne("SCENARIO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args, std)
		},
	}
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "define ${name} in the scenario, `name=value`; may be repeated")
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave the containers of the target up at the end, and print how to reach them")
	cmd.Flags().BoolVar(&f.reuse, "reuse", false, "run on the containers that an earlier run of the same target kept, and keep them; start them if there are none")
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
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what the harness does")
	flags.StringVar(&f.vegeta, "vegeta", "", "write each attempt of the measured part to `FILE` in vegeta's encoding")
	f.outputs = newOutputs(cmd, std, map[string]*string{"vegeta": &f.vegeta})
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
func (f *runFlags) run(ctx context.Context, paths []string, std streams) error {
	if len(paths) > 1 {
		if f.vegeta != "" {
			return usage("--vegeta takes one scenario")
		}
		for name, file := range f.files {
			if *file != "" {
				return usage("--%s takes one scenario: with several, find the reports in each record's folder", name)
			}
		}
	}
	if err := errors.Join(f.outputs.check(), f.restriction.check()); err != nil {
		return err
	}
	var all []*scenarios.Scenario
	var failed error
	from := make(map[string]string)
	for _, path := range paths {
		sc, err := f.read(path, std)
		if isTold(err) {
			failed = err
			continue
		}
		if err != nil {
			return err
		}
		if first, taken := from[sc.Name]; taken && f.out != "" {
			return usage("%s and %s are both named %s: their records would share a folder", first, path, sc.Name)
		}
		from[sc.Name] = path
		all = append(all, sc)
	}
	if failed != nil {
		return failed
	}
	dirs := make([]string, len(all))
	for i, sc := range all {
		dirs[i] = f.dir(sc, len(all) > 1)
		if err := f.checkOutputs(dirs[i]); err != nil {
			return err
		}
	}
	if err := f.begin(all[0].Name); err != nil {
		return err
	}
	worst := reports.ExitPass
	for i, sc := range all {
		code, err := f.runScenario(ctx, sc, dirs[i], std)
		if err != nil {
			return err
		}
		worst = worstExit(worst, code)
		if ctx.Err() != nil {
			break
		}
	}
	if worst != reports.ExitPass {
		return exit{code: worst}
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

// load reads a scenario; - is stdin. Its warnings go to stderr.
func load(path string, set []string, std streams) (*scenarios.Scenario, error) {
	return loadWithin(path, set, &restriction{}, std)
}

// loadWithin is load for a scenario that may not do everything.
func loadWithin(path string, set []string, restrict *restriction, std streams) (*scenarios.Scenario, error) {
	src, err := readScenario(path, restrict, std.in)
	if err != nil {
		return nil, err
	}
	return parse(path, src, set, restrict, std)
}

// parse reads a scenario's text. Problems and warnings go to stderr.
func parse(path string, src []byte, set []string, restrict *restriction, std streams) (*scenarios.Scenario, error) {
	if path == "-" {
		path = "stdin"
	}
	settings := make(map[string]string)
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, usage("--set %s: write name=value", s)
		}
		settings[name] = value
	}
	sc, err := scenarios.Parse(path, src, language, scenarios.Options{Set: settings, Env: restrict.env, Locate: restrict.locate})
	if refused := restrict.refusedReads(); refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, misread(err, std)
	}
	for _, w := range sc.Warnings() {
		fmt.Fprintln(std.err, "warning: "+w.String())
	}
	return sc, nil
}

func readScenario(path string, restrict *restriction, stdin io.Reader) ([]byte, error) {
	if err := restrict.link(path); err != nil {
		return nil, err
	}
	read := func() ([]byte, error) { return os.ReadFile(path) }
	if path == "-" {
		read = func() ([]byte, error) { return io.ReadAll(io.LimitReader(stdin, scenarios.MaxScenarioFileBytes+1)) }
	}
	src, err := read()
	if err != nil {
		return nil, usage("read scenario: %w", err)
	}
	return src, nil
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

// read reads a scenario, and refuses outputs that would overwrite what it names.
func (f *runFlags) read(path string, std streams) (*scenarios.Scenario, error) {
	src, err := readScenario(path, &f.restriction, std.in)
	if err != nil {
		return nil, err
	}
	f.outputs.name = filepath.Base(path)
	sc, err := parse(path, src, f.set, &f.restriction, std)
	if err != nil {
		return nil, errors.Join(err, f.readsTexts(filepath.Dir(path), src))
	}
	if err := errors.Join(f.readsFiles(sc), f.admit(sc)); err != nil {
		return nil, err
	}
	_, err = checkFiles(sc, std)
	return sc, err
}

// checkFiles opens what a scenario names, and looks at what the machine has for it. Problems and warnings go to stderr.
func checkFiles(sc *scenarios.Scenario, std streams) ([]scenarios.Later, error) {
	later, err := sc.CheckFiles()
	if err != nil {
		return nil, misread(err, std)
	}
	warnOfNeeds(std.err, sc, thisMachine())
	return later, nil
}

// isTold says whether an error was printed already, so that the next scenario can be read.
func isTold(err error) bool {
	var e exit
	return errors.As(err, &e) && e.err == nil
}

// misread prints the problems of a scenario.
func misread(err error, std streams) error {
	fmt.Fprintln(std.err, strings.TrimRight(err.Error(), "\n"))
	return exit{code: reports.ExitUsage, told: err}
}

// readsFiles refuses outputs that are among the files which a scenario names.
func (f *runFlags) readsFiles(sc *scenarios.Scenario) error {
	var paths []string
	for _, file := range sc.Files() {
		paths = append(paths, file.Path)
	}
	return f.reads(paths...)
}

// checkOutputs wants the record's folder to be free, and no output in it.
func (f *runFlags) checkOutputs(dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return usage("record folder %s is not empty: name another with --out, or remove it", dir)
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
	res.view.start(sc, dir)
	run, err := runner.Run(ctx, sc, res.options)
	unwritten := res.close()
	if err != nil {
		return 0, explain(ctx, sc, err)
	}
	if err := f.render(dir, std); err != nil {
		return 0, err
	}
	f.tellKept(run, dir, std)
	if unwritten != nil {
		return 0, harness("the verdict stands in the record, but %s is not whole: %w", f.vegeta, unwritten)
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
	results *results // nil: none are asked for
	release func()   // of the heap's floor
}

// openResources opens what the flags ask for; dir is the record's folder. The caller closes the result.
func (f *runFlags) openResources(dir string, std streams) (*resources, error) {
	results, err := openResults(f.vegeta)
	if err != nil {
		return nil, harness("write results: %w", err)
	}
	r := &resources{view: newView(std.err, f.quiet), results: results, release: raiseHeapFloor()}
	r.options = runner.Options{
		Dir: dir, Keep: f.keep, Reuse: f.reuse, Version: version(), Machine: machine(), Log: f.logger(std.err), Allow: f.allow, LoopbackOnly: f.restriction.on,
		Mesh: func(network faults.Network, dial faults.DialFunc) (faults.Mesh, error) {
			return toxi.NewMesh(network, dial)
		},
	}
	if results != nil {
		r.options.Results = results
	}
	if !f.quiet {
		r.options.Watch = r.view.show
		r.options.Starting = newStarting(std.err).show
	}
	return r, nil
}

// close ends the view, and returns why the results are not whole.
func (r *resources) close() error {
	r.view.stop()
	defer r.release()
	return r.results.close()
}

// explain gives a run that did not come about its exit code.
func explain(ctx context.Context, sc *scenarios.Scenario, err error) error {
	switch {
	case ctx.Err() != nil:
		return exit{code: reports.ExitInterrupted, err: fmt.Errorf("interrupted before the run began")}
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
