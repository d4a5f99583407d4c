package toxi

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wringer/faults"
	"wringer/faults/faulttest"
)

// listen opens an inlet of l to addresses.
func listen(t testing.TB, l *Link, upstream ...string) string {
	t.Helper()
	address, err := l.Listen(faults.Inlet{Address: "127.0.0.1:0", Upstream: func(context.Context) ([]string, error) {
		return upstream, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// knock connects to address as a client that does not know of links.
func knock(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// greeted reports whether an echo answers at address. A reset may come before the connection was made.
func greeted(address string) bool {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return say(c, "hello") == nil
}

func TestInletConformance(t *testing.T) {
	for _, c := range []Config{
		{Latency: steady(10 * time.Millisecond)},
		{Partition: FromTarget, Mode: Hold},
		{Partition: Both},
		{Refuse: true},
	} {
		for _, branch := range []string{"", "peer-2"} {
			t.Run(c.words()+" "+branch, func(t *testing.T) {
				t.Parallel()
				faulttest.Run(t, func(t *testing.T) faulttest.Rig {
					u, l := serve(t, echo), newLink(t)
					address := listen(t, l, u.address())
					return faulttest.Rig{Config: &c, Fault: openBranch(t, l, branch, peers{"peer-2": u.address()}, c), Meet: func(ctx context.Context) error {
						conn, err := net.Dial("tcp", address)
						if err != nil {
							return err
						}
						defer l.empty(ctx)
						defer conn.Close()
						defer context.AfterFunc(ctx, func() { conn.Close() })()
						return say(conn, "a word")
					}}
				})
			})
		}
	}
}

// peers are addresses by name; the first has a second name.
type peers map[string]string

func (p peers) Peers(context.Context) (map[string]string, error) { return p, nil }
func (p peers) Resolve(_ context.Context, branch string) (string, error) {
	return strings.Replace(branch, "the first", "peer-1", 1), nil
}

// openBranch opens a fault on a branch of the link; an empty branch is the whole link.
func openBranch(t testing.TB, l *Link, branch string, p faults.Peers, c Config) *Fault {
	t.Helper()
	c.Link = strings.TrimSuffix(l.name+"/"+branch, "/")
	f, err := c.Open(faults.Env{
		Seed: 7, For: time.Second, Link: func(string) (faults.Link, error) { return l, nil },
		Peers: func(string) (faults.Peers, error) { return p, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f.(*Fault)
}

// A fault on the link breaks the path to every peer; one on a branch breaks only that path. This holds for dialled,
// accepted and existing connections.
func TestBranches(t *testing.T) {
	first, second, l := serve(t, echo), serve(t, echo), newLink(t)
	_, port, _ := net.SplitHostPort(second.address())
	byName := net.JoinHostPort("localhost", port) // the same peer by another name, as a client may know it
	p := peers{"peer-1": first.address(), "peer-2": second.address()}
	inlets := map[*upstream]string{first: listen(t, l, first.address()), second: listen(t, l, second.address())}
	type served struct{ dialled, inlet, existing bool }
	existing := map[*upstream]net.Conn{}
	try := func(u *upstream, address string) (s served) {
		if c, err := l.Dial(t.Context(), "tcp", address); err == nil {
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			s.dialled = say(c, "hello") == nil
			c.Close()
		}
		s.inlet = greeted(inlets[u])
		s.existing = say(existing[u], "hello") == nil
		return s
	}
	all := served{true, true, true}
	for _, tt := range []struct {
		branch        string
		first, second served
		peer          string
	}{
		{"peer-2", all, served{}, "peer-2"},
		{"the first", served{}, all, "peer-1"},
		{"", served{}, served{}, ""},
	} {
		existing[first], existing[second] = dial(t, l, first.address()), dial(t, l, byName)
		f := openBranch(t, l, tt.branch, p, Config{Refuse: true})
		if err := f.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		one, two := try(first, first.address()), try(second, byName)
		if one != tt.first || two != tt.second {
			t.Errorf("a fault on %q: the first serves %+v, the second %+v", tt.branch, one, two)
		}
		if bite := f.Bite(); !bite.Bit || bite.Peer != tt.peer {
			t.Errorf("a fault on %q bit as %+v", tt.branch, bite)
		}
		heal(t, f)
	}
	existing[first], existing[second] = dial(t, l, first.address()), dial(t, l, byName)
	if one, two := try(first, first.address()), try(second, byName); one != all || two != all {
		t.Errorf("after healing: the first serves %+v, the second %+v", one, two)
	}
}

// Traffic to other peers is not counted, and a fault on no peer does nothing.
func TestBranchThatNobodyUses(t *testing.T) {
	first, second, l := serve(t, echo), serve(t, echo), newLink(t)
	p := peers{"peer-1": first.address(), "peer-2": second.address()}
	f := openBranch(t, l, "peer-2", p, Config{Latency: steady(time.Millisecond)})
	if err := f.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := say(dial(t, l, first.address()), "hello"); err != nil {
		t.Error(err)
	}
	if bite := f.Bite(); bite.Bit || bite.Bytes != 0 {
		t.Errorf("bit %+v", bite)
	}
	heal(t, f)
	f = openBranch(t, l, "peer-3", p, Config{Refuse: true})
	if err := f.Inject(t.Context()); !errors.Is(err, faults.ErrNoPeer) {
		t.Errorf("a fault on nobody: %v", err)
	}
	if err := say(dial(t, l, first.address()), "hello"); err != nil {
		t.Error(err)
	}
}

func TestInletOfADeadUpstreamResets(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	u.Close()
	// The reset may come while the client still connects.
	c, err := net.Dial("tcp", listen(t, l, u.address()))
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client saw %v, not a reset", err)
	}
}

func TestInletTakesTheUpstreamThatAnswers(t *testing.T) {
	dead, u, l := serve(t, echo), serve(t, echo), newLink(t)
	dead.Close()
	if err := say(knock(t, listen(t, l, dead.address(), u.address())), "hello"); err != nil {
		t.Error(err)
	}
}

// A connection made before the upstream is known waits for it, without blocking others.
func TestInletBeforeItsUpstream(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	known := make(chan struct{})
	address, err := l.Listen(faults.Inlet{Address: "127.0.0.1:0", Upstream: func(ctx context.Context) ([]string, error) {
		select {
		case <-known:
			return []string{u.address()}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	first := knock(t, address)
	if _, err := io.WriteString(first, "hello"); err != nil {
		t.Fatal(err)
	}
	close(known)
	if err := hear(first, "hello"); err != nil {
		t.Error(err)
	}
}

func TestInletAcceptsBesideAnUpstreamThatHangs(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	var mu sync.Mutex
	asked := 0
	address, err := l.Listen(faults.Inlet{Address: "127.0.0.1:0", Upstream: func(ctx context.Context) ([]string, error) {
		mu.Lock()
		asked++
		first := asked == 1
		mu.Unlock()
		if first {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return []string{u.address()}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	knock(t, address)
	until(t, "the first connection hangs", func() bool { mu.Lock(); defer mu.Unlock(); return asked == 1 })
	if err := say(knock(t, address), "hello"); err != nil {
		t.Error(err)
	}
}

func TestInletClosesWithTheMesh(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	address := listen(t, l, u.address())
	c := knock(t, address)
	if err := say(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := l.mesh.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("it still listens")
	}
	if _, err := l.Listen(faults.Inlet{Address: "127.0.0.1:0"}); err == nil {
		t.Error("a link of a closed mesh listens")
	}
}

// shout is a layer that adds its own answer and passes the rest on.
type shout struct{}

func (shout) Carry(client, target net.Conn, _ string) {
	_, _ = io.WriteString(client, "HEAR! ")
	var there sync.WaitGroup
	there.Go(func() { _, _ = io.Copy(target, client); target.Close() })
	_, _ = io.Copy(client, target)
	client.Close()
	there.Wait()
}

func TestLayerLiesOverDialsAndInlets(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	if _, err := l.Lay("shouting", func() faults.Layer { return shout{} }); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Lay("whispering", func() faults.Layer { return shout{} }); err == nil {
		t.Error("the link bears two layers")
	}
	for name, c := range map[string]net.Conn{"dial": dial(t, l, u.address()), "inlet": knock(t, listen(t, l, u.address()))} {
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		if err := hear(c, "HEAR! hello"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
	l.empty(t.Context())
}

// The mesh's own dial makes every connection to a target, within the bounds of a run.
func TestMeshDials(t *testing.T) {
	u := serve(t, echo)
	var asked []string
	var mu sync.Mutex
	m, err := NewMesh(faults.Network{}, func(_ context.Context, _, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, address)
		return nil, errors.New("beyond the bounds")
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	opened, err := m.Link("orders")
	if err != nil {
		t.Fatal(err)
	}
	l := opened.(*Link)
	if c, err := l.Dial(t.Context(), "tcp", u.address()); err == nil {
		c.Close()
		t.Error("dialled past the mesh")
	}
	if greeted(listen(t, l, u.address())) {
		t.Error("an inlet was served past the mesh")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 2 || u.connections() != 0 {
		t.Errorf("asked for %q, and the target has seen %d connections", asked, u.connections())
	}
}
