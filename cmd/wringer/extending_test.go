package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"wringer/faults"
	"wringer/reports"
)

// windowsCommand is the example of docs/extending/command.md.
func windowsCommand(std streams) *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:   "windows SCENARIO",
		Short: "Print the windows of a scenario, one a line",
		Args:  atLeastOne("SCENARIO"),
		RunE: func(_ *cobra.Command, args []string) error {
			sc, err := load(args[0], set, std)
			if err != nil {
				return err
			}
			for _, w := range faults.Windows(sc.Spans(""), sc.Run.Duration) {
				fmt.Fprintln(std.out, w.Name)
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "define ${name} in the scenario, `name=value`; may be repeated")
	return cmd
}

// TestWindowsCommand runs the command as a user does: it takes arguments, and gives an exit code and texts.
func TestWindowsCommand(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"windows", "../../scenarios/witness.yaml"}, reports.ExitPass, "baseline\nlost-answers\nafter lost-answers\ndrain\n"},
		{[]string{"windows"}, reports.ExitUsage, ""},
		{[]string{"windows", "absent.yaml"}, reports.ExitUsage, ""},
	} {
		var out, stderr bytes.Buffer
		std := streams{strings.NewReader(""), &out, &stderr}
		top := rootCommand(std)
		top.AddCommand(windowsCommand(std))
		top.SetArgs(test.args)
		e := exit{code: reports.ExitPass}
		if err := top.ExecuteContext(t.Context()); err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		if e.code != test.code || out.String() != test.want {
			t.Errorf("%q: exit %d, %q, %q", test.args, e.code, out.String(), stderr.String())
		}
	}
}
