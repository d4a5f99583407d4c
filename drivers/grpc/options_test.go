package grpc

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// descriptorSet writes the test service's types, without the files that come with protobuf.
func descriptorSet(t *testing.T) string {
	t.Helper()
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{
		File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(inventory(t).ParentFile())}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "shop.pb")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// For a target without reflection the types come from files.
func TestTypesFromFiles(t *testing.T) {
	g := start(t)
	folder, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.proto")
	if err := os.WriteFile(bad, []byte("syntax = \"proto3\"; message X { nope y = 1; }"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(c *Config)
		want   string // of the error
	}{
		{"protos", func(c *Config) { c.Protos, c.ImportPaths = []string{"shop.proto"}, []string{folder} }, ""},
		{"descriptors", func(c *Config) { c.Descriptors = descriptorSet(t) }, ""},
		{"both", func(c *Config) { c.Protos, c.Descriptors = []string{"shop.proto"}, "x" }, "keep one of the two"},
		{"import paths alone", func(c *Config) { c.ImportPaths = []string{folder} }, "goes with protos"},
		{"no such file", func(c *Config) { c.Protos = []string{"absent.proto"} }, "looked in"},
		{"no proto", func(c *Config) { c.Protos, c.ImportPaths = []string{"bad.proto"}, []string{filepath.Dir(bad)} }, "bad.proto:1"},
		{"no set", func(c *Config) { c.Descriptors = bad }, "is no descriptor set"},
		{"no such set", func(c *Config) { c.Descriptors = "absent.pb" }, "absent.pb"},
		{"service", func(c *Config) {
			c.Descriptors, c.Method = descriptorSet(t), "test.v1.Nope/Reserve"
		}, "no service test.v1.Nope in the files"},
		{"method", func(c *Config) {
			c.Descriptors, c.Method = descriptorSet(t), "test.v1.Inventory/Nope"
		}, "it has Reserve, Talk, Upload, Watch"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := reserve(g)
			test.change(c)
			if test.want == "" {
				if at := do(t, open(t, c), drivers.Op{}); at.Outcome != drivers.Acked {
					t.Errorf("%+v", at)
				}
				return
			}
			d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
			if err == nil {
				d.Close()
			}
			if !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func FuzzDescriptors(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x02, 0x0a, 0x00})
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "set.pb")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if files, err := readDescriptors(path); err == nil {
			files.find("test.v1.Inventory")
		}
	})
}

func TestRoundRobinUsesEveryAddress(t *testing.T) {
	a, b := start(t, "v1"), start(t, "v1")
	for balance, both := range map[string]bool{balanceRoundRobin: true, balancePickFirst: false} {
		c := reserve(a)
		c.Target, c.Balance = a.address+", "+b.address, balance
		d := open(t, c)
		before := [2]int64{a.received.Load(), b.received.Load()}
		used := func() bool { return a.received.Load() > before[0] && b.received.Load() > before[1] }
		// The second address is used once its connection is made.
		for n := 0; n < 10_000 && !(both && used()) && (both || n < 50); n++ {
			if at := do(t, d, drivers.Op{}); at.Outcome != drivers.Acked {
				t.Fatalf("%+v", at)
			}
		}
		if used() != both {
			t.Errorf("%s: both addresses used: %v", balance, used())
		}
	}
}

func TestRoundRobinOverNames(t *testing.T) {
	g := start(t, "v1")
	c := reserve(g)
	c.Balance = balanceRoundRobin // one address, by the resolver of names
	if at := do(t, open(t, c), drivers.Op{}); at.Outcome != drivers.Acked {
		t.Errorf("%+v", at)
	}
}

func TestCompression(t *testing.T) {
	g := start(t, "v1")
	c := reserve(g)
	c.Compression = compressionGzip
	if at := do(t, open(t, c), drivers.Op{Seq: 3}); at.Outcome != drivers.Acked {
		t.Errorf("%+v", at)
	}
	if got := g.last.Load().Get(g.last.Load().Descriptor().Fields().ByTextName("order_id")).String(); got != "r1.conformance.3" {
		t.Errorf("the target read %q", got)
	}
}

