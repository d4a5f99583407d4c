package grpc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/chain"
	"wringer/drivers/grpc/unary"
	"wringer/drivers/payload"
)

// driver makes the calls of one stream.
type driver struct {
	env        drivers.Env
	dialect    drivers.Dialect
	method     string            // /package.Service/Method
	inputs     []payload.Message // sent in turn; a single one if the method does not stream
	output     *shape
	answers    *answers         // what is looked at in answers; nil: nothing
	effectless bool             // the method asks for no effect
	types      *dynamicpb.Types // that messages may name
	flow       *flow            // nil if the method does not stream
	metadata   []pair
	options    []grpc.CallOption
	dialling   []grpc.DialOption
	channels   []*unary.Channel   // for the plain path
	conns      []*grpc.ClientConn // for the library, if there are no channels
	next       atomic.Uint64      // round robin of sessions over channels or conns
	gauge      gauge
	dialled    atomic.Pointer[dialResult] // the last attempt to connect
	secure     bool                       // connections have TLS
}

// pair is a key of the metadata and the text of its value.
type pair struct {
	key  string
	text func(op *drivers.Op) string
}

// value is the value of an operation as the target gets it. Of a key that ends in -bin the text is base64 of the value's
// bytes, with or without padding.
func (p *pair) value(op *drivers.Op) (string, error) {
	text := p.text(op)
	if strings.HasSuffix(p.key, "-bin") {
		b, err := unary.Binary(text)
		if err != nil {
			return "", fmt.Errorf("metadata.%s: %q is no base64, which a key with the suffix -bin needs", p.key, text)
		}
		return string(b), nil
	}
	if !printable(text) {
		return "", fmt.Errorf("metadata.%s: %q holds more than printable ASCII; give the key the suffix -bin, and write base64", p.key, text)
	}
	return text, nil
}

// dialResult is the result of the last attempt to connect. gRPC reports such errors only as text.
type dialResult struct{ err error }

