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

	"wringer/drivers"
)

// driver makes the calls of one stream.
type driver struct {
	env      drivers.Env
	method   string // /package.Service/Method
	input    message
	output   protoreflect.MessageDescriptor
	metadata []pair
	options  []grpc.CallOption
	conns    []*grpc.ClientConn
	next     atomic.Uint64 // round robin of sessions over conns
	gauge    gauge
	dialled  atomic.Pointer[dialResult] // the last one
}

type pair struct {
	key   string
	value func(op *drivers.Op) string
}

// dialResult is how the last attempt to connect went. gRPC reports such errors as text alone.
type dialResult struct{ err error }

func openDriver(ctx context.Context, c *Config, env drivers.Env) (*driver, error) {
	d := &driver{env: env, method: "/" + strings.TrimPrefix(c.Method, "/")}
	options, err := d.dialOptions(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	method, err := d.ask(ctx, c, options)
	if err != nil {
		return nil, err
	}
	if err := d.compile(c, method); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	bound := int(c.MaxMessage)
	if bound == 0 {
		bound = defaultMaxMessage
	}
	d.options = []grpc.CallOption{grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(bound)}
	for range max(c.Connections, 1) {
		conn, err := grpc.NewClient("passthrough:///"+c.Target, append(options, grpc.WithStatsHandler(&watcher{&d.gauge}))...)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %w", drivers.ErrConfig, err), d.Close())
		}
		d.conns = append(d.conns, conn)
	}
	return d, nil
}

// ask learns the method's types, over a connection of its own.
func (d *driver) ask(ctx context.Context, c *Config, options []grpc.DialOption) (protoreflect.MethodDescriptor, error) {
	conn, err := grpc.NewClient("passthrough:///"+c.Target, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	defer conn.Close()
	return findMethod(ctx, conn, c.Method)
}

func (d *driver) dialOptions(c *Config) ([]grpc.DialOption, error) {
	trust := insecure.NewCredentials()
	if c.TLS != nil {
		config, err := c.TLS.open(d.env.Files)
		if err != nil {
			return nil, err
		}
		trust = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(trust),
		grpc.WithContextDialer(d.dial),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		// After a failure to connect gRPC fails calls at once until its backoff is over: a long one would show as a
		// slow recovery of the target. An attempt to connect lasts no longer than one call may.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: min(max(d.env.Timeout, 250*time.Millisecond), 20*time.Second),
		}),
	}
	if c.Authority != "" {
		options = append(options, grpc.WithAuthority(c.Authority))
	}
	return options, nil
}

func (d *driver) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := d.env.Dial(ctx, "tcp", address)
	d.dialled.Store(&dialResult{err})
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// compile prepares the request, and renders one to see that the target's type takes it.
func (d *driver) compile(c *Config, method protoreflect.MethodDescriptor) error {
	compiler := &compiler{env: &d.env}
	input, err := compiler.message(method.Input(), c.Message, "message")
	if err != nil {
		return err
	}
	d.input, d.output = input, method.Output()
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		value, err := compiler.template(c.Metadata[key])
		if err != nil {
			return fmt.Errorf("metadata.%s: %w", key, err)
		}
		d.metadata = append(d.metadata, pair{strings.ToLower(key), value})
	}
	if d.env.Mark != "" {
		value, err := compiler.template(d.env.Mark)
		if err != nil {
			return fmt.Errorf("witness: %w", err)
		}
		d.metadata = append(d.metadata, pair{strings.ToLower(drivers.MarkHeader), value})
	}
	return d.rehearse(c, method)
}

// rehearse renders one request. Traffic has not begun, so the clock's zero is not known: any will do.
func (d *driver) rehearse(c *Config, method protoreflect.MethodDescriptor) error {
	env := d.env
	now := time.Now()
	env.Epoch = func() time.Time { return now }
	sample, err := (&compiler{env: &env}).message(method.Input(), c.Message, "message")
	if err != nil {
		return err
	}
	b, err := sample.append(nil, new(drivers.Op))
	if err != nil {
		return err
	}
	if err := decodes(b, method.Input()); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return nil
}

// Session implements drivers.Driver.
func (d *driver) Session() (drivers.Session, error) {
	n := d.next.Add(1)
	return &session{d: d, conn: d.conns[n%uint64(len(d.conns))], reply: newReply(d.output)}, nil
}

// Close implements drivers.Driver.
func (d *driver) Close() error {
	var all []error
	for _, conn := range d.conns {
		all = append(all, conn.Close())
	}
	d.conns = nil
	return errors.Join(all...)
}

// Gauges implements drivers.Gauger.
func (d *driver) Gauges(emit func(name string, value float64)) {
	emit("connections", float64(d.gauge.open.Load()))
	emit("connections_opened", float64(d.gauge.opened.Load()))
}