// An answer that is small on the wire and larger than the limit when decompressed takes no memory.
func TestCompressedBeyondTheLimit(t *testing.T) { onBothPaths(t, testCompressedBeyondTheLimit) }

func testCompressedBeyondTheLimit(t *testing.T, change func(*Config)) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(make([]byte, 64<<20))
	w.Close()
	raw := startRaw(t, func(x *rawCall) {
		x.headers(false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip")
		length := uint32(packed.Len())
		x.WriteData(x.stream, false, []byte{1, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)})
		for b := bytes.NewBuffer(packed.Bytes()); b.Len() > 0; {
			x.WriteData(x.stream, false, b.Next(16_000))
		}
		x.trailers("0")
	})
	defer raw.Close()
	d := openRaw(t, raw, change)
	if at := do(t, d, drivers.Op{}); at.Code != drivers.CodeTooLarge || at.Outcome != drivers.Indeterminate {
		t.Errorf("%v %q (%s)", at.Outcome, at.Code, at.Detail)
	}
}

// withHealth starts a target that reports its health.
func withHealth(t *testing.T) (*target, *health.Server) {
	t.Helper()
	vitals := health.NewServer()
	g := &target{address: "127.0.0.1:0", service: inventory(t), reflects: []string{"v1"}, released: make(chan struct{})}
	g.register = func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, vitals) }
	g.begin(t)
	t.Cleanup(g.close)
	return g, vitals
}

func TestHealth(t *testing.T) {
	t.Parallel()
	g, vitals := withHealth(t)
	c := reserve(g)
	c.Health = &Health{Service: "test.v1.Inventory", Wait: 300 * time.Millisecond}
	openErr := func() error {
		d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
		if err == nil {
			d.Close()
		}
		return err
	}
	if err := openErr(); !errors.Is(err, drivers.ErrUnreachable) || !strings.Contains(err.Error(), "test.v1.Inventory is not known") {
		t.Errorf("unknown: %v", err)
	}
	vitals.SetServingStatus("test.v1.Inventory", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if err := openErr(); !errors.Is(err, drivers.ErrUnreachable) || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("not serving: %v", err)
	}
	c.Health.Wait = 20 * time.Second
	time.AfterFunc(50*time.Millisecond, func() { vitals.SetServingStatus("test.v1.Inventory", grpc_health_v1.HealthCheckResponse_SERVING) })
	if err := openErr(); err != nil {
		t.Errorf("serving after a while: %v", err)
	}
	c.Target = start(t, "v1").address
	if err := openErr(); !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), "does not serve grpc.health.v1") {
		t.Errorf("none: %v", err)
	}
}

// retrying is a service config that makes gRPC retry three times.
var retrying = map[string]any{"methodConfig": []any{map[any]any{
	"name": []any{map[string]any{}},
	"retryPolicy": map[string]any{"maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.002s", "backoffMultiplier": 1.5,
		"retryableStatusCodes": []any{"UNAVAILABLE"}},
}}}

func TestTheLibrarysRetriesAreCounted(t *testing.T) {
	g := start(t, "v1")
	c := reserve(g)
	c.ServiceConfig = retrying
	d := open(t, c)
	g.mode.Store(drivertest.Reject)
	g.status.Store(status.New(codes.Unavailable, "as told"))
	if at := do(t, d, drivers.Op{}); at.Hidden != 3 || at.Transparent != 0 || at.Code != "grpc_unavailable" || !at.Answered {
		t.Errorf("%+v", at)
	}
	if n := g.received.Load(); n != 4 {
		t.Errorf("the target received %d", n)
	}
	// A rejection after an earlier transmission says nothing about that transmission.
	var n atomic.Int64
	g.answers = func() *status.Status {
		if n.Add(1) == 1 {
			return status.New(codes.Unavailable, "as told")
		}
		return status.New(codes.AlreadyExists, "as told")
	}
	if at := do(t, d, drivers.Op{}); at.Hidden != 1 || at.Outcome != drivers.Indeterminate || at.Code != "grpc_already_exists" {
		t.Errorf("%+v", at)
	}
}