func openDriver(ctx context.Context, p part, env drivers.Env) (*driver, error) {
	c, err := p.filled(env.Files)
	if err != nil {
		return nil, fmt.Errorf("%w: message_file: %w", drivers.ErrConfig, err)
	}
	p.Config = c
	d := &driver{env: env, secure: c.TLS != nil}
	feed, err := c.Feed(env.Files, env.Seed)
	if err != nil {
		return nil, fmt.Errorf("%w: data.file: %w", drivers.ErrConfig, err)
	}
	d.dialect = c.Data.Dialect(feed).Capturing(p.step.captured)
	service, name, err := cutMethod(c.Method)
	if err != nil {
		return nil, fmt.Errorf("%w: method: %w", drivers.ErrConfig, err)
	}
	d.method = "/" + service + "/" + name
	options, err := d.dialOptions(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	if d.dialling = options; c.Health != nil {
		if err := d.awaitHealth(ctx, c); err != nil {
			return nil, err
		}
	}
	method, err := d.methodOf(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := d.compile(&p, method); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	if c.plain() && d.flow == nil {
		return d, d.openPlain(c)
	}
	return d, d.openLibrary(c)
}

// openLibrary prepares calls by grpc-go.
func (d *driver) openLibrary(c *Config) error {
	d.options = []grpc.CallOption{grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(c.maxMessage())}
	if c.Compression == compressionGzip {
		d.options = append(d.options, grpc.UseCompressor(compressionGzip))
	}
	for range max(c.Connections, 1) {
		conn, err := c.connect(append(d.dialling, grpc.WithStatsHandler(&watcher{&d.gauge}))...)
		if err != nil {
			return errors.Join(fmt.Errorf("%w: %w", drivers.ErrConfig, err), d.Close())
		}
		d.conns = append(d.conns, conn)
	}
	return nil
}

// awaitHealth waits until the target is serving. It uses a connection of its own.
func (d *driver) awaitHealth(ctx context.Context, c *Config) error {
	conn, err := c.connect(d.dialling...)
	if err != nil {
		return fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	defer conn.Close()
	return c.awaitHealth(ctx, conn)
}

// ask gets the method's types from the target. It uses a connection of its own.
func (d *driver) ask(ctx context.Context, c *Config) (protoreflect.MethodDescriptor, error) {
	conn, err := c.connect(d.dialling...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	defer conn.Close()
	method, types, err := findMethod(ctx, conn, c.Method, payload.AnyTypes(c.Message))
	d.types = types
	return method, err
}

func (d *driver) dialOptions(c *Config) ([]grpc.DialOption, error) {
	trust := insecure.NewCredentials()
	if c.TLS != nil {
		config, err := c.TLS.Load(d.env.Files)
		if err != nil {
			return nil, err
		}
		trust = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(trust),
		grpc.WithContextDialer(d.dial),
		grpc.WithIdleTimeout(0),
		// After a failed connection gRPC fails calls at once until its backoff ends. A long backoff would show as a
		// slow recovery of the target. An attempt to connect lasts no longer than a call may.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: d.connectTimeout(),
		}),
	}
	channel, err := c.channelOptions()
	if err != nil {
		return nil, err
	}
	options = append(options, channel...)
	if c.Authority != "" {
		options = append(options, grpc.WithAuthority(c.Authority))
	}
	return options, nil
}

// connectTimeout bounds one attempt to connect.
func (d *driver) connectTimeout() time.Duration {
	return min(max(d.env.Timeout, 250*time.Millisecond), 20*time.Second)
}

func (d *driver) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := d.env.Dial(ctx, "tcp", address)
	d.dialled.Store(&dialResult{err})
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// compile prepares the messages. It renders one of each to check that the target's type accepts it.
func (d *driver) compile(c *part, method protoreflect.MethodDescriptor) error {
	options, _ := method.Options().(*descriptorpb.MethodOptions)
	d.effectless = options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	messages, err := c.messages(method)
	if err != nil {
		return err
	}
	if method.IsStreamingClient() || method.IsStreamingServer() {
		stream := c.Stream
		if stream == nil {
			stream = &Stream{}
		}
		if d.flow, err = newFlow(stream, len(messages), method); err != nil {
			return err
		}
	}
	compiler := &payload.Compiler{Env: &d.env, Dialect: d.dialect, Types: d.types}
	if d.inputs, err = compileMessages(compiler, method.Input(), messages); err != nil {
		return err
	}
	d.output = newShape(method.Output())
	anyFile := func(string) bool { return true }
	if d.answers, err = c.answers(method, d.types, compiler, d.env.Files, anyFile); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		value, err := compiler.Text(c.Metadata[key])
		if err != nil {
			return fmt.Errorf("metadata.%s: %w", key, err)
		}
		d.metadata = append(d.metadata, pair{strings.ToLower(key), value})
	}
	if d.env.Mark != "" {
		value, err := compiler.Text(d.env.Mark)
		if err != nil {
			return fmt.Errorf("witness: %w", err)
		}
		d.metadata = append(d.metadata, pair{strings.ToLower(drivers.MarkHeader), value})
	}
	for _, h := range d.env.Trace.Headers {
		value, err := compiler.Text(h.Template)
		if err != nil {
			return fmt.Errorf("trace: %w", err)
		}
		d.metadata = append(d.metadata, pair{strings.ToLower(h.Name), value})
	}
	return d.rehearse(c.step.captured, messages, method)
}

// messages are the messages of a call, as the scenario writes them.
func (c *Config) messages(method protoreflect.MethodDescriptor) ([]any, error) {
	streams := method.IsStreamingClient() || method.IsStreamingServer()
	if !streams && c.Stream != nil {
		return nil, &payload.FieldError{Path: "stream", Err: fmt.Errorf("%s does not stream; take it away", method.FullName())}
	}
	list, ok := c.Message.([]any)
	switch {
	case !ok:
		return []any{c.Message}, nil
	case !method.IsStreamingClient():
		return nil, &payload.FieldError{Path: "message", Err: fmt.Errorf("is a list, and %s takes one message", method.FullName())}
	case len(list) == 0:
		return nil, &payload.FieldError{Path: "message", Err: errors.New("is an empty list; leave it out for the empty message")}
	}
	return list, nil
}

func compileMessages(c *payload.Compiler, desc protoreflect.MessageDescriptor, list []any) ([]payload.Message, error) {
	var out []payload.Message
	for i := range list {
		path := "message"
		if len(list) > 1 {
			path = fmt.Sprintf("message[%d]", i)
		}
		m, err := c.Protobuf(desc, list[i], path)
		if err != nil && c.Problem != nil {
			err = payload.Tell(err, c.Problem)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// rehearse renders each message, as far as it needs no captured value. Traffic has not begun, so the clock has no zero yet; any time will
// do.
func (d *driver) rehearse(captured chain.Captured, messages []any, method protoreflect.MethodDescriptor) error {
	env := d.env
	now := time.Now()
	env.Epoch = func() time.Time { return now }
	var problems []error
	compiler := &payload.Compiler{Env: &env, Dialect: d.dialect, Types: d.types, Later: captured.In}
	compiler.Problem = func(path, message string) {
		problems = append(problems, &payload.FieldError{Path: path, Err: errors.New(message)})
	}
	samples, err := compileMessages(compiler, method.Input(), messages)
	if err = errors.Join(append(problems, err)...); err != nil || compiler.Late() {
		return err
	}
	return decodable(samples, method)
}

// decodable renders each message, and reads it as the target would.
func decodable(messages []payload.Message, method protoreflect.MethodDescriptor) error {
	for i := range messages {
		b, err := messages[i].Append(nil, new(drivers.Op))
		if err != nil {
			return err
		}
		if err := payload.Decodes(b, method.Input()); err != nil {
			return &payload.FieldError{Path: "message", Err: err}
		}
	}
	return nil
}

// Session implements drivers.Driver.
func (d *driver) Session() (drivers.Session, error) { return d.session(), nil }

func (d *driver) session() answering {
	n := d.next.Add(1)
	if len(d.channels) > 0 {
		return &plainSession{d: d, caller: d.channels[n%uint64(len(d.channels))].NewCaller()}
	}
	return newSession(d, d.conns[n%uint64(len(d.conns))])
}

// Close implements drivers.Driver.
func (d *driver) Close() error {
	var all []error
	for _, conn := range d.conns {
		all = append(all, conn.Close())
	}
	for _, channel := range d.channels {
		channel.Close()
	}
	d.conns, d.channels = nil, nil
	return errors.Join(all...)
}

// Gauges implements drivers.Gauger.
func (d *driver) Gauges(emit func(name string, value float64)) {
	emit("connections", float64(d.gauge.open.Load()))
	emit("connections_opened", float64(d.gauge.opened.Load()))
}
