package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/text"
	"wringer/scenarios"
)

// loadFlags are the flags of `wringer load`.
type loadFlags struct {
	runFlags
	protocols   []*protocol
	groups      []flagGroup
	rate        string
	ramp        string
	steps       string
	users       int
	requests    int64
	length      time.Duration
	warmup      time.Duration
	timeout     time.Duration
	data        string
	headers     []string
	maxInFlight int
	expect      []string
	print       bool
	feed        string
	serverName  string
}

// loadStream is the name of the one stream.
const loadStream = "load"

func loadCommand(std streams) *cobra.Command {
	f := &loadFlags{runFlags: runFlags{summary: text.RenderLoad}, protocols: protocols(schemes)}
	cmd := &cobra.Command{
		Use:   "load URL",
		Short: "Load one target without a scenario file",
		Args:  func(_ *cobra.Command, args []string) error { return f.checkArgs(args) },
		RunE:  func(cmd *cobra.Command, args []string) error { return f.load(cmd, strings.Join(args, ""), std) },
	}
	load := f.group("Load")
	load.StringVar(&f.rate, "rate", "50/s", "arrivals: 500 or 500/s (a second), 6000/m or max")
	load.IntVar(&f.users, "users", 0, "closed model: so many users, instead of a rate; -c reads the same")
	load.StringVar(&f.ramp, "ramp", "", "a rate that grows, `FROM..TO:LENGTH`, as in 10/s..400/s:20s")
	load.StringVar(&f.steps, "steps", "", "rates one after the other, `RATE:LENGTH,...`, as in 100/s:10s,200/s:10s")
	load.Int64VarP(&f.requests, "requests", "n", 0, "stop after `N` operations; without --for the load lasts as long as they take, at most 1h")
	load.DurationVar(&f.length, "for", 10*time.Second, "how long; -z reads the same")
	load.DurationVar(&f.warmup, "warmup", 0, "traffic before the measured part")
	load.DurationVar(&f.timeout, "timeout", scenarios.DefaultTimeout, "of one attempt")
	load.IntVar(&f.maxInFlight, "max-in-flight", 0, "bound on operations in flight")
	request := f.group("Request")
	request.StringVarP(&f.data, "data", "d", "", "body, message or value; @FILE reads a file, @- stdin")
	request.StringArrayVarP(&f.headers, "header", "H", nil, "`'Name: value'`; gRPC: metadata")
	request.StringVar(&f.feed, "feed", "", "a CSV or JSON lines `FILE` whose columns are {{data.NAME}}; not for RabbitMQ")
	request.StringVar(&f.serverName, "server-name", "", "TLS: the `NAME` to ask for and to verify; default: the host of the URL")
	judge := f.group("Verdict")
	judge.StringArrayVar(&f.expect, "expect", []string{"errors < 1%"}, "a gate, as in `'p99 < 200ms'` or k6's 'p(99)<200'; may be repeated")
	judge.BoolVar(&f.print, "print-scenario", false, "print the equivalent scenario, and send nothing")
	for _, p := range f.protocols {
		f.groups = append(f.groups, flagGroup{urls(p), p.set})
	}
	for _, g := range f.groups {
		cmd.Flags().AddFlagSet(g.flags)
	}
	f.common(cmd, std)
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { f.help(cmd) })
	return cmd
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
	switch {
	case len(args)+given == 0:
		return usage("load: name one URL: %s%s. No targets are read from standard input: write them into a file", urls(f.protocols...), instead)
	case len(args)+given > 1:
		return usage("load: name one URL: %s%s; there are %d: %s", urls(f.protocols...), instead, len(args)+given, strings.Join(args, " "))
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
	sc, err := f.parse(src, std)
	if err != nil {
		return err
	}
	dir, done, err := f.place(sc)
	if err != nil {
		return err
	}
	defer done(std)
	if err := f.checkOutputs(dir); err != nil {
		return err
	}
	if err := f.readsFiles(sc); err != nil {
		return err
	}
	if err := f.begin(sc.Name); err != nil {
		return err
	}
	closeLive, err := f.openLive(cmd.Context(), std)
	if err != nil {
		return err
	}
	defer closeLive()
	closed, err := f.telemetry.open(cmd.Context(), &f.runFlags, std)
	if err != nil {
		return err
	}
	defer closed()
	code, err := f.runScenario(cmd.Context(), sc, dir, std)
	if err == nil && code != reports.ExitPass {
		err = exit{code: code}
	}
	return err
}

