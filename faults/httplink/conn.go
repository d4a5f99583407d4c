package httplink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"wringer/faults/request"
)

// errShort ends a connection in order although more bytes were announced.
var errShort = fmt.Errorf("short: %w", io.EOF)

// conn carries one connection. For HTTP/1.1 one goroutine carries requests and another answers. Answers have the
// order of the requests, so an answer of our own waits for those before it.
type conn struct {
	*request.Ends
	layer *layer

	writing sync.Mutex // held to write to the client, one whole answer at a time

	mu    sync.Mutex
	queue []*pendingRequest
	met   map[*Fault]int // requests that each fault acted on, or counts for its cut
}

// pendingRequest is a request whose answer has not come.
type pendingRequest struct {
	method  string
	fault   *Fault // acts on the answer; nil: none
	ours    []byte // the answer that replaces the target's
	close   bool   // the connection ends after ours
	upgrade bool   // another protocol may follow
	lost    bool   // no answer comes
}

func newConn(l *layer, client, target net.Conn) *conn {
	return &conn{Ends: request.NewEnds(client, target), layer: l, met: make(map[*Fault]int)}
}

// releaseFaults removes the ended connection from the faults that registered it.
func (c *conn) releaseFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.met {
		f.Releases(c.Ends)
	}
}

// charge counts a request of this connection for a fault; size is the size of its headers. It returns the request's
// number for that fault, from 1.
func (c *conn) charge(f *Fault, size int) (n int) {
	c.mu.Lock()
	c.met[f]++
	n = c.met[f]
	c.mu.Unlock()
	if f.act.Cut > n {
		return n // counted, and passed on
	}
	f.Meets(n == 1 || n == f.act.Cut, size)
	return n
}

// requests carries the client's bytes.
func (c *conn) requests(r *bufio.Reader) error {
	for {
		head, err := readHead(r)
		if err != nil {
			return c.passRest(c.Target, r, err)
		}
		req, err := parseRequest(head)
		if err != nil {
			return c.passRest(c.Target, r, errNotHTTP)
		}
		_, _ = r.Discard(len(head)) // cannot fail: the bytes are in the buffer
		if err := c.request(r, head, req); err != nil {
			return err
		}
		if upgrades(req) {
			return c.passRest(c.Target, r, errNotHTTP)
		}
	}
}

// passRest passes the rest of the connection unchanged if it is not HTTP. It returns any other error.
func (c *conn) passRest(w io.Writer, r *bufio.Reader, why error) error {
	if !errors.Is(why, errNotHTTP) {
		return why
	}
	_, err := r.WriteTo(w)
	return err
}

func upgrades(r *http.Request) bool {
	return r.Method == http.MethodConnect || r.Header.Get("Upgrade") != ""
}

// request carries one request, or applies a fault to it.
func (c *conn) request(r *bufio.Reader, head []byte, req *http.Request) error {
	e := &pendingRequest{method: req.Method, upgrade: upgrades(req)}
	f := c.layer.pick(false, req.Method, req.RequestURI, req.Header)
	if f != nil {
		n := c.charge(f, len(head))
		switch a := &f.act; {
		case a.Cut > 0 && n >= a.Cut:
			return request.ErrCut
		case a.Cut > 0:
		case a.Status > 0:
			return c.refuse(r, req, e, f)
		case a.Discard:
			e.lost = true
			f.Silences(c.Ends)
			c.expect(e)
			return bodyOf(req).pass(io.Discard, r, nil)
		default:
			e.fault = f
		}
	}
	c.expect(e)
	if _, err := c.Target.Write(head); err != nil {
		return err
	}
	return bodyOf(req).pass(c.Target, r, nil)
}

// refuse answers instead of the target. A client that sent Expect: 100-continue may withhold its body; then the
// connection has to end.
func (c *conn) refuse(r *bufio.Reader, req *http.Request, e *pendingRequest, f *Fault) error {
	e.close = req.Close
	if strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
		e.close = true
	} else if err := bodyOf(req).pass(io.Discard, r, nil); err != nil {
		return err
	}
	e.ours = f.act.answer(e.close)
	c.writing.Lock()
	defer c.writing.Unlock()
	c.expect(e)
	return c.writeOurAnswers()
}

// answer is the whole answer that replaces the target's.
func (a *Act) answer(end bool) []byte {
	text := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Length: 0\r\n", a.Status, http.StatusText(a.Status))
	if a.RetryAfter > 0 {
		text += fmt.Sprintf("Retry-After: %d\r\n", a.RetryAfter/time.Second)
	}
	if end {
		text += "Connection: close\r\n"
	}
	return []byte(text + "\r\n")
}

func (c *conn) expect(e *pendingRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, e) // bounded by the requests that the target and the client leave unread
}

// writeOurAnswers writes our own answers that are due. The caller holds c.writing.
func (c *conn) writeOurAnswers() error {
	for {
		e := c.next()
		if e == nil || e.ours == nil {
			return nil
		}
		c.done()
		if _, err := c.Client.Write(e.ours); err != nil {
			return err
		}
		if e.close {
			return io.EOF
		}
	}
}

// next is the request whose answer comes next; nil without one.
func (c *conn) next() *pendingRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return nil
	}
	return c.queue[0]
}

func (c *conn) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = c.queue[1:]
}

// answers carries the target's bytes.
func (c *conn) answers() error {
	r := bufio.NewReaderSize(c.Target, maxHead)
	for {
		head, err := readHead(r)
		if err != nil {
			return c.passRest(c.Client, r, err)
		}
		e := c.next()
		if e == nil { // an unrequested answer
			return c.passRest(c.Client, r, errNotHTTP)
		}
		if e.lost { // these bytes answer a later request
			return c.passRest(io.Discard, r, errNotHTTP)
		}
		answer, err := parseAnswer(head, e.method)
		if err != nil {
			return c.passRest(c.Client, r, errNotHTTP)
		}
		_, _ = r.Discard(len(head)) // cannot fail: the bytes are in the buffer
		if err := c.answer(r, head, answer, e); err != nil {
			return err
		}
		if e.upgrade && answer.StatusCode < 300 {
			return c.passRest(c.Client, r, errNotHTTP)
		}
	}
}

// answer carries one answer, or applies a fault to it.
func (c *conn) answer(r *bufio.Reader, head []byte, answer *http.Response, e *pendingRequest) error {
	arrived := time.Now()
	act := &Act{}
	if e.fault != nil && e.fault.InForce() && answer.StatusCode >= 200 {
		act = &e.fault.act
	}
	c.wait(e.fault, arrived.Add(act.Headers), act.Headers)
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.Client.Write(head); err != nil {
		return err
	}
	if answer.StatusCode < 200 && answer.StatusCode != http.StatusSwitchingProtocols {
		return nil // the final answer follows
	}
	c.wait(e.fault, arrived.Add(act.Body), act.Body)
	b := bodyOfAnswer(answer, e.method)
	if act.Truncate != nil {
		b.most = *act.Truncate
		b.cut = true
	}
	var change func([]byte, int)
	if act.Corrupt {
		change = corrupt
	}
	if err := b.pass(c.Client, r, change); err != nil {
		return err
	}
	c.done()
	return c.writeOurAnswers()
}

// wait waits until due, or until the fault or the connection ends.
func (c *conn) wait(f *Fault, due time.Time, delay time.Duration) {
	if delay > 0 {
		f.Wait(c.Ends, due)
	}
}

// corrupt changes one byte of sixteen of a body. p begins at offset of the body.
func corrupt(p []byte, offset int) {
	for i := range p {
		if (offset+i)%16 == 0 {
			p[i] ^= 0xff
		}
	}
}
