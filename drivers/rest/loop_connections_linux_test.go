package rest

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// A loop passes long answers to a session, and gets the connection back afterwards.
func TestLoopSharesAConnectionWithSessions(t *testing.T) {
	body := strings.Repeat("x", 4<<20)
	for name, answer := range map[string]string{"short": "ok", "long": strings.Repeat("y", 300<<10), "a buffer": strings.Repeat("z", largeBuffer)} {
		t.Run(name, func(t *testing.T) {
			w := newRecordingServer(t, nil, func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, answer) })
			d := open(t, &Config{Request: "POST " + w.URL, Body: body})
			s, err := sessionByLoop(d)
			if err != nil {
				t.Fatal(err)
			}
			for seq := range uint64(4) {
				at := do(t, s, seq)
				expect(t, at, drivers.Acked, "")
				if at.In != int64(len(answer)) || at.Out != int64(len(body)) || at.Done < at.Sent {
					t.Errorf("%+v", at)
				}
			}
			if w.connections() != 1 || d.(*driver).client.open.Load() != 1 || d.(*driver).client.opened.Load() != 1 {
				t.Errorf("%d connections", w.connections())
			}
			s.Close()
			if n := d.(*driver).client.open.Load(); n != 0 {
				t.Errorf("%d connections are still open", n)
			}
		})
	}
}

// A connection that is to be closed, or that got unrequested bytes, carries no further request.
func TestLoopLeavesConnections(t *testing.T) {
	for name, text := range map[string]string{
		"last": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"more": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answer := 0
			address := first(t, func(c net.Conn, in *bufio.Reader) bool {
				if _, _, err := readRequest(in); err != nil {
					return false
				}
				if answer++; answer > 1 {
					t.Error("asked again")
				}
				io.WriteString(c, text)
				return true
			})
			f := startPolled(t, open(t, &Config{Request: "http://" + address}), 1)
			for range 2 {
				f.send(t.Context(), time.Minute)
				f.awaitAll(t.Context())
				expect(t, f.at[f.up-1], drivers.Acked, "")
			}
		})
	}
}

// The next request does not overwrite the unsent bytes of a session.
func TestLoopKeepsWhatIsNotSentYet(t *testing.T) {
	const size = moreThanTight
	hold := make(chan struct{})
	address := first(t, func(c net.Conn, in *bufio.Reader) bool {
		tighten(c)
		<-hold
		r, body, err := readRequest(in)
		if err != nil {
			return false
		}
		if want := strings.Repeat("x", size) + strings.TrimPrefix(r.URL.Path, "/"); body != want {
			t.Errorf("%s came with another's body", r.URL.Path)
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return true
	})
	f := startPolled(t, openTight(t, &Config{Request: "POST http://" + address + "/{{seq}}", Body: strings.Repeat("x", size) + "{{seq}}"}), 3)
	for range 3 {
		f.send(t.Context(), time.Minute)
	}
	close(hold)
	f.awaitAll(t.Context())
	for i := range f.up {
		expect(t, f.at[i], drivers.Acked, "")
	}
}

// A session that has a connection of its own gets no other.
func TestLoopLosesNoConnection(t *testing.T) {
	long := strings.Repeat("y", 300<<10)
	release := make(chan struct{})
	w := newRecordingServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, ".2"):
			io.WriteString(rw, long)
		case len(release) == 0 && strings.HasSuffix(r.URL.Path, ".0"):
			<-release
		}
	})
	env := drivertest.NewEnv(t, time.Now())
	var dials atomic.Int64
	env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if dials.Add(1) == 2 {
			return struct{ net.Conn }{c}, err
		}
		return c, err
	}
	d, err := (&Config{Request: w.URL + "/{{id}}"}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f := startPolled(t, d, 0)
	f.send(t.Context(), time.Minute) // over a socket
	for len(w.requests()) < 1 {
		f.l.Await(t.Context(), time.Millisecond)
	}
	f.send(t.Context(), time.Minute) // over a connection that is not a socket
	close(release)
	f.awaitAll(t.Context())
	f.send(t.Context(), time.Minute)
	f.awaitAll(t.Context())
	if at := f.at[2]; at.Outcome != drivers.Acked || at.In != int64(len(long)) {
		t.Errorf("%+v", at)
	}
	if n := f.d.client.open.Load(); n != 2 || dials.Load() != 2 {
		t.Errorf("%d connections of %d", n, dials.Load())
	}
	f.close()
	if n := f.d.client.open.Load(); n != 0 {
		t.Errorf("%d connections are still open", n)
	}
}

// sound checks that the loop's list of pending requests matches its connections.
func sound(t *testing.T, l *loop) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	under := 0
	for _, p := range l.conns {
		if p.done != nil {
			under++
		}
	}
	for i, p := range l.pending {
		if p.place != i || p.done == nil || l.conns[int32(p.fd)] != p {
			t.Fatalf("place %d has a connection of place %d, with an attempt: %v", i, p.place, p.done != nil)
		}
	}
	if under != len(l.pending) {
		t.Fatalf("%d attempts are under way, %d connections are looked after", under, len(l.pending))
	}
}

// The list of pending requests stays right for any number of attempts that end in any order.
func TestLoopKnowsWhatIsUnderWay(t *testing.T) {
	release := make(chan struct{})
	step := make(chan struct{}) // an even operation is answered at a later step
	w := newRecordingServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
		switch n := r.URL.Path[len(r.URL.Path)-1]; {
		case n == '9':
			<-release
		case n == '8':
			rw.Header().Set("Connection", "close")
		case n%2 == 0:
			<-step
		}
	})
	defer close(release)
	d := open(t, &Config{Request: w.URL + "/{{id}}"})
	inner, err := d.(*driver).Poller()
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := inner.(*loop)
	var pending atomic.Int64
	seq := uint64(0)
	send := func() {
		at, op := new(drivers.Attempt), &drivers.Op{Seq: seq}
		at.Reset(1, d.(*driver).env.Clock())
		at.Timeout = time.Minute
		if seq%10 == 9 {
			at.Timeout = 3 * time.Millisecond
		}
		seq++
		pending.Add(1)
		l.Send(t.Context(), op, at, func() { pending.Add(-1) })
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		for range random.IntN(4) {
			if pending.Load() < 10 {
				send()
				sound(t, l)
			}
		}
		select {
		case step <- struct{}{}:
		default:
		}
		l.Await(t.Context(), time.Duration(random.IntN(300))*time.Microsecond)
		sound(t, l)
	}
	close(step)
	for pending.Load() > 0 {
		l.Await(t.Context(), time.Millisecond)
		sound(t, l)
	}
}

// Connections closed by their peer are dropped while another attempt takes long.
func TestLoopLetsIdleConnectionsGo(t *testing.T) {
	release := make(chan struct{})
	w := newRecordingServer(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".4") {
			<-release
		}
	})
	f := startPolled(t, open(t, &Config{Request: w.URL + "/{{id}}"}), 4)
	l := f.l.(*loop)
	f.send(t.Context(), time.Minute)
	for len(w.requests()) < 5 {
		l.Await(t.Context(), 100*time.Microsecond)
	}
	w.Config.SetKeepAlivesEnabled(false) // closes idle connections
	for known := 4; known > 1; {
		l.Await(t.Context(), 100*time.Microsecond)
		l.mu.Lock()
		known = len(l.conns)
		l.mu.Unlock()
	}
	sound(t, l)
	close(release)
	f.awaitAll(t.Context())
	expect(t, f.at[4], drivers.Acked, "")
}
