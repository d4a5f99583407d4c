package toxiproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"wringer/faults"
	"wringer/faults/process"
	"wringer/faults/toxi"
)

// rig is a running server with a proxy before an echo server, and a link to dial the proxy over.
type rig struct {
	server server
	proxy  string // its name
	listen string
	link   *toxi.Link
}

// newRig makes a rig with a server of its own, whose proxy is named orders.
func newRig(t *testing.T) *rig {
	t.Helper()
	return rigOn(t, startServer(t), "orders")
}

// rigOn makes a rig with a proxy of its own on a server.
func rigOn(t *testing.T, s server, name string) *rig {
	t.Helper()
	r := &rig{server: s, proxy: name}
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	t.Cleanup(echo.Close)
	mesh, err := toxi.NewMesh(faults.Network{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mesh.Close(context.Background()) })
	link, err := mesh.Link("orders")
	if err != nil {
		t.Fatal(err)
	}
	r.link = link.(*toxi.Link)
	made := map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": strings.TrimPrefix(echo.URL, "http://"), "enabled": true}
	var p proxy
	if err := r.server.call(t.Context(), http.MethodPost, "/proxies", made, &p); err != nil {
		t.Fatal(err)
	}
	r.listen = p.Listen
	return r
}

// freePort finds a port for a server: one that no other server of these tests had, and that no proxy or client gets.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		port, err := process.Ports(1)
		if err != nil {
			t.Fatal(err)
		}
		if _, had := taken.LoadOrStore(port, true); !had {
			return strconv.Itoa(port)
		}
	}
}

func startServer(t *testing.T) server {
	t.Helper()
	host, port := "127.0.0.1", freePort(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), served+"="+net.JoinHostPort(host, port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s := server{url: "http://" + net.JoinHostPort(host, port)}
	tick, bound := time.NewTicker(5*time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer bound.Stop()
	for s.call(t.Context(), http.MethodGet, "/proxies", nil, nil) != nil {
		select {
		case <-tick.C:
		case <-bound.C:
			t.Fatal("the server does not answer")
		}
	}
	return s
}

func (r *rig) config(c Config) Config {
	c.Server, c.Proxy, c.Through = r.server.url, r.proxy, "orders"
	return c
}

func (r *rig) open(t *testing.T, c Config, j *faults.Journal) *Fault {
	t.Helper()
	c = r.config(c)
	c.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
	f, err := c.Open(faults.Env{Journal: j, Link: func(string) (faults.Link, error) { return r.link, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return f.(*Fault)
}

// meet sends a request through the link and the proxy.
func (r *rig) meet(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DialContext: r.link.Dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.listen, strings.NewReader("hello"))
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "hello" {
		return errors.Join(err, errors.New("another answer: "+string(body)))
	}
	return nil
}

func (r *rig) state(t *testing.T) (state map[string]any) {
	t.Helper()
	if err := r.server.call(t.Context(), http.MethodGet, "/proxies", nil, &state); err != nil {
		t.Fatal(err)
	}
	return state
}
