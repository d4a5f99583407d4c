package main

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/compare"
	"wringer/reports/compare/page"
	"wringer/reports/markdown"
	"wringer/reports/text"
)

// compareFlags are the flags of `wringer compare`.
type compareFlags struct {
	effect              string
	anyway              bool
	json, html, summary string
	base, fresh         []string // the paths of both sides
	*outputs
}

// mostRuns bounds the runs of a comparison.
const mostRuns = 200

func compareCommand(std streams) *cobra.Command {
	f := &compareFlags{}
	cmd := &cobra.Command{
		Use:   "compare BASE... -- NEW...",
		Short: "Tell what changed between two sides of runs, and whether the change is real",
		Long: `Compare runs of one scenario: what changed from BASE to NEW, and is the change real? Each side is one run or several: folders of records,
files run.json, or files of wringer save. With one run a side, -- may be left out.

The metrics of the gates are judged, else p50, p99, errors and rate of each stream; all others are shown without a verdict. One run is one
sample: make at least 6 runs a side, and let the sides take turns. With one run a side only a count that rises from 0 is told.

Runs whose load, duration, faults or scenario differ are refused. --anyway shows their values without a verdict.

Exit codes: 0 no judged metric is known to be worse, 1 something is worse, 2 no judged metric could be told or a defect is new in some of the runs, 3 not
comparable or usage error, 4 the answer could not be written.`,
		Example: `  wringer compare runs/before -- runs/after
  wringer compare runs/v1-* -- runs/v2-* --html compare.html
  wringer compare runs/v1-* -- runs/v2-* --effect 10% --summary "$GITHUB_STEP_SUMMARY"
  wringer compare saved/main.json runs/checkout-20260314T092653.000Z --json -`,
		Args: f.sides,
		RunE: func(*cobra.Command, []string) error { return f.compare(std) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.effect, "effect", "5%", "the smallest `CHANGE` that counts")
	flags.BoolVar(&f.anyway, "anyway", false, "show the values of runs that are not comparable; nothing is judged then")
	flags.StringVar(&f.json, "json", "", "write the answer as JSON to `FILE`; - is stdout")
	flags.StringVar(&f.html, "html", "", "write the answer as one HTML file with curves and distributions to `FILE`; - is stdout")
	flags.StringVar(&f.summary, "summary", "", "write the answer as Markdown to `FILE`; - is stdout")
	f.outputs = newAnswer(cmd, std, map[string]*string{"json": &f.json, "html": &f.html, "summary": &f.summary})
	f.outputs.unanswered = func(flag string, run *reports.Run) ([]byte, error) {
		return renderedComparison(flag, compare.Unanswered(compare.ExitNotComparable, run.Headline()), nil, nil)
	}
	return cmd
}

// sides divides the arguments: at --, else one run a side. Flags may stand behind the runs of the second side too.
func (f *compareFlags) sides(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash >= 0:
		f.base = args[:dash]
		if err := cmd.Flags().Parse(args[dash:]); err != nil {
			return cmd.FlagErrorFunc()(cmd, err)
		}
		f.fresh = cmd.Flags().Args()
	case len(args) == 2:
		f.base, f.fresh = args[:1], args[1:]
	case len(args) > 2:
		return usage("compare: %d runs, and no -- between the two sides: write wringer compare BASE... -- NEW...", len(args))
	}
	switch n := len(f.base) + len(f.fresh); {
	case len(f.base) == 0 || len(f.fresh) == 0:
		return usage("compare: name at least one run on each side: wringer compare BASE... -- NEW...")
	case n > mostRuns:
		return usage("compare: %d runs; at most %d", n, mostRuns)
	}
	return nil
}

func (f *compareFlags) compare(std streams) error {
	if err := f.check(); err != nil {
		return err
	}
	for _, path := range slices.Concat(f.base, f.fresh) {
		if err := f.reads(filepath.Join(path, reports.RunFile), filepath.Join(path, reports.ScenarioFile)); err != nil {
			return err
		}
	}
	effect, err := parseEffect(f.effect)
	if err != nil {
		return err
	}
	metrics, err := catalogue()
	if err != nil {
		return err
	}
	base, err := loadRuns(f.base)
	if err != nil {
		return err
	}
	fresh, err := loadRuns(f.fresh)
	if err != nil {
		return err
	}
	a := compare.Compare(base, fresh, compare.Options{Catalogue: metrics, Effect: effect, Anyway: f.anyway})
	return f.conclude(a, base, fresh, std)
}

// parseEffect reads 5% or 0.05.
func parseEffect(s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.ReplaceAll(s, " ", ""), "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v > 0 && v <= 10) || !percent && v >= 1 {
		return 0, usage("--effect %s: write a change such as 5%% or 0.05", s)
	}
	return v, nil
}

func loadRuns(paths []string) (runs []*compare.Run, err error) {
	for _, path := range paths {
		r, err := compare.Load(path)
		if err != nil {
			return nil, usage("compare: %w", err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// conclude writes and prints the answer. A file that cannot be written takes nothing from stdout.
func (f *compareFlags) conclude(a *compare.Answer, base, fresh []*compare.Run, std streams) error {
	taken := false
	for _, flag := range []string{"json", "html", "summary"} {
		path := *f.extra[flag]
		if path == "" {
			continue
		}
		b, err := renderedComparison(flag, a, base, fresh)
		if err == nil && path == "-" {
			taken = true
			_, err = std.out.Write(b)
		} else if err == nil {
			err = writeBytes(path, b)
		}
		if err != nil {
			return harness("write %s: %w", flag, err)
		}
	}
	if !taken {
		width, colour := terminal(std.out)
		if err := printComparison(std.out, a, text.Options{Width: width, Color: colour}); err != nil {
			return harness("write the answer: %w", err)
		}
	}
	if a.Exit != compare.ExitFine {
		return exit{code: a.Exit}
	}
	return nil
}

// The values without a verdict that a terminal and a pipeline's page show.
const (
	shownInText     = 12
	shownInMarkdown = 40
)

func printComparison(w io.Writer, a *compare.Answer, opt text.Options) error {
	return text.Sections(w, text.Head{Verdict: a.Verdict(), Title: a.Title(), Text: a.Why}, a.Sections(shownInText), opt)
}

// renderedComparison is the answer in the form of a flag.
func renderedComparison(flag string, a *compare.Answer, base, fresh []*compare.Run) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch flag {
	case "json":
		err = compare.WriteJSON(&b, a)
	case "summary":
		err = markdown.Sections(&b, a.Verdict(), "Comparison: "+a.Title(), a.Why, a.Sections(shownInMarkdown))
	default:
		err = page.Render(&b, a, base, fresh)
	}
	return b.Bytes(), err
}
