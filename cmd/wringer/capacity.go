package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wringer/scenarios"
	"wringer/scenarios/capacity"
)

// capacityFlags are the flags of `wringer capacity`.
type capacityFlags struct {
	runFlags
	streams  []string
	users    bool
	from, to string
	width    float64
	trial    time.Duration
	within   time.Duration
	reset    string
	resume   string
	explain  bool
	baseline string
	// tolerance is the share of the baseline's capacity that may be missing.
	tolerance float64
	json      string
	html      string
}

func capacityCommand(std streams) *cobra.Command {
	f := &capacityFlags{}
	cmd := &cobra.Command{
		Use:   "capacity SCENARIO",
		Short: "Find the highest load at which every gate of a scenario holds",
		Long: `Find the highest load at which every gate of a scenario holds, with both bounds: the highest load that passed for certain, and the
lowest that failed for certain. The scenario runs again and again on one target, with the rates of its streams replaced.

A gate capacity.STREAM > RATE in expect is judged on the bounds, and so is the comparison with an earlier answer: --baseline.

Exit codes: 0 answered, 1 such a gate was violated, or the capacity is below the baseline's, 2 inconclusive (the answer says what was in
the way, or the bounds do not decide a gate or the comparison), 3 usage or scenario error, 4 harness failure, 130 interrupted.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkTolerance(cmd); err != nil {
				return err
			}
			return f.find(cmd.Context(), args[0], std)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "the lowest `LOAD`: a rate such as 10/s, or a number of users; default 10/s, or a user of each stream")
	flags.StringVar(&f.to, "max", "", "the highest `LOAD`; default 100000/s, or 10000")
	flags.Float64Var(&f.width, "width", 0.05, "how narrow the bracket must be: the upper bound over the lower one, less 1")
	flags.DurationVar(&f.trial, "trial", 0, "the length of a trial that counts whole; default: the scenario's duration, from 5s to 30s")
	flags.DurationVar(&f.within, "within", 0, "answer with the best bracket reached by then; default: no limit")
	flags.StringVar(&f.reset, "reset", "", "how to bring back a target that stays bad after a trial that failed: a shell `COMMAND`, or restart")
	flags.BoolVar(&f.explain, "explain", false, "find the load at which each gate gives way, too; no trial ends early then")
	flags.StringVar(&f.baseline, "baseline", "", "compare with the answer in `PATH`: the folder of an earlier search, or its capacity.json")
	flags.Float64Var(&f.tolerance, "tolerance", 0.1, "with --baseline: the share of its capacity that may be missing")
	flags.StringVar(&f.json, "json", "", "write the answer as JSON to `FILE`; - is stdout")
	flags.StringVar(&f.html, "html", "", "write the answer as a page with the knee chart to `FILE`")
	f.common(cmd, std)
	return cmd
}

// common gives cmd the flags that every search has, `wringer envelope` too.
func (f *capacityFlags) common(cmd *cobra.Command, std streams) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.streams, "streams", nil, "the `STREAMS` to scale together, separated by commas; default: all that have a rate")
	flags.BoolVar(&f.users, "users", false, "scale numbers of users in place of rates")
	flags.StringVar(&f.resume, "resume", "", "go on with the search whose answer is in folder `DIR`, with the same flags")
	flags.StringArrayVar(&f.set, "set", nil, "define ${name} in the scenario, `name=value`; may be repeated")
	flags.StringVar(&f.out, "out", "", "the folder of the answer and of the trials' records, `DIR`")
	flags.Int64Var(&f.seed, "seed", 0, "the seed of every random choice; default: the scenario's, or one that is printed")
	flags.StringArrayVar(&f.allow, "allow", nil, "a `HOST` that may be loaded although it is neither on this machine nor in a private network; may be repeated")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what the harness does")
	f.outputs = newAnswer(cmd, std, map[string]*string{"json": &f.json, "html": &f.html})
	f.outputs.unanswered = unansweredCapacity
	f.restriction.flags(cmd, &f.allow)
}

// find searches and prints the answer.
func (f *capacityFlags) find(ctx context.Context, path string, std streams) error {
	if err := errors.Join(f.outputs.check(), f.restriction.check()); err != nil {
		return err
	}
	sc, err := f.read(path, std)
	if err == nil {
		err = refuseSaved(sc, "capacity")
	}
	if err != nil {
		return err
	}
	asked, err := f.asked(sc)
	if err != nil {
		return usage("capacity: %w", err)
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
	answer, err := f.search(ctx, sc, asked, dir, std)
	if err != nil {
		return explain(ctx, sc, err)
	}
	return f.conclude(answer, dir, std)
}

// checkTolerance refuses a tolerance of nothing.
func (f *capacityFlags) checkTolerance(cmd *cobra.Command) error {
	if cmd.Flags().Changed("tolerance") && f.baseline == "" {
		return usage("--tolerance %v: there is nothing to compare with; name a saved answer by --baseline", f.tolerance)
	}
	return nil
}

// folder is the answer's folder: a new one, or that of the search to go on with.
func (f *capacityFlags) folder(sc *scenarios.Scenario, asked *capacity.Asked) (string, error) {
	before := new(capacity.Answer)
	return f.answerFolder(sc, "capacity", answerFile, before, func() error {
		asked.Before = before
		sc.Reseed(before.Seed)
		return asked.Resumes(before, sc.Name)
	})
}

// answerFolder is the folder of a command's answer: a new one, or that of the search to go on with. It reads the answer there, the file name
// of the folder, into before, and resumes takes that over.
func (f *capacityFlags) answerFolder(sc *scenarios.Scenario, command, name string, before any, resumes func() error) (string, error) {
	if f.resume != "" {
		if f.out != "" {
			return "", usage("--resume %s and --out %s: the search goes on in the folder of --resume; leave --out out", f.resume, f.out)
		}
		err := readAnswer(filepath.Join(f.resume, name), before)
		if err == nil {
			err = resumes()
		}
		if err == nil {
			err = sameScenario(f.resume, sc)
		}
		if err != nil {
			return "", usage("--resume %s: %w", f.resume, err)
		}
		return f.resume, nil
	}
	dir := f.out
	if dir == "" {
		dir = filepath.Join("runs", sc.Name+"-"+command+"-"+time.Now().UTC().Format("20060102T150405.000Z"))
	}
	return dir, f.checkOutputs(dir)
}

// asked reads the flags.
func (f *capacityFlags) asked(sc *scenarios.Scenario) (capacity.Asked, error) {
	a := capacity.Asked{Width: f.width, Trial: f.trial, Within: f.within, Explain: f.explain, Fixed: len(sc.Faults) > 0 || len(sc.Phases) > 0}
	err := f.checkWithin()
	if err != nil {
		return a, err
	}
	if a.Axis, err = capacity.NewAxis(sc, f.streams, f.users); err != nil {
		return a, err
	}
	if len(sc.Expect) == 0 {
		return a, errors.New("the scenario has no gate: expect says what must hold at a load")
	}
	for _, g := range sc.Capacity {
		if !slices.Contains(a.Axis.Streams, g.Stream) {
			return a, fmt.Errorf("gate %s: stream %s is not scaled; the scaled streams are %s", g.Expr, g.Stream, strings.Join(a.Axis.Streams, ", "))
		}
	}
	switch {
	case a.Fixed && f.trial > 0:
		return a, fmt.Errorf("--trial %s: the scenario has faults or phases, and each trial plays all of it", f.trial)
	case a.Fixed:
		a.Trial = sc.Run.Duration
	case f.trial == 0:
		a.Trial = max(capacity.Shortest, min(sc.Run.Duration, 30*time.Second))
	case f.trial < capacity.Shortest:
		return a, fmt.Errorf("--trial %s: a trial lasts at least %s; a shorter one cannot show that a backlog grows", f.trial, capacity.Shortest)
	}
	if !(f.width >= 0.001 && f.width <= 1) { // NaN is neither
		return a, fmt.Errorf("--width %v: write a share from 0.001 to 1, such as 0.05", f.width)
	}
	if a.From, err = f.load("from", f.from, "10/s", fmt.Sprint(max(1, a.Axis.Least()))); err != nil {
		return a, err
	}
	if a.From < a.Axis.Least() {
		return a, fmt.Errorf("--from %s: every stream has at least one user; the scaled streams are %s", f.from, strings.Join(a.Axis.Streams, ", "))
	}
	if a.Most, err = f.load("max", f.to, "100000/s", "10000"); err != nil {
		return a, err
	}
	if a.Most < a.From {
		return a, fmt.Errorf("--max %s is below --from %s: give a higher --max, or a lower --from", a.Axis.Text(a.Most), a.Axis.Text(a.From))
	}
	goal := a.Goal()
	return a, goal.Check()
}

// checkWithin refuses a time that is over before it begins. 0 is no limit.
func (f *capacityFlags) checkWithin() error {
	if f.within < 0 {
		return fmt.Errorf("--within %s: write a time above 0, such as 10m", f.within)
	}
	return nil
}

// load reads a load of the axis.
func (f *capacityFlags) load(flag, text, rate, users string) (float64, error) {
	if f.users {
		var n uint32
		if text == "" {
			text = users
		}
		if _, err := fmt.Sscanf(text+" ", "%d ", &n); err != nil || n == 0 || n > scenarios.MaxUsers {
			return 0, fmt.Errorf("--%s %s: write a number of users from 1 to %d", flag, text, scenarios.MaxUsers)
		}
		return float64(n), nil
	}
	if text == "" {
		text = rate
	}
	var p scenarios.PerSecond
	if err := p.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("--%s %w", flag, err)
	}
	if p <= 0 {
		return 0, fmt.Errorf("--%s %s: a load is above 0", flag, text)
	}
	return float64(p), nil
}
