package processes

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"wringer/faults/process"
	"wringer/scenarios"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is output in memory.
type kept struct {
	mu sync.Mutex
	bytes.Buffer
}

func (k *kept) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.Buffer.Write(p)
}

func (k *kept) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.String()
}

func (*kept) Close() error { return nil }

func shell(script string) *Program { return &Program{Command: []string{"sh", "-c", script}} }

func run(t *testing.T, c Config) (scenarios.Target, map[string]*kept, error) {
	t.Helper()
	outputs := make(map[string]*kept)
	target, err := c.Start(t.Context(), scenarios.TargetEnv{
		Name: "processes", Run: "test",
		Output: func(name string) (io.WriteCloser, error) {
			outputs[name] = &kept{}
			return outputs[name], nil
		},
	})
	if err == nil {
		t.Cleanup(func() {
			if err := target.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	return target, outputs, err
}

func TestStartsInOrderWithVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "order")
	db := shell("echo db >> " + file + "; echo port $PORT; echo up; exec sleep 600")
	db.Ports, db.Env = []string{"sql", "admin"}, map[string]string{"PORT": "${processes.db.admin.port}"}
	db.Ready = &Ready{Log: "^up$"}
	api := shell("echo api ${processes.db.sql} >> " + file + "; echo here; exec sleep 600")
	api.Needs, api.Ready, api.Dir = []string{"db"}, &Ready{Log: "here"}, t.TempDir()
	target, outputs, err := run(t, Config{"api": api, "db": db})
	if err != nil {
		t.Fatal(err)
	}
	vars := target.Vars()
	raw, _ := os.ReadFile(file)
	if got, want := string(raw), "db\napi "+vars["db.sql"]+"\n"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
	if got := outputs["db"].text(); !strings.Contains(got, "port "+vars["db.admin.port"]+"\n") {
		t.Errorf("output %q with %v", got, vars)
	}
	if vars["api.pid"] == "" || len(target.Parts()) != 2 {
		t.Errorf("variables %v, %d parts", vars, len(target.Parts()))
	}
	// The line must be written anew after a restart.
	if err := target.Parts()["db"].Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := target.Parts()["db"].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(outputs["db"].text(), "up\n"); n != 2 {
		t.Errorf("ready after %d lines", n)
	}
}

func TestStartFails(t *testing.T) {
	target, _, err := run(t, Config{"a": shell("exec sleep 600"), "b": shell("echo broken; exit 1"), "c": {Command: []string{"/nonexistent"}}})
	if err == nil || target != nil {
		t.Fatalf("started %v, %v", target, err)
	}
	b := shell("echo no table orders; exit 4")
	b.Ready = &Ready{Log: "never"}
	if _, _, err := run(t, Config{"a": shell("exec sleep 600"), "b": b}); err == nil || !strings.Contains(err.Error(), "exit status 4; its last words: no table orders") {
		t.Errorf("error %v", err)
	}
	bad := shell("true ${processes.x.y}")
	if _, _, err := run(t, Config{"a": bad}); err == nil || !strings.Contains(err.Error(), "is not known") {
		t.Errorf("error %v", err)
	}
}

func TestEvents(t *testing.T) {
	target, _, err := run(t, Config{"a": shell("exit 9")})
	if err != nil {
		return // it was over before it was looked at
	}
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if e := target.(scenarios.Witness).Events(); len(e) == 1 && strings.Contains(e[0], "exit status 9") {
			return
		}
		select {
		case <-tick.C:
		case <-patience.C:
			t.Fatal("the end of the process was not told")
		}
	}
}

func TestReady(t *testing.T) {
	ill := false
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ill {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer web.Close()
	if err := get(t.Context(), web.URL); err != nil {
		t.Error(err)
	}
	ill = true
	if err := get(t.Context(), web.URL); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("ill: %v", err)
	}
	if err := dial(t.Context(), web.Listener.Addr().String()); err != nil {
		t.Error(err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, state := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() { server.Stop(); <-served }()
	if err := serving(t.Context(), l.Addr().String()); err != nil {
		t.Error(err)
	}
	state.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if err := serving(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("not serving: %v", err)
	}
}

func specOf(t *testing.T, p *Program) *process.Spec {
	t.Helper()
	spec := &process.Spec{}
	if err := p.probe(spec, ""); err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestWatcher(t *testing.T) {
	p := shell("")
	p.Ready = &Ready{Log: `listening on \d+`}
	spec := specOf(t, p)
	for _, piece := range []string{"star", "ting\nlisten", "ing on 80", "80\nmore"} {
		if err := spec.Ready(t.Context()); !errors.Is(err, errNoLine) {
			t.Errorf("before %q: %v", piece, err)
		}
		spec.Output.Write([]byte(piece))
	}
	if err := spec.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	spec.Begin()
	if err := spec.Ready(t.Context()); err == nil {
		t.Error("an earlier life's line counts")
	}
	spec.Output.Write(bytes.Repeat([]byte("x"), 1<<20))
	if w := spec.Output.(*watcher); len(w.part) > longestLine {
		t.Errorf("%d bytes of a line are kept", len(w.part))
	}
}

func TestCheck(t *testing.T) {
	ok := func() *Program { return &Program{Command: []string{"true"}} }
	with := func(change func(*Program)) Config {
		p := ok()
		change(p)
		return Config{"a": p}
	}
	for want, c := range map[string]Config{
		"":               {"a": ok(), "b": {Command: []string{"x"}, Needs: []string{"a"}}},
		": holds":        {},
		"a.command":      {"a": {}},
		"a b: ":          {"a b": ok()},
		"a.needs: there": with(func(p *Program) { p.Needs = []string{"z"} }),
		"a.needs: the":   with(func(p *Program) { p.Needs = []string{"a"} }),
		"a.ports: pid":   with(func(p *Program) { p.Ports = []string{"pid"} }),
		"a.ports: two":   with(func(p *Program) { p.Ports = []string{"x", "x"} }),
		"a.env":          with(func(p *Program) { p.Env = map[string]string{"A=B": "c"} }),
		"a.grace":        with(func(p *Program) { p.Grace = time.Hour }),
		"a.ready: takes": with(func(p *Program) { p.Ready = &Ready{} }),
		"a.ready.log":    with(func(p *Program) { p.Ready = &Ready{Log: "("} }),
		"a.ready.within": with(func(p *Program) { p.Ready = &Ready{TCP: "x", Within: time.Hour} }),
	} {
		var got []string
		c.Check(func(field, message string) { got = append(got, field+": "+message) })
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)) {
			t.Errorf("%q: problems %q", want, got)
		}
	}
}
