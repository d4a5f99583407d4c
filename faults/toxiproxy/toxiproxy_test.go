package toxiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/faulttest"
)

// served names the variable that makes this test's binary a server: the host and port on which it serves.
const served = "TOXIPROXY_SERVED"

// TestMain serves where a test asks for a server. It is the official server's own code, without its flags: nothing is built.
func TestMain(m *testing.M) {
	if address := os.Getenv(served); address != "" {
		metrics := toxiproxy.NewMetricsContainer(nil)
		panic(toxiproxy.NewServer(metrics, zerolog.Nop()).Listen(address))
	}
	tier.AtOnce(tier.Waiting)
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

// taken are the ports of all servers so far.
var taken sync.Map

func TestConformance(t *testing.T) {
	half := 1.0
	for _, c := range []Config{
		{Toxic: "latency", Attributes: map[string]any{"latency": 20}},
		{Toxic: "bandwidth", Attributes: map[string]any{"rate": 100}, Stream: "upstream", Toxicity: &half},
		{Down: true},
	} {
		t.Run(c.Kind(), func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			var rigs atomic.Int64
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				r := rigOn(t, server, fmt.Sprint("orders-", rigs.Add(1)))
				return faulttest.Rig{Config: &c, Fault: r.open(t, c, nil), Meet: r.meet}
			})
		})
	}
}

// TestRestoresWhatItFound: toxics of others stay.
func TestRestoresWhatItFound(t *testing.T) {
	r := newRig(t)
	others := toxic{Name: "latency_downstream", Type: "latency", Stream: "downstream", Toxicity: 0.5, Attributes: map[string]any{"latency": 3}}
	if err := r.server.add(t.Context(), "orders", others); err != nil {
		t.Fatal(err)
	}
	before := r.state(t)
	for _, c := range []Config{{Toxic: "latency", Attributes: map[string]any{"latency": 5}}, {Down: true}} {
		f := r.open(t, c, nil)
		if err := f.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		if reflect.DeepEqual(before, r.state(t)) {
			t.Errorf("%s changed nothing", c.Kind())
		}
		if err := errors.Join(f.Heal(t.Context()), f.Probe(t.Context())); err != nil {
			t.Error(err)
		}
		if after := r.state(t); !reflect.DeepEqual(before, after) {
			t.Errorf("%s left %v, found %v", c.Kind(), after, before)
		}
	}
}

// TestEveryToxicOfTheServer adds each type by its name and removes it during traffic. Nothing is left.
func TestEveryToxicOfTheServer(t *testing.T) {
	r := newRig(t)
	before := r.state(t)
	for kind, attributes := range map[string]map[string]any{
		"latency": {"latency": 5, "jitter": 2}, "bandwidth": {"rate": 1000}, "slow_close": {"delay": 5}, "timeout": {"timeout": 5},
		"reset_peer": {"timeout": 5}, "slicer": {"average_size": 64, "size_variation": 32, "delay": 10}, "limit_data": {"bytes": 3},
	} {
		f := r.open(t, Config{Toxic: kind, Attributes: attributes}, nil)
		if err := f.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := r.server.proxy(t.Context(), "orders")
		if err != nil || len(p.Toxics) != 1 || p.Toxics[0].Type != kind || p.Toxics[0].Stream != "downstream" {
			t.Errorf("%s: the server has %+v, %v", kind, p, err)
		}
		if err := errors.Join(f.Heal(t.Context()), f.Probe(t.Context()), r.meet(t.Context())); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if after := r.state(t); !reflect.DeepEqual(before, after) {
			t.Errorf("%s left %v, found %v", kind, after, before)
		}
	}
}

