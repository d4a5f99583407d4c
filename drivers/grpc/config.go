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
	Method        string            `yaml:"method" jsonschema:"required" jsonschema_description:"The method, of any kind: package.Service/Method."`
	Message       any               `yaml:"message" jsonschema_description:"The request, by field name. Strings may hold {{...}}, also where the field is a number. Absent: the empty message. A list where the method takes a stream: its messages, sent in turn."`
	Stream        *Stream           `yaml:"stream" jsonschema_description:"How the messages of a streaming call go. Default: one is sent, and all that come are read."`
	Metadata      map[string]string `yaml:"metadata" jsonschema_description:"Metadata by key. Values may hold {{...}}. The value of a key that ends in -bin is base64, with or without padding."`
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
	if _, _, err := cutMethod(c.Method); err != nil && !strings.Contains(c.Method, "${") {
		problem("method", err.Error())
	}
	if err := payload.CheckTemplates(c.Message); err != nil {
		problem("message", err.Error())
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		if err := checkMetadata(key, c.Metadata[key]); err != nil {
			problem("metadata."+key, err.Error())
		}
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

// cutMethod splits package.Service/Method.
func cutMethod(s string) (service, method string, err error) {
	service, method, found := strings.Cut(strings.TrimPrefix(s, "/"), "/")
	switch {
	case s == "":
		err = errors.New("is missing: write package.Service/Method")
	case !found || service == "" || method == "" || strings.ContainsAny(service+method, "/ "):
		err = fmt.Errorf("%q: write package.Service/Method", s)
	}
	return service, method, err
}

func checkMetadata(key, value string) error {
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
	_, err := drivers.CompileTemplate(value)
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
	if strings.Contains(c.Target+c.Method, "${") {
		problems = append(problems, errors.New("target or method holds ${...} that nothing defines"))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: grpc: %w", drivers.ErrConfig, errors.Join(problems...))
	}
	d, err := openDriver(ctx, c, env)
	if err != nil {
		return nil, fmt.Errorf("grpc %s: %w", c.Target, err)
	}
	return d, nil
}
