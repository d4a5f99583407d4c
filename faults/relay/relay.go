package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"wringer/faults"
)

// Relay is a process's connection to a relay. It is safe for concurrent use.
type Relay struct {
	*session
	address string
	running sync.WaitGroup

	mu        sync.Mutex
	last      uint32
	listeners map[uint32]*listener
	closed    bool
}

// retryEvery is the pause between two attempts to reach a relay that starts.
const retryEvery = 50 * time.Millisecond

// Dial connects to the relay at address, which may still be starting: it tries until ctx ends.
func Dial(ctx context.Context, dial faults.DialFunc, address, token string) (*Relay, error) {
	for {
		r, err := dialOnce(ctx, dial, address, token)
		if err == nil {
			return r, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to the relay at %s: %w", address, err)
		case <-time.After(retryEvery):
		}
	}
}

func dialOnce(ctx context.Context, dial faults.DialFunc, address, token string) (*Relay, error) {
	c, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(greetWithin))
	answer := make([]byte, len(welcome))
	if _, err = io.WriteString(c, greeting+token+"\n"); err == nil {
		if _, err = io.ReadFull(c, answer); err != nil {
			err = fmt.Errorf("no welcome: %w", err)
		} else if string(answer) != welcome {
			err = errors.New("it is no relay of this version")
		}
	}
	if err != nil || !stop() {
		c.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	_ = c.SetDeadline(time.Time{})
	mux, err := yamux.Client(c, multiplexing())
	if err != nil {
		c.Close()
		return nil, err
	}
	stream, err := mux.Open()
	if err != nil {
		mux.Close()
		return nil, err
	}
	r := &Relay{session: newSession(mux, newControl(stream)), address: address, listeners: make(map[uint32]*listener)}
	r.running.Go(r.hear)
	r.running.Go(r.accept)
	return r, nil
}

// hear takes the relay's messages until the session ends.
func (r *Relay) hear() {
	defer r.mux.Close() // a relay that says something else is none
	for {
		m, err := r.control.receive()
		if err != nil {
			return
		}
		switch {
		case m.Reset != 0:
			r.reset(m.Reset)
			continue
		case m.Known != 0:
			r.known(m.Known)
			continue
		}
		r.mu.Lock()
		l := r.listeners[m.Listen]
		r.mu.Unlock()
		if l != nil {
			l.answer(m)
		}
	}
}

// accept takes the streams of new connections until the session ends.
func (r *Relay) accept() {
	for {
		stream, err := r.mux.AcceptStream()
		if err != nil {
			return
		}
		c := r.register(stream)
		r.running.Go(func() { r.hand(c) })
	}
}

// hand hands a connection to its listener, which the header names.
func (r *Relay) hand(c *conn) {
	h, err := readHeader(c)
	r.mu.Lock()
	l := r.listeners[h.listener]
	r.mu.Unlock()
	if err != nil || l == nil {
		_ = c.SetLinger(0)
		_ = c.Close()
		return
	}
	<-l.answered // the answer came first, by another way
	c.local, c.remote = l.Addr(), net.TCPAddrFromAddrPort(h.from)
	l.take(c)
}

// Listen makes the relay listen on an address of its own. Port 0 lets the relay choose one. The listener's connections have
// CloseWrite and SetLinger, as those of TCP have.
func (r *Relay) Listen(ctx context.Context, address string) (net.Listener, error) {
	l := &listener{relay: r, queue: make(chan *conn, maxWaiting), answered: make(chan struct{}), closed: make(chan struct{})}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, net.ErrClosed
	}
	r.last++
	l.id = r.last
	r.listeners[l.id] = l
	r.mu.Unlock()
	err := r.control.send(message{Listen: l.id, At: address})
	if err == nil {
		select {
		case <-l.answered:
			if l.refused == "" {
				return l, nil
			}
			err = errors.New(l.refused)
		case <-r.mux.CloseChan():
			err = r.broke()
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	l.Close()
	return nil, fmt.Errorf("listen on %s by the relay at %s: %w", address, r.address, err)
}

// trips is how many round trips RoundTrip makes.
const trips = 15

// RoundTrip measures a usual round trip to the relay and back.
func (r *Relay) RoundTrip() (time.Duration, error) {
	var took []time.Duration
	for range trips {
		d, err := r.mux.Ping()
		if err != nil {
			return 0, fmt.Errorf("measure the relay at %s: %w", r.address, err)
		}
		took = append(took, d)
	}
	slices.Sort(took)
	return took[trips/2], nil
}

// Broken says why nothing comes from the relay any more; nil while it works, and after Close.
func (r *Relay) Broken() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.mux.IsClosed() {
		return nil
	}
	return r.broke()
}

func (r *Relay) broke() error {
	return fmt.Errorf("the connection to the relay at %s broke: its links took no connection since", r.address)
}

// Close ends the listeners, and resets their connections. The relay itself stays, and takes another session. It is idempotent.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.close()
	r.running.Wait()
	return nil
}

// maxWaiting bounds the connections that wait to be accepted; further ones are reset.
const maxWaiting = 4096

type listener struct {
	relay              *Relay
	id                 uint32
	queue              chan *conn
	answering, closing sync.Once
	closed             chan struct{}

	answered chan struct{} // closed when the fields below are set
	address  net.Addr
	refused  string
}

func (l *listener) answer(m message) {
	l.answering.Do(func() {
		l.address, l.refused = tcpAddr(m.At), m.Error
		close(l.answered)
	})
}

// take queues a connection. Without a place it is reset.
func (l *listener) take(c *conn) {
	select {
	case <-l.closed:
	default:
		select {
		case l.queue <- c:
			return
		default:
		}
	}
	_ = c.SetLinger(0)
	_ = c.Close()
}

// Accept implements net.Listener. Without a relay it returns why.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-l.relay.mux.CloseChan():
		return nil, l.relay.broke()
	}
}

// Close implements net.Listener. Connections that nobody accepted are reset.
func (l *listener) Close() error {
	l.closing.Do(func() {
		close(l.closed)
		l.relay.mu.Lock()
		delete(l.relay.listeners, l.id)
		l.relay.mu.Unlock()
		_ = l.relay.control.send(message{Close: l.id})
		for {
			select {
			case c := <-l.queue:
				_ = c.SetLinger(0)
				_ = c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.address }
