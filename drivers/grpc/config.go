package grpc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
	"wringer/drivers/grpc/unary"
	"wringer/drivers/payload"
	"wringer/drivers/tlsconfig"
)

// Config is the `grpc:` part of a stream.
type Config struct {
	Target        string            `yaml:"target" jsonschema:"required" jsonschema_description:"host:port; several separated by commas."`
	Method        string            `yaml:"method" jsonschema_description:"The method, of any kind: package.Service/Method. Required, but for a chain."`
	Message       any               `yaml:"message" jsonschema_description:"The request, by field name. Strings may hold {{...}}, also where the field is a number. Absent: the empty message. A list where the method takes a stream: its messages, sent in turn."`
	MessageFile   string            `yaml:"message_file" path:"file" jsonschema_description:"Instead of message: a file that holds it, relative to the scenario; read once. JSON, whose strings may hold {{...}}, or the message in Protobuf's wire format."`
	Data          *drivers.Data     `yaml:"data" jsonschema_description:"A file whose rows feed the templates."`
	Stream        *Stream           `yaml:"stream" jsonschema_description:"How the messages of a streaming call go. Default: one is sent, and all that come are read."`
	Metadata      map[string]string `yaml:"metadata" jsonschema_description:"Metadata by key. Values may hold {{...}}. The value of a key that ends in -bin is base64, with or without padding."`
	Checks        []Check           `yaml:"checks" jsonschema_description:"What must hold of the answer of a unary method that is OK. One that fails has the code check, and is indeterminate unless outcomes says otherwise."`
	Steps         []Step            `yaml:"steps" jsonschema_description:"A chain instead of one call: each operation makes these unary calls, one after the other, up to the first that is not acked."`
	TLS           *tlsconfig.Config `yaml:"tls" jsonschema_description:"Present: TLS; {} trusts the system's authorities. Absent: no TLS."`
	Connections   int               `yaml:"connections" jsonschema_description:"Connections that the calls are shared among. Default 1."`
	Authority     string            `yaml:"authority" jsonschema_description:"The :authority to ask for. Default: the target."`
	Balance       string            `yaml:"balance" jsonschema:"enum=pick_first,enum=round_robin" jsonschema_description:"How each connection spreads calls over the addresses of target: a list, or for round_robin also those that DNS gives. Default pick_first."`
	Keepalive     *Keepalive        `yaml:"keepalive" jsonschema_description:"Pings that find dead connections. Absent: none."`
	Compression   string            `yaml:"compression" jsonschema:"enum=none,enum=gzip" jsonschema_description:"Of the messages sent; gzip is also understood in answers. Default none."`
	ServiceConfig any               `yaml:"service_config" jsonschema_description:"gRPC's service config, as in its JSON form; its retryPolicy makes the client library retry beneath the stream's own policy, counted as hidden. Default: no retries by the library."`
	Health        *Health           `yaml:"health" jsonschema_description:"Ask the target by grpc.health.v1 before traffic begins. Absent: it is not asked."`
	Protos        []string          `yaml:"protos" path:"import" jsonschema_description:"Files that define the method, by their names within import_paths. Default: the target is asked by server reflection."`
	ImportPaths   []string          `yaml:"import_paths" path:"folder" jsonschema_description:"Folders in which protos and their imports are looked for, relative to the scenario. Default: the scenario's own."`
	Descriptors   string            `yaml:"descriptors" path:"file" jsonschema_description:"A descriptor set (protoc --descriptor_set_out --include_imports) that defines the method, instead of protos."`
	MaxHeaders    drivers.Bytes     `yaml:"max_headers" jsonschema_description:"Bound on the headers, or trailers, of an answer; more has the code too_large, and much more, which ends the connection, malformed. Default 1MiB."`
	MaxMessage    drivers.Bytes     `yaml:"max_message" jsonschema_description:"Bound on an answer's message; a larger one has the code too_large. Default 4MiB."`
}

const (
	defaultMaxMessage = 4 << 20
	maxConnections    = 1024
)

// Check implements drivers.Config.
func (c *Config) Check(problem func(field, message string)) {
	for _, address := range c.targets() {
		if err := checkTarget(address); err != nil {
			problem("target", err.Error())
		}
	}
	c.checkSteps(problem)
	for _, p := range c.parts() {
		p.check(p.below(problem))
	}
	if c.Steps != nil {
		checkAllMetadata(c.Metadata, c.Data.Dialect(nil), problem)
	}
	c.checkTypes(problem)
	c.checkChannel(problem)
	if c.Stream != nil {
		c.Stream.check(c.listed(), problem)
	}
	if c.Connections < 0 || c.Connections > maxConnections {
		problem("connections", fmt.Sprintf("%d: write 1 to %d", c.Connections, maxConnections))
	}
	c.TLS.Check(problem)
	if c.TLS != nil && c.Authority != "" && c.TLS.ServerName != "" && c.Authority != c.TLS.ServerName {
		problem("authority", "differs from tls.server_name; gRPC has one name for both, keep one of the two")
	}
}

