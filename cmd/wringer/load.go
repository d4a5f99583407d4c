package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"wringer/reports/text"
	"wringer/scenarios"
)

// loadFlags are the flags of `wringer load`.
type loadFlags struct {
	runFlags
	grpcFlags
	http        httpFlags
	rate        string
	users       int
	length      time.Duration
	warmup      time.Duration
	timeout     time.Duration
	method      string
	data        string
	headers     []string
	size        string
	acks        string
	partitions  int
	maxInFlight int
	expect      []string
	print       bool
}

// loadStream is the name of the one stream.
const loadStream = "load"

func loadCommand(std streams) *cobra.Command {
	f := &loadFlags{runFlags: runFlags{summary: text.RenderLoad}}
	cmd := &cobra.Command{
		Use:   "load URL",
		Short: "Load one target without a scenario file",
		Long: `Load one target without a scenario file: the same run, the same record, its one stream named load.

  wringer load http://127.0.0.1:8080/healthz --rate 500/s --for 30s
  wringer load http://127.0.0.1:8080/orders -X POST -d @body.json -H 'Content-Type: application/json' --users 64
  wringer load grpc://127.0.0.1:9090/shop.v1.Inventory/Reserve -d '{"orderId": "{{id}}", "itemId": "item1", "quantity": 1}'
  wringer load kafka://127.0.0.1:9092/payments --size 1KiB --acks all --rate max

Data and headers may hold {{id}}, {{seq}}, {{uuid}} and the other places of a scenario.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 1) == (f.http.targets != "") {
				return usage("load: name one URL: http://, https://, grpc://, grpcs:// or kafka://, or --targets")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.load(cmd, strings.Join(args, ""), std) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.rate, "rate", "50/s", "arrivals, as in 500/s, 6000/m or max")
	flags.IntVar(&f.users, "users", 0, "closed model: so many users, instead of a rate")
	flags.DurationVar(&f.length, "for", 10*time.Second, "how long")
	flags.DurationVar(&f.warmup, "warmup", 0, "traffic before the measured part")
	flags.DurationVar(&f.timeout, "timeout", scenarios.DefaultTimeout, "of one attempt")
	flags.IntVar(&f.maxInFlight, "max-in-flight", 0, "bound on operations in flight")
	flags.StringVarP(&f.method, "request", "X", "", "HTTP `METHOD`; GET, or POST with data")
	flags.StringVarP(&f.data, "data", "d", "", "body, message or value; @FILE reads a file, @- stdin")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "`'Name: value'`; gRPC: metadata")
	flags.StringVar(&f.size, "size", "", "Kafka: pad values to this size, as in 1KiB")
	flags.StringVar(&f.acks, "acks", "all", "Kafka: none, leader or all")
	flags.IntVar(&f.partitions, "partitions", 0, "Kafka: create the topic with so many partitions when it is absent")
	flags.StringArrayVar(&f.expect, "expect", []string{"errors < 1%"}, "a gate, as in `'p99 < 200ms'`; may be repeated")
	flags.BoolVar(&f.print, "print-scenario", false, "print the equivalent scenario, and send nothing")
	f.add(cmd)
	f.http.add(flags)
	f.common(cmd)
	return cmd
}

// load writes the scenario that the flags describe, and runs it.
func (f *loadFlags) load(cmd *cobra.Command, target string, std streams) error {
	src, err := f.scenario(cmd, target, std.in)
	if err != nil {
		return usage("load: %w", err)
	}
	if f.print {
		_, err := std.out.Write(src)
		return err
	}
	sc, err := parse("load", src, nil, std)
	if err != nil {
		return err
	}
	dir := f.dir(sc, false)
	if err := f.room(dir); err != nil {
		return err
	}
	code, err := f.one(cmd.Context(), sc, dir, std)
	if err == nil && code != 0 {
		err = exit{code: code}
	}
	return err
}

// scenario writes the scenario file.
func (f *loadFlags) scenario(cmd *cobra.Command, target string, stdin io.Reader) ([]byte, error) {
	u, err := f.parse(target)
	if err != nil {
		return nil, err
	}
	if err := f.refuseFlags(cmd, u); err != nil {
		return nil, err
	}
	data, err := f.body(stdin)
	if err != nil {
		return nil, err
	}
	driver, err := f.driver(u, target, data)
	if err != nil {
		return nil, err
	}
	stream := yaml.MapSlice{driver}
	if f.users > 0 {
		if cmd.Flags().Changed("rate") {
			return nil, fmt.Errorf("--rate and --users exclude each other")
		}
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

// parse reads the URL, which is empty beside --targets.
func (f *loadFlags) parse(target string) (*url.URL, error) {
	if target != "" && !strings.Contains(target, "://") {
		return nil, fmt.Errorf("%q has no scheme: write http://%s, https://, grpc://, grpcs:// or kafka://", target, target)
	}
	return url.Parse(target)
}

// kafkaFlagNames are the flags that only kafka:// knows.
var kafkaFlagNames = []string{"size", "acks", "partitions"}

// refuseFlags says which flag the target's protocol has no use for, or has a value that says nothing. A flag that were
// passed over would have the user believe that something else was measured.
func (f *loadFlags) refuseFlags(cmd *cobra.Command, u *url.URL) error {
	changed := cmd.Flags().Changed
	if err := f.http.check(u, changed); err != nil {
		return err
	}
	if err := f.refuse(cmd, u.Scheme); err != nil {
		return err
	}
	for _, name := range kafkaFlagNames {
		if changed(name) && u.Scheme != "kafka" {
			return fmt.Errorf("--%s goes with kafka:// only", name)
		}
	}
	if f.method != "" && strings.ContainsFunc(f.method, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r) }) {
		return fmt.Errorf("-X %q is no HTTP method", f.method)
	}
	for _, name := range []string{"users", "max-in-flight", "partitions", "connections", "messages", "replies"} {
		if n, err := cmd.Flags().GetInt(name); err == nil && n < 1 && changed(name) {
			return fmt.Errorf("--%s %d: must be at least 1", name, n)
		}
	}
	if f.every <= 0 && changed("message-interval") {
		return fmt.Errorf("--message-interval %s: must be more than 0", f.every)
	}
	return nil
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

// driver writes the stream's protocol part.
func (f *loadFlags) driver(u *url.URL, target, data string) (yaml.MapItem, error) {
	headers, err := f.headerMap()
	if err != nil {
		return yaml.MapItem{}, err
	}
	path := strings.TrimPrefix(u.Path, "/")
	switch scheme := u.Scheme; {
	case scheme == "http", scheme == "https", f.http.targets != "":
		part, err := f.http.apply(f.rest(target, data, headers))
		return yaml.MapItem{Key: "rest", Value: part}, err
	case scheme == "grpc", scheme == "grpcs":
		part, err := f.part(u, data, headers)
		return yaml.MapItem{Key: "grpc", Value: part}, err
	case scheme == "kafka":
		return yaml.MapItem{Key: "kafka", Value: f.kafka(u.Host, path, data, headers)}, nil
	}
	return yaml.MapItem{}, fmt.Errorf("%q: write http://, https://, grpc://, grpcs:// or kafka://", target)
}

func (f *loadFlags) rest(target, data string, headers yaml.MapSlice) yaml.MapSlice {
	method := f.method
	if method == "" {
		method = "GET"
		if data != "" || len(f.http.form) > 0 {
			method = "POST"
		}
	}
	var part yaml.MapSlice
	if target != "" {
		part = append(part, yaml.MapItem{Key: "request", Value: method + " " + target})
	}
	if len(headers) > 0 {
		part = append(part, yaml.MapItem{Key: "headers", Value: headers})
	}
	if data != "" {
		part = append(part, yaml.MapItem{Key: "body", Value: data})
	}
	return part
}

func (f *loadFlags) kafka(brokers, topic, data string, headers yaml.MapSlice) yaml.MapSlice {
	part := yaml.MapSlice{{Key: "brokers", Value: brokers}, {Key: "topic", Value: topic}, {Key: "acks", Value: f.acks}}
	if data != "" {
		part = append(part, yaml.MapItem{Key: "value", Value: data})
	}
	if f.size != "" {
		part = append(part, yaml.MapItem{Key: "size", Value: f.size})
	}
	if f.partitions > 0 {
		part = append(part, yaml.MapItem{Key: "partitions", Value: f.partitions})
	}
	if len(headers) > 0 {
		part = append(part, yaml.MapItem{Key: "headers", Value: headers})
	}
	return part
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