// A target that refuses a stream has not processed it. gRPC resends it once by itself.
func TestTransparentRetriesAreCounted(t *testing.T) {
	onBothPaths(t, transparentRetriesAreCounted)
	t.Run("beside its own", func(t *testing.T) {
		transparentRetriesAreCounted(t, func(c *Config) { c.ServiceConfig = retrying })
	})
}

func transparentRetriesAreCounted(t *testing.T, change func(*Config)) {
	var n atomic.Int64
	raw := startRaw(t, func(x *rawCall) {
		if n.Add(1) == 1 {
			x.WriteRSTStream(x.stream, http2.ErrCodeRefusedStream)
			return
		}
		x.begin()
		x.message(0, 2, goodReply...)
		x.trailers("0")
	})
	defer raw.Close()
	d := openRaw(t, raw, change)
	if at := do(t, d, drivers.Op{}); at.Outcome != drivers.Acked || at.Hidden != 1 || at.Transparent != 1 {
		t.Errorf("%+v", at)
	}
}

func TestDetailsAreEvidence(t *testing.T) { onBothPaths(t, testDetailsAreEvidence) }

func testDetailsAreEvidence(t *testing.T, change func(*Config)) {
	g := start(t, "v1")
	c := reserve(g)
	change(c)
	d := open(t, c)
	g.mode.Store(drivertest.Reject)
	s, err := status.New(codes.ResourceExhausted, "too many").WithDetails(&errdetails.QuotaFailure{
		Violations: []*errdetails.QuotaFailure_Violation{{Subject: "client:7", Description: "daily limit"}}})
	if err != nil {
		t.Fatal(err)
	}
	g.status.Store(s)
	at := do(t, d, drivers.Op{})
	for _, want := range []string{"too many", "QuotaFailure", "client:7", "daily limit"} {
		if !strings.Contains(at.Detail, want) {
			t.Errorf("detail %q lacks %q", at.Detail, want)
		}
	}
}

func TestChannelProblems(t *testing.T) {
	for name, test := range map[string]struct {
		c    Config
		want string
	}{
		"keepalive":   {Config{Keepalive: &Keepalive{Time: time.Second}}, "keepalive.time: must be 10s or more"},
		"compression": {Config{Compression: "lz4"}, "not one of none, gzip"},
		"balance":     {Config{Balance: "random"}, "not one of pick_first, round_robin"},
		"two":         {Config{Balance: "round_robin", ServiceConfig: map[string]any{"loadBalancingPolicy": "pick_first"}}, "keep one of the two"},
		"config":      {Config{ServiceConfig: "text"}, "service_config: text is no mapping"},
		"health":      {Config{Health: &Health{Wait: time.Hour}}, "health.wait"},
		"headers":     {Config{MaxHeaders: 1 << 40}, "max_headers"},
		"targets":     {Config{Target: "a:1,b"}, "target: \"b\""},
	} {
		test.c.Method = "a.B/C"
		if test.c.Target == "" {
			test.c.Target = "host:1"
		}
		var got []string
		test.c.Check(func(field, message string) { got = append(got, field+": "+message) })
		if len(got) != 1 || !strings.Contains(got[0], test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	g := start(t, "v1")
	c := reserve(g)
	c.ServiceConfig = map[string]any{"methodConfig": "nonsense"}
	if _, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now())); !errors.Is(err, drivers.ErrConfig) {
		t.Errorf("nonsense: %v", err)
	}
	c.ServiceConfig, c.Keepalive = nil, &Keepalive{Time: 10 * time.Second, Timeout: time.Second, WithoutCalls: true}
	if at := do(t, open(t, c), drivers.Op{}); at.Outcome != drivers.Acked {
		t.Errorf("%+v", at)
	}
}