// parse reads the written scenario. Its problems and warnings are told by the flags.
func (f *loadFlags) parse(src []byte, std streams) (*scenarios.Scenario, error) {
	sc, err := scenarios.Parse(loadStream, src, language, scenarios.Options{Env: f.restriction.env})
	var problems scenarios.Problems
	if errors.As(err, &problems) {
		return nil, usage("load: %s", flagged(src, problems))
	}
	if err != nil {
		return nil, err
	}
	for _, line := range warn(src, sc.Warnings()) {
		fmt.Fprintln(std.err, line)
	}
	return sc, nil
}

// place is the record's folder: that of --out, or one that done removes at the end. It stays where the run left something to undo.
func (f *loadFlags) place(sc *scenarios.Scenario) (dir string, done func(streams), err error) {
	if f.out != "" {
		return f.dir(sc, false), func(streams) {}, nil
	}
	f.unkept = true
	dir, err = os.MkdirTemp("", "wringer-load-")
	if err != nil {
		return "", nil, harness("make the record's folder: %w; name another place with --out", err)
	}
	return dir, func(std streams) {
		if left, err := faults.Left(filepath.Join(dir, faults.JournalFile)); err == nil && len(left) > 0 {
			fmt.Fprintf(std.err, "something is left to undo: wringer cleanup %s\n", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintf(std.err, "warning: remove %s: %v\n", dir, err)
		}
	}, nil
}

// scenario writes the scenario file.
func (f *loadFlags) scenario(cmd *cobra.Command, target string, stdin io.Reader) ([]byte, error) {
	changed := cmd.Flags().Changed
	if err := positive(changed, []string{"users", "max-in-flight", "requests"}, f.users, f.maxInFlight, int(f.requests)); err != nil {
		return nil, err
	}
	for _, flag := range []struct {
		name string
		long time.Duration
	}{{"for", f.length}, {"timeout", f.timeout}} {
		if flag.long <= 0 {
			return nil, fmt.Errorf("--%s %s: must be more than 0", flag.name, flag.long)
		}
	}
	pace, err := f.pace(changed)
	if err != nil {
		return nil, err
	}
	driver, err := f.driver(target, changed, stdin)
	if err != nil {
		return nil, err
	}
	stream := yaml.MapSlice{driver, pace.item}
	if f.requests > 0 {
		stream = append(stream, yaml.MapItem{Key: "operations", Value: f.requests})
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
			{Key: "warmup", Value: f.warmup.String()}, {Key: "duration", Value: f.lasts(pace, changed).String()}, {Key: "drain", Value: "2s"},
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
	to := loadTarget{text: target, url: u, hide: f.hide, serverName: f.serverName}
	if f.feed != "" {
		to.feed = yaml.MapSlice{{Key: "file", Value: absolute(f.feed)}}
	}
	if f.serverName != "" && (u.Scheme == "http" || u.Scheme == "grpc") {
		return yaml.MapItem{}, fmt.Errorf("--server-name goes with TLS: write %ss://", u.Scheme)
	}
	if to.data, err = f.body(stdin); err != nil {
		return yaml.MapItem{}, err
	}
	if path, isFile := strings.CutPrefix(f.data, "@"); isFile && path != "-" {
		to.path = absolute(path)
	}
	if len(to.data) > maxInline || !utf8.ValidString(to.data) {
		if to.file = to.path; to.file == "" {
			return yaml.MapItem{}, fmt.Errorf("--data: more than %d bytes, or no UTF-8: write -d @FILE", maxInline)
		}
	}
	if to.headers, err = f.headerMap(); err != nil {
		return yaml.MapItem{}, err
	}
	part, err := p.part(to)
	return yaml.MapItem{Key: p.key, Value: part}, err
}

// hide keeps a secret out of the scenario, which is recorded. It returns the text that stands for the secret there.
func (f *loadFlags) hide(name, secret string) string {
	if f.given == nil {
		f.given = make(map[string]string)
	}
	f.given[name] = secret
	return "${env." + name + "}"
}

// maxInline bounds data that becomes a part of the scenario's text.
const maxInline = scenarios.MaxScenarioFileBytes / 4

// body reads -d.
func (f *loadFlags) body(stdin io.Reader) (string, error) {
	path, isFile := strings.CutPrefix(f.data, "@")
	if !isFile {
		return f.data, nil
	}
	if path != "-" {
		return drivers.ReadFile(filepath.Clean(path))
	}
	raw, err := io.ReadAll(io.LimitReader(stdin, scenarios.MaxScenarioFileBytes))
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
