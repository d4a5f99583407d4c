package containers

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/container/containertest"
	"wringer/faults/container/netcut"
)

// The engine is reached over TCP, and counts as one elsewhere. A target starts there, and a link listens in a relay. Sidecars drop the
// packets between two containers, and nothing is left.
func TestEngineElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("slow, left out by -short: starts containers")
	}
	t.Setenv("DOCKER_HOST", "tcp://"+containertest.Proxy(t))
	t.Setenv("WRINGER_ENGINE", "elsewhere")
	env := relayEnv(t)
	r := newRig(t, env)
	relay := r.alias("orders")
	r.start(env)
	if a := r.dials("orders", "stock:8081"); a.Answer != "hello" || a.Peer != net.JoinHostPort(relay, "8081") {
		t.Errorf("orders dials stock: %+v; want the relay at %s", a, relay)
	}

	parts := r.target.Parts()
	config := &netcut.Partition{Partition: netcut.Between{From: netcut.Names{"billing"}, To: netcut.Names{"stock"}}}
	fault, err := config.Open(faults.Env{Name: "cut", Part: func(name string) (faults.Part, error) {
		if p, ok := parts[name]; ok {
			return p, nil
		}
		return nil, fmt.Errorf("there is no part %s", name)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := r.dials("billing", "stock:8081"); a.Error == "" {
		t.Errorf("billing reaches stock: %+v", a)
	}
	if a := r.dials("orders", "stock:8081"); a.Answer != "hello" {
		t.Errorf("orders does not reach stock: %+v", a)
	}
	if err := fault.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := fault.Bite(); !b.Bit || !strings.Contains(b.Words, "from billing to stock") {
		t.Errorf("%+v", b)
	}
	if err := fault.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if a := r.dials("billing", "stock:8081"); a.Answer != "hello" {
		t.Errorf("after heal: %+v", a)
	}

	r.no(r.target.Close(t.Context()))
	r.target = nil
	engine, err := container.Open(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	mine := make(client.Filters).Add("label", container.LabelRun+"="+env.Run)
	left, err := engine.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: mine})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("left %v, %v", left.Items, err)
	}
}
