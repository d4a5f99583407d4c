package witness

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// amqpReader reads a connection to a broker of AMQP 0-9-1, of a link between services. A publish is a request: its answer is the
// broker's confirm, where the channel asked for confirms. A delivery is a request of the other direction: its answer is the consumer's
// acknowledgement, where the consumer gives one. So is each method that has an answer of its own: queue.declare, basic.get, ...
type amqpReader struct {
	conn     *conn
	sent     records // by the client
	got      records // by the broker
	started  bool    // the client's protocol header is behind
	greeting []byte
	channels map[uint16]*amqpChannel
	pending  int
}

// amqpChannel is what is awaited on one channel.
type amqpChannel struct {
	confirms   bool
	published  uint64 // since confirms
	up, down   amqpContent
	calls      []*exchange
	publishes  map[uint64]*exchange // by the tag that the broker confirms
	deliveries map[uint64]*exchange // by delivery tag
	noAck      map[string]bool      // consumers that acknowledge nothing, by tag
	consuming  []bool               // of each basic.consume that awaits its answer, whether its consumer acknowledges nothing
}

const (
	amqpFrame = 128 << 20 // brokers agree on 128 KiB
	amqpHead  = 1 << 10   // of a frame: the method, and its first arguments; of a content header, the headers that tell a trace

	kindMethod = 1
	kindHeader = 2
	kindBody   = 3
)

var errAMQP = errors.New("a frame that is not AMQP 0-9-1's")

func newAMQP(c *conn) *amqpReader {
	a := &amqpReader{conn: c, channels: make(map[uint16]*amqpChannel)}
	wanted := amqpHead
	if c.w.link.place != (Place{}) {
		wanted = bodyBound + 8
	}
	size := func(b []byte) (int, int, error) {
		n := binary.BigEndian.Uint32(b[3:])
		if n > amqpFrame || b[0] == 0 || b[0] > 8 {
			return 0, 0, errAMQP
		}
		return 8 + int(n), wanted, nil
	}
	a.sent = records{head: 7, size: size, take: func(b []byte, n int) error { return a.frame(b, n, true) }}
	a.got = records{head: 7, size: size, take: func(b []byte, n int) error { return a.frame(b, n, false) }}
	return a
}

// asked reads the client's bytes, behind its protocol header.
func (a *amqpReader) asked(b []byte) error {
	if !a.started {
		n := min(len(amqpHeader)-len(a.greeting), len(b))
		a.greeting, b = append(a.greeting, b[:n]...), b[n:]
		a.started = len(a.greeting) == len(amqpHeader)
	}
	return a.sent.feed(b)
}

func (a *amqpReader) answered(b []byte) error { return a.got.feed(b) }
func (a *amqpReader) ended() error            { return nil }

// abandon implements protocolReader.
func (a *amqpReader) abandon() {
	for n := range a.channels {
		a.close(n)
	}
}

// close ends everything that is awaited on a channel.
func (a *amqpReader) close(n uint16) {
	c := a.channels[n]
	if c == nil {
		return
	}
	delete(a.channels, n)
	for _, x := range c.calls {
		a.end(x)
	}
	for _, m := range []amqpContent{c.up, c.down} {
		if m.silent {
			a.end(m.of)
		}
	}
	for _, all := range []map[uint64]*exchange{c.publishes, c.deliveries} {
		for _, x := range all {
			a.end(x)
		}
	}
}

func (a *amqpReader) end(x *exchange) {
	a.pending--
	a.conn.w.link.over(x)
}

// frame hands a method or a part of a message on. Other frames are heartbeats. up: the client sent it.
func (a *amqpReader) frame(b []byte, size int, up bool) error {
	kind := b[0]
	if kind > kindBody {
		return nil
	}
	if size < 8 || len(b) < 7 || kind == kindMethod && (size < 12 || len(b) < 11) {
		return errAMQP
	}
	n := binary.BigEndian.Uint16(b[1:])
	c := a.channels[n]
	if c == nil {
		c = &amqpChannel{publishes: make(map[uint64]*exchange), deliveries: make(map[uint64]*exchange), noAck: make(map[string]bool)}
		a.channels[n] = c
	}
	take, content := a.broker, &c.down
	if up {
		take, content = a.client, &c.up
	}
	payload, cut := b[7:min(len(b), size-1)], len(b) < size-1
	if kind != kindMethod {
		return a.content(c, content, kind, payload, size-8, cut)
	}
	return take(n, c, amqpMethod{binary.BigEndian.Uint16(b[7:]), binary.BigEndian.Uint16(b[9:])}, b[11:min(len(b), size-1)])
}

// begin begins a request of one kind. It carries no identity of its own: only messages do.
func (a *amqpReader) begin(kind string) (*exchange, error) {
	x, err := a.message(kind)
	if err == nil {
		x.Plain = true
		a.conn.w.link.arrived(x)
		a.conn.w.link.whole(x)
	}
	return x, err
}

// message begins a request, which has not arrived yet.
func (a *amqpReader) message(kind string) (*exchange, error) {
	if a.pending >= streamBound {
		return nil, errors.New("more than 65536 publishes and deliveries without an answer on one connection")
	}
	a.pending++
	x := a.conn.w.link.begin(a.conn.id)
	x.Kind = kind
	return x, nil
}

// carries lets a message follow its request. silent: no answer comes.
func (a *amqpReader) carries(x *exchange, content *amqpContent, silent bool) error {
	if content.of != nil {
		return errAMQP
	}
	a.conn.w.link.began(x)
	*content = amqpContent{of: x, silent: silent}
	return nil
}

// settle ends one request of a channel, with its answer's status. A publish may be refused before its message has come.
func (a *amqpReader) settle(c *amqpChannel, x *exchange, status string) {
	a.pending--
	x.Status = status
	if a.conn.w.link.answered(x, false) {
		return
	}
	for _, content := range []*amqpContent{&c.up, &c.down} {
		if content.of == x {
			*content = amqpContent{}
		}
	}
	a.conn.w.link.over(x)
}

// confirm settles what an acknowledgement names: one tag, or all up to it. Tag 0 with multiple names all.
func (a *amqpReader) confirm(c *amqpChannel, awaited map[uint64]*exchange, tag uint64, multiple bool, status string) {
	if !multiple {
		if x := awaited[tag]; x != nil {
			delete(awaited, tag)
			a.settle(c, x, status)
		}
		return
	}
	for n, x := range awaited {
		if n <= tag || tag == 0 {
			delete(awaited, n)
			a.settle(c, x, status)
		}
	}
}

// tagged reads a delivery tag and the bits behind it.
func tagged(args []byte) (tag uint64, bits byte, err error) {
	if len(args) < 8 {
		return 0, 0, errAMQP
	}
	if len(args) > 8 {
		bits = args[8]
	}
	return binary.BigEndian.Uint64(args), bits, nil
}

// shortString cuts a short string off the front.
func shortString(b []byte) (text, rest []byte, err error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, errAMQP
	}
	return b[1 : 1+b[0]], b[1+b[0]:], nil
}

// replyStatus is the code of a close or a return, as in amqp_404.
func replyStatus(args []byte) string {
	if len(args) < 2 {
		return "amqp_unknown"
	}
	return fmt.Sprintf("amqp_%d", binary.BigEndian.Uint16(args))
}
