package rest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/tlsconfig"
)

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// What the end of a connection proves of the bytes that were written last.
func TestUnread(t *testing.T) {
	for name, test := range map[string]struct {
		peer   func(c *drivertest.RawConn, written <-chan struct{})
		before uint8 // the connection's state when they are written
		want   bool
	}{
		"closed before": {func(c *drivertest.RawConn, _ <-chan struct{}) { c.Cut() }, tcpCloseWait, true},
		"read, then closed": {func(c *drivertest.RawConn, written <-chan struct{}) {
			<-written
			c.Skip(3)
			c.Cut()
		}, tcpEstablished, false},
		"received, closed unread (an RST)": {func(c *drivertest.RawConn, _ <-chan struct{}) {
			awaitReceived(c)
			c.Cut()
		}, tcpEstablished, false},
		"received, reset": {func(c *drivertest.RawConn, _ <-chan struct{}) {
			awaitReceived(c)
			c.Reset()
		}, tcpEstablished, false},
		"reset before, so that none is written": {func(c *drivertest.RawConn, _ <-chan struct{}) { c.Reset() }, tcpClose, true},
		"half closed, then read": {func(c *drivertest.RawConn, written <-chan struct{}) {
			c.HalfClose()
			<-written
			c.Skip(3)
			<-c.Done
		}, tcpCloseWait, false},
	} {
		t.Run(name, func(t *testing.T) {
			read, written := make(chan struct{}), make(chan struct{})
			server := drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
				c.Skip(5)
				close(read)
				test.peer(c, written)
			})
			s := dialRaw(t, server, nil)
			io.WriteString(s, "first")
			<-read
			awaitState(t, s, test.before)
			base := s.sent.Load()
			io.WriteString(s, "new")
			close(written)
			_, err := s.Read(make([]byte, 1))
			if got := s.unread(t.Context(), base); got != test.want {
				t.Errorf("unread: %v, after %v", got, err)
			}
		})
	}
}

// Nothing is written on a connection whose end is being looked at, and what was not written was not read.
func TestUnreadAfterClose(t *testing.T) {
	server := drivertest.ServeRaw(t, func(c *drivertest.RawConn) { c.Skip(5) })
	s := dialRaw(t, server, &pool{})
	io.WriteString(s, "first")
	awaitState(t, s, tcpCloseWait)
	base := s.sent.Load()
	s.Close()
	if n, err := io.WriteString(s, "new"); n != 0 || err == nil || !s.unread(t.Context(), base) {
		t.Errorf("%d bytes written, %v, of %d after %d", n, err, s.sent.Load(), base)
	}
}

// dialRaw connects to a raw server; p is not nil for a connection that sessions share.
func dialRaw(t *testing.T, server *drivertest.RawServer, p *pool) *socket {
	o := &origin{client: &client{}, env: drivertest.NewEnv(t, time.Now()), network: "tcp", address: server.Address(), pool: p}
	c, _, err := o.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*socket)
}

const tcpEstablished = 1 // of the kernel's states

// awaitState waits until the kernel knows of what the peer did.
func awaitState(t *testing.T, s *socket, want uint8) {
	for state, _, open := s.acknowledged(); state != want; state, _, open = s.acknowledged() {
		if !open || t.Context().Err() != nil {
			t.Fatalf("state %d, open: %v; want state %d", state, open, want)
		}
		time.Sleep(time.Millisecond)
	}
}

