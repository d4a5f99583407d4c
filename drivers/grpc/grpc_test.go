package grpc

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/tlsconfig"
)

func reserve(g *target) *Config {
	return &Config{Target: g.address, Method: "test.v1.Inventory/Reserve", Message: map[string]any{"orderId": "{{id}}", "quantity": 2}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS() // lends its certificate
	certificates := server.TLS.Certificates
	server.Close()
	for name, test := range map[string]struct {
		options   []grpc.ServerOption
		configure func(*Config)
	}{
		"plain":          {nil, func(*Config) {}},
		"shared":         {nil, func(c *Config) { c.Connections = 3 }},
		"by the library": {nil, byLibrary},
		"a step":         {nil, inSteps},
		"TLS by the library": {[]grpc.ServerOption{grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: certificates}))},
			func(c *Config) { byLibrary(c); c.TLS = &tlsconfig.Config{Insecure: true} }},
		"TLS": {[]grpc.ServerOption{grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: certificates}))},
			func(c *Config) { c.TLS = &tlsconfig.Config{Insecure: true} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The kernel tells a reset once: where a write of the connection met it first, the reader finds a plain end.
			resets := map[drivertest.Behaviour]drivertest.Want{drivertest.Reset: {Codes: []string{drivers.CodeReset, drivers.CodeClosed}}}
			drivertest.Run(t, drivertest.Subject{Wants: resets, Start: func(t testing.TB) drivertest.Target {
				g := startTarget(t, []string{"v1"}, test.options...)
				c := reserve(g)
				test.configure(c)
				return drivertest.Target{Config: c, Behave: g.behave(t), Received: g.received.Load, Close: g.close}
			}})
		})
	}
}

// byLibrary makes grpc-go send calls that the plain path could send.
func byLibrary(c *Config) { c.Keepalive = &Keepalive{Time: time.Hour} }

// onBothPaths runs a test of unary calls on the plain path and by the library.
func onBothPaths(t *testing.T, test func(t *testing.T, change func(*Config))) {
	t.Run("plain", func(t *testing.T) { test(t, func(*Config) {}) })
	t.Run("library", func(t *testing.T) { test(t, byLibrary) })
}

func open(t *testing.T, c *Config) drivers.Driver {
	t.Helper()
	d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func do(t *testing.T, d drivers.Driver, op drivers.Op) drivers.Attempt {
	t.Helper()
	s, err := d.Session()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var at drivers.Attempt
	s.Do(ctx, &op, &at)
	return at
}

func start(t *testing.T, reflects ...string) *target {
	g := startTarget(t, reflects)
	t.Cleanup(g.close)
	return g
}

func TestMeaning(t *testing.T) { onBothPaths(t, testMeaning) }

func testMeaning(t *testing.T, change func(*Config)) {
	g := start(t, "v1")
	c := reserve(g)
	change(c)
	d := open(t, c)
	g.mode.Store(drivertest.Reject)
	rejected := []codes.Code{codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.ResourceExhausted}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		g.status.Store(status.New(code, "as told"))
		at := do(t, d, drivers.Op{})
		want := drivers.Indeterminate
		if slices.Contains(rejected, code) {
			want = drivers.Rejected
		}
		if at.Outcome != want || at.Code != meanings[code].code || !strings.HasPrefix(at.Code, "grpc_") || !at.Answered || !at.Wire {
			t.Errorf("%v: %+v", code, at)
		}
	}
	g.status.Store(status.New(77, "as told"))
	if at := do(t, d, drivers.Op{}); at.Outcome != drivers.Indeterminate || at.Code != "grpc_unknown" || !at.Answered {
		t.Errorf("77: %+v", at)
	}
}

