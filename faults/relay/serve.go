package relay

import (
	"bufio"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
)

// Serve is the relay. It takes the connection of a process that knows the token, and listens for that process. A later one takes
// the place of an earlier one. It returns after ctx has ended, or when l fails.
func Serve(ctx context.Context, l net.Listener, token string) error {
	if len(token) < 16 {
		return errors.New("relay: the token has fewer than 16 characters")
	}
	r := &server{token: token}
	defer r.running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("relay: %w", err)
		}
		r.running.Go(func() { r.serve(ctx, c) })
	}
}

// server serves one session at a time.
type server struct {
	token   string
	running sync.WaitGroup

	mu     sync.Mutex // held while a session ends and the next begins
	end    context.CancelFunc
	served chan struct{} // closed when the last session is over
}

const (
	greetWithin   = 10 * time.Second
	mostGreeting  = 256
	acceptPause   = 10 * time.Millisecond
	copiedAtATime = 32 << 10
)

func (r *server) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if !r.admits(c) {
		return
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	served := make(chan struct{})
	defer close(served)
	r.mu.Lock()
	if r.end != nil {
		r.end()
		<-r.served
	}
	r.end, r.served = end, served
	r.mu.Unlock()
	if _, err := io.WriteString(c, welcome); err != nil {
		return
	}
	mux, err := yamux.Server(c, multiplexing())
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { mux.Close() })()
	if stream, err := mux.Accept(); err == nil {
		h := &host{session: newSession(mux, newControl(stream)), listeners: make(map[uint32]net.Listener)}
		h.obey()
	}
}

// admits reads the greeting, and says whether it has the token.
func (r *server) admits(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(greetWithin))
	// Byte by byte: what follows belongs to the session.
	line, err := bufio.NewReaderSize(oneByte{io.LimitReader(c, mostGreeting)}, 16).ReadString('\n')
	if err != nil {
		return false
	}
	_ = c.SetReadDeadline(time.Time{})
	token, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), greeting)
	return ok && subtle.ConstantTimeCompare([]byte(token), []byte(r.token)) == 1
}

// oneByte reads one byte at a time.
type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

// host is the relay's side of a session.
type host struct {
	*session
	running   sync.WaitGroup
	listeners map[uint32]net.Listener // of the goroutine that obeys
}

// obey does what the process asks for until the session ends. Then the listeners are closed, and each connection is reset.
func (h *host) obey() {
	for {
		m, err := h.control.receive()
		if err != nil {
			break
		}
		switch {
		case m.Listen != 0:
			h.listen(m)
		case m.Close != 0 && h.listeners[m.Close] != nil:
			h.listeners[m.Close].Close()
			delete(h.listeners, m.Close)
		case m.Reset != 0:
			h.reset(m.Reset)
		case m.Known != 0:
			h.known(m.Known)
		}
	}
	for _, l := range h.listeners {
		l.Close()
	}
	h.close()
	h.running.Wait()
}

func (h *host) listen(m message) {
	l, err := net.Listen("tcp", m.At)
	if err != nil {
		_ = h.control.send(message{Listen: m.Listen, Error: err.Error()})
		return
	}
	h.listeners[m.Listen] = l
	if h.control.send(message{Listen: m.Listen, At: l.Addr().String()}) != nil {
		return // the session is over
	}
	h.running.Go(func() { h.accept(m.Listen, l) })
}

func (h *host) accept(id uint32, l net.Listener) {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // a lack of descriptors is temporary
			time.Sleep(acceptPause)
			continue
		}
		h.running.Go(func() { h.carry(id, c.(*net.TCPConn)) })
	}
}

// carry joins a connection and a new stream.
func (h *host) carry(id uint32, outer *net.TCPConn) {
	defer outer.Close()
	stream, err := h.mux.OpenStream()
	if err != nil {
		_ = outer.SetLinger(0)
		return
	}
	inner := h.register(stream)
	defer inner.Close()
	from, _ := netip.ParseAddrPort(outer.RemoteAddr().String())
	err = header{listener: id, from: from}.write(inner)
	var both sync.WaitGroup
	if err == nil {
		both.Go(func() { pass(inner, outer) })
		pass(outer, inner)
		both.Wait()
	} else {
		_ = outer.SetLinger(0)
	}
}

// end is a connection whose directions end alone.
type end interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// pass passes bytes on, and how they end: in order, or with a reset of both connections.
func pass(to, from end) {
	_, err := io.CopyBuffer(writerOnly{to}, readerOnly{from}, make([]byte, copiedAtATime))
	if err == nil {
		err = to.CloseWrite()
	}
	if err == nil || errors.Is(err, syscall.ENOTCONN) {
		return
	}
	for _, c := range []end{to, from} {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// Only what io.CopyBuffer needs: the connections' own copying would read in the kernel, past the streams.
type (
	writerOnly struct{ io.Writer }
	readerOnly struct{ io.Reader }
)
