package container_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/command"
	"wringer/faults/container/containertest"
	"wringer/faults/faulttest"
	"wringer/faults/part"
	"wringer/scenarios/containers/imagetest"
)

func TestMain(m *testing.M) {
	tier.AtOnce(containertest.AtOnce)
	os.Exit(m.Run())
}

// The faults on parts pass the suite on a real container.
func TestConformance(t *testing.T) {
	tier.Slow(t, "starts containers")
	image := imagetest.Tool(t)
	pool := containertest.NewPool(t, func() *containertest.Box { return containertest.Open(t).Start(t, image, "stock", nil) })
	for name, c := range map[string]struct {
		config part.Config
		meet   string // of the tool
	}{
		"pause":   {part.Config{Pause: "stock"}, "/healthz"},
		"kill":    {part.Config{Kill: "stock"}, "/healthz"},
		"signal":  {part.Config{Kill: "stock", Signal: "TERM"}, "/healthz"},
		"restart": {part.Config{Restart: "stock"}, "/healthz"},
		"cpu":     {part.Config{CPU: "stock", Share: 0.05}, "/cpu?cores=1&for=300ms"},
		"files":   {part.Config{Files: "stock"}, "/healthz"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				box := pool.Take(t)
				fault, err := c.config.Open(containertest.Env(name, box))
				if err != nil {
					t.Fatal(err)
				}
				rig := faulttest.Rig{Config: &c.config, Fault: fault, Meet: func(ctx context.Context) error { return box.Get(ctx, c.meet) }}
				if name == "cpu" {
					rig.Rounds = 5 // the engine takes a second to tell what a container uses
				}
				return rig
			})
		})
	}
}

// A command runs inside; its exit status and its output come back.
func TestExec(t *testing.T) {
	t.Parallel()
	lab := containertest.OpenAlways(t)
	box := lab.Start(t, imagetest.Tool(t), "stock", nil)
	var out strings.Builder
	if err := box.Run(t.Context(), faults.Command{Words: []string{"/tool", "get", "http://127.0.0.1:8080/healthz"}}, &out); err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	err := box.Run(t.Context(), faults.Command{Words: []string{"/tool", "exit", "3", "too bad"}}, &out)
	if !errors.Is(err, faults.ExitStatus(3)) || !strings.Contains(out.String(), "too bad") {
		t.Errorf("%v: %q", err, out.String())
	}
	if err := box.Run(t.Context(), faults.Command{Words: []string{"/missing"}}, &out); err == nil {
		t.Error("a program that the image lacks was run")
	}
	config := &command.Config{
		Container: "stock", Exec: []string{"/tool", "get", "http://127.0.0.1:8080/healthz"}, Undo: []string{"/tool", "exit", "0"}, Bites: []string{"/tool", "exit", "0"},
	}
	fault, err := config.Open(containertest.Env("inner", box))
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []func(context.Context) error{fault.Inject, fault.Heal, fault.Probe} {
		if err := call(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// A check that fails inside is a check that failed: had it run here, it would have shown nothing at all.
	failing := &command.Config{Container: "stock", Exec: config.Exec, Undo: config.Undo, Bites: []string{"/tool", "exit", "1"}}
	idle, err := failing.Open(containertest.Env("idle", box))
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []func(context.Context) error{idle.Inject, idle.Heal} {
		if err := call(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if idle.Bite().Bit {
		t.Error("its check failed, and it is seen to have touched something")
	}
	if !fault.Bite().Bit {
		t.Error("its check succeeded, and it is not seen to have touched anything")
	}
}

// A signal that the container does not end by is an error, and leaves the container as it was.
func TestDeafToASignal(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	box := lab.Deaf(t, imagetest.Tool(t), "stock")
	if err := box.Signal(t.Context(), "TERM"); err == nil || !strings.Contains(err.Error(), "does not end by SIGTERM") {
		t.Errorf("%v", err)
	}
	if err := box.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a container uses is read each second; work shows in it.
func TestReadings(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	box := lab.Start(t, imagetest.Tool(t), "stock", nil)
	seen := make(map[string]float64)
	for seen["cpu_cores"] < 0.05 || seen["memory_bytes"] == 0 || seen["received_bytes_per_second"] == 0 || seen["sent_bytes_per_second"] == 0 {
		if err := box.Get(t.Context(), "/cpu?cores=1&for=200ms"); err != nil {
			t.Fatal(fmt.Errorf("%w; so far %v", err, seen))
		}
		for _, r := range box.Readings() {
			for gauge, value := range r.Gauges {
				seen[gauge] = max(seen[gauge], value)
			}
		}
	}
	if _, told := seen["restarts"]; !told {
		t.Error("no restarts are told")
	}
}