// awaitFIN waits until the kernel knows that the peer closed a loop's connection.
func awaitFIN(t *testing.T, p *polled) {
	for {
		if info, err := unix.GetsockoptTCPInfo(p.fd, unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
			t.Fatal(err)
		} else if info.State == tcpCloseWait {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// awaitReceived waits until bytes are in the kernel, and leaves them there.
func awaitReceived(c *drivertest.RawConn) {
	raw, _ := c.Conn.(syscall.Conn).SyscallConn()
	var p peeker
	for p.init(raw); p.peek() == peekNothing; {
		time.Sleep(time.Millisecond)
	}
}

// blind hides from the driver that the peer has closed an idle connection, as if the FIN were still on its way.
type blind struct{ net.Conn }

func (blind) Peek() (bool, error) { return false, nil }

func (b blind) SyscallConn() (syscall.RawConn, error) { return b.Conn.(syscall.Conn).SyscallConn() }

// closesIdle answers every request of a connection but the nth, which it reads or does not, and closes the connection.
type closesIdle struct {
	*drivertest.RawServer
	read  atomic.Int64
	close chan struct{} // must be closed before a connection is; nil: at once
}

func startClosesIdle(t *testing.T, secure *tls.Config, n int, reads bool, when ...chan struct{}) *closesIdle {
	s := &closesIdle{}
	if len(when) > 0 {
		s.close = when[0]
	}
	s.RawServer = drivertest.ServeRawTLS(t, secure, func(c *drivertest.RawConn) {
		defer c.Cut()
		if s.close != nil {
			defer func() { <-s.close }()
		}
		for i := 1; i < n || reads; i++ {
			if _, _, err := readRequest(c.In); err != nil {
				return
			}
			s.read.Add(1)
			if i == n || !c.Say(okAnswer) {
				return
			}
		}
	})
	return s
}

// A request that was surely not read, and is not sent again for want of a file descriptor, was not sent by the run's own doing.
func TestUnreadRequestThatIsNotSentAgain(t *testing.T) {
	server := startClosesIdle(t, secureRaw(t), 3, false)
	var first syscall.RawConn
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if first != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.EMFILE}
		}
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			first, err = c.(syscall.Conn).SyscallConn()
		}
		return blind{c}, err
	}
	s := sessionOver(t, dial, &Config{Request: "POST https://" + server.Address(), Body: "{{id}}", TLS: tlsconfig.Config{Insecure: true}}, nil)
	for seq := range uint64(2) {
		expect(t, do(t, s, seq), drivers.Acked, "")
	}
	awaitState(t, &socket{raw: first}, tcpCloseWait)
	if at := do(t, s, 2); at.Wire || !strings.Contains(at.Unsent(), "ulimit -n") || server.read.Load() != 2 {
		t.Errorf("%+v, %d read", at, server.read.Load())
	}
}

// A request that meets an idle connection as the server closes it is sent again, once, and counted.
func TestRequestThatCrossedTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		change func(c *Config, env *drivers.Env)
		resent bool
	}{
		"resent":       {func(*Config, *drivers.Env) {}, true},
		"switched off": {func(c *Config, _ *drivers.Env) { c.Connection.Resend = new(bool) }, false},
		"through a link, whose fault may have cut it": {func(_ *Config, env *drivers.Env) { env.Linked = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := startClosesIdle(t, secureRaw(t), 3, false)
			env := drivertest.NewEnv(t, time.Now())
			var first syscall.RawConn
			env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				if err == nil && first == nil {
					first, err = c.(syscall.Conn).SyscallConn()
				}
				return blind{c}, err
			}
			c := &Config{Request: "POST https://" + server.Address(), Body: "{{id}}", TLS: tlsconfig.Config{Insecure: true}}
			test.change(c, &env)
			d, err := c.Open(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			s, _ := d.Session()
			defer s.Close()
			for seq := range uint64(2) {
				expect(t, do(t, s, seq), drivers.Acked, "")
			}
			awaitState(t, &socket{raw: first}, tcpCloseWait)
			at := do(t, s, 2)
			if !test.resent {
				if at.Outcome != drivers.Indeterminate || at.Hidden != 0 || !strings.Contains(at.Detail, "on a reused connection that had been idle for") || server.read.Load() != 2 {
					t.Errorf("%+v, %d read", at, server.read.Load())
				}
				return
			}
			expect(t, at, drivers.Acked, "")
			if at.Hidden != 1 || at.Transparent != 1 || server.read.Load() != 3 {
				t.Errorf("%+v, %d read", at, server.read.Load())
			}
		})
	}
}

// A 408 that a server says as it gives an idle connection up answers no request that meets it.
func TestUnaskedTimeout(t *testing.T) {
	const gone = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	for _, reads := range []bool{false, true} {
		var first atomic.Bool
		server := drivertest.ServeRawTLS(t, secureRaw(t), func(c *drivertest.RawConn) {
			defer c.Cut()
			for n := 1; ; n++ {
				last := n == 2 && first.CompareAndSwap(false, true)
				if last && !reads {
					c.Say(gone)
					return
				}
				if _, _, err := readRequest(c.In); err != nil {
					return
				}
				if last {
					c.Say(gone)
					return
				}
				c.Say(okAnswer)
			}
		})
		env := drivertest.NewEnv(t, time.Now())
		var raw syscall.RawConn
		env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil && raw == nil {
				raw, err = c.(syscall.Conn).SyscallConn()
			}
			return blind{c}, err
		}
		c := &Config{Request: "POST https://" + server.Address(), Body: "{{id}}", TLS: tlsconfig.Config{Insecure: true}}
		d, err := c.Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := d.Session()
		expect(t, do(t, s, 0), drivers.Acked, "")
		if !reads {
			awaitState(t, &socket{raw: raw}, tcpCloseWait)
		}
		if at := do(t, s, 1); reads {
			expect(t, at, drivers.Rejected, "http_408")
		} else if expect(t, at, drivers.Acked, ""); at.Transparent != 1 {
			t.Errorf("%+v", at)
		}
		s.Close()
		d.Close()
	}
}