// TestWedgedServer: the fault gives up a server that no longer answers, and says so. The journal keeps the changes to
// undo.
func TestWedgedServer(t *testing.T) {
	r := newRig(t)
	wedged := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodDelete {
			select {
			case <-wedged:
			case <-request.Context().Done():
				return
			}
		}
		target, _ := url.Parse(r.server.url)
		httputil.NewSingleHostReverseProxy(target).ServeHTTP(w, request)
	}))
	defer front.Close()
	path := filepath.Join(t.TempDir(), "journal")
	j := faults.NewJournal(path, nil)
	c := r.config(Config{Toxic: "latency", Attributes: map[string]any{"latency": 5}})
	c.Server = front.URL
	f, err := c.Open(faults.Env{Journal: j, Link: func(string) (faults.Link, error) { return r.link, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.Heal(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("heal: %v", err)
	}
	if err := f.Probe(t.Context()); !errors.Is(err, faults.ErrLeaked) {
		t.Errorf("probe: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	close(wedged)
	done, err := faults.Replay(path, false, func(u faults.Undo) error { return Undo(t.Context(), u.Data) })
	if err != nil || len(done) != 1 {
		t.Errorf("%v undone, %v", done, err)
	}
	if err := f.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestJournal: another process undoes the changes of a run that died. Undoing twice does no harm.
func TestJournal(t *testing.T) {
	r := newRig(t)
	before := r.state(t)
	for _, c := range []Config{{Toxic: "timeout", Attributes: map[string]any{"timeout": 0}}, {Down: true}} {
		path := filepath.Join(t.TempDir(), "journal")
		j := faults.NewJournal(path, nil)
		f := r.open(t, c, j)
		if err := f.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.watch.stop() // it died with the run
		f.watch.ended.Wait()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		done, err := faults.Replay(path, false, func(u faults.Undo) error {
			if u.Kind != UndoKind {
				t.Errorf("an undo of kind %s", u.Kind)
			}
			return errors.Join(Undo(t.Context(), u.Data), Undo(t.Context(), u.Data))
		})
		if err != nil || len(done) != 1 {
			t.Errorf("%d undone, %v", len(done), err)
		}
		if after := r.state(t); !reflect.DeepEqual(before, after) {
			t.Errorf("%s left %v, found %v", c.Kind(), after, before)
		}
	}
}

func TestErrorsNameTheRemedy(t *testing.T) {
	r := newRig(t)
	open := func(c Config) error {
		_, err := c.Open(faults.Env{Link: func(string) (faults.Link, error) { return r.link, nil }})
		return err
	}
	unknown := r.config(Config{Down: true})
	unknown.Proxy = "payments"
	if err := open(unknown); err == nil || !strings.Contains(err.Error(), `no proxy "payments"; it has orders`) {
		t.Errorf("an unknown proxy: %v", err)
	}
	if err := r.server.enable(t.Context(), "orders", false); err != nil {
		t.Fatal(err)
	}
	if err := open(r.config(Config{Down: true})); err == nil || !strings.Contains(err.Error(), "is down already") {
		t.Errorf("a proxy that is down: %v", err)
	}
	f := r.open(t, Config{Toxic: "molasses"}, nil)
	if err := f.Inject(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid toxic type") {
		t.Errorf("an unknown toxic: %v", err)
	}
	if err := f.Heal(t.Context()); err != nil {
		t.Errorf("heal of what did not take: %v", err)
	}
	nobody := r.config(Config{Down: true})
	nobody.Server = "http://127.0.0.1:1"
	if err := open(nobody); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("no server: %v", err)
	}
}

// Only the run's own dial reaches the API. The environment's proxy settings have no effect.
func TestReachesTheServerWithinTheRunsBounds(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:1")
	r := newRig(t)
	c := r.config(Config{Down: true})
	c.Server = "http://far.example:8474"
	dialled := ""
	_, err := c.Open(faults.Env{
		Link: func(string) (faults.Link, error) { return r.link, nil },
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = address
			return nil, errors.New("beyond the bounds")
		},
	})
	if err == nil || !strings.Contains(err.Error(), "beyond the bounds") || dialled != "far.example:8474" {
		t.Errorf("dialled %q, error %v", dialled, err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, text := range []string{"", "[]", "{", `{"toxics": 3}`} {
		liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
		s := server{url: liar.URL}
		if _, err := s.find(t.Context(), "orders"); err == nil {
			t.Errorf("%q was taken for a proxy", text)
		}
		liar.Close()
	}
	if err := Undo(t.Context(), json.RawMessage(`{`)); err == nil {
		t.Error("a broken entry of a journal was undone")
	}
}

func TestExcludes(t *testing.T) {
	down := &Config{Server: "http://localhost:8474", Proxy: "orders", Down: true}
	elsewhere, slow := *down, *down
	elsewhere.Proxy = "payments"
	slow.Down, slow.Toxic = false, "latency"
	if again := *down; !down.Excludes(&again) || down.Excludes(&elsewhere) || down.Excludes(&slow) {
		t.Error("a proxy is taken down by one fault at a time, and that alone is excluded")
	}
}

func TestConfig(t *testing.T) {
	whole := Config{Server: "http://localhost:8474", Proxy: "orders", Through: "orders"}
	share, wrong := 0.5, 1.5
	for _, tt := range []struct {
		change   func(c *Config)
		words    string
		problems string
	}{
		{func(c *Config) {
			c.Toxic, c.Attributes, c.Stream, c.Toxicity = "latency", map[string]any{"latency": 80, "jitter": 20}, "upstream", &share
		}, "toxiproxy latency jitter=20 latency=80, upstream, toxicity 0.5 of proxy orders", ""},
		{func(c *Config) { c.Down = true }, "toxiproxy down of proxy orders", ""},
		{func(c *Config) {}, "", "proxy"},
		{func(c *Config) { c.Down, c.Toxic = true, "latency" }, "", "down"},
		{func(c *Config) { c.Down, c.Stream = true, "upstream" }, "", "down"},
		{func(c *Config) { c.Toxic, c.Toxicity = "latency", &wrong }, "", "toxicity"},
		{func(c *Config) { *c = Config{Down: true, Server: "localhost:8474"} }, "", "toxiproxy proxy through"},
		{func(c *Config) { c.Down, c.Server = true, "http://localhost:8474/proxies" }, "", "toxiproxy"},
	} {
		c := whole
		tt.change(&c)
		var fields []string
		c.Check(func(field, _ string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.problems {
			t.Errorf("%+v: problems with %q, want %q", c, got, tt.problems)
		}
		if tt.words != "" && c.words() != tt.words {
			t.Errorf("words %q, want %q", c.words(), tt.words)
		}
	}
}
