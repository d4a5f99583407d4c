package amqp

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// fakeBroker is a broker that can lie. It does the handshake and every declaration, and leaves it to a test what becomes of a
// message.
type fakeBroker struct {
	*drivertest.RawServer
	heartbeat uint16       // seconds that it demands
	received  atomic.Int64 // messages

	mu        sync.Mutex
	onPublish func(*fakeConn, published)
	refuse    map[uint32]refusal // methods that end the channel
	unheard   map[uint32]func()  // methods that get no answer, and what is called then
	queues    map[string]uint32  // messages that are ready, by queue
	logins    []string           // mechanisms and what the clients said
	consumers map[string]fakeConsumer
}

// fakeConsumer is who consumes from a queue.
type fakeConsumer struct {
	conn    *fakeConn
	channel uint16
	tag     string
}

// refusal is how a broker closes a channel.
type refusal struct {
	code uint16
	text string
}

// published is a message that a client published.
type published struct {
	channel       uint16
	tag           uint64
	exchange, key string
	header, body  []byte // payloads
}

// fakeConn is the broker's end of one connection.
type fakeConn struct {
	*drivertest.RawConn
	broker  *fakeBroker
	tags    map[uint16]uint64
	partial map[uint16]*published
	missing map[uint16]uint64
	closed  map[uint16]bool
}

func startFake(t testing.TB) *fakeBroker { return startFakeTLS(t, nil) }

// startFakeTLS is startFake below TLS.
func startFakeTLS(t testing.TB, secure *tls.Config) *fakeBroker {
	b := &fakeBroker{onPublish: (*fakeConn).confirm, refuse: make(map[uint32]refusal), queues: make(map[string]uint32), consumers: make(map[string]fakeConsumer)}
	b.RawServer = drivertest.ServeRawTLS(t, secure, b.serve)
	return b
}

func (b *fakeBroker) behave(on func(*fakeConn, published)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onPublish = on
}

func (b *fakeBroker) refuses(method uint32, r refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse[method] = r
}

// silent leaves a method without an answer, and calls heard.
func (b *fakeBroker) silent(method uint32, heard func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unheard = map[uint32]func(){method: heard}
}

func (b *fakeBroker) accepts(method uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.refuse, method)
}

func (b *fakeBroker) serve(raw *drivertest.RawConn) {
	c := &fakeConn{RawConn: raw, broker: b, tags: make(map[uint16]uint64), partial: make(map[uint16]*published),
		missing: make(map[uint16]uint64), closed: make(map[uint16]bool)}
	if !c.Skip(8) {
		return
	}
	c.method(0, 10<<16|10, append([]byte{0, 9}, concat(long(""), long("PLAIN EXTERNAL"), long("en_US"))...))
	for {
		kind, channel, payload, ok := c.frame()
		if !ok || !c.handle(kind, channel, payload) {
			return
		}
	}
}

// frame reads one frame of the client.
func (c *fakeConn) frame() (kind byte, channel uint16, payload []byte, ok bool) {
	var head [7]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, 0, nil, false
	}
	payload = make([]byte, binary.BigEndian.Uint32(head[3:])+1)
	if _, err := io.ReadFull(c, payload); err != nil {
		return 0, 0, nil, false
	}
	return head[0], binary.BigEndian.Uint16(head[1:]), payload[:len(payload)-1], true
}

func (c *fakeConn) handle(kind byte, channel uint16, payload []byte) bool {
	switch kind {
	case frameHeader:
		p := c.partial[channel]
		if p == nil {
			return true
		}
		p.header = payload
		c.missing[channel] = binary.BigEndian.Uint64(payload[4:])
		return c.complete(channel)
	case frameBody:
		if p := c.partial[channel]; p != nil {
			p.body = append(p.body, payload...)
			c.missing[channel] -= uint64(len(payload))
			return c.complete(channel)
		}
		return true
	case frameMethod:
	default:
		return true
	}
	r := reader{b: payload}
	method := uint32(r.uint16())<<16 | uint32(r.uint16())
	c.broker.mu.Lock()
	refused, is := c.broker.refuse[method]
	unheard := c.broker.unheard[method]
	c.broker.mu.Unlock()
	if unheard != nil {
		unheard()
		return true
	}
	if is {
		return c.closeChannel(channel, refused, method)
	}
	switch method {
	case basicPublish:
		if c.closed[channel] {
			return true // what follows a closed channel is discarded
		}
		r.uint16()
		c.partial[channel] = &published{channel: channel, exchange: string(r.shortText()), key: string(r.shortText())}
		return true
	case channelClose + 1: // close-ok
		c.closed[channel], c.tags[channel] = false, 0
		return true
	case 50<<16 | 10:
		r.uint16()
		name := r.shortText()
		c.broker.mu.Lock()
		ready := c.broker.queues[string(name)]
		c.broker.mu.Unlock()
		return c.method(channel, 50<<16|11, concat(short(string(name)), be32(ready), be32(0)))
	}
	return c.answer(channel, method, r.b)
}

