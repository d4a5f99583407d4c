package witness

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"wringer/drivers"
)

// lossy is a link that loses the target's bytes while it is silent.
type lossy struct {
	silent atomic.Bool
	mu     sync.Mutex
	conns  []net.Conn
}

type lossyConn struct {
	net.Conn
	link *lossy
}

func (c lossyConn) Read(b []byte) (int, error) {
	for {
		if n, err := c.Conn.Read(b); err != nil || !c.link.silent.Load() {
			return n, err
		}
	}
}

func (l *lossy) over(dial drivers.DialFunc) drivers.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns = append(l.conns, c)
		return lossyConn{c, l}, nil
	}
}

// heal ends the silence, and closes the connections that lost bytes.
func (l *lossy) heal() {
	l.silent.Store(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

// listening reports when an answer has left the target.
type listening struct {
	*tally
	answers chan string
}

func (l listening) Answered(m drivers.Mark) {
	l.tally.Answered(m)
	l.answers <- name(m)
}

// sender sends one operation, and reads its answer.
type sender func(ctx context.Context, id string) error

// overHTTP starts a target, and returns a function that makes clients of it.
func overHTTP(t *testing.T, dial drivers.DialFunc, h2 bool) func() sender {
	_, server := startCounting(t)
	return func() sender {
		transport := &http.Transport{DialContext: dial, Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(!h2)
		transport.Protocols.SetUnencryptedHTTP2(h2)
		t.Cleanup(transport.CloseIdleConnections)
		return func(ctx context.Context, id string) error {
			r, err := http.NewRequestWithContext(ctx, "POST", server.URL, strings.NewReader("{}"))
			if err != nil {
				return err
			}
			r.Header.Set(drivers.MarkHeader, "r1.s."+id)
			answer, err := transport.RoundTrip(r)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			_, err = io.Copy(io.Discard, answer.Body)
			return err
		}
	}
}

func overGRPC(t *testing.T, dial drivers.DialFunc) func() sender {
	target := startCallee(t)
	return func() sender {
		c := caller(t, target.address, dial)
		return func(ctx context.Context, id string) error {
			if err := converse(ctx, t, c, "/a.B/Echo", id, 1); err != io.EOF {
				return err
			}
			return nil
		}
	}
}

// If the link loses an answer and the client retries, the operation arrives twice and is answered twice. This holds
// for every protocol.
func TestALostAnswerAndItsRetryArriveTwice(t *testing.T) {
	for name, start := range map[string]func(drivers.DialFunc) func() sender{
		"HTTP/1.1": func(dial drivers.DialFunc) func() sender { return overHTTP(t, dial, false) },
		"HTTP/2":   func(dial drivers.DialFunc) func() sender { return overHTTP(t, dial, true) },
		"gRPC":     func(dial drivers.DialFunc) func() sender { return overGRPC(t, dial) },
	} {
		t.Run(name, func(t *testing.T) {
			sink := listening{newTally(), make(chan string, 9)}
			link := &lossy{}
			connect := start(link.over(dialler(sink)))
			send := connect()
			if err := send(t.Context(), "1"); err != nil {
				t.Fatal(err)
			}
			<-sink.answers
			link.silent.Store(true)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				<-sink.answers
				cancel()
			}()
			if err := send(ctx, "2"); err == nil {
				t.Error("the answer was not lost")
			}
			link.heal()
			// The connection that lost bytes cannot carry later answers, so the retry uses another one.
			if err := connect()(t.Context(), "2"); err != nil {
				t.Fatal(err)
			}
			<-sink.answers
			if got := sink.String(); got != "arrived map[1:1 2:2], whole map[1:1 2:2], answered map[1:1 2:2], blind []" {
				t.Error(got)
			}
		})
	}
}
