package rest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wringer/drivers"
)

// pool holds the HTTP/2 connections to an origin. It sends each request on one http.ClientConn. http.Transport is not
// used to send: it would resend requests that the server refused or a closing connection lost.
type pool struct {
	o         *origin
	dialed    *framed // the connection that is being made, by the holder of the token
	transport *http.Transport
	dialing   chan struct{} // holds a token while a connection is being made, so that concurrent sessions make one together

	mu    sync.Mutex
	conns []*pooledConn
}

// pooledConn is one connection that sessions share.
type pooledConn struct {
	*http.ClientConn
	conn  *framed
	life  life
	users atomic.Int32 // requests under way
	since atomic.Int64 // when the last request ended, on the run's clock; in ns
}

// reserved is a stream that was reserved for one request.
type reserved struct {
	*pooledConn
	reused bool          // the connection carried requests before
	idle   time.Duration // the connection had no request since then, on the run's clock; 0: it had one
	base   *atomic.Int64 // bytes that were written before the request; -1 while none of it was
}

func newPool(o *origin) *pool {
	p := &pool{o: o, dialing: make(chan struct{}, 1)}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, _, err := o.dial(ctx)
		if err != nil {
			return nil, err
		}
		p.dialed = &framed{Conn: c, socket: socketOf(c)}
		return p.dialed, nil
	}
	// Pings detect a connection that went silent. Without them each of its streams would time out in turn.
	silence := max(o.env.Timeout, time.Second)
	p.transport = &http.Transport{
		DialContext:            dial,
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence},
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHead,
	}
	p.transport.Protocols.SetUnencryptedHTTP2(true) // dial makes TLS, below the frames
	return p
}

// take reserves a stream for one request. It makes a connection if none has room.
func (p *pool) take(ctx context.Context) (reserved, error) {
	for {
		if r, ok := p.reserve(); ok {
			return r, nil
		}
		select {
		case p.dialing <- struct{}{}:
		case <-ctx.Done():
			return reserved{}, ctx.Err()
		}
		err := p.add(ctx)
		<-p.dialing
		if err != nil {
			return reserved{}, err
		}
	}
}

// add makes a connection, unless another session made room meanwhile.
func (p *pool) add(ctx context.Context) error {
	if p.room() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	cc, err := p.transport.NewClientConn(ctx, "http", p.o.host)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, &pooledConn{ClientConn: cc, conn: p.dialed, life: life{born: time.Now()}})
	return nil
}

// reserve finds a connection with room. It closes the connections that are dead or have reached their limits, once no
// request is pending on them.
func (p *pool) reserve() (r reserved, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(c *pooledConn) bool {
		if c.InFlight() > 0 || c.Err() == nil && !p.o.client.over(&c.life) {
			return false
		}
		c.Close()
		return true
	})
	for _, c := range p.conns {
		if !p.o.client.over(&c.life) && c.Reserve() == nil {
			c.life.used++
			r := reserved{pooledConn: c, reused: c.life.used > 1}
			if c.users.Add(1) == 1 && r.reused {
				r.idle = time.Duration(c.since.Load())
			}
			return r, true
		}
	}
	return reserved{}, false
}

func (p *pool) room() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.conns, func(c *pooledConn) bool { return !p.o.client.over(&c.life) && c.Available() > 0 })
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// session2 sends HTTP/2 requests over connections that all sessions share.
type session2 struct {
	d      *driver
	answer answer
}

// How often a request is sent again that the target did not process, and how often one that it refused (REFUSED_STREAM).
const (
	maxResends = 100
	maxRefused = 3
)

// Do implements drivers.Session. A server that ends a connection in good order names the last stream that it
// processes (GOAWAY, RFC 9113, 6.8). Requests beyond that stream are resent, as every HTTP/2 client does, and each
// resend is counted. Without it a healthy server would fail some operations whenever it retires a connection. Requests
// that the server refused before any processing (8.7), or that met an idle connection as the server closed it, are the same.
func (s *session2) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	if err := s.d.request.fits(nil, op); err != nil {
		unrendered(s.d.env, at, err)
		return
	}
	err := ctx.Err()
	var stream reserved
	if err == nil {
		stream, err = s.d.pool.take(ctx)
	}
	if err != nil {
		at.Done = s.d.env.Clock()
		unsent(ctx, at, err)
		return
	}
	request := s.d.request.http2(op).WithContext(ctx)
	at.Sent = s.d.env.Clock()
	at.Wire, at.Out = true, max(request.ContentLength, 0)
	err = s.exchange(&stream, request)
	for sent := 1; err != nil; sent++ {
		failed := s.d.env.Clock()
		if !s.turnedAway(ctx, stream, err, sent) {
			at.Done = failed
			unanswered(ctx, at, s.described(stream, err, failed))
			return
		}
		again, unmade := s.d.pool.take(ctx)
		if unmade != nil {
			at.Done, at.Wire, at.Out = s.d.env.Clock(), false, 0
			if unsent(ctx, at, unmade); at.Unsent() != "" {
				return
			}
			// Report the first error.
			at.Done, at.Wire, at.Out = failed, true, max(request.ContentLength, 0)
			unanswered(ctx, at, s.described(stream, err, failed))
			return
		}
		if err.Error() != connUnusable && stream.base.Load() >= 0 {
			at.Hidden, at.Transparent = at.Hidden+1, at.Transparent+1
		}
		stream = again
		err = s.exchange(&stream, s.d.request.http2(op).WithContext(ctx))
	}
	at.Done = s.d.env.Clock()
	if s.answer.came > 0 {
		at.Done = s.answer.came
	}
	s.d.evaluator.decide(&s.answer, op, at)
}

