package ready

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// probe makes a Probe, and asks it with a context that ends with the test.
func probe(t *testing.T, c *Config, first string) *Probe {
	t.Helper()
	p, err := c.Probe(first)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	named, first := probe(t, &Config{TCP: address, Within: 3 * time.Second}, "127.0.0.1:1"), probe(t, nil, address)
	if named.Within != 3*time.Second || first.Within != 0 {
		t.Errorf("within %v and %v", named.Within, first.Within)
	}
	for _, p := range []*Probe{named, first} {
		if err := p.Ready(t.Context()); err != nil {
			t.Errorf("listening: %v", err)
		}
	}
	l.Close()
	for _, p := range []*Probe{named, first} {
		if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("nobody listens: %v", err)
		}
	}
}

func TestHTTP(t *testing.T) {
	var status atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer web.Close()
	p := probe(t, &Config{HTTP: web.URL}, "")
	for code, want := range map[int64]string{200: "", 204: "", 302: "", 404: "404 Not Found", 503: "503 Service Unavailable"} {
		status.Store(code)
		err := p.Ready(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), web.URL)) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, state := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() { server.Stop(); <-served }()
	p := probe(t, &Config{GRPC: l.Addr().String()}, "")
	if err := p.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	state.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("not serving: %v", err)
	}
}

// TestSilence: a target that accepts and sends nothing is not ready, and blocks no caller beyond the context.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range map[string]*Config{"http": {HTTP: "http://" + l.Addr().String()}, "grpc": {GRPC: l.Addr().String()}} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := probe(t, c, "").Ready(ctx); err == nil {
			t.Errorf("%s: ready", name)
		}
		cancel()
	}
}

func TestLog(t *testing.T) {
	var next bytes.Buffer
	p := probe(t, &Config{Log: `listening on \d+`}, "")
	out := p.Output(&next)
	pieces := []string{"star", "ting\nlisten", "ing on 80", "80\nmore"}
	for _, piece := range pieces {
		if err := p.Ready(t.Context()); !errors.Is(err, errNoLine) {
			t.Errorf("before %q: %v", piece, err)
		}
		if n, err := out.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Errorf("%q: %d, %v", piece, n, err)
		}
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if want := strings.Join(pieces, ""); next.String() != want {
		t.Errorf("%q passed, want %q", next.String(), want)
	}
	p.Begin()
	if err := p.Ready(t.Context()); err == nil {
		t.Error("an earlier life's line counts")
	}
	out.Write(bytes.Repeat([]byte("x"), 1<<20))
	if len(p.log.part) > longestLine {
		t.Errorf("%d bytes of a line are kept", len(p.log.part))
	}
	if n, err := p.Output(nil).Write([]byte("a\n")); n != 2 || err != nil {
		t.Errorf("without a reader: %d, %v", n, err)
	}
}

// TestNothingToAsk: without a way and a port there is no probe, and other ways than the log leave the output alone.
func TestNothingToAsk(t *testing.T) {
	if p := probe(t, nil, ""); p != nil {
		t.Errorf("a probe of nothing: %+v", p)
	}
	p := probe(t, nil, "127.0.0.1:1")
	p.Begin()
	var out bytes.Buffer
	if p.Output(&out) != &out || p.Output(nil) != nil {
		t.Error("the output takes a way around")
	}
	for _, c := range []*Config{{}, {Log: "("}} {
		if _, err := c.Probe("127.0.0.1:1"); err == nil || !strings.HasPrefix(err.Error(), "ready") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for want, c := range map[string]*Config{
		"":                                      {HTTP: "http://x/", Within: MaxWithin},
		"ready: takes exactly one key":          {},
		"ready: takes exactly one key of":       {TCP: "x", Log: "y"},
		"ready.log: \"(\" is no regular":        {Log: "("},
		"ready.within: 1h0m0s is more than the": {TCP: "x", Within: time.Hour},
	} {
		var got []string
		c.Check(func(field, message string) { got = append(got, field+": "+message) })
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)) {
			t.Errorf("%q: problems %q", want, got)
		}
	}
	(*Config)(nil).Check(func(field, message string) { t.Errorf("an absent part: %s: %s", field, message) })
}

func TestAddressesAndFill(t *testing.T) {
	for _, test := range []struct {
		config *Config
		want   []string
	}{
		{nil, nil}, {&Config{Log: "${x}"}, nil}, {&Config{TCP: "${x}:1"}, []string{"h:1"}}, {&Config{GRPC: "${x}:2"}, []string{"h:2"}},
		{&Config{HTTP: "http://${x}:3/a"}, []string{"h:3"}}, {&Config{HTTP: "http://[::1"}, nil},
	} {
		filled := test.config.Fill(func(s string) string { return strings.ReplaceAll(s, "${x}", "h") })
		if got := filled.Addresses(); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q, want %q", filled, got, test.want)
		}
		if test.config != nil && strings.Contains(filled.Log, "$") {
			t.Errorf("%+v is not filled in", filled)
		}
	}
}