// answer answers what a well-behaved broker would.
func (c *fakeConn) answer(channel uint16, method uint32, arguments []byte) bool {
	switch method {
	case 10<<16 | 11: // start-ok
		r := reader{b: arguments}
		r.longText() // the client's properties
		c.broker.mu.Lock()
		c.broker.logins = append(c.broker.logins, string(r.shortText())+" "+string(r.longText()))
		c.broker.mu.Unlock()
		return c.method(0, 10<<16|30, concat(be16(2047), be32(maxFrame), be16(c.broker.heartbeat)))
	case 10<<16 | 40:
		return c.method(0, 10<<16|41, short(""))
	case connectionClose:
		return c.method(0, 10<<16|51, nil)
	case 20<<16 | 10:
		c.tags[channel] = 0
		return c.method(channel, channelOpenOk, long(""))
	case channelClose:
		return c.method(channel, channelClose+1, nil)
	case 40<<16 | 10, 40<<16 | 20, 50<<16 | 20, 85<<16 | 10:
		return c.method(channel, method+1, nil)
	case 60<<16 | 20:
		r := reader{b: arguments}
		r.uint16()
		queue, tag := string(r.shortText()), string(r.shortText())
		c.broker.mu.Lock()
		c.broker.consumers[queue] = fakeConsumer{c, channel, tag}
		c.broker.mu.Unlock()
		return c.method(channel, 60<<16|21, short(tag))
	case 50<<16 | 40:
		return c.method(channel, 50<<16|41, be32(0))
	}
	return true
}

// complete hands a message on when the whole of it has come.
func (c *fakeConn) complete(channel uint16) bool {
	if c.missing[channel] > 0 {
		return true
	}
	p := c.partial[channel]
	delete(c.partial, channel)
	c.tags[channel]++
	p.tag = c.tags[channel]
	c.broker.received.Add(1)
	c.broker.mu.Lock()
	on := c.broker.onPublish
	c.broker.mu.Unlock()
	on(c, *p)
	return true
}

func (c *fakeConn) confirm(p published) { c.ack(p.channel, p.tag, false) }

func (c *fakeConn) ack(channel uint16, tag uint64, multiple bool) bool {
	return c.method(channel, basicAck, append(be64(tag), bit(multiple)))
}

func (c *fakeConn) nack(channel uint16, tag uint64, multiple bool) bool {
	return c.method(channel, basicNack, append(be64(tag), bit(multiple)))
}

// giveBack returns a message that no queue got.
func (c *fakeConn) giveBack(p published) {
	c.method(p.channel, basicReturn, concat(be16(312), short("NO_ROUTE"), short(p.exchange), short(p.key)))
	c.write(frameHeader, p.channel, p.header)
	if len(p.body) > 0 {
		c.write(frameBody, p.channel, p.body)
	}
}

func (c *fakeConn) closeChannel(channel uint16, r refusal, method uint32) bool {
	c.closed[channel] = true
	delete(c.partial, channel)
	return c.method(channel, channelClose, concat(be16(r.code), short(r.text), be32(method)))
}

func (c *fakeConn) method(channel uint16, method uint32, arguments []byte) bool {
	return c.write(frameMethod, channel, append(be32(method), arguments...))
}

func (c *fakeConn) write(kind byte, channel uint16, payload []byte) bool {
	return c.Say(string(frameOf(kind, channel, payload)))
}

func frameOf(kind byte, channel uint16, payload []byte) []byte {
	return append(concat([]byte{kind}, be16(channel), be32(uint32(len(payload))), payload), frameEnd)
}

func concat(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
func be16(v uint16) []byte        { return binary.BigEndian.AppendUint16(nil, v) }
func be32(v uint32) []byte        { return binary.BigEndian.AppendUint32(nil, v) }
func be64(v uint64) []byte        { return binary.BigEndian.AppendUint64(nil, v) }
func short(text string) []byte    { return append([]byte{byte(len(text))}, text...) }
func long(text string) []byte     { return append(be32(uint32(len(text))), text...) }
func bit(is bool) byte            { return map[bool]byte{true: 1}[is] }
func (b *fakeBroker) url() string { return "amqp://guest:secret-word@" + b.Address() + "/" }

// testPatience bounds each wait of a test. Nothing is measured by it.
const testPatience = 30 * time.Second

// testQueue is the queue of the streams under test.
const testQueue = "orders"

func testEnv(t testing.TB) drivers.Env { return drivertest.NewEnv(t, time.Now()) }

// openDriver opens a driver that ends with the test.
func openDriver(t testing.TB, config Config, env drivers.Env) *Driver {
	t.Helper()
	config.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	d, err := config.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d.(*Driver)
}

// sending is one attempt of a test.
type sending struct {
	op   drivers.Op
	at   drivers.Attempt
	done chan struct{}
}

// send hands attempts number 1 of n operations over, from operation first on.
func send(t testing.TB, d *Driver, first uint64, n int, timeout time.Duration) []*sending {
	var all []*sending
	for i := range n {
		s := &sending{op: drivers.Op{Seq: first + uint64(i)}, done: make(chan struct{})}
		s.at.Reset(1, d.env.Clock())
		s.at.Timeout = timeout
		d.Send(t.Context(), &s.op, &s.at, func() { close(s.done) })
		all = append(all, s)
	}
	return all
}

// outcomes waits for attempts to end.
func outcomes(t testing.TB, all []*sending) []drivers.Attempt {
	t.Helper()
	var out []drivers.Attempt
	limit := time.After(testPatience)
	for _, s := range all {
		select {
		case <-s.done:
			out = append(out, s.at)
		case <-limit:
			t.Fatalf("the attempt of operation %d did not end", s.op.Seq)
		}
	}
	return out
}
