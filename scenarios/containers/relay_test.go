package containers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/toxi"
	"wringer/scenarios"
	"wringer/scenarios/containers/imagetest"
)

// relayRig is a target of three tools on a real engine, with links in relays.
type relayRig struct {
	*testing.T
	prepared scenarios.Prepared
	mesh     faults.Mesh
	target   scenarios.Target
}

const toolPort, echoPort = 8080, 8081

func newRelayRig(t *testing.T, env scenarios.TargetEnv) *relayRig {
	t.Helper()
	t.Setenv(relayVariable, "relay")
	return newRig(t, env)
}

// newRig is such a target whose links listen in relays if the engine needs them.
func newRig(t *testing.T, env scenarios.TargetEnv) *relayRig {
	t.Helper()
	imagetest.Engine(t)
	t.Setenv(container.OwnVariable, imagetest.Program(t))
	image := imagetest.Tool(t)
	config := &Config{}
	for _, n := range []string{"orders", "billing", "stock"} {
		(*config)[n] = &Entry{Image: image, Ports: []uint16{toolPort, echoPort}, Ready: &Ready{HTTP: "/healthz", Within: 5 * time.Minute}}
	}
	r := &relayRig{T: t}
	var err error
	if r.prepared, err = config.Prepare(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	relaying := r.prepared.(scenarios.Relaying)
	r.mesh, err = toxi.NewMesh(faults.Network{ListenFunc: func(network, address string) (net.Listener, error) {
		l, ok, err := relaying.Listen(address)
		if ok || err != nil {
			return l, err
		}
		return faults.Network{}.Listen(network, address)
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *relayRig) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if r.target != nil {
		r.no(r.target.Close(ctx))
	} else {
		r.no(r.prepared.Close(ctx))
	}
	if r.mesh != nil {
		r.no(r.mesh.Close(ctx))
	}
}

func (r *relayRig) no(err error) {
	r.Helper()
	if err != nil {
		r.Error(err)
	}
}

// listen makes a link listen at host:port and lead to a port of stock.
func (r *relayRig) listen(link, address string, port uint16) string {
	r.Helper()
	l, err := r.mesh.Link(link)
	if err != nil {
		r.Fatal(err)
	}
	at, err := l.(faults.ListeningLink).Listen(faults.Inlet{Address: address, Upstream: func(context.Context) ([]string, error) {
		return []string{r.target.Vars()[fmt.Sprintf("stock.%d", port)]}, nil
	}})
	if err != nil {
		r.Fatal(err)
	}
	return at
}

// alias puts a link in the place of stock for a caller.
func (r *relayRig) alias(caller string) (host string) {
	r.Helper()
	host, err := r.prepared.(scenarios.Aliased).Alias(r.Context(), caller, "stock", []uint16{toolPort, echoPort})
	if err != nil {
		r.Fatal(err)
	}
	for _, port := range []uint16{toolPort, echoPort} {
		r.listen(caller+"->stock", net.JoinHostPort(host, portText(port)), port)
	}
	return host
}

func (r *relayRig) start(env scenarios.TargetEnv) {
	r.Helper()
	target, err := r.prepared.Start(r.Context(), env)
	if err != nil {
		r.Fatal(err)
	}
	r.target = target
}

// reached is the answer of the tool to /dial and /get.
type reached struct {
	Error, Peer, Answer string
	Status              int
}

// ask asks the tool in a container.
func (r *relayRig) ask(of, path string, query url.Values) (a reached) {
	r.Helper()
	answer, err := http.Get("http://" + r.target.Vars()[of+".8080"] + path + "?" + query.Encode())
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	if err != nil {
		r.Fatalf("%v: %s", err, body)
	}
	return a
}

func (r *relayRig) dials(caller, to string) reached {
	r.Helper()
	return r.ask(caller, "/dial", url.Values{"to": {to}, "say": {"hello"}})
}

func relayEnv(t *testing.T) scenarios.TargetEnv {
	return scenarios.TargetEnv{Run: strings.ToLower(fmt.Sprintf("relay%x", time.Now().UnixNano())), Files: t.TempDir()}
}

// Callers meet the relays of their links, each its own; a caller without one does not. A connection's half ends alone.
func TestEngineLinksInRelays(t *testing.T) {
	env := relayEnv(t)
	r := newRelayRig(t, env)
	orders, billing := r.alias("orders"), r.alias("billing")
	if orders == billing {
		t.Fatal("two links that take the same ports have one address")
	}
	address, err := r.prepared.LinkAddress(t.Context(), "plain")
	if err != nil {
		t.Fatal(err)
	}
	plain := r.listen("plain", address, echoPort) // a port that the relay chooses
	if cost, err := r.prepared.(scenarios.Relaying).RelayCost(plain); err != nil || cost <= 0 {
		t.Errorf("cost %v, %v", cost, err)
	}
	r.start(env)

	for caller, host := range map[string]string{"orders": orders, "billing": billing} {
		if a := r.dials(caller, "stock:8081"); a.Answer != "hello" || a.Error != "" || a.Peer != net.JoinHostPort(host, "8081") {
			t.Errorf("%s dials stock: %+v; want the relay at %s", caller, a, host)
		}
		if a := r.ask(caller, "/get", url.Values{"url": {"http://stock:8080/env"}}); a.Status != http.StatusOK || a.Error != "" {
			t.Errorf("%s asks stock: %+v", caller, a)
		}
	}
	if a := r.dials("stock", "orders:8081"); a.Answer != "hello" || strings.HasPrefix(a.Peer, orders) {
		t.Errorf("stock dials orders: %+v", a)
	}
	if a := r.dials("orders", plain); a.Answer != "hello" || a.Peer != plain {
		t.Errorf("orders dials %s: %+v", plain, a)
	}
	groups := r.target.(scenarios.Grouped).ControlGroups()
	for _, one := range r.relays() {
		if !slices.Contains(groups, one.part.ID()) {
			t.Error("what a relay uses is not the run's own")
		}
	}
}

func (r *relayRig) relays() []*relayed { return r.prepared.(*preparedConfig).relays }

// A relay that ends takes its links with it, and this is told. Nothing leads around them.
func TestEngineARelayThatEndsIsTold(t *testing.T) {
	env := relayEnv(t)
	r := newRelayRig(t, env)
	r.alias("orders")
	r.start(env)
	relaying := r.prepared.(scenarios.Relaying)
	if a := r.dials("orders", "stock:8081"); a.Answer != "hello" {
		t.Fatalf("%+v", a)
	}
	if err := relaying.RelayBroken(); err != nil {
		t.Fatal(err)
	}
	one := r.relays()[0]
	if err := one.part.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := r.dials("orders", "stock:8081"); a.Error == "" {
		t.Errorf("orders still reaches stock: %+v", a)
	}
	for relaying.RelayBroken() == nil { // until the connection's end has arrived
		time.Sleep(time.Millisecond)
	}
}

// A later run on a kept target listens on the relays that stand there.
func TestEngineKeptRelays(t *testing.T) {
	env := relayEnv(t)
	env.Keep = true
	first := newRelayRig(t, env)
	host := first.alias("orders")
	first.start(env)
	engine := first.prepared.(*preparedConfig).engine
	t.Cleanup(func() {
		engine, err := container.Open(context.Background())
		if err == nil {
			err = engine.RemoveRun(context.Background(), env.Run)
		}
		if err != nil {
			t.Error(err)
		}
	})
	kept, err := engine.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", container.LabelRun+"="+env.Run)})
	if err != nil || len(kept.Items) != 4 {
		t.Fatalf("%d containers, %v; want three and a relay", len(kept.Items), err)
	}
	if err := first.target.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	env.Reuse = true
	other := env
	other.Run += "x"
	own := imagetest.Program(t)
	changed := filepath.Join(t.TempDir(), "wringer")
	if out, err := exec.Command("sh", "-c", `cat "$0" >"$1" && echo >>"$1" && chmod +x "$1"`, own, changed).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv(container.OwnVariable, changed)
	p, err := prepare(t.Context(), other, first.prepared.(*preparedConfig).config)
	if err != nil {
		t.Fatal(err)
	}
	if p.adopted != nil {
		t.Error("another version of this program took over the relays of the former one")
	}
	p.keep = false
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	t.Setenv(container.OwnVariable, own)
	again := newRelayRig(t, env)
	if at := again.alias("orders"); at != host {
		t.Errorf("the link listens at %s, want %s, which the caller knows", at, host)
	}
	again.start(env)
	if a := again.dials("orders", "stock:8081"); a.Answer != "hello" || a.Peer != net.JoinHostPort(host, "8081") {
		t.Errorf("orders dials stock: %+v", a)
	}
	if _, err := again.prepared.(scenarios.Aliased).Alias(t.Context(), "billing", "stock", []uint16{toolPort}); err == nil || !strings.Contains(err.Error(), "without this link") {
		t.Errorf("a link that the kept caller does not know: %v", err)
	}
}
