// Package containertest starts containers for tests of faults on them, and stands in for an engine.
package containertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/visit"
)

// patience bounds the waits of a test; it is no expectation.
const patience = time.Minute

// Lab is an engine with a network of the test's own. What is made in it is removed at the end of the test.
type Lab struct {
	Engine  *container.Engine
	run     string
	network string
	boxes   []*Box
}

// but are the containers of the lab without one.
func (l *Lab) but(b *Box) (all []*container.Container) {
	for _, other := range l.boxes {
		if other != b {
			all = append(all, other.Container)
		}
	}
	return all
}

// Left counts the containers of the lab that the engine holds.
func (l *Lab) Left(t testing.TB) int {
	t.Helper()
	mine := make(client.Filters).Add("label", container.LabelRun+"="+l.run)
	all, err := l.Engine.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: mine})
	if err != nil {
		t.Fatal(err)
	}
	return len(all.Items)
}

// Open opens a lab. The test is skipped where no engine answers, and under -short.
func Open(t testing.TB) *Lab {
	t.Helper()
	if testing.Short() {
		t.Skip("slow, left out by -short: starts containers")
	}
	return OpenAlways(t)
}

// OpenElsewhere opens a lab whose engine is reached over TCP, and counts as one on another machine. It sets the environment of the
// test, which cannot be parallel. program is a static binary of this module's command.
func OpenElsewhere(t *testing.T, program string) *Lab {
	t.Helper()
	t.Setenv("DOCKER_HOST", "tcp://"+Proxy(t))
	t.Setenv("WRINGER_ENGINE", "elsewhere")
	t.Setenv(container.OwnVariable, program)
	return Open(t)
}

// OpenAlways opens a lab also under -short: for the one test that shows that the engine works.
func OpenAlways(t testing.TB) *Lab {
	t.Helper()
	e, err := container.Open(t.Context())
	if errors.Is(err, container.ErrNoEngine) {
		t.Skip("container engine: not answering, skipped")
	}
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{Engine: e, run: "test" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	l.network = "wringer-" + l.run
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(e.RemoveRun(ctx, l.run), e.Close()); err != nil {
			t.Errorf("left in the engine: %v", err)
		}
	})
	l.makeNetwork(t)
	return l
}

// Network is the name of the lab's network.
func (l *Lab) Network() string { return l.network }

// makeNetwork makes a network with a subnet that is asked for, as a run does.
func (l *Lab) makeNetwork(t testing.TB) {
	t.Helper()
	o := client.NetworkCreateOptions{Driver: "bridge", Labels: map[string]string{container.LabelRun: l.run}}
	for {
		made, err := l.Engine.NetworkCreate(t.Context(), l.network, o)
		if err != nil && o.IPAM == nil {
			t.Fatal(err)
		}
		if err != nil { // another test took the subnet
			o.IPAM = nil
			continue
		}
		if o.IPAM != nil {
			return
		}
		seen, err := l.Engine.NetworkInspect(t.Context(), made.ID, client.NetworkInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		o.IPAM = &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{
			Subnet: seen.Network.IPAM.Config[0].Subnet, Gateway: seen.Network.IPAM.Config[0].Gateway,
		}}}
		if _, err := l.Engine.NetworkRemove(t.Context(), made.ID, client.NetworkRemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// Box is a container that serves HTTP on port 8080.
type Box struct {
	*container.Container
	Address string // at which this process reaches it
	failed  atomic.Int64
}

// Start starts a container of an image that serves HTTP on port 8080, and waits until it answers at /healthz. change may be nil.
func (l *Lab) Start(t testing.TB, image, name string, change func(*moby.Config, *moby.HostConfig)) *Box {
	t.Helper()
	return l.start(t, image, name, 0, change)
}

// start is Start of a container that gets grace to end; 0: the default.
func (l *Lab) start(t testing.TB, image, name string, grace time.Duration, change func(*moby.Config, *moby.HostConfig)) *Box {
	t.Helper()
	outer := freePort(t)
	inner := network.MustParsePort("8080/tcp")
	config := &moby.Config{
		Image: image, Hostname: name, Labels: map[string]string{container.LabelRun: l.run, container.LabelPart: name},
		ExposedPorts: network.PortSet{inner: struct{}{}},
	}
	host := &moby.HostConfig{
		NetworkMode:  moby.NetworkMode(l.network),
		PortBindings: network.PortMap{inner: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: strconv.Itoa(outer)}}},
	}
	if change != nil {
		change(config, host)
	}
	made, err := l.Engine.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config: config, HostConfig: host, Name: l.network + "-" + name,
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{l.network: {Aliases: []string{name}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &Box{Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(outer))}
	b.Container = container.New(container.Spec{
		Engine: l.Engine, ID: made.ID, Name: name, Within: patience, Grace: grace,
		Ready: func(ctx context.Context) error {
			return get(ctx, "http://"+b.Address+"/healthz", nil, func(error) {})
		},
		Ports: map[string]string{strconv.Itoa(outer): "8080"}, Refused: func(string) int64 { return b.failed.Load() },
		Names: []string{name}, Callers: func() []*container.Container { return l.but(b) },
	})
	l.boxes = append(l.boxes, b)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := b.Container.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// freePort finds a port outside the kernel's range of outgoing ones: one of those may be a connection's own while the container is
// down.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		port := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			l.Close()
			return port
		}
	}
}

