package container_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"wringer/faults"
	"wringer/faults/container/containertest"
	"wringer/faults/container/netcut"
	"wringer/faults/container/pressure"
	"wringer/faults/part"
	"wringer/scenarios/containers/imagetest"
)

// On an engine elsewhere the faults reach into containers by sidecars. Each touches traffic, heals, and leaves nothing.
func TestElsewhere(t *testing.T) {
	lab := containertest.OpenElsewhere(t, imagetest.Program(t))
	image := imagetest.Tool(t)
	pair := lab.Pair(t, image)
	store := lab.Start(t, image, "store", func(_ *moby.Config, h *moby.HostConfig) { h.Tmpfs = map[string]string{"/data": "size=2m"} })
	partition := &netcut.Partition{Partition: netcut.Between{From: netcut.Names{"orders"}, To: netcut.Names{"stock"}, Both: true}}
	fill := &pressure.Fill{Fill: pressure.Disk{Container: "store", Dir: "/data"}}
	full := func(context.Context) error {
		if f := store.Fill(t, "/data"); f.Error != "" {
			return errors.New(f.Error)
		}
		return nil
	}
	for name, c := range map[string]struct {
		config faults.Config
		meet   func(context.Context) error
	}{
		"partition":  {partition, pair.Ask},
		"disconnect": {&netcut.Disconnect{Disconnect: "stock"}, pair.Ask},
		"kill":       {&part.Config{Kill: "stock"}, pair.Ask},
		"pause":      {&part.Config{Pause: "stock"}, pair.Ask},
		"files":      {&part.Config{Files: "stock"}, func(ctx context.Context) error { return pair.Stock.Get(ctx, "/healthz") }},
		"fill":       {fill, full},
	} {
		t.Run(name, func(t *testing.T) {
			fault, err := c.config.Open(containertest.Env(name, pair.Orders, pair.Stock, store))
			if err != nil {
				t.Fatal(err)
			}
			if err := fault.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			untilBit(t, fault, c.meet)
			if err := fault.Heal(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := fault.Probe(t.Context()); err != nil {
				t.Error(err)
			}
			containertest.Again(t, c.meet)
			t.Logf("%+v", fault.Bite())
		})
	}
	t.Run("undo", func(t *testing.T) {
		left := containertest.Left(t, partition, containertest.Env("left", pair.Orders, pair.Stock))
		if pair.Ask(t.Context()) == nil {
			t.Error("it is not in force")
		}
		for range 2 { // the second time there is nothing to undo
			if err := netcut.UndoPartition(t.Context(), left[0].Data); err != nil {
				t.Error(err)
			}
		}
		containertest.Again(t, pair.Ask)
		left = containertest.Left(t, fill, containertest.Env("left", store))
		if full(t.Context()) == nil {
			t.Error("the folder is not full")
		}
		for range 2 { // the container has no shell: a sidecar removes the file
			if err := pressure.UndoFill(t.Context(), left[0].Data); err != nil {
				t.Error(err)
			}
		}
		if err := full(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for _, box := range []*containertest.Box{pair.Orders, pair.Stock, store} {
		if box.Sidecar() == "" {
			t.Errorf("%s was reached without a sidecar", box.Name())
		}
		if err := box.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := lab.Left(t); n > 0 {
		t.Errorf("%d containers are left", n)
	}
}

// untilBit meets a fault until its own counters tell so.
func untilBit(t *testing.T, fault faults.Fault, meet func(context.Context) error) {
	t.Helper()
	for !fault.Bite().Bit {
		if t.Context().Err() != nil {
			t.Fatal("it touched nothing")
		}
		_ = meet(t.Context())
		time.Sleep(50 * time.Millisecond)
	}
}

// Without a program for sidecars the faults that need one are refused, and say what is missing. A kill works: what other containers
// send to it is not counted, and this is told.
func TestElsewhereWithoutASidecar(t *testing.T) {
	lab := containertest.OpenElsewhere(t, "/nowhere/wringer")
	pair := lab.Pair(t, imagetest.Tool(t))
	env := containertest.Env("cut", pair.Orders, pair.Stock)
	partition := &netcut.Partition{Partition: netcut.Between{From: netcut.Names{"orders"}, To: netcut.Names{"stock"}}}
	if _, err := partition.Open(env); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") || !strings.Contains(err.Error(), "put a link") {
		t.Errorf("%v", err)
	}
	kill, err := (&part.Config{Kill: "stock"}).Open(env)
	if err != nil {
		t.Fatal(err)
	}
	if err := kill.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if pair.Ask(t.Context()) == nil {
		t.Error("it answers")
	}
	if b := kill.Bite(); b.Bit || !strings.Contains(b.Unmeasured, "not within reach") {
		t.Errorf("%+v", b)
	}
	if err := kill.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What another container dials anew while one is down is seen: by its name, which nobody knows then, and by its address.
func TestCallsWhileDown(t *testing.T) {
	lab := containertest.Open(t)
	pair := lab.Pair(t, imagetest.Tool(t))
	address := ""
	byAddress := func(ctx context.Context) error {
		return pair.Orders.Get(ctx, "/dial?to="+address+":8080")
	}
	byFullName := func(ctx context.Context) error {
		return pair.Orders.Get(ctx, "/dial?to=stock."+lab.Network()+":8080")
	}
	for name, config := range map[string]faults.Config{
		"kill": &part.Config{Kill: "stock"}, "restart": &part.Config{Restart: "stock"}, "disconnect": &netcut.Disconnect{Disconnect: "stock"},
	} {
		for how, meet := range map[string]func(context.Context) error{"name": pair.Ask, "address": byAddress, "full name": byFullName, "nobody": nil} {
			if how == "full name" && name != "kill" { // one is enough
				continue
			}
			t.Run(name+" by "+how, func(t *testing.T) {
				fault, err := config.Open(containertest.Env(name, pair.Orders, pair.Stock))
				if err != nil {
					t.Fatal(err)
				}
				address = containertest.AddressOf(t, lab, pair.Stock)
				if err := fault.Inject(t.Context()); err != nil {
					t.Fatal(err)
				}
				if meet != nil {
					untilBit(t, fault, meet)
				}
				if err := fault.Heal(t.Context()); err != nil {
					t.Fatal(err)
				}
				containertest.Again(t, pair.Ask)
				if b := fault.Bite(); b.Bit != (meet != nil) {
					t.Errorf("%+v", b)
				}
			})
		}
	}
}
