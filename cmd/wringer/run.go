package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wringer/faults"
	"wringer/faults/toxi"
	"wringer/reports"
	"wringer/reports/html"
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
	files   map[string]*string // by format
	summary summary
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
	f.common(cmd)
	return cmd
}

// common gives a command the flags of every run.
func (f *runFlags) common(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "the record's folder, `DIR`")
	flags.Int64Var(&f.seed, "seed", 0, "the seed of every random choice; default: the scenario's, or one that is printed")
	flags.StringArrayVar(&f.allow, "allow", nil, "a `HOST` that may be loaded although it is neither on this machine nor in a private network; may be repeated")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what the harness does")
	flags.StringVar(&f.vegeta, "vegeta", "", "write each attempt of the measured part to `FILE` in vegeta's encoding")
	f.files = formatFlags(cmd)
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
	var all []*scenarios.Scenario
	from := make(map[string]string)
	for _, path := range paths {
		sc, err := load(path, f.set, std)
		if err != nil {
			return err
		}
		if first, taken := from[sc.Name]; taken && f.out != "" {
			return usage("%s and %s are both named %s: their records would share a folder", first, path, sc.Name)
		}
		from[sc.Name] = path
		all = append(all, sc)
	}
	dirs := make([]string, len(all))
	for i, sc := range all {
		dirs[i] = f.dir(sc, len(all) > 1)
		if err := f.room(dirs[i]); err != nil {
			return err
		}
	}
	worst := reports.ExitPass
	for i, sc := range all {
		code, err := f.one(ctx, sc, dirs[i], std)
		if err != nil {
			return err
		}
		worst = worse(worst, code)
		if ctx.Err() != nil {
			break
		}
	}
	if worst != reports.ExitPass {
		return exit{code: worst}
	}
	return nil
}

// worse ranks exit codes: interrupted, harness failure, fail, inconclusive, pass.
func worse(a, b int) int {
	rank := map[int]int{reports.ExitInterrupted: 4, reports.ExitHarness: 3, reports.ExitFail: 2, reports.ExitInconclusive: 1}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// load reads a scenario; - is stdin. Its warnings go to stderr.
func load(path string, set []string, std streams) (*scenarios.Scenario, error) {
	src, err := readScenario(path, std.in)
	if err != nil {
		return nil, usage("read scenario: %w", err)
	}
	if path == "-" {
		path = "stdin"
	}
	return parse(path, src, set, std)
}

// parse reads a scenario's text. Problems and warnings go to stderr.
func parse(path string, src []byte, set []string, std streams) (*scenarios.Scenario, error) {
	settings := make(map[string]string)
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, usage("--set %s: write name=value", s)
		}
		settings[name] = value
	}
	sc, err := scenarios.Parse(path, src, language, scenarios.Options{Set: settings, Env: os.LookupEnv})
	if err != nil {
		fmt.Fprintln(std.err, strings.TrimRight(err.Error(), "\n"))
		return nil, exit{code: reports.ExitUsage}
	}
	for _, w := range sc.Warnings() {
		fmt.Fprintln(std.err, "warning: "+w.String())
	}
	return sc, nil
}

func readScenario(path string, stdin io.Reader) ([]byte, error) {
	if path != "-" {
		return os.ReadFile(path)
	}
	return io.ReadAll(io.LimitReader(stdin, scenarios.MaxScenarioFileBytes+1))
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

// room finds what could not be written at the end before anything is sent.
func (f *runFlags) room(dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return usage("record folder %s is not empty: name another with --out, or remove it", dir)
	}
	for _, format := range formats {
		if err := folderOf(format.name, *f.files[format.name]); err != nil {
			return err
		}
	}
	return folderOf("vegeta", f.vegeta)
}

func folderOf(flag, path string) error {
	if path == "" || path == "-" {
		return nil
	}
	folder := filepath.Dir(path)
	if at, err := os.Stat(folder); err != nil || !at.IsDir() {
		return usage("--%s %s: there is no folder %s", flag, path, folder)
	}
	return nil
}

