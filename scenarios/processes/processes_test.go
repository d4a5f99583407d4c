package processes

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/scenarios"
	"wringer/scenarios/ready"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outputBuffer keeps output in memory.
type outputBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (k *outputBuffer) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.Buffer.Write(p)
}

func (k *outputBuffer) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.String()
}

func (*outputBuffer) Close() error { return nil }

func shell(script string) *Program { return &Program{Command: []string{"sh", "-c", script}} }

func run(t *testing.T, c Config) (scenarios.Target, map[string]*outputBuffer, error) {
	t.Helper()
	outputs := make(map[string]*outputBuffer)
	target, err := c.Start(t.Context(), scenarios.TargetEnv{
		Name: "processes", Run: "test",
		Output: func(name string) (io.WriteCloser, error) {
			outputs[name] = &outputBuffer{}
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
	db.Ready = &ready.Config{Log: "^up$"}
	api := shell("echo api ${processes.db.sql} >> " + file + "; echo here; exec sleep 600")
	api.Needs, api.Ready, api.Dir = []string{"db"}, &ready.Config{Log: "here"}, t.TempDir()
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
	// After a restart the line must be written again.
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
	b.Ready = &ready.Config{Log: "never"}
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
		return // the program had ended before the first check
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
		"a.ready: takes": with(func(p *Program) { p.Ready = &ready.Config{} }),
		"a.ready.log":    with(func(p *Program) { p.Ready = &ready.Config{Log: "("} }),
		"a.ready.within": with(func(p *Program) { p.Ready = &ready.Config{TCP: "x", Within: time.Hour} }),
	} {
		var got []string
		c.Check(func(field, message string) { got = append(got, field+": "+message) })
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)) {
			t.Errorf("%q: problems %q", want, got)
		}
	}
}
