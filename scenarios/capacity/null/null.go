// Package null holds targets that answer everything at once and do nothing else. A load generator that sends to one shows its own
// ceiling. They share the machine with the generator, so the ceiling is a lower bound.
package null

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"wringer/drivers"
)

// Target is a running null target on this machine. It is safe for concurrent use.
type Target struct {
	address  string
	close    func() error
	upstream sync.Map // by the client's address: who was meant, and how to reach it
}

// upstream is the target in whose place a null target stands.
type upstream struct {
	address string
	dial    drivers.DialFunc
}

// Through leads every connection to the null target, whatever its address. Through dial the null target asks the real one what the
// protocol needs before it can send: the descriptors of gRPC. Above dial that speaks TLS as secure says; nil: it is plain.
func (t *Target) Through(dial drivers.DialFunc, secure *tls.Config) drivers.DialFunc {
	if secure != nil {
		plain := dial
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialTLS(ctx, plain, network, address, secure)
		}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", t.address)
		if err == nil {
			t.upstream.Store(conn.LocalAddr().String(), upstream{address, dial})
		}
		return conn, err
	}
}

func dialTLS(ctx context.Context, dial drivers.DialFunc, network, address string, config *tls.Config) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	out := tls.Client(conn, config)
	if err := out.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return out, nil
}

// Close ends the target and its connections.
func (t *Target) Close() error { return t.close() }

// server serves connections until it is closed.
type server struct {
	listener net.Listener
	serve    func(net.Conn)
	mu       sync.Mutex
	conns    map[net.Conn]bool // nil: closed
	running  sync.WaitGroup
}

// listen serves the target's connections on a port of its own.
func (t *Target) listen(serve func(net.Conn)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &server{listener: l, serve: serve, conns: make(map[net.Conn]bool)}
	s.running.Go(s.accept)
	t.address, t.close = l.Addr().String(), s.Close
	return nil
}

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.add(conn) {
			conn.Close()
			return
		}
		s.running.Go(func() {
			defer s.remove(conn)
			s.serve(conn)
		})
	}
}

func (s *server) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *server) remove(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// Close waits for every connection's goroutine.
func (s *server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	for conn := range s.conns {
		err = errors.Join(err, conn.Close())
	}
	s.conns = nil
	s.mu.Unlock()
	s.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
