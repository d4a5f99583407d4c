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
	"testing/synctest"
	"time"

	"wringer/faults"
	"wringer/faults/faulttest"
	"wringer/faults/memnet"
)

// virtualLink is a link over a network in memory, with an echo behind it.
func virtualLink(t *testing.T) (l *Link, network *memnet.Network, address string) {
	t.Helper()
	network = new(memnet.Network)
	listener, err := network.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				echo(c)
			}()
		}
	}()
	m, err := NewMesh(faults.Network{ListenFunc: network.Listen, DialFunc: network.Dial, Virtual: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(m.Close(ctx), listener.Close()); err != nil {
			t.Error(err)
		}
	})
	opened, err := m.Link("orders")
	if err != nil {
		t.Fatal(err)
	}
	return opened.(*Link), network, listener.Addr().String()
}

// virtualDial dials over the link, without a deadline: what hangs in a bubble ends the test by itself.
func virtualDial(t *testing.T, l *Link, address string) net.Conn {
	t.Helper()
	c, err := l.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// In virtual time a link costs nothing, and a fault takes exactly what it says.
func TestFaultsInVirtualTime(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		took   time.Duration // a round trip while it is in force
	}{
		{"no fault", Config{}, 0},
		{"latency", Config{Latency: steady(80 * time.Millisecond)}, 80 * time.Millisecond},
		{"latency both ways", Config{Latency: steady(80 * time.Millisecond), Direction: Both}, 160 * time.Millisecond},
		{"partition that holds", Config{Partition: FromTarget, Mode: Hold}, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, _, address := virtualLink(t)
				if l.Cost() != 0 || l.baseline != 0 {
					t.Errorf("the link costs %s, and a round trip takes %s", l.Cost(), l.baseline)
				}
				conn := virtualDial(t, l, address)
				if c.config.Kind() != "" {
					f := inject(t, l, c.config)
					time.AfterFunc(time.Minute, func() { heal(t, f) })
				}
				began := time.Now()
				if err := say(conn, "hello"); err != nil || time.Since(began) != c.took {
					t.Errorf("%v after %s, want %s", err, time.Since(began), c.took)
				}
				time.Sleep(2 * time.Minute)
				began = time.Now()
				if err := say(conn, "again"); err != nil || time.Since(began) != 0 {
					t.Errorf("healed: %v after %s", err, time.Since(began))
				}
			})
		})
	}
}

// How connections end over a link does not depend on the network.
func TestEndsOnAVirtualNetwork(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, l *Link, network *memnet.Network, address string){
		"lost bytes reset": func(t *testing.T, l *Link, _ *memnet.Network, address string) {
			conn := virtualDial(t, l, address)
			f := inject(t, l, Config{Partition: FromTarget})
			if _, err := io.WriteString(conn, "lost"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			heal(t, f)
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v", err)
			}
		},
		"refuse": func(t *testing.T, l *Link, _ *memnet.Network, address string) {
			inject(t, l, Config{Refuse: true})
			if _, err := l.Dial(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial: %v", err)
			}
		},
		"dead target refuses": func(t *testing.T, l *Link, _ *memnet.Network, _ string) {
			if _, err := l.Dial(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial: %v", err)
			}
		},
		"inlet": func(t *testing.T, l *Link, network *memnet.Network, address string) {
			conn, err := network.Dial(t.Context(), "tcp", listen(t, l, address))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := say(conn, "hello"); err != nil {
				t.Error(err)
			}
		},
		"inlet of a dead upstream resets": func(t *testing.T, l *Link, network *memnet.Network, _ string) {
			conn, err := network.Dial(t.Context(), "tcp", listen(t, l, "127.0.0.1:1"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, network, address := virtualLink(t)
				test(t, l, network, address)
			})
		})
	}
}

// Faults do on a network in memory what they do on the system's.
func TestConformanceInMemory(t *testing.T) {
	for _, c := range []Config{
		{Latency: steady(10 * time.Millisecond), Jitter: 10 * time.Millisecond},
		{Bandwidth: 20_000},
		{Partition: Both},
		{Partition: FromTarget, Mode: Hold},
		{Refuse: true},
		{Reset: true},
		{HalfOpen: Accepting},
		{CloseAfter: &Limit{Bytes: 10}, CloseWith: WithReset, Direction: ToTarget},
	} {
		t.Run(c.words(), func(t *testing.T) {
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				l, _, address := virtualLink(t)
				return faulttest.Rig{
					Config: &c,
					Fault:  openFault(t, l, c),
					Meet: func(ctx context.Context) error {
						conn, err := l.Dial(ctx, "tcp", address)
						if err != nil {
							return err
						}
						defer l.empty(ctx) // or its end would meet what comes next
						defer conn.Close()
						defer context.AfterFunc(ctx, func() { conn.Close() })()
						return say(conn, "a word that is long enough to take more than a moment on a slow line")
					},
				}
			})
		})
	}
}

// tardy is a connection whose bytes leave late, as on a machine that is busy with other work.
type tardy struct{ net.Conn }

func (c tardy) Write(b []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return c.Conn.Write(b)
}

// tardyLink opens a link whose bytes leave late.
func tardyLink(t *testing.T) *Link {
	t.Helper()
	var network memnet.Network
	m, err := NewMesh(faults.Network{
		ListenFunc: network.Listen, Virtual: true,
		DialFunc: func(ctx context.Context, kind, address string) (net.Conn, error) {
			c, err := network.Dial(ctx, kind, address)
			return tardy{c}, err
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	l, err := m.Link("orders")
	if err != nil {
		t.Fatal(err)
	}
	return l.(*Link)
}

// A busy machine delays the opening of a link, and does not prevent it: fewer round trips are measured.
func TestOpensOnABusyMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		tardyLink(t)
		if took := time.Since(begun); took < calibrationTime || took > 2*calibrationTime {
			t.Errorf("it took %s", took)
		}
	})
}

func TestALeakedLatencyIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := tardyLink(t)
		f := inject(t, l, Config{Partition: Both})
		if err := f.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.baseline = -time.Hour // as if the link became an hour slower
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := f.Probe(ctx); !errors.Is(err, faults.ErrLeaked) || !strings.Contains(err.Error(), "a round trip takes") {
			t.Errorf("the probe says %v", err)
		}
		if l.Cost() < 0 {
			t.Errorf("the link costs %v", l.Cost())
		}
	})
}

func TestCloseAfterTimeWithTrafficFlowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, address := virtualLink(t)
		var writers sync.WaitGroup
		flowing := func() net.Conn {
			c := virtualDial(t, l, address)
			writers.Go(func() {
				for chunk := make([]byte, 1000); ; time.Sleep(ms) {
					if _, err := c.Write(chunk); err != nil {
						return
					}
				}
			})
			return c
		}
		old := flowing()
		f := inject(t, l, Config{CloseAfter: &Limit{Time: 200 * ms}})
		for _, c := range []net.Conn{old, flowing()} {
			if n, _ := io.Copy(io.Discard, c); n < 100_000 {
				t.Errorf("%d bytes flowed in 200 ms before the end", n)
			}
		}
		until(t, "both were closed", func() bool { return l.count() == 0 })
		writers.Wait()
		if b := f.Bite(); b.Connections != 2 {
			t.Errorf("bite %+v", b)
		}
		heal(t, f)
	})
}