// A status that leaves the effect open is an answer before the deadline. After the deadline it is the target's end of
// the same deadline. A refusal and an ack do not depend on the deadline.
func TestStatusesInTimeAndLate(t *testing.T) {
	for _, test := range []struct {
		status   codes.Code
		left     time.Duration
		outcome  drivers.Outcome
		code     string
		answered bool
	}{
		{codes.DeadlineExceeded, time.Hour, drivers.Indeterminate, "grpc_deadline_exceeded", true},
		{codes.DeadlineExceeded, -1, drivers.Indeterminate, drivers.CodeTimeout, false},
		{codes.Canceled, -1, drivers.Indeterminate, drivers.CodeTimeout, false},
		{codes.Unavailable, time.Hour, drivers.Indeterminate, "grpc_unavailable", true},
		{codes.NotFound, -1, drivers.Rejected, "grpc_not_found", true},
		{codes.OK, -1, drivers.Acked, "", true},
	} {
		ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(test.left))
		c := new(call)
		c.answered.Store(true)
		at := drivers.Attempt{Wire: true}
		new(driver).decide(ctx, c, new(reply), status.Error(test.status, "as told"), &at)
		if cancel(); at.Outcome != test.outcome || at.Code != test.code || at.Answered != test.answered {
			t.Errorf("%s with %s left: %+v", test.status, test.left, at)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) { onBothPaths(t, testAnswersThatAreNone) }

func testAnswersThatAreNone(t *testing.T, change func(*Config)) {
	g := start(t, "v1")
	c := reserve(g)
	change(c)
	d := open(t, c)
	for _, test := range []struct {
		mode    drivertest.Behaviour
		outcome drivers.Outcome
		code    string
	}{
		{undecodable, drivers.Indeterminate, drivers.CodeMalformed},
		{noMessage, drivers.Indeterminate, drivers.CodeMalformed},
		{wordsOf, drivers.Rejected, "grpc_resource_exhausted"},
		{drivertest.Answer, drivers.Acked, ""},
	} {
		g.mode.Store(test.mode)
		if at := do(t, d, drivers.Op{}); at.Outcome != test.outcome || at.Code != test.code {
			t.Errorf("%s: %+v", test.mode, at)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	g := start(t, "v1")
	old := start(t, "v1alpha")
	bare := start(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, test := range []struct {
		name   string
		change func(c *Config)
		is     error
		want   string
	}{
		{"old reflection", func(c *Config) { c.Target = old.address }, nil, ""},
		{"no reflection", func(c *Config) { c.Target = bare.address }, drivers.ErrConfig, "does not offer server reflection"},
		{"nobody", func(c *Config) { c.Target = gone.Addr().String() }, drivers.ErrUnreachable, "refused"},
		{"service", func(c *Config) { c.Method = "test.v1.Stock/Reserve" }, drivers.ErrConfig, "no service test.v1.Stock at the target; it has grpc.reflection.v1.ServerReflection, test.v1.Inventory"},
		{"method", func(c *Config) { c.Method = "test.v1.Inventory/Release" }, drivers.ErrConfig, "it has Reserve, Talk, Upload, Watch"},
		{"streaming", func(c *Config) { c.Method = "test.v1.Inventory/Watch" }, nil, ""},
		{"unresolved", func(c *Config) { c.Target = "${shop.grpc}" }, drivers.ErrConfig, "nothing defines"},
		{"no port", func(c *Config) { c.Target = "localhost" }, drivers.ErrConfig, "write host:port"},
		{"field", func(c *Config) { c.Message = map[string]any{"orderID": "x"} }, drivers.ErrConfig, "message.orderID: test.v1.ReserveRequest has no such field; it has at, before, bin"},
		{"inner field", func(c *Config) { c.Message = map[string]any{"items": []any{map[string]any{"name": "x"}}} }, drivers.ErrConfig, "message.items[0].name: test.v1.Item has no such field; it has id, quantity"},
		{"type", func(c *Config) { c.Message = map[string]any{"quantity": "many"} }, drivers.ErrConfig, `message.quantity: "many" is no int32`},
		{"rendered type", func(c *Config) { c.Message = map[string]any{"quantity": "{{key}}"} }, drivers.ErrConfig, `message.quantity: "k0" is no int32`},
		{"enum", func(c *Config) { c.Message = map[string]any{"priority": "HIGH"} }, drivers.ErrConfig, "PRIORITY_NORMAL, PRIORITY_HIGH"},
		{"list", func(c *Config) { c.Message = map[string]any{"items": "x"} }, drivers.ErrConfig, "message.items: is a list"},
		{"no mapping", func(c *Config) { c.Message = "x" }, drivers.ErrConfig, "message: x is no mapping"},
		{"oneof", func(c *Config) { c.Message = map[string]any{"shelf": "a", "bin": 1} }, drivers.ErrConfig, "only one of place"},
		{"template", func(c *Config) { c.Message = map[string]any{"shelf": "{{what}}"} }, drivers.ErrConfig, "unknown name"},
		{"special", func(c *Config) { c.Message = map[string]any{"at": "{{id}}"} }, drivers.ErrConfig, "is no google.protobuf.Timestamp"},
		{"TLS file", func(c *Config) { c.TLS = &tlsconfig.Config{CA: "absent.pem"} }, drivers.ErrConfig, "tls.ca"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := reserve(g)
			test.change(c)
			d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
			if err == nil {
				d.Close()
			}
			if !errors.Is(err, test.is) || test.is != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name string
		c    Config
		want string // part of the only problem; empty: no problem
	}{
		{"plain", Config{Target: "host:1", Method: "a.B/C"}, ""},
		{"unresolved", Config{Target: "${shop.grpc}", Method: "${m}", Message: map[string]any{"a": "${b}"}}, ""},
		{"scheme", Config{Target: "http://host:1", Method: "a.B/C"}, "target: "},
		{"port", Config{Target: "host:0", Method: "a.B/C"}, "target: port"},
		{"no target", Config{Method: "a.B/C"}, "target: is missing"},
		{"no method", Config{Target: "host:1"}, "method: is missing"},
		{"method", Config{Target: "host:1", Method: "a.B"}, "write package.Service/Method"},
		{"message", Config{Target: "host:1", Method: "a.B/C", Message: map[string]any{"a": []any{"{{what}}"}}}, "message: template"},
		{"metadata", Config{Target: "host:1", Method: "a.B/C", Metadata: map[string]string{"grpc-timeout": "1"}}, "metadata.grpc-timeout"},
		{"metadata value", Config{Target: "host:1", Method: "a.B/C", Metadata: map[string]string{"a": "x\n"}}, "-bin"},
		{"binary metadata", Config{Target: "host:1", Method: "a.B/C", Metadata: map[string]string{"a-bin": "\x00\x01"}}, "no base64"},
		{"connections", Config{Target: "host:1", Method: "a.B/C", Connections: -1}, "connections"},
		{"names", Config{Target: "host:1", Method: "a.B/C", Authority: "a", TLS: &tlsconfig.Config{ServerName: "b"}}, "authority"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			test.c.Check(func(field, message string) { got = append(got, field+": "+message) })
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestNoConnection(t *testing.T) { onBothPaths(t, testNoConnection) }

func testNoConnection(t *testing.T, change func(*Config)) {
	g := start(t, "v1")
	for _, test := range []struct {
		name string
		dial drivers.DialFunc
		code string
	}{
		{"name", func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}}
		}, drivers.CodeDNS},
		{"silence", func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }, drivers.CodeTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := drivertest.NewEnv(t, time.Now())
			silent := false
			direct := env.Dial
			env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if silent {
					return test.dial(ctx, network, address)
				}
				return direct(ctx, network, address)
			}
			c := reserve(g)
			change(c)
			d, err := c.Open(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			silent = true
			s, _ := d.Session()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			var at drivers.Attempt
			s.Do(ctx, &drivers.Op{}, &at)
			if at.Outcome != drivers.Rejected || at.Code != test.code || at.Wire || at.Code == drivers.CodeTimeout && !strings.HasPrefix(at.Detail, "the dial did not end in time") {
				t.Errorf("%+v", at)
			}
		})
	}
}

func TestMetadata(t *testing.T) { onBothPaths(t, testMetadata) }

func testMetadata(t *testing.T, change func(*Config)) {
	g := start(t, "v1")
	c := reserve(g)
	change(c)
	c.Metadata = map[string]string{"Idempotency-Key": "{{id}}", "raw-bin": "AAEC/w==", "bare-bin": "AAEC/w"}
	c.Authority = "shop.example"
	if at := do(t, open(t, c), drivers.Op{Seq: 9}); at.Outcome != drivers.Acked {
		t.Fatalf("%+v", at)
	}
	md := *g.header.Load()
	for key, want := range map[string]string{"idempotency-key": "r1.conformance.9", "raw-bin": "\x00\x01\x02\xff", "bare-bin": "\x00\x01\x02\xff", ":authority": "shop.example"} {
		if got := md.Get(key); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

// A call carries its operation's trace in its metadata, on either path, and so does a streaming call.
func TestTraceInMetadata(t *testing.T) {
	onBothPaths(t, func(t *testing.T, change func(*Config)) {
		g := start(t, "v1")
		c := reserve(g)
		change(c)
		carriesTrace(t, g, c)
	})
	for _, config := range []func(*target) *Config{watching, uploading, talking} {
		g := start(t, "v1")
		carriesTrace(t, g, config(g))
	}
}

func carriesTrace(t *testing.T, g *target, c *Config) {
	t.Helper()
	env := drivertest.NewEnv(t, time.Now())
	env.Trace = drivers.NewTrace(1, drivers.TraceHeaderNames()...)
	d, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if at := do(t, d, drivers.Op{Seq: 9}); at.Outcome != drivers.Acked {
		t.Fatalf("%s: %+v", c.Method, at)
	}
	md := *g.header.Load()
	for name, parse := range map[string]func([]byte) (drivers.TraceID, bool){
		drivers.HeaderTraceparent: drivers.ParseTraceparent, drivers.HeaderB3: drivers.ParseB3, drivers.HeaderAmazon: drivers.ParseAmazon,
	} {
		if got := md.Get(name); len(got) != 1 {
			t.Errorf("%s: %s is %q", c.Method, name, got)
		} else if id, ok := parse([]byte(got[0])); !ok || id != env.Identity.Trace(9) {
			t.Errorf("%s: %s is %q", c.Method, name, got)
		}
	}
}
