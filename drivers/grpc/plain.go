package grpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"wringer/drivers"
	"wringer/drivers/grpc/unary"
)

// plain reports whether package unary can make the unary calls. Otherwise grpc-go makes them.
func (c *Config) plain() bool {
	return c.ServiceConfig == nil && c.Keepalive == nil && c.Compression != compressionGzip &&
		c.Balance != balanceRoundRobin && len(c.targets()) == 1
}

// openPlain prepares calls on the plain path.
func (d *driver) openPlain(c *Config) error {
	target := c.targets()[0]
	o := unary.Options{
		Dial:       func(ctx context.Context) (net.Conn, error) { return d.dial(ctx, target) },
		Timeout:    d.connectTimeout(),
		Clock:      d.env.Clock,
		Scheme:     "http",
		Authority:  target,
		Path:       d.method,
		MaxHeaders: c.maxHeaders(),
		MaxMessage: c.maxMessage(),
		Opened:     d.gauge.began,
		Closed:     d.gauge.ended,
	}
	if c.TLS != nil {
		config, err := c.TLS.Load(d.env.Files)
		if err != nil {
			return fmt.Errorf("%w: %w", drivers.ErrConfig, err)
		}
		o.Scheme = "https"
		if config.ServerName != "" {
			o.Authority = config.ServerName
		}
		if c.Authority != "" {
			o.Authority = c.Authority
		}
		if config.ServerName == "" {
			config.ServerName = hostOf(o.Authority)
		}
		config.NextProtos = []string{http2.NextProtoTLS}
		o.Dial = func(ctx context.Context) (net.Conn, error) { return d.dialTLS(ctx, target, config) }
	} else if c.Authority != "" {
		o.Authority = c.Authority
	}
	for range max(c.Connections, 1) {
		d.channels = append(d.channels, unary.New(o))
	}
	return nil
}

func hostOf(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return authority
}

// errHandshake is a failure of the TLS handshake.
var errHandshake = errors.New("TLS handshake")

func (d *driver) dialTLS(ctx context.Context, address string, config *tls.Config) (net.Conn, error) {
	raw, err := d.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, config)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != http2.NextProtoTLS {
		raw.Close()
		return nil, fmt.Errorf("%w: the target chose the protocol %q, not %s", errHandshake, got, http2.NextProtoTLS)
	}
	return c, nil
}

// plainSession makes unary calls one after the other on the plain path. It shares its connection.
type plainSession struct {
	d       *driver
	caller  *unary.Caller
	message []byte
	fields  []hpack.HeaderField
	last    []byte // the message of the last answer
}

// Do implements drivers.Session.
func (s *plainSession) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	var err error
	if s.message, err = s.d.inputs[0].Append(s.message[:0], op); err == nil {
		err = s.render(op)
	}
	if err != nil {
		at.Fail(drivers.Rejected, drivers.CodeMessage, err.Error())
		return
	}
	at.Sent = s.d.env.Clock()
	r := s.caller.Do(ctx, s.message, s.fields)
	at.Done = max(r.At, at.Sent) // a target can answer before the request was sent
	if r.Sent > 0 {
		at.Wire, at.Hidden, at.Transparent = true, r.Sent-1, r.Sent-1
	}
	s.d.decidePlain(ctx, r, at)
	s.last = r.Message
	s.d.judge(r.Message, op, at)
}

func (s *plainSession) answer() []byte { return s.last }

// render renders the metadata.
func (s *plainSession) render(op *drivers.Op) error {
	s.fields = s.fields[:0]
	for i := range s.d.metadata {
		p := &s.d.metadata[i]
		value, err := p.value(op)
		if err != nil {
			return err
		}
		s.fields = append(s.fields, unary.Field(p.key, value))
	}
	return nil
}

// Close implements drivers.Session.
func (s *plainSession) Close() error { return nil }

// decidePlain sets the outcome of a call on the plain path.
func (d *driver) decidePlain(ctx context.Context, r *unary.Result, at *drivers.Attempt) {
	switch {
	case r.Sent == 0:
		d.failUnsent(at, unsent(ctx, r.Err), r.Text)
	case strings.HasPrefix(r.Fault, unary.ProxyPrefix):
		decideByProxy(ctx, r.Fault, r.Text, at)
	case r.Fault != "":
		at.Answered = r.Answered
		at.Fail(drivers.Indeterminate, faultOf(ctx, r.Fault), r.Text)
		at.Partial = r.Headed && !r.Answered && at.Code != drivers.CodeTimeout && at.Code != drivers.CodeCancelled
	case r.Status != codes.OK || r.Details != "" && statusOf(r).Code() != codes.OK:
		decideByStatus(ctx, statusOf(r), at)
	default:
		at.Answered = true
		if err := d.output.check(r.Message); err != nil {
			at.Fail(drivers.Indeterminate, drivers.CodeMalformed, "OK with a message that does not decode: "+err.Error())
			return
		}
		at.Outcome = drivers.Acked
	}
}

// unsent is the code of a call that was not sent, and so had no effect.
func unsent(ctx context.Context, err error) string {
	var name *net.DNSError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return drivers.CodeCancelled
	case errors.As(err, &name):
		return drivers.CodeDNS
	case drivers.IsTimeout(err) || errors.Is(ctx.Err(), context.DeadlineExceeded):
		return drivers.CodeTimeout // of the dial or of the TLS handshake
	case errors.Is(err, errHandshake):
		return drivers.CodeTLS
	}
	return drivers.CodeRefused
}

// faultOf is the code of a broken answer. The target has the same deadline, and may end the stream or the connection
// when it passes. Whether that end or our own timer comes first is chance.
func faultOf(ctx context.Context, fault string) string {
	if fault != drivers.CodeReset && fault != drivers.CodeClosed {
		return fault
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return drivers.CodeCancelled
	case expired(ctx):
		return drivers.CodeTimeout
	}
	return fault
}

// statusOf is the status of a call with its details. Details with another status contradict it. Then the target
// failed, as for grpc-go: the call is neither OK nor rejected.
func statusOf(r *unary.Result) *status.Status {
	whole := new(spb.Status)
	b, err := unary.Binary(r.Details)
	switch {
	case r.Details == "" || err != nil || proto.Unmarshal(b, whole) != nil:
		return status.New(r.Status, r.Text)
	case whole.GetCode() != int32(r.Status):
		return status.Newf(codes.Internal, "the status is %s (%s), and its details are of %s (%s)", r.Status, r.Text,
			codes.Code(whole.GetCode()), whole.GetMessage())
	}
	return status.FromProto(whole)
}
