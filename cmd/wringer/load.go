package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/text"
	"wringer/scenarios"
)

// loadFlags are the flags of `wringer load`.
type loadFlags struct {
	runFlags
	protocols   []*protocol
	rate        string
	users       int
	length      time.Duration
	warmup      time.Duration
	timeout     time.Duration
	data        string
	headers     []string
	maxInFlight int
	expect      []string
	print       bool
}

// loadStream is the name of the one stream.
const loadStream = "load"

func loadCommand(std streams) *cobra.Command {
	f := &loadFlags{runFlags: runFlags{summary: text.RenderLoad}, protocols: protocols(schemes)}
	cmd := &cobra.Command{
		Use:   "load URL",
		Short: "Load one target without a scenario file",
		Long:  f.manual(),
		Args:  func(_ *cobra.Command, args []string) error { return f.checkArgs(args) },
		RunE:  func(cmd *cobra.Command, args []string) error { return f.load(cmd, strings.Join(args, ""), std) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.rate, "rate", "50/s", "arrivals, as in 500/s, 6000/m or max")
	flags.IntVar(&f.users, "users", 0, "closed model: so many users, instead of a rate")
	flags.DurationVar(&f.length, "for", 10*time.Second, "how long")
	flags.DurationVar(&f.warmup, "warmup", 0, "traffic before the measured part")
	flags.DurationVar(&f.timeout, "timeout", scenarios.DefaultTimeout, "of one attempt")
	flags.IntVar(&f.maxInFlight, "max-in-flight", 0, "bound on operations in flight")
	flags.StringVarP(&f.data, "data", "d", "", "body, message or value; @FILE reads a file, @- stdin")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "`'Name: value'`; gRPC: metadata")
	flags.StringArrayVar(&f.expect, "expect", []string{"errors < 1%"}, "a gate, as in `'p99 < 200ms'`; may be repeated")
	flags.BoolVar(&f.print, "print-scenario", false, "print the equivalent scenario, and send nothing")
	for _, p := range f.protocols {
		flags.AddFlagSet(p.set)
	}
	f.common(cmd, std)
	return cmd
}

// manual is the command's help.
func (f *loadFlags) manual() string {
	var b strings.Builder
	b.WriteString("Load one target without a scenario file: the same run, the same record, its one stream named load.\n\n")
	for _, p := range f.protocols {
		for _, example := range p.examples() {
			b.WriteString("  wringer load " + example + "\n")
		}
	}
	b.WriteString("\nData and headers may hold {{id}}, {{seq}}, {{uuid}} and the other places of a scenario.")
	return b.String()
}

// checkArgs requires one URL, or a flag in its place.
func (f *loadFlags) checkArgs(args []string) error {
	instead, given := "", 0
	for _, p := range f.protocols {
		if p.instead != "" {
			instead += ", or --" + p.instead
		}
		if p.inPlaceOfURL() {
			given++
		}
	}
	if len(args)+given != 1 {
		return usage("load: name one URL: %s%s", urls(f.protocols...), instead)
	}
	return nil
}

// load writes the scenario for the flags, and runs it.
func (f *loadFlags) load(cmd *cobra.Command, target string, std streams) error {
	if err := f.outputs.check(); err != nil {
		return err
	}
	src, err := f.scenario(cmd, target, std.in)
	if err != nil {
		return usage("load: %w", err)
	}
	if f.print {
		_, err := std.out.Write(src)
		return err
	}
	sc, err := parse("load", src, nil, &f.restriction, std)
	if err != nil {
		return err
	}
	dir := f.dir(sc, false)
	if err := f.checkOutputs(dir); err != nil {
		return err
	}
	if err := f.readsFiles(sc); err != nil {
		return err
	}
	if err := f.begin(sc.Name); err != nil {
		return err
	}
	code, err := f.runScenario(cmd.Context(), sc, dir, std)
	if err == nil && code != reports.ExitPass {
		err = exit{code: code}
	}
	return err
}

// scenario writes the scenario file.
func (f *loadFlags) scenario(cmd *cobra.Command, target string, stdin io.Reader) ([]byte, error) {
	changed := cmd.Flags().Changed
	if changed("rate") && f.users > 0 {
		return nil, fmt.Errorf("--rate and --users exclude each other")
	}
	if err := positive(changed, []string{"users", "max-in-flight"}, f.users, f.maxInFlight); err != nil {
		return nil, err
	}
	driver, err := f.driver(target, changed, stdin)
	if err != nil {
		return nil, err
	}
	stream := yaml.MapSlice{driver}
	if f.users > 0 {
		stream = append(stream, yaml.MapItem{Key: "users", Value: f.users})
	} else {
		stream = append(stream, yaml.MapItem{Key: "rate", Value: f.rate})
	}
	stream = append(stream, yaml.MapItem{Key: "timeout", Value: f.timeout.String()})
	if f.maxInFlight > 0 {
		stream = append(stream, yaml.MapItem{Key: "max_in_flight", Value: f.maxInFlight})
	}
	var gates []string
	for _, g := range f.expect {
		gates = append(gates, loadStream+"."+g)
	}
	head := yaml.MapSlice{{Key: "name", Value: loadStream}}
	if f.seed != 0 {
		head = append(head, yaml.MapItem{Key: "seed", Value: f.seed})
	}
	return yaml.Marshal(append(head, yaml.MapSlice{
		{Key: "run", Value: yaml.MapSlice{
			{Key: "warmup", Value: f.warmup.String()}, {Key: "duration", Value: f.length.String()}, {Key: "drain", Value: "2s"},
		}},
		{Key: "traffic", Value: yaml.MapSlice{{Key: loadStream, Value: stream}}},
		{Key: "expect", Value: gates},
	}...))
}

// driver writes the stream's protocol part.
func (f *loadFlags) driver(target string, changed func(flag string) bool, stdin io.Reader) (yaml.MapItem, error) {
	p, u, err := choose(f.protocols, target)
	if err != nil {
		return yaml.MapItem{}, err
	}
	if err := p.refuse(f.protocols, u); err != nil {
		return yaml.MapItem{}, err
	}
	if err := p.check(u, changed); err != nil {
		return yaml.MapItem{}, err
	}
	to := loadTarget{text: target, url: u}
	if to.data, err = f.body(stdin); err != nil {
		return yaml.MapItem{}, err
	}
	if to.headers, err = f.headerMap(); err != nil {
		return yaml.MapItem{}, err
	}
	part, err := p.part(to)
	return yaml.MapItem{Key: p.key, Value: part}, err
}

// body reads -d.
func (f *loadFlags) body(stdin io.Reader) (string, error) {
	path, isFile := strings.CutPrefix(f.data, "@")
	if !isFile {
		return f.data, nil
	}
	var raw []byte
	var err error
	if path == "-" {
		raw, err = io.ReadAll(io.LimitReader(stdin, scenarios.MaxScenarioFileBytes))
	} else {
		raw, err = os.ReadFile(filepath.Clean(path))
	}
	return string(raw), err
}

// headerMap reads -H, in the order given.
func (f *loadFlags) headerMap() (yaml.MapSlice, error) {
	var all yaml.MapSlice
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("-H %q: write 'Name: value'", h)
		}
		all = append(all, yaml.MapItem{Key: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return all, nil
}
