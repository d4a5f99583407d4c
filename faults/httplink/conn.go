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

// Both end a connection in order: errShort although more bytes were announced, errLast after our own last answer.
var (
	errShort = fmt.Errorf("short: %w", io.EOF)
	errLast  = fmt.Errorf("the last answer: %w", io.EOF)
)

// conn carries one connection. For HTTP/1.1 one goroutine carries requests and another answers. Answers have the
// order of the requests, so an answer of our own waits for those before it.
type conn struct {
	*request.Ends
	layer *layer

	writing sync.Mutex // held to write to the client, one whole answer at a time

	mu    sync.Mutex
	queue []*pendingRequest
	taken map[*Fault]int  // requests that each fault took
	met   map[*Fault]bool // faults that changed a request or an answer
}

// pendingRequest is a request whose answer has not come.
type pendingRequest struct {
	method  string
	size    int    // of the headers
	fault   *Fault // acts on the answer; nil: none
	changed bool   // the fault changed the answer
	ours    []byte // the answer that replaces the target's
	close   bool   // the connection ends after ours
	upgrade bool   // another protocol may follow
	lost    bool   // no answer comes
}

func newConn(l *layer, client, target net.Conn) *conn {
	return &conn{Ends: request.NewEnds(client, target), layer: l, taken: make(map[*Fault]int), met: make(map[*Fault]bool)}
}

// releaseFaults removes the ended connection from the faults that registered it.
func (c *conn) releaseFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.taken {
		f.Releases(c.Ends)
	}
}

// number returns the number of a request that a fault takes, from 1 on each connection.
func (c *conn) number(f *Fault) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken[f]++
	return c.taken[f]
}

// meets counts a request that a fault changed, or whose answer the fault changed. size is the size of its headers.
func (c *conn) meets(f *Fault, size int) {
	c.mu.Lock()
	again := c.met[f]
	c.met[f] = true
	c.mu.Unlock()
	f.Meets(!again, size)
}

// changes counts a request whose answer a fault changed, once.
func (c *conn) changes(e *pendingRequest) {
	if !e.changed {
		e.changed = true
		c.meets(e.fault, e.size)
	}
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
	e := &pendingRequest{method: req.Method, size: len(head), upgrade: upgrades(req)}
	f := c.layer.pick(false, req.Method, req.RequestURI, req.Header)
	if f != nil {
		n := c.number(f)
		switch a := &f.act; {
		case a.Cut > 0 && n >= a.Cut:
			c.meets(f, e.size)
			return request.ErrCut
		case a.Cut > 0:
		case a.Status > 0:
			c.meets(f, e.size)
			return c.refuse(r, req, e, f)
		case a.Discard:
			c.meets(f, e.size)
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
			return errLast
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
	if e.fault != nil && e.fault.InForce() && final(answer) {
		act = &e.fault.act
	}
	if due := arrived.Add(act.Headers); act.Headers > 0 && e.fault.Delays(c.Ends, due) {
		c.changes(e)
		e.fault.Wait(c.Ends, due)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.Client.Write(head); err != nil {
		return err
	}
	if !final(answer) {
		return nil // the final answer follows
	}
	b := bodyOfAnswer(answer, e.method)
	if act.Body > 0 && !b.empty() {
		c.delayBody(r, e, arrived.Add(act.Body))
	}
	if err := b.pass(c.Client, r, c.bodyFault(act, e)); err != nil {
		return err
	}
	c.done()
	return c.writeOurAnswers()
}

// final reports whether no other answer to the request follows. After 101 another protocol does.
func final(answer *http.Response) bool {
	return answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols
}

// delayBody makes a body wait until due, or until the fault or the connection ends. A body that begins later than due is
// not delayed.
func (c *conn) delayBody(r *bufio.Reader, e *pendingRequest, due time.Time) {
	if _, err := r.Peek(1); err != nil || !e.fault.Delays(c.Ends, due) {
		return
	}
	c.changes(e)
	e.fault.Wait(c.Ends, due)
}

// bodyFault is what the fault of a request does to the body of its answer; nil: nothing.
func (c *conn) bodyFault(act *Act, e *pendingRequest) *bodyFault {
	if act.Truncate == nil && !act.Corrupt {
		return nil
	}
	return &bodyFault{act: act, inForce: e.fault.InForce, changed: func() { c.changes(e) }}
}

// corrupt changes one byte of sixteen of a body. p begins at offset of the body. It reports whether it changed any.
func corrupt(p []byte, offset int) (changed bool) {
	for i := range p {
		if (offset+i)%16 == 0 {
			p[i] ^= 0xff
			changed = true
		}
	}
	return changed
}
