package toxi

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers"
	"wringer/drivers/witness"
	"wringer/faults"
	"wringer/faults/faulttest"
)

// answerAtTheEnd is a target that answers once its client has ended its writing side.
func answerAtTheEnd(c net.Conn) {
	n, _ := io.Copy(io.Discard, c)
	fmt.Fprintf(c, "got %d", n)
}

// askByHalf sends what, ends the writing side, and returns what comes back.
func askByHalf(c net.Conn, what string) (string, error) {
	if _, err := io.WriteString(c, what); err != nil {
		return "", err
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return "", err
	}
	got, err := io.ReadAll(c)
	return string(got), err
}

// sinkOfNothing is a witness's sink.
type sinkOfNothing struct{}

func (sinkOfNothing) Arrived(drivers.Mark, uint64, time.Duration) {}
func (sinkOfNothing) Whole(drivers.Mark)                          {}
func (sinkOfNothing) Answered(drivers.Mark)                       {}
func (sinkOfNothing) Blind(string)                                {}

// A client that has ended its writing side gets the answer, over a dial and an inlet, and with a witness behind the link. So it
// is with and without a fault.
func TestHalfCloseByTheClient(t *testing.T) {
	u, l := serve(t, answerAtTheEnd), newLink(t)
	address := listen(t, l, u.address())
	watched := witness.New(drivers.Identity{Run: "r", Stream: "s"}, func() time.Duration { return 0 }, sinkOfNothing{}).Watch(l.mesh.dial)
	what := strings.Repeat("x", 100_000)
	for name, open := range map[string]func() net.Conn{
		"dial":  func() net.Conn { return dial(t, l, u.address()) },
		"inlet": func() net.Conn { return knock(t, address) },
		"witness": func() net.Conn {
			c, err := l.DialVia(t.Context(), "tcp", u.address(), watched)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []Config{{}, {Latency: steady(ms), Direction: Both}, {SlowClose: 20 * ms}} {
				var f *Fault
				if c.Kind() != "" {
					f = inject(t, l, c)
				}
				conn, begun := open(), time.Now()
				if got, err := askByHalf(conn, what); got != "got 100000" || err != nil {
					t.Errorf("%s: got %q, %v", c.Kind(), got, err)
				}
				if took := time.Since(begun); took < c.SlowClose {
					t.Errorf("slow_close: ended after %v", took)
				}
				conn.Close()
				if f == nil {
					continue
				}
				if b := f.Bite(); b.FromTarget.Connections != 1 {
					t.Errorf("%s: bite %+v", c.Kind(), b)
				}
				heal(t, f)
			}
		})
	}
	l.empty(t.Context())
}

// The same over TLS, also with a fault in force.
func TestHalfCloseOverTLS(t *testing.T) {
	l := newLink(t)
	ways := map[string]func(t *testing.T, address string) net.Conn{
		"dial":  func(t *testing.T, address string) net.Conn { return dial(t, l, address) },
		"inlet": func(t *testing.T, address string) net.Conn { return knock(t, listen(t, l, address)) },
	}
	for name, open := range ways {
		t.Run(name, func(t *testing.T) { faulttest.HalfCloseOverTLS(t, open) })
	}
	l.empty(t.Context()) // the end of an earlier connection would meet the fault
	f := inject(t, l, Config{SlowClose: 20 * ms, Direction: Both})
	for name, open := range ways {
		t.Run(name+", slow_close", func(t *testing.T) { faulttest.HalfCloseOverTLS(t, open) })
	}
	if b := f.Bite(); b.FromTarget.Connections != 4 {
		t.Errorf("bite %+v", b)
	}
	heal(t, f)
	l.empty(t.Context())
}

func TestHalfCloseOnAVirtualNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, network, _ := virtualLink(t)
		listener, err := network.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					answerAtTheEnd(c)
				}()
			}
		}()
		f := inject(t, l, Config{SlowClose: time.Second})
		begun := time.Now()
		got, err := askByHalf(virtualDial(t, l, listener.Addr().String()), "hello")
		if got != "got 5" || err != nil || time.Since(begun) != time.Second {
			t.Errorf("got %q, %v after %v", got, err, time.Since(begun))
		}
		counts(t, f, 1, faults.Met{}, faults.Met{Connections: 1})
	})
}

// A target that never ends costs no more than a bounded number of connections, however many clients of an inlet leave.
func TestClientsThatLeaveAnEndlessTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, network, _ := virtualLink(t)
		listener, err := network.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ended := make(chan net.Conn, 2*maxClientEnded)
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					close(ended)
					return
				}
				ended <- c
			}
		}()
		address := listen(t, l, listener.Addr().String())
		for range maxClientEnded + 3 {
			c, err := network.Dial(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			synctest.Wait()
		}
		if n := l.count(); n != maxClientEnded {
			t.Errorf("%d connections are kept, not %d", n, maxClientEnded)
		}
		// A client of this process that has left keeps none.
		virtualDial(t, l, listener.Addr().String()).Close()
		synctest.Wait()
		if n := l.count(); n != maxClientEnded {
			t.Errorf("%d connections are kept after a client of this process left", n)
		}
		listener.Close()
		for c := range ended {
			c.Close()
		}
	})
}
