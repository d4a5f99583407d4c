package pressure_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"wringer/drivers/drivertest/tier"
	"wringer/faults/container"
	"wringer/faults/container/containertest"
	"wringer/faults/container/pressure"
	"wringer/faults/faulttest"
	"wringer/scenarios/containers/imagetest"
)

func TestMain(m *testing.M) {
	tier.AtOnce(containertest.AtOnce)
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	tier.Slow(t, "starts containers")
	image := imagetest.Tool(t)
	pool := containertest.NewPool(t, func() *containertest.Box { return containertest.Open(t).Start(t, image, "stock", nil) })
	config := &pressure.Limit{Limit: pressure.Limits{Container: "stock", CPUs: 0.05}}
	faulttest.Run(t, func(t *testing.T) faulttest.Rig {
		box := pool.Take(t)
		fault, err := config.Open(containertest.Env("slow", box))
		if err != nil {
			t.Fatal(err)
		}
		return faulttest.Rig{Config: config, Fault: fault, Rounds: 5, Meet: func(ctx context.Context) error { return box.Get(ctx, "/cpu?cores=1&for=300ms") }}
	})
}

// Limits of the container's own come back exactly, and those that it did not have are gone.
func TestLimitsComeBack(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	image := imagetest.Tool(t)
	for name, change := range map[string]func(*moby.Config, *moby.HostConfig){
		"none":  nil,
		"cpus":  func(_ *moby.Config, h *moby.HostConfig) { h.NanoCPUs, h.Memory = 1_500_000_000, 256<<20 },
		"quota": func(_ *moby.Config, h *moby.HostConfig) { h.CPUPeriod, h.CPUQuota = 50_000, 40_000 },
	} {
		box := lab.Start(t, image, name, change)
		before, err := lab.Engine.Limits(t.Context(), box.ID())
		if err != nil {
			t.Fatal(err)
		}
		config := &pressure.Limit{Limit: pressure.Limits{Container: name, CPUs: 0.5, Memory: 128 << 20}}
		fault, err := config.Open(containertest.Env(name, box))
		if err != nil {
			t.Fatal(err)
		}
		if err := fault.Inject(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		during, err := lab.Engine.Limits(t.Context(), box.ID())
		if err != nil || during.CPUs() != 0.5 || during.Memory != 128<<20 {
			t.Errorf("%s: in force: %+v %v", name, during, err)
		}
		for _, call := range []func(context.Context) error{fault.Heal, fault.Probe} {
			if err := call(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		after, err := lab.Engine.Limits(t.Context(), box.ID())
		if err != nil || after.CPUs() != before.CPUs() || after.Memory != before.Memory || after.NanoCPUs != before.NanoCPUs {
			t.Errorf("%s: after: %+v, and was %+v; %v", name, after, before, err)
		}
	}
}

// A container that needs more memory than it may have is seen to meet the limit, also when that ends it.
func TestMemory(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	box := lab.Start(t, imagetest.Tool(t), "stock", nil)
	config := &pressure.Limit{Limit: pressure.Limits{Container: "stock", Memory: 32 << 20}}
	fault, err := config.Open(containertest.Env("small", box))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fault.Bite().Bit {
		t.Errorf("nothing met it: %+v", fault.Bite())
	}
	if box.Get(t.Context(), "/memory?mb=256") == nil {
		t.Error("it has 256 MiB, and may have 32")
	}
	for range 50 { // the engine tells the end some time after it
		if box.Engine().Starved(t.Context(), box.ID(), container.Life{}) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := fault.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := fault.Bite()
	switch told := box.Engine().Starved(t.Context(), box.ID(), container.Life{}); {
	case b.Bit && !strings.Contains(b.Words, "memory"):
		t.Errorf("%+v", b)
	case !b.Bit && told:
		t.Errorf("the engine tells an end for want of memory, and the fault does not: %+v", b)
	case !b.Bit:
		t.Log("the engine did not tell why the container ended: the fault claims nothing")
	}
}

// A process in the container that needs more memory than the container may have is seen to meet the limit. The container goes on.
func TestMemoryOfAChild(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	box := lab.Start(t, imagetest.Tool(t), "stock", nil)
	config := &pressure.Limit{Limit: pressure.Limits{Container: "stock", Memory: 48 << 20}}
	fault, err := config.Open(containertest.Env("small", box))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := box.Get(t.Context(), "/child?mb=256"); err != nil {
		t.Error(err)
	}
	if err := fault.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := fault.Bite(); !strings.Contains(b.Words, "a process ended for want of memory") {
		t.Errorf("%+v", b)
	}
	if err := fault.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if d := box.Deaths(); len(d) != 1 || !d[0].WentOn {
		t.Errorf("%+v", d)
	}
}

func withDisk(_ *moby.Config, h *moby.HostConfig) { h.Tmpfs = map[string]string{"/data": "size=8m"} }

// A full disk takes nothing more, stays full, and is empty again afterwards.
func TestFill(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	box := lab.Start(t, imagetest.Tool(t), "stock", withDisk)
	config := &pressure.Fill{Fill: pressure.Disk{Container: "stock", Dir: "/data"}}
	fault, err := config.Open(containertest.Env("full", box))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := fault.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b := fault.Bite(); !b.Bit || b.Bytes != 8<<20 {
			t.Errorf("%+v", b)
		}
		if f := box.Fill(t, "/data"); !strings.Contains(f.Error, "no space") {
			t.Errorf("the container wrote to a full disk: %+v", f)
		}
		if fault.Probe(t.Context()) == nil {
			t.Error("the probe sees nothing wrong")
		}
		for range 2 {
			if err := fault.Heal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := fault.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if f := box.Fill(t, "/data"); f.Error != "" {
		t.Errorf("after heal: %+v", f)
	}
}

// Only a folder in memory of limited size is filled: anything else would fill the machine's disk.
func TestFillRefuses(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	box := lab.Start(t, imagetest.Tool(t), "stock", func(_ *moby.Config, h *moby.HostConfig) { h.Tmpfs = map[string]string{"/open": ""} })
	for _, dir := range []string{"/", "/tmp", "/open"} {
		config := &pressure.Fill{Fill: pressure.Disk{Container: "stock", Dir: dir}}
		if _, err := config.Open(containertest.Env("full", box)); err == nil || !strings.Contains(err.Error(), "tmpfs") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// What a killed run leaves is undone by its journal.
func TestUndo(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	box := lab.Start(t, imagetest.Tool(t), "stock", withDisk)
	env := containertest.Env("left", box)
	left := containertest.Left(t, &pressure.Limit{Limit: pressure.Limits{Container: "stock", CPUs: 0.5}}, env)
	for range 2 {
		if err := pressure.UndoLimit(t.Context(), left[0].Data); err != nil {
			t.Error(err)
		}
	}
	if now, err := lab.Engine.Limits(t.Context(), box.ID()); err != nil || now.CPUs() != 0 {
		t.Errorf("%+v %v", now, err)
	}
	left = containertest.Left(t, &pressure.Fill{Fill: pressure.Disk{Container: "stock", Dir: "/data"}}, env)
	for range 2 {
		if err := pressure.UndoFill(t.Context(), left[0].Data); err != nil {
			t.Error(err)
		}
	}
	if f := box.Fill(t, "/data"); f.Error != "" {
		t.Errorf("after undo: %+v", f)
	}
	for _, data := range []string{`{"file":"../etc/passwd"}`, `{"file":".wringer-fill-x/../y"}`, `x`} {
		if pressure.UndoFill(t.Context(), json.RawMessage(data)) == nil {
			t.Errorf("%s was carried out", data)
		}
	}
}
