package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"wringer/drivers"
	"wringer/drivers/grpc"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/draft"
)

// initFlags are the flags of `wringer init`.
type initFlags struct {
	from, curl, url, out string
	force                bool
}

func initCommand(std streams) *cobra.Command {
	f := &initFlags{}
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a first scenario, from an OpenAPI document, a HAR, a .proto, a curl line or an address",
		Long: `Write a first scenario with comments, which wringer check accepts as it is.

  wringer init openapi.yaml --url http://127.0.0.1:8080 -o shop.yaml
  wringer init --from http://127.0.0.1:8080/healthz
  wringer init --from grpc://127.0.0.1:9090            a server with reflection: a stream for each method
  wringer init inventory.proto --from grpc://127.0.0.1:9090
  wringer init session.har
  wringer init --from kafka://127.0.0.1:9092/payments
  wringer init --from 'amqp://guest:guest@127.0.0.1:5672/orders'
  wringer init --curl "curl -X POST http://127.0.0.1:8080/orders -d '{\"item\": \"book\"}'"

FILE is an OpenAPI 3 document (.yaml, .json), a recorded session (.har) or a .proto file. On a terminal, without FILE and flags, it asks.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("init: name one file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), strings.Join(args, ""), std)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "the service's address, or that of its OpenAPI document: http, https, grpc, grpcs, kafka, amqp or amqps `URL`")
	flags.StringVar(&f.curl, "curl", "", "a command line of curl, as `'curl -X POST http://...'`")
	flags.StringVar(&f.url, "url", "", "the service's `URL`, in place of the one that the OpenAPI document names")
	flags.StringVarP(&f.out, "out", "o", "scenario.yaml", "the `FILE` to write; - is stdout")
	flags.BoolVar(&f.force, "force", false, "replace the file if there is one")
	return cmd
}

// run writes the scenario, once the parser has found it to be in order.
func (f *initFlags) run(ctx context.Context, file string, std streams) error {
	if file == "" && f.from == "" && f.curl == "" {
		if err := f.ask(std); err != nil {
			return err
		}
	}
	if f.curl != "" && (file != "" || f.from != "") {
		return usage("init: --curl stands alone: take the file and --from away")
	}
	if err := f.free(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, initLimit)
	defer cancel()
	made, err := f.make(ctx, file, std.in)
	if err != nil {
		return usage("init: %w", err)
	}
	text, err := made.YAML()
	if err != nil {
		return harness("init: %w", err)
	}
	folder, name := filepath.Split(f.out)
	var secrets []string // variables of the environment that the scenario reads
	env := func(name string) (string, bool) {
		if value, set := os.LookupEnv(name); set {
			return value, true
		}
		if !slices.Contains(secrets, name) {
			secrets = append(secrets, name)
		}
		return "unset", true
	}
	sc, err := scenarios.Parse(filepath.Join(folder, orStdout(name)), text, language, scenarios.Options{Files: true, Env: env})
	if err == nil {
		_, err = sc.CheckFiles()
	}
	if err != nil {
		return harness("init: the scenario that was made has errors, and was not written: %w", err)
	}
	if f.out == "-" {
		_, err := std.out.Write(text)
		return err
	}
	if err := reports.WriteFile(f.out, text); err != nil {
		return usage("init: %w", err)
	}
	fmt.Fprintf(std.out, "%s: %s from %s\n", f.out, reports.Counted(int64(len(made.Streams)), "stream"), made.From)
	for _, place := range made.Secrets {
		fmt.Fprintf(std.out, "%s holds %s: write ${env.NAME} in its place before others read the file\n", f.out, place)
	}
	for _, name := range secrets {
		fmt.Fprintf(std.out, "first: export %s=...   # the file reads it from the environment\n", name)
	}
	fmt.Fprintf(std.out, "next: wringer check %s && wringer run %s\n", f.out, f.out)
	return nil
}

// initLimit bounds what init asks a service for; initBytes the document that comes.
const (
	initLimit = 15 * time.Second
	initBytes = 16 << 20
)

func orStdout(name string) string {
	if name == "-" || name == "" {
		return "scenario.yaml"
	}
	return name
}

// free wants the file to be absent, unless it may be replaced.
func (f *initFlags) free() error {
	if _, err := os.Stat(f.out); err == nil && f.out != "-" && !f.force {
		return usage("init: %s is there already: name another with -o, or replace it with --force", f.out)
	}
	return nil
}

// ask asks on a terminal for what the flags leave open.
func (f *initFlags) ask(std streams) error {
	in, terminal := std.in.(*os.File)
	if terminal {
		at, err := in.Stat()
		terminal = err == nil && at.Mode()&os.ModeCharDevice != 0
	}
	if !terminal {
		return usage("init: name a file (openapi.yaml, session.har, service.proto), --from URL or --curl 'curl ...'; see wringer init --help")
	}
	read := bufio.NewScanner(in)
	fmt.Fprint(std.err, "What shall be loaded? Its address, or a file that describes it\n"+
		"(http://127.0.0.1:8080/orders, grpc://127.0.0.1:9090, kafka://127.0.0.1:9092/topic, amqp://127.0.0.1/queue, openapi.yaml): ")
	if !read.Scan() || strings.TrimSpace(read.Text()) == "" {
		return usage("init: nothing was named")
	}
	f.from = strings.TrimSpace(read.Text())
	fmt.Fprintf(std.err, "Write it to [%s]: ", f.out)
	if read.Scan() && strings.TrimSpace(read.Text()) != "" {
		f.out = strings.TrimSpace(read.Text())
	}
	return nil
}

// make makes the scenario from what was named.
func (f *initFlags) make(ctx context.Context, file string, stdin io.Reader) (*draft.Scenario, error) {
	if file == "" && f.from != "" && !strings.Contains(f.from, "://") {
		file, f.from = f.from, ""
	}
	switch strings.ToLower(filepath.Ext(file)) {
	case "":
		if file != "" {
			return nil, fmt.Errorf("%s: write a .yaml, .json, .har or .proto file", file)
		}
	case ".proto":
		return f.fromProto(ctx, file)
	default:
		return f.fromFile(file)
	}
	if f.curl != "" {
		return fromCurl(f.curl, stdin)
	}
	at, err := url.Parse(f.from)
	if err != nil {
		return nil, err
	}
	switch {
	case (at.Scheme == "grpc" || at.Scheme == "grpcs") && strings.Trim(at.Path, "/") == "":
		return fromServer(ctx, at)
	case strings.HasPrefix(at.Scheme, "http") && slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(at.Path)):
		return f.fromWeb(ctx, at)
	}
	return fromURL(f.from, stdin)
}

// fromFile reads a document or a recorded session.
func (f *initFlags) fromFile(file string) (*draft.Scenario, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	base := f.url
	if base == "" && strings.HasPrefix(f.from, "http") {
		base = f.from
	}
	var made *draft.Scenario
	if strings.EqualFold(filepath.Ext(file), ".har") {
		made, err = draft.HAR(text)
	} else {
		made, err = draft.OpenAPI(text, file, base, "")
	}
	if err != nil {
		return nil, fmt.Errorf("%s %w", file, err)
	}
	return made, nil
}

// fromWeb reads a document that the service serves itself.
func (f *initFlags) fromWeb(ctx context.Context, at *url.URL) (*draft.Scenario, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", at, answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, initBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > initBytes {
		return nil, fmt.Errorf("%s has more than %d bytes", at, initBytes)
	}
	made, err := draft.OpenAPI(text, "", f.url, at.Scheme+"://"+at.Host)
	if err != nil {
		return nil, fmt.Errorf("%s %w", at, err)
	}
	return made, nil
}

// fromProto reads the methods of a .proto file. The scenario names the file from its own folder.
func (f *initFlags) fromProto(ctx context.Context, file string) (*draft.Scenario, error) {
	target := "127.0.0.1:9090"
	if at, err := url.Parse(f.from); err == nil && at.Host != "" {
		target = at.Host
	}
	c := &grpc.Config{Target: target, Protos: []string{filepath.Base(file)}, ImportPaths: []string{filepath.Dir(file)}}
	found, err := c.Methods(ctx, drivers.Env{})
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(file)
	if near, err := filepath.Rel(filepath.Dir(f.out), folder); err == nil && f.out != "-" && !filepath.IsAbs(folder) {
		folder = near
	}
	types := yaml.MapSlice{{Key: "protos", Value: c.Protos}, {Key: "import_paths", Value: []string{filepath.ToSlash(folder)}}}
	if strings.HasPrefix(f.from, "grpcs:") {
		types = append(types, yaml.MapItem{Key: "tls", Value: yaml.MapSlice{}})
	}
	return draft.Methods(found, target, types, "the methods of "+filepath.Base(file))
}

// fromServer asks a server for its methods.
func fromServer(ctx context.Context, at *url.URL) (*draft.Scenario, error) {
	c := &grpc.Config{Target: at.Host}
	dialer := &net.Dialer{}
	var types yaml.MapSlice
	if at.Scheme == "grpcs" {
		c.TLS, types = defaultTLS(), yaml.MapSlice{{Key: "tls", Value: yaml.MapSlice{}}}
	}
	env := drivers.Env{Dial: dialer.DialContext, Timeout: initLimit}
	found, err := c.Methods(ctx, env)
	if err != nil {
		return nil, err
	}
	var calls []protoreflect.MethodDescriptor
	calls = append(calls, found...)
	return draft.Methods(calls, at.Host, types, "the methods that the server at "+at.Host+" tells")
}

// fromCurl reads a line of curl as wringer load does.
func fromCurl(line string, stdin io.Reader) (*draft.Scenario, error) {
	words, err := shellWords(line)
	if err != nil {
		return nil, fmt.Errorf("--curl: %w", err)
	}
	return fromLoad(words, "a line of curl", stdin)
}

// fromURL writes a stream for an address. A queue of RabbitMQ stands behind the virtual host, as in amqp://host/queue.
func fromURL(target string, stdin io.Reader) (*draft.Scenario, error) {
	words := []string{target}
	if at, err := url.Parse(target); err == nil && strings.HasPrefix(at.Scheme, "amqp") {
		queue := strings.Trim(at.Path, "/")
		at.Path = "/"
		if vhost, name, two := strings.Cut(queue, "/"); two {
			queue, at.Path = name, "/"+vhost
		}
		if queue == "" {
			return nil, errors.New("name the queue: amqp://HOST/QUEUE")
		}
		words = []string{at.String(), "--queue", queue, "-d", `{"id":"{{id}}"}`}
	}
	shown := target
	if at, err := url.Parse(target); err == nil {
		if _, secret := at.User.Password(); secret {
			shown = at.Redacted()
		}
	}
	return fromLoad(words, shown, stdin)
}
