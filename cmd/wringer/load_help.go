package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagGroup are flags that the help shows together.
type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

// group opens one more group.
func (f *loadFlags) group(title string) *pflag.FlagSet {
	set := pflag.NewFlagSet(title, pflag.ContinueOnError)
	set.SortFlags = false
	f.groups = append(f.groups, flagGroup{title, set})
	return set
}

// help writes the command's help: examples, then the flags by what they are for.
func (f *loadFlags) help(cmd *cobra.Command) {
	var b strings.Builder
	b.WriteString("Load one target without a scenario file: the same run and the same verdict, its one stream named load.\n\n")
	b.WriteString("  wringer load URL [flags]\n\nExamples\n")
	for _, p := range f.protocols {
		for _, example := range p.examples() {
			b.WriteString("  wringer load " + example + "\n")
		}
	}
	b.WriteString("  wringer load --targets targets.txt --ramp 10/s..400/s:20s --expect 'p(95)<500' --expect 'http_req_failed: rate<0.01'\n")
	b.WriteString("\nData and headers may hold {{id}}, {{seq}}, {{uuid}} and the other places of a scenario. Flags of curl, hey, vegeta, ghz, fortio, k6, wrk\n" +
		"and ab are understood where they mean one thing; every other is answered by the line to write.\n")
	grouped := make(map[string]bool)
	for _, g := range f.groups {
		fmt.Fprintf(&b, "\n%s\n%s", g.title, g.flags.FlagUsages())
		g.flags.VisitAll(func(flag *pflag.Flag) { grouped[flag.Name] = true })
	}
	rest := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !grouped[flag.Name] {
			rest.AddFlag(flag)
		}
	})
	fmt.Fprintf(&b, "\nRun and outputs\n%s", rest.FlagUsages())
	fmt.Fprint(cmd.OutOrStdout(), b.String())
}