// check checks what a call has of its own.
func (p *part) check(problem func(field, message string)) {
	dialect := p.Data.Dialect(nil).Capturing(p.step.captured)
	if _, _, err := cutMethod(p.Method); err != nil && !strings.Contains(p.Method, "${") {
		problem("method", err.Error())
	}
	if err := payload.CheckTemplates(p.Message, dialect); err != nil {
		problem("message", err.Error())
	}
	if p.Message != nil && p.MessageFile != "" {
		problem("message_file", "stands beside message; keep one of the two")
	}
	checkAllMetadata(p.own, dialect, problem)
	p.checkChecks(dialect, problem)
}

func checkAllMetadata(metadata map[string]string, in drivers.Dialect, problem func(field, message string)) {
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if err := checkMetadata(key, metadata[key], in); err != nil {
			problem("metadata."+key, err.Error())
		}
	}
}

// listed is the number of messages listed in message.
func (c *Config) listed() int {
	list, _ := c.Message.([]any)
	return len(list)
}

// checkTarget checks the target. It accepts parts that are not resolved yet.
func checkTarget(s string) error {
	if strings.Contains(s, "${") {
		return nil
	}
	if s == "" {
		return errors.New("is missing: write host:port")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, "/ ") {
		return fmt.Errorf("%q: write host:port, without a scheme", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("port %q: write 1 to 65535", port)
	}
	return nil
}

// Feed implements drivers.Fed.
func (c *Config) Feed(folder string, seed uint64) (*drivers.Feed, error) {
	return c.Data.Feed(folder, seed)
}

// cutMethod splits package.Service/Method, and package.Service.Method as grpcurl and ghz write it too.
func cutMethod(s string) (service, method string, err error) {
	service, method, found := strings.Cut(strings.TrimPrefix(s, "/"), "/")
	if last := strings.LastIndexByte(s, '.'); !found && last > 0 {
		service, method, found = s[:last], s[last+1:], strings.Contains(s[:last], ".")
	}
	switch {
	case s == "":
		err = errors.New("is missing: write package.Service/Method")
	case !found || service == "" || method == "" || strings.ContainsAny(service+method, "/ "):
		err = fmt.Errorf("%q: write package.Service/Method", s)
	}
	return service, method, err
}

func checkMetadata(key, value string, in drivers.Dialect) error {
	switch lower := strings.ToLower(key); {
	case key == "" || strings.Trim(lower, "0123456789abcdefghijklmnopqrstuvwxyz-_.") != "":
		return fmt.Errorf("%q is no metadata key: letters, digits, - _ and . alone", key)
	case strings.HasPrefix(lower, "grpc-"), lower == "content-type", lower == "te", lower == "user-agent":
		return errors.New("is set by the driver; remove it")
	case !strings.HasSuffix(lower, "-bin") && !printable(value):
		return errors.New("holds more than printable ASCII; give the key the suffix -bin, and write base64")
	case strings.HasSuffix(lower, "-bin") && !strings.Contains(value, "{{") && !strings.Contains(value, "${"):
		if _, err := unary.Binary(value); err != nil {
			return fmt.Errorf("%q is no base64, which a key with the suffix -bin needs", value)
		}
	}
	_, err := in.Compile(value)
	return err
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Open implements drivers.Config. It asks the target for the method's types, unless files give them.
func (c *Config) Open(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
	var problems []error
	c.Check(func(field, message string) { problems = append(problems, fmt.Errorf("%s: %s", field, message)) })
	if slices.ContainsFunc(c.parts(), func(p part) bool { return strings.Contains(p.Target+p.Method, "${") }) {
		problems = append(problems, errors.New("target or method holds ${...} that nothing defines"))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: grpc: %w", drivers.ErrConfig, errors.Join(problems...))
	}
	open := c.openSteps
	if c.Steps == nil {
		open = func(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
			return openDriver(ctx, c.parts()[0], env)
		}
	}
	d, err := open(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("grpc %s: %w", c.Target, err)
	}
	return d, nil
}