// Get asks the container for a path over a connection of its own. Dials that fail are counted as those of a run.
func (b *Box) Get(ctx context.Context, path string) error { return b.ask(ctx, path, nil) }

// ask decodes the answer into into; nil: not needed.
func (b *Box) ask(ctx context.Context, path string, into any) error {
	return get(ctx, "http://"+b.Address+path, into, func(err error) {
		if err != nil {
			b.failed.Add(1)
		}
	})
}

// getWithin bounds one request.
const getWithin = 2 * time.Second

// get asks over a connection of its own, which has ended at the container too when get returns. dialled gets each dial's outcome.
func get(ctx context.Context, url string, into any, dialled func(error)) error {
	var calls visit.Calls
	defer calls.End()
	ctx, cancel := context.WithTimeout(ctx, getWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := calls.Dial(ctx, network, address)
		dialled(err)
		return c, err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true, DialContext: dial}).RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// Env is the environment of a fault on boxes.
func Env(name string, boxes ...*Box) faults.Env {
	env := faults.Env{Name: name, Part: func(part string) (faults.Part, error) {
		for _, b := range boxes {
			if b.Name() == part {
				return b.Container, nil
			}
		}
		return nil, fmt.Errorf("there is no part %s", part)
	}}
	for _, b := range boxes {
		env.Parts = append(env.Parts, b.Name())
	}
	return env
}

// Deaf starts a container that does not end on SIGTERM, and gets a second to do so.
func (l *Lab) Deaf(t testing.TB, image, name string) *Box {
	t.Helper()
	return l.start(t, image, name, time.Second, func(c *moby.Config, _ *moby.HostConfig) { c.Env = append(c.Env, "TOOL_DEAF=1") })
}

// Couple is a container that calls another.
type Couple struct{ Orders, Stock *Box }

// Pair starts orders and stock. Orders reaches stock by its name.
func (l *Lab) Pair(t testing.TB, image string) Couple {
	t.Helper()
	return Couple{Orders: l.Start(t, image, "orders", nil), Stock: l.Start(t, image, "stock", nil)}
}

// Ask lets orders ask stock, over a connection of its own.
func (c Couple) Ask(ctx context.Context) error {
	var a struct{ Error string }
	if err := c.Orders.ask(ctx, "/get?url=http://stock:8080/healthz", &a); err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}

// Again waits, up to a minute, until ask succeeds after a container came back. Who dialled it while it was away may hear "no route to
// host" for a second more: the kernel ends its search for the neighbour only then.
func Again(t testing.TB, ask func(context.Context) error) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for err := ask(t.Context()); err != nil; err = ask(t.Context()) {
		if time.Now().After(end) {
			t.Errorf("a minute after the container came back: %v", err)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Settle waits until no connection of either sends by itself any more. After a partition one may send again what got lost, seconds
// after the test that made it.
func (c Couple) Settle(t testing.TB) {
	t.Helper()
	for _, b := range []*Box{c.Orders, c.Stock} {
		var a struct{ Connections int }
		end := time.Now().Add(time.Minute)
		for err := b.ask(t.Context(), "/unsettled", &a); err != nil || a.Connections > 0; err = b.ask(t.Context(), "/unsettled", &a) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d connections are not settled: %v", b.Name(), a.Connections, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// Hold opens a connection that stays.
func (b *Box) Hold(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", b.Address)
}

// Filled is the answer to Fill.
type Filled struct {
	Error string `json:"error"`
	Bytes int64  `json:"bytes"`
}

// Fill lets the container write a megabyte to a file of a folder.
func (b *Box) Fill(t testing.TB, dir string) (f Filled) {
	t.Helper()
	answer, err := http.Get("http://" + b.Address + "/fill?mb=1&dir=" + dir)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// Left injects a fault as a run does that is killed then, and returns what its journal holds.
func Left(t testing.TB, c faults.Config, env faults.Env) []faults.Undo {
	t.Helper()
	path := filepath.Join(t.TempDir(), faults.JournalFile)
	env.Journal = faults.NewJournal(path, nil)
	fault, err := c.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if live, is := fault.(interface{ Abandon() }); is {
		live.Abandon() // it would fill a folder again
	}
	left, err := faults.Left(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = fault.Heal(ctx) // it was undone already
	})
	return left
}
