package netcut_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/container/containertest"
	"wringer/faults/container/netcut"
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
	pool := containertest.NewPool(t, func() containertest.Couple { return containertest.Open(t).Pair(t, image) })
	for name, config := range map[string]faults.Config{
		"one way":    &netcut.Partition{Partition: netcut.Between{From: netcut.Names{"orders"}, To: netcut.Names{"stock"}}},
		"both":       &netcut.Partition{Partition: netcut.Between{From: netcut.Names{"stock"}, To: netcut.Names{"others"}, Both: true}},
		"disconnect": &netcut.Disconnect{Disconnect: "stock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				rig := pool.Take(t)
				rig.Settle(t)
				fault, err := config.Open(containertest.Env("cut", rig.Orders, rig.Stock))
				if err != nil {
					t.Fatal(err)
				}
				meet := rig.Ask
				if name == "disconnect" { // a name that is gone leaves no trace; a dial that fails does
					meet = func(ctx context.Context) error { return rig.Stock.Get(ctx, "/healthz") }
				}
				return faulttest.Rig{Config: config, Fault: fault, Meet: meet}
			})
		})
	}
}

// Each direction has a count of its own, and those of one that was not cut stay 0.
func TestDirections(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	rig := lab.Pair(t, imagetest.Tool(t))
	config := &netcut.Partition{Partition: netcut.Between{From: netcut.Names{"stock"}, To: netcut.Names{"orders"}}}
	fault, err := config.Open(containertest.Env("answers", rig.Orders, rig.Stock))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	for !fault.Bite().Bit {
		if rig.Ask(t.Context()) == nil {
			t.Fatal("an answer came through")
		}
	}
	if err := fault.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := fault.Bite(); !strings.Contains(b.Words, "from stock to orders") || strings.Contains(b.Words, "back") || b.Bytes == 0 {
		t.Errorf("%+v", b)
	}
}

// A container that starts again has a new namespace: the packets are dropped there too, and the gap is told.
func TestStartedAgain(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	rig := lab.Pair(t, imagetest.Tool(t))
	config := &netcut.Partition{Partition: netcut.Between{From: netcut.Names{"orders"}, To: netcut.Names{"stock"}}}
	fault, err := config.Open(containertest.Env("again", rig.Orders, rig.Stock))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	watched := fault.(faults.Watched)
	if err := watched.Lapse(); err != nil {
		t.Errorf("nothing happened, and it tells %v", err)
	}
	for _, call := range []func(context.Context) error{rig.Stock.Kill, rig.Stock.Container.Start} {
		if err := call(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for watched.Lapse() == nil {
		_ = rig.Ask(t.Context())
	}
	if rig.Ask(t.Context()) == nil {
		t.Error("packets pass in the new namespace")
	}
	if err := watched.Lapse(); !strings.Contains(err.Error(), "container stock started again") {
		t.Error(err)
	}
	if err := fault.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	containertest.Again(t, rig.Ask)
}

// A connection that stands is cut too.
func TestExistingConnections(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	rig := lab.Pair(t, imagetest.Tool(t))
	config := &netcut.Disconnect{Disconnect: "stock"}
	fault, err := config.Open(containertest.Env("gone", rig.Orders, rig.Stock))
	if err != nil {
		t.Fatal(err)
	}
	held, err := rig.Stock.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !fault.Bite().Bit {
		t.Error("a connection was open, and the fault says that it touched none")
	}
	if err := fault.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := fault.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a killed run leaves is undone by its journal, also when the container is gone.
func TestUndo(t *testing.T) {
	t.Parallel()
	lab := containertest.Open(t)
	rig := lab.Pair(t, imagetest.Tool(t))
	env := containertest.Env("left", rig.Orders, rig.Stock)
	for kind, c := range map[string]struct {
		config faults.Config
		undo   func(context.Context, json.RawMessage) error
	}{
		netcut.PartitionUndoKind:  {&netcut.Partition{Partition: netcut.Between{From: netcut.Names{"orders"}, To: netcut.Names{"stock"}}}, netcut.UndoPartition},
		netcut.DisconnectUndoKind: {&netcut.Disconnect{Disconnect: "stock"}, netcut.UndoDisconnect},
	} {
		left := containertest.Left(t, c.config, env)
		if len(left) != 1 || left[0].Kind != kind {
			t.Fatalf("%s: left %+v", kind, left)
		}
		if rig.Ask(t.Context()) == nil {
			t.Errorf("%s: it is not in force", kind)
		}
		for range 2 { // the second time there is nothing to undo
			if err := c.undo(t.Context(), left[0].Data); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		containertest.Again(t, rig.Ask)
	}
}
