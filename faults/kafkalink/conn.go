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

// conn carries one connection. One goroutine carries requests, another answers.
//
// Brokers answer the requests of a connection in their order, and clients take an answer out of turn for a broken
// connection. So what will not be answered silences the connection behind it, as a broker that is stuck on a request would,
// and an answer of our own waits for those before it.
type conn struct {
	*request.Ends
	layer   *layer
	address string // where the target was dialled

	writing sync.Mutex // held to write to the client, a whole frame at a time

	mu         sync.Mutex
	queue      []*expected // answers that are to come, in the order of their requests
	met        map[*Fault]struct{}
	silencedBy *Fault // set once an answer was dropped: all behind it are
}

// expected is an answer that is to come.
type expected struct {
	head
	delays []*Fault
	drop   *Fault // the answer is dropped
	lost   *Fault // the request was: no answer comes
	ours   []byte // the answer, given in the broker's place
}

// maxQueue bounds the answers that are waited for; beyond it the oldest is forgotten, and passes as it is.
const maxQueue = 1 << 16

func newConn(l *layer, client, target net.Conn, address string) *conn {
	return &conn{Ends: request.NewEnds(client, target), layer: l, address: address, met: make(map[*Fault]struct{})}
}

// forget takes the ended connection from the faults that keep it.
func (c *conn) releaseFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.met {
		f.Releases(c.Ends)
	}
}

// requests carries what the client says.
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

// raw passes on what is no Kafka, to its end.
func (c *conn) copyRaw(w io.Writer, r *bufio.Reader) error {
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
	if act == nil && len(e.delays) == 0 && (c.layer.mapping == nil || !namesBrokers(h.key, h.version)) && !c.awaitsAnswers() {
		return copyBytes(c.Target, r, h.size) // nothing will ask for its answer
	}
	// As much as fits the buffer is enough to see whether an answer is wanted.
	prefix, _ := r.Peek(min(h.size, bufferSize))
	answered := !h.unanswered(prefix)
	if act != nil && act.act.Error != "" {
		if done, err := c.refuse(r, e, act, answered); done || err != nil {
			return err
		}
	} else if act != nil {
		c.meets(act, h.size)
		if act.act.Drop == dropRequests {
			e.lost = act
			if answered {
				act.Silences(c.Ends)
				c.addExpected(e)
			}
			return copyBytes(io.Discard, r, h.size)
		}
		e.drop = act
	}
	for _, f := range e.delays {
		c.meets(f, h.size)
	}
	if answered {
		c.addExpected(e)
	}
	return copyBytes(c.Target, r, h.size)
}

// strike finds the faults that act on the request: delays add up, of the others the first one acts.
func (c *conn) findFaults(e *expected) (act *Fault) {
	for _, f := range c.layer.faults.All() {
		if f.key != e.key || act != nil && f.act.Delay == 0 || !f.aim.Covers(c.address, "") || !f.Takes() {
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

// busy says whether answers are waited for: then those between them are counted too, for their order.
func (c *conn) awaitsAnswers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0
}

// meets charges a fault with a request of this connection.
func (c *conn) meets(f *Fault, size int) {
	c.mu.Lock()
	_, again := c.met[f]
	c.met[f] = struct{}{}
	c.mu.Unlock()
	f.Meets(!again, size)
}

// refuse answers in the broker's place. done is false, and nothing taken, when the request cannot be answered so.
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

// expect adds an answer that is to come, before its request goes out.
func (c *conn) addExpected(e *expected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= maxQueue {
		c.queue = c.queue[1:]
	}
	c.queue = append(c.queue, e)
}

// giveOurs writes our own answers that are due. c.writing is held.
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

// answers carries what the target says.
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
	e, silenced := c.matchAnswer(correlation)
	if silenced {
		return copyBytes(io.Discard, r, size)
	}
	if e != nil {
		for _, f := range e.delays {
			arrived = arrived.Add(f.act.Delay)
			f.Wait(c.Ends, arrived)
		}
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.deliver(r, e, size); err != nil {
		return err
	}
	c.removeAnswer(e)
	return c.writeOurAnswers()
}

// done takes an answer that was delivered out of the queue: until then our own answers behind it wait.
func (c *conn) removeAnswer(e *expected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.Index(c.queue, e); at >= 0 {
		c.queue = slices.Delete(c.queue, at, at+1)
	}
}

// take finds whose answer this is. silenced: it is dropped, or stands behind one that is, or that will not come.
func (c *conn) matchAnswer(correlation int32) (e *expected, silenced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silencedBy != nil {
		return nil, true
	}
	at := slices.IndexFunc(c.queue, func(e *expected) bool {
		return e.correlation == correlation && e.lost == nil && e.ours == nil
	})
	if at < 0 {
		return nil, slices.ContainsFunc(c.queue, func(e *expected) bool { return e.lost != nil })
	}
	e = c.queue[at]
	if slices.ContainsFunc(c.queue[:at], func(e *expected) bool { return e.lost != nil }) {
		return e, true
	}
	if e.drop == nil {
		return e, false
	}
	if e.drop.InForce() {
		c.silencedBy = e.drop
		e.drop.Silences(c.Ends)
	}
	return e, c.silencedBy != nil
}

// deliver writes an answer to the client, brokers' addresses replaced. c.writing is held.
func (c *conn) deliver(r *bufio.Reader, e *expected, size int) error {
	if e == nil || c.layer.mapping == nil {
		return copyBytes(c.Client, r, size)
	}
	switch {
	case !namesBrokers(e.key, e.version):
		return copyBytes(c.Client, r, size)
	case size > maxRead:
		c.layer.logLeak(fmt.Sprintf("%s of %d bytes", kmsg.NameForKey(e.key), size), errors.New("longer than is read"))
		return copyBytes(c.Client, r, size)
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return err
	}
	if body, err := c.layer.mapping.rewritten(e.key, e.version, frame[8:]); err == nil {
		frame = withLength(append(frame[:8:8], body...))
	} else if !unsupported(e.key, frame[8:]) {
		c.layer.logLeak(fmt.Sprintf("%s v%d", kmsg.NameForKey(e.key), e.version), err)
	}
	_, err := c.Client.Write(frame)
	return err
}

// unsupported: a broker answers an unknown version of ApiVersions in version 0, with this error.
func unsupported(key int16, body []byte) bool {
	return kmsg.Key(key) == kmsg.ApiVersions && len(body) > 1 && int16(binary.BigEndian.Uint16(body)) == kerr.UnsupportedVersion.Code
}