// one runs one scenario and renders its record.
func (f *runFlags) one(ctx context.Context, sc *scenarios.Scenario, dir string, std streams) (int, error) {
	switch {
	case f.seed != 0:
		sc.Reseed(f.seed)
	case sc.Seed == 0:
		sc.Reseed(time.Now().UnixNano() & (1<<53 - 1))
	}
	defer raiseHeapFloor()()
	opt := runner.Options{
		Dir: dir, Version: version(), Log: f.logger(std.err), Allow: f.allow,
		Mesh: func(network faults.Network, dial faults.DialFunc) (faults.Mesh, error) {
			return toxi.NewMesh(network, dial)
		},
	}
	results, err := openResults(f.vegeta)
	if err != nil {
		return 0, harness("write results: %w", err)
	}
	if results != nil {
		opt.Results = results
	}
	view := newView(std.err, f.quiet)
	if !f.quiet {
		opt.Watch = view.show
	}
	view.start(sc, dir)
	run, err := runner.Run(ctx, sc, opt)
	view.stop()
	unwritten := results.close()
	if err != nil {
		if ctx.Err() != nil {
			return 0, exit{reports.ExitInterrupted, fmt.Errorf("interrupted before the run began")}
		}
		if errors.Is(err, runner.ErrScenario) {
			return 0, exit{reports.ExitUsage, fmt.Errorf("%s: %w", sc.Path, err)}
		}
		return 0, harness("%s: %w", sc.Path, err)
	}
	if err := f.render(dir, std); err != nil {
		return 0, err
	}
	if unwritten != nil {
		return 0, harness("the verdict stands in the record, but %s is not whole: %w", f.vegeta, unwritten)
	}
	return run.Exit, nil
}

func (f *runFlags) logger(w io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// render writes the report into the record's folder, the files that the flags name, and the summary to stdout.
func (f *runFlags) render(dir string, std streams) error {
	rec, err := reports.Load(dir)
	if err != nil {
		return harness("read record back: %w", err)
	}
	report := filepath.Join(dir, "report.html")
	if err := writeFile(report, rec, html.Render); err != nil {
		return harness("write report: %w", err)
	}
	return emit(rec, f.files, f.summary, std, report)
}

// emit writes what the format flags ask for. Unless one of them took stdout, the summary goes there, and it does so whatever
// became of the others.
func emit(rec *reports.Record, files map[string]*string, render summary, std streams, report string) error {
	taken := false
	var unwritten []error
	for _, format := range formats {
		switch path := *files[format.name]; path {
		case "":
		case "-":
			taken = true
			if err := format.render(std.out, rec); err != nil {
				return harness("write %s: %w", format.name, err)
			}
		default:
			if err := writeFile(path, rec, format.render); err != nil {
				unwritten = append(unwritten, fmt.Errorf("write %s: %w", format.name, err))
			}
		}
	}
	if !taken {
		if err := summarize(rec, render, std, report); err != nil {
			unwritten = append(unwritten, err)
		}
	}
	if len(unwritten) > 0 {
		return exit{reports.ExitHarness, errors.Join(unwritten...)}
	}
	return nil
}

// summarize writes the summary to stdout.
func summarize(rec *reports.Record, render summary, std streams, report string) error {
	width, colour := terminal(std.out)
	if err := render(std.out, rec, text.Options{Width: width, Color: colour}); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	if report != "" {
		fmt.Fprintf(std.out, "\nreport: %s\n", report)
	}
	return nil
}

// writeFile renders into a file that appears whole or not at all.
func writeFile(path string, rec *reports.Record, render func(io.Writer, *reports.Record) error) error {
	var b bytes.Buffer
	if err := render(&b, rec); err != nil {
		return err
	}
	return reports.WriteFile(path, b.Bytes())
}
