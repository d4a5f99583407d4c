package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/sections"
)

func main() {
	os.Exit(withTerminal())
}

// withTerminal runs the command. Its terminal is as it was before, also when the command panics.
func withTerminal() int {
	ctx, std, stop := withSignals(context.Background())
	defer stop()
	return run(ctx, os.Args[1:], std)
}

// streams are a command's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exit is an error that carries an exit code. An empty text was already told.
type exit struct {
	code int
	err  error
	told error // what was told already, when err is nil
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

func usage(format string, a ...any) error {
	return exit{code: reports.ExitUsage, err: fmt.Errorf(format, a...)}
}
func harness(format string, a ...any) error {
	return exit{code: reports.ExitHarness, err: fmt.Errorf(format, a...)}
}

// run is the whole command: it returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	root := rootCommand(std)
	read := bridged{args: args}
	if len(args) > 0 && args[0] == "load" {
		read = readLoad(root, args)
	}
	root.SetArgs(read.args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(context.WithValue(ctx, lineKey{}, read))
	if err == nil {
		return reports.ExitPass
	}
	var e exit
	if !errors.As(err, &e) {
		// cobra's own: an unknown command or flag.
		e = exit{code: reports.ExitUsage, err: fmt.Errorf("%w; %s", err, unknownHelp(root, args))}
	}
	if text := e.Error(); text != "" {
		fmt.Fprintln(std.err, "wringer: "+sections.Lines(text))
	}
	return e.code
}

// unknownHelp says what to write in place of an unknown first word: a scenario's file needs a command, and a command may be misspelled.
func unknownHelp(root *cobra.Command, args []string) string {
	const help = "see wringer --help"
	if len(args) == 0 {
		return help
	}
	if cmd, _, err := root.Find(args[:1]); err == nil && cmd != root {
		return help
	}
	if ext := filepath.Ext(args[0]); ext == ".yaml" || ext == ".yml" {
		return "write wringer run " + args[0]
	}
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return "did you mean wringer " + near[0] + "?"
	}
	return help
}

func rootCommand(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "wringer",
		Short: "Load and chaos testing for services: traffic, faults and integrity verdicts per fault window",
		Long: `Wringer sends traffic, breaks things meanwhile, and judges what still held.

Begin with wringer init, which writes a first scenario, or with wringer load URL, which needs none. Completion for a shell:
source <(wringer completion bash), also zsh, fish and powershell. Manual pages: wringer man DIR.

Exit codes: 0 pass, 1 fail, 2 inconclusive, 3 usage or scenario error, 4 harness failure, 130 interrupted.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.AddCommand(runCommand(std), loadCommand(std), initCommand(std), capacityCommand(std), envelopeCommand(std), checkCommand(std), compareCommand(std), saveCommand(std), reportCommand(std), schemaCommand(std), cleanupCommand(std), versionCommand(std), manCommand(), shopCommand(std), relayCommand(), sidecarCommand())
	return root
}
