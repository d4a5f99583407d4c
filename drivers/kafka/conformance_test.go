package kafka

import (
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Subject{Start: startTarget, Skip: map[drivertest.Behaviour]string{
		drivertest.Endless: "sarama bounds the length of an answer by its first four bytes, which Garbage tests",
	}})
}

// startTarget starts a cluster of one broker. Its connections misbehave on demand, below the broker.
func startTarget(t testing.TB) drivertest.Target {
	target, _, _ := startBrokers(t)
	return target
}

func startBrokers(t testing.TB) (drivertest.Target, *kfake.Cluster, *testBrokers) {
	field := &testBrokers{}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic, replies), kfake.ListenFn(field.listen))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var received int64
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		written := r.(*kmsg.ProduceRequest).Topics[0]
		if written.Topic != topic {
			return nil, nil, false
		}
		for _, p := range written.Partitions {
			var b kmsg.RecordBatch
			if err := b.ReadFrom(p.Records); err != nil {
				panic(err)
			}
			received += int64(b.NumRecords)
		}
		return nil, nil, false
	})
	verify := false
	var faults *kfake.FaultHandle
	return drivertest.Target{
		Config: &Config{Brokers: c.ListenAddrs()[0], Topic: topic, Verify: &verify},
		Received: func() int64 {
			mu.Lock()
			defer mu.Unlock()
			return received
		},
		Behave: func(b drivertest.Behaviour) {
			if faults != nil {
				faults.Remove()
			}
			errors := map[drivertest.Behaviour]*kerr.Error{drivertest.Reject: kerr.MessageTooLarge, drivertest.Fail: kerr.RequestTimedOut}
			if e := errors[b]; e != nil {
				faults = c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: -1})
			}
			field.behave(t, b)
		},
		Close: c.Close,
	}, c, field
}

// testBrokers is the network below a broker. It is the broker's listener; the real listener comes and goes beneath it.
type testBrokers struct {
	mu        sync.Mutex
	behaviour drivertest.Behaviour
	real      net.Listener
	address   string
	accepted  chan net.Conn
	done      chan struct{}
	once      sync.Once
	live      []net.Conn
	accepting sync.WaitGroup
}

func (f *testBrokers) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	f.address, f.accepted, f.done = l.Addr().String(), make(chan net.Conn), make(chan struct{})
	f.serve(l)
	return f, nil
}

func (f *testBrokers) serve(l net.Listener) {
	f.real = l
	f.accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.live = append(f.live, conn)
			f.mu.Unlock()
			select {
			case f.accepted <- &testConn{Conn: conn, field: f}:
			case <-f.done:
				conn.Close()
			}
		}
	})
}

func (f *testBrokers) behave(t testing.TB, b drivertest.Behaviour) {
	f.mu.Lock()
	was := f.behaviour
	f.behaviour = b
	live := f.live
	if b == drivertest.Nobody {
		f.live = nil
	}
	f.mu.Unlock()
	switch {
	case b == drivertest.Nobody:
		f.real.Close()
		f.accepting.Wait()
		for _, c := range live {
			c.Close()
		}
	case was == drivertest.Nobody:
		l, err := net.Listen("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		f.serve(l)
	}
}

func (f *testBrokers) is() drivertest.Behaviour {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.behaviour
}

// Accept implements net.Listener.
func (f *testBrokers) Accept() (net.Conn, error) {
	select {
	case c := <-f.accepted:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *testBrokers) Close() error {
	f.once.Do(func() {
		close(f.done)
		f.real.Close()
		f.accepting.Wait()
	})
	return nil
}

// Addr implements net.Listener.
func (f *testBrokers) Addr() net.Addr { return f.real.Addr() }

// testConn is the broker's end of a connection. How it treats an answer depends on the request before.
type testConn struct {
	net.Conn
	field *testBrokers
	mu    sync.Mutex
	keys  []int16 // of the requests that were received and not answered
	in    []byte
}

// Read implements net.Conn, and notes the requests.
func (c *testConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = append(c.in, p[:n]...)
	for len(c.in) >= 6 {
		size := 4 + int(c.in[0])<<24 + int(c.in[1])<<16 + int(c.in[2])<<8 + int(c.in[3])
		if len(c.in) < size {
			break
		}
		c.keys = append(c.keys, int16(c.in[4])<<8+int16(c.in[5]))
		c.in = c.in[size:]
	}
	return n, err
}

// Write implements net.Conn: kfake writes one answer with one Write.
func (c *testConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	key := c.keys[0]
	c.keys = c.keys[1:]
	c.mu.Unlock()
	if key != produceKey {
		return c.Conn.Write(p)
	}
	switch c.field.is() {
	case drivertest.Hang:
		return len(p), nil
	case drivertest.Close:
		c.Conn.Close()
		return 0, net.ErrClosed
	case drivertest.Cut:
		c.Conn.Write(p[:len(p)/2])
		c.Conn.Close()
		return 0, net.ErrClosed
	case drivertest.Reset:
		drivertest.NewRawConn(c.Conn).Reset()
		return 0, syscall.ECONNRESET
	case drivertest.Garbage:
		c.Conn.Write([]byte("HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"))
		return len(p), nil
	}
	return c.Conn.Write(p)
}

var _ drivers.Config = (*Config)(nil)
