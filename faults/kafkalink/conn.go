package kafkalink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults/request"
)

// conn carries one connection: one goroutine carries requests, another carries answers.
//
// Brokers answer the requests of a connection in order, and clients treat an answer out of order as a broken connection. So
// an unanswered request silences the connection behind it, as a broker stuck on a request would. An answer made here waits
// for the answers before it.
type conn struct {
	*request.Ends
	layer   *layer
	address string // the address that was dialled

	writing sync.Mutex // held while a whole frame is written to the client

	mu         sync.Mutex
	queue      []*expected // the expected answers, in the order of their requests
	met        map[*Fault]struct{}
	groups     map[string]struct{} // the consumer groups that the connection spoke of
	silencedBy *Fault              // set once an answer was dropped: later answers are dropped too
}

// expected is an answer that is expected.
type expected struct {
	head
	delays []*Fault
	drop   *Fault // the answer is dropped
	lost   *Fault // the request is dropped: no answer comes
	ours   []byte // the answer given in place of the broker's
	again  bool   // the request was sent again: the client gets no second answer

	fetch *fetch        // of a consumer's Fetch
	group *groupRequest // of a request about a consumer group
}

// maxQueue bounds the expected answers. Beyond it the oldest is forgotten, and passes unchanged.
const maxQueue = 1 << 16

func newConn(l *layer, client, target net.Conn, address string) *conn {
	return &conn{
		Ends: request.NewEnds(client, target), layer: l, address: address,
		met: make(map[*Fault]struct{}), groups: make(map[string]struct{}),
	}
}

// releaseFaults removes the ended connection from the faults that hold it.
func (c *conn) releaseFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.met {
		f.Releases(c.Ends)
	}
}

// requests carries the client's bytes.
func (c *conn) requests() error {
	r := bufio.NewReaderSize(c.Client, bufferSize)
	for {
		h, err := readHead(r)
		if errors.Is(err, errRaw) {
			return c.copyRaw(c.Target, r)
		}
		if err != nil {
			return err
		}
		if err := c.request(r, h); err != nil {
			return err
		}
	}
}

// copyRaw passes on bytes that are not Kafka, until the connection ends.
func (c *conn) copyRaw(w io.Writer, r *bufio.Reader) error {
	c.layer.raw.Store(true)
	if c.layer.mapping != nil {
		c.layer.logLeak("a connection that is not plain Kafka (TLS?)", errRaw)
	}
	_, err := r.WriteTo(w)
	return err
}

// request carries one request, or what a fault makes of it.
func (c *conn) request(r *bufio.Reader, h head) error {
	e := &expected{head: h}
	act := c.findFaults(e)
	if act == nil && len(e.delays) == 0 && !c.layer.reads(h) && !c.awaitsAnswers() {
		return copyBytes(c.Target, r, h.size) // the answer needs no treatment
	}
	// One buffer is enough to see whether the client wants an answer.
	prefix, _ := r.Peek(min(h.size, bufferSize))
	answered := !h.unanswered(prefix)
	e.fetch = c.layer.consumersFetch(h, prefix)
	if c.layer.aboutGroup(h) {
		if done, err := c.groupRequest(r, e, act); done || err != nil {
			return err
		}
	}
	if act != nil && act.act.Duplicate > 0 {
		return c.repeat(r, e, act, answered)
	}
	if act != nil && act.act.Error != "" {
		if done, err := c.refuse(r, e, act, answered); done || err != nil {
			return err
		}
	} else if act != nil && act.act.Drop == dropRequests {
		return c.discard(r, e, act, answered)
	} else {
		e.drop = act
	}
	if answered {
		c.addExpected(e)
	}
	return copyBytes(c.Target, r, h.size)
}

// discard drops a request.
func (c *conn) discard(r *bufio.Reader, e *expected, f *Fault, answered bool) error {
	c.meets(f, e.size)
	if answered {
		e.lost = f
		f.Silences(c.Ends)
		c.addExpected(e)
	}
	return copyBytes(io.Discard, r, e.size)
}

// findFaults finds the faults that act on the request. All delays apply; of the other faults only the first acts.
func (c *conn) findFaults(e *expected) (act *Fault) {
	for _, f := range c.layer.faults.All() {
		if f.key != e.key || f.onAnswers || act != nil && f.act.Delay == 0 || !f.aim.Covers(c.address, "") || !f.Takes() {
			continue
		}
		if f.act.Delay > 0 {
			e.delays = append(e.delays, f)
		} else {
			act = f
		}
	}
	return act
}

// awaitsAnswers says whether answers are expected. If so, answers between them are expected too, to keep the order.
func (c *conn) awaitsAnswers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0
}

// meets counts a request of this connection for a fault that changed what became of it.
func (c *conn) meets(f *Fault, size int) {
	c.mu.Lock()
	_, again := c.met[f]
	c.met[f] = struct{}{}
	c.mu.Unlock()
	f.Meets(!again, size)
}