// turnedAway reports whether a request may be sent again: the target surely did not process its last transmission.
func (s *session2) turnedAway(ctx context.Context, stream reserved, err error, sent int) bool {
	text := err.Error()
	switch {
	case text == connUnusable, stream.reused && isCut(ctx, err) && stream.base.Load() < 0:
		return sent <= maxResends
	case !s.d.client.resends:
		return false
	case text == connGoneAway:
		return sent <= maxResends
	case s.d.env.Linked: // one of our faults may have cut it
		return false
	case strings.HasPrefix(text, "stream error:"):
		return sent <= maxRefused && strings.Contains(text, "REFUSED_STREAM") && strings.HasSuffix(text, fromPeer)
	}
	return sent <= maxResends && stream.reused && isCut(ctx, err) && stream.conn.socket.unread(ctx, stream.base.Load())
}

// isCut reports whether an error is the end of a connection.
func isCut(ctx context.Context, err error) bool {
	code := unansweredCode(ctx, http2Error(err))
	return code == drivers.CodeReset || code == drivers.CodeClosed
}

// described is an error, known at failed, with what its connection was.
func (s *session2) described(stream reserved, err error, failed time.Duration) error {
	mapped := http2Error(err)
	switch {
	case !stream.reused || !isCut(context.Background(), err) || strings.HasPrefix(err.Error(), "stream error:"):
		return mapped
	case stream.idle == 0:
		return fmt.Errorf("%w, on a reused connection that had other requests", mapped)
	}
	return &reusedError{mapped, failed - stream.idle}
}

// The texts of errors that net/http's HTTP/2 does not export.
const (
	connGoneAway = "http2: Transport received Server's graceful shutdown GOAWAY"
	connUnusable = "http2: client conn not usable" // before any byte was sent
	fromPeer     = "; received from peer"
)

// Close implements drivers.Session.
func (s *session2) Close() error { return nil }

// http2 renders a request for net/http. GetBody stays nil, so that net/http cannot resend the body.
func (r *request) http2(op *drivers.Op) *http.Request {
	path := string(r.path.append(nil, op))
	u, err := url.ParseRequestURI(path)
	if err != nil {
		u = &url.URL{Opaque: path}
	}
	u.Scheme, u.Host = r.line.scheme, r.line.host
	req := &http.Request{Method: r.line.method, URL: u, Host: r.authority(), Header: make(http.Header, len(r.headers)+1)}
	for _, h := range r.headers {
		req.Header.Add(h.name, string(h.value.append(nil, op)))
	}
	if !r.agent {
		req.Header.Set("User-Agent", agent)
	}
	if body := r.appendBody(nil, op); len(body) > 0 {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return req
}

// exchange sends a request and takes its answer.
func (s *session2) exchange(stream *reserved, request *http.Request) error {
	stream.base = stream.conn.watch(&request)
	defer func() {
		stream.since.Store(int64(s.d.env.Clock()))
		stream.users.Add(-1)
	}()
	response, err := stream.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	ev, a := s.d.evaluator, &s.answer
	a.reset(ev)
	a.status = response.StatusCode
	if a.status < 200 || a.status > 599 {
		return malformed("status outside of 200 to 599")
	}
	for name, values := range response.Header {
		for _, v := range values {
			a.header(ev, []byte(name), []byte(v))
		}
	}
	if !ev.ok[a.status] {
		err = s.readRefusal(request.Context(), response)
	} else {
		err = s.readBody(response)
	}
	if err != nil {
		return afterHead{err}
	}
	return nil
}

// readRefusal is reader.readRefusal over HTTP/2.
func (s *session2) readRefusal(ctx context.Context, response *http.Response) error {
	came := s.d.env.Clock()
	timer := time.AfterFunc(refusalWait, func() { response.Body.Close() }) // ends the read
	err := s.readBody(response)
	if late := !timer.Stop(); err != nil && (late && ctx.Err() == nil || isUnended(ctx, err)) {
		s.answer.came = max(came, 1)
		return nil
	}
	return err
}

func (s *session2) readBody(response *http.Response) error {
	if response.ContentLength > s.d.maxBody && response.Request.Method != "HEAD" {
		return errTooLarge
	}
	a, buf := &s.answer, blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buf)
	for {
		n, err := response.Body.Read(buf[:])
		if a.size += int64(n); a.size > s.d.maxBody {
			return errTooLarge
		}
		s.d.evaluator.take(a, buf[:n])
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// blocks are buffers for the bodies of HTTP/2 answers.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

const blockSize = 16 << 10

// http2Error maps the errors of net/http's HTTP/2 onto the driver's own. A stream that the peer reset is a reset; a
// connection that ended under the stream is a close. All of them stay indeterminate, even those that the standard
// calls safe to repeat. Whether the server obeys the standard is under test.
func http2Error(err error) error {
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "stream error:") && strings.HasSuffix(text, fromPeer):
		return &answerError{syscall.ECONNRESET, text}
	case strings.HasPrefix(text, "http2: server sent GOAWAY"),
		strings.HasPrefix(text, "http2: Transport received GOAWAY"),
		text == connGoneAway,
		strings.HasPrefix(text, "http2: client conn"):
		return &answerError{errCut, text}
	}
	return err
}

// answerError is an error of a kind, with the text of another error.
type answerError struct {
	kind error
	text string
}

func (e *answerError) Error() string { return e.text }
func (e *answerError) Unwrap() error { return e.kind }