// The same request of a loop goes on by a session.
func TestRequestOfALoopThatCrossedTheEnd(t *testing.T) {
	idle := make(chan struct{})
	server := startClosesIdle(t, nil, 2, false, idle)
	f := startPolled(t, open(t, &Config{Request: "POST http://" + server.Address(), Body: "{{id}}"}), 1)
	l := f.l.(*loop)
	close(idle)
	awaitFIN(t, l.idle[0])
	l.mu.Lock()
	l.idle[0].conn.since, l.looked, l.now = -time.Hour, 0, 0 // as if it had just been looked at
	l.mu.Unlock()
	i := f.up
	f.up++
	f.op[i].Seq = uint64(i)
	f.at[i].Reset(1, f.d.env.Clock())
	f.pending.Add(1)
	f.l.Send(t.Context(), &f.op[i], &f.at[i], func() { f.pending.Add(-1) })
	f.awaitAll(t.Context())
	expect(t, f.at[i], drivers.Acked, "")
	if at := f.at[i]; at.Hidden != 1 || at.Transparent != 1 || server.read.Load() != 2 {
		t.Errorf("%+v, %d read", at, server.read.Load())
	}
}

// A read that brought an answer is no look for the end that may have come with it.
func TestLoopLooksBeforeEachRequest(t *testing.T) {
	server := startClosesIdle(t, nil, 3, false)
	f := startPolled(t, open(t, &Config{Request: "GET http://" + server.Address()}), 1)
	f.send(t.Context(), time.Minute) // the second and last of its connection
	for f.pending.Load() > 0 {
		f.l.Await(t.Context(), 0)
	}
	awaitFIN(t, f.l.(*loop).idle[0])
	i := f.up
	f.up++
	f.at[i].Reset(1, f.d.env.Clock())
	f.pending.Add(1)
	f.l.Send(t.Context(), &f.op[i], &f.at[i], func() { f.pending.Add(-1) }) // no Await between the answer and this
	f.awaitAll(t.Context())
	expect(t, f.at[i], drivers.Acked, "")
	if f.at[i].Hidden != 0 || server.Accepted() != 2 {
		t.Errorf("%+v, %d connections", f.at[i], server.Accepted())
	}
}

// A server that reads a request and closes fails the operation, whatever its method, and sees the operation once.
func TestRequestThatWasReadIsNotResent(t *testing.T) {
	test := func(t *testing.T) {
		for _, method := range []string{"GET", "POST"} {
			server := startClosesIdle(t, nil, 3, true)
			s := session1(t, &Config{Request: method + " http://" + server.Address() + "/{{seq}}"})
			failed := 0
			for seq := range uint64(12) {
				at := do(t, s, seq)
				if at.Outcome != drivers.Acked {
					failed++
					if at.Outcome != drivers.Indeterminate || at.Code != drivers.CodeClosed && at.Code != drivers.CodeReset || !strings.Contains(at.Detail, "reused connection") {
						t.Errorf("%+v", at)
					}
				}
				if at.Hidden != 0 {
					t.Errorf("%+v", at)
				}
			}
			if failed != 4 || server.read.Load() != 12 {
				t.Errorf("%s: %d failed, %d read", method, failed, server.read.Load())
			}
		}
	}
	t.Run("sessions", test)
	t.Run("loop", func(t *testing.T) {
		plain := newSession
		newSession = sessionByLoop
		defer func() { newSession = plain }()
		test(t)
	})
}

// late is a connection that holds back its end until something is written.
type late struct {
	*net.TCPConn
	slow        bool // a write returns only after Close
	hold        atomic.Bool
	wrote, over chan struct{} // closed by a write while hold is set, and by Close
	once, twice sync.Once
}

func (c *late) Close() error {
	c.once.Do(func() { close(c.over) })
	return c.TCPConn.Close()
}

func (c *late) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if err != nil && c.hold.Load() {
		select {
		case <-c.wrote:
		case <-c.over:
		}
	}
	return n, err
}

func (c *late) Write(p []byte) (int, error) {
	hold := c.hold.Load() // before: the write of the request before may still be returning
	n, err := c.TCPConn.Write(p)
	if hold {
		c.twice.Do(func() { close(c.wrote) })
		if c.slow {
			<-c.over
		}
	}
	return n, err
}