// refuse answers in the broker's place. If the request cannot be refused, done is false and nothing was read.
func (c *conn) refuse(r *bufio.Reader, e *expected, f *Fault, answered bool) (done bool, err error) {
	if !answered || e.size > maxRead || !e.known() {
		return false, nil
	}
	frame := make([]byte, e.size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return true, err
	}
	if e.ours, err = refusal(e.head, frame, f.code); err != nil {
		e.ours = nil
		c.addExpected(e)
		_, err = c.Target.Write(frame)
		return true, err
	}
	c.meets(f, e.size)
	c.writing.Lock()
	defer c.writing.Unlock()
	c.addExpected(e)
	return true, c.writeOurAnswers()
}

// addExpected adds an expected answer, before its request is sent.
func (c *conn) addExpected(e *expected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= maxQueue {
		c.queue = c.queue[1:]
	}
	c.queue = append(c.queue, e)
}

// writeOurAnswers writes our answers that are next in order. c.writing is held.
func (c *conn) writeOurAnswers() error {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 || c.queue[0].ours == nil || c.silencedBy != nil {
			c.mu.Unlock()
			return nil
		}
		ours := c.queue[0].ours
		c.queue = c.queue[1:]
		c.mu.Unlock()
		if _, err := c.Client.Write(ours); err != nil {
			return err
		}
	}
}

// answers carries the target's bytes.
func (c *conn) answers() error {
	r := bufio.NewReaderSize(c.Target, bufferSize)
	for {
		size, correlation, err := readAnswerHead(r)
		if errors.Is(err, errRaw) {
			return c.copyRaw(c.Client, r)
		}
		if err != nil {
			return err
		}
		if err := c.answer(r, size, correlation); err != nil {
			return err
		}
	}
}

// answer carries one answer, or what a fault makes of it.
func (c *conn) answer(r *bufio.Reader, size int, correlation int32) error {
	arrived := time.Now()
	e, by := c.matchAnswer(correlation)
	if by != nil {
		if e != nil && e.drop == by {
			c.meets(by, e.size)
		}
		return copyBytes(io.Discard, r, size)
	}
	if e != nil {
		c.delay(e, arrived)
	}
	frame, err := c.changedAnswer(r, e, size, arrived)
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.deliver(r, e, frame, size); err != nil {
		return err
	}
	c.removeAnswer(e)
	return c.writeOurAnswers()
}

// delay makes an answer wait for the faults that delay it.
func (c *conn) delay(e *expected, due time.Time) {
	for _, f := range e.delays {
		due = due.Add(f.act.Delay)
		if f.Delays(c.Ends, due) {
			c.meets(f, e.size)
			f.Wait(c.Ends, due)
		}
	}
}

// removeAnswer removes a delivered answer from the queue. Until then our answers behind it wait.
func (c *conn) removeAnswer(e *expected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.Index(c.queue, e); at >= 0 {
		c.queue = slices.Delete(c.queue, at, at+1)
	}
}

// matchAnswer finds the request of an answer. by is the fault that drops the answer, or an earlier answer or request; nil:
// none does.
func (c *conn) matchAnswer(correlation int32) (e *expected, by *Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.queue
	at := slices.IndexFunc(c.queue, func(e *expected) bool {
		return e.correlation == correlation && e.lost == nil && e.ours == nil
	})
	if at >= 0 {
		e, before = c.queue[at], c.queue[:at]
	}
	if c.silencedBy != nil {
		return e, c.silencedBy
	}
	if lost := slices.IndexFunc(before, func(e *expected) bool { return e.lost != nil }); lost >= 0 {
		return e, before[lost].lost
	}
	if e != nil && e.drop != nil && e.drop.InForce() {
		c.silencedBy = e.drop
		e.drop.Silences(c.Ends)
	}
	return e, c.silencedBy
}

// deliver writes an answer to the client: the changed frame, or if there is none the next size bytes. c.writing is held.
func (c *conn) deliver(r *bufio.Reader, e *expected, frame []byte, size int) error {
	if e != nil && e.again {
		return copyBytes(io.Discard, r, size)
	}
	if frame == nil {
		return copyBytes(c.Client, r, size)
	}
	_, err := c.Client.Write(frame)
	return err
}

// changedAnswer reads an answer that must be read, and changes it. It returns nil, and reads nothing, if the answer passes as
// it is.
func (c *conn) changedAnswer(r *bufio.Reader, e *expected, size int, arrived time.Time) ([]byte, error) {
	if e == nil || e.again {
		return nil, nil
	}
	rewrites, records, group := c.layer.rewrites(e.key, e.version), c.changesRecords(e), e.group != nil
	most := maxRead
	if records {
		most = maxFetch
	}
	switch {
	case !rewrites && !records && !group:
		return nil, nil
	case size > most:
		c.layer.logUnread(rewrites, fmt.Sprintf("%s of %d bytes", kmsg.NameForKey(e.key), size), errors.New("longer than is read"))
		return nil, nil
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	if group {
		frame = c.groupAnswer(e, frame)
	}
	if records {
		frame = c.changedFetch(e, frame, arrived)
	}
	if rewrites {
		frame = c.layer.rewriteFrame(e, frame)
	}
	return frame, nil
}

// unsupported recognises the answer to an unknown version of ApiVersions: version 0, with this error.
func unsupported(key int16, body []byte) bool {
	return kmsg.Key(key) == kmsg.ApiVersions && len(body) > 1 && int16(binary.BigEndian.Uint16(body)) == kerr.UnsupportedVersion.Code
}
