package null

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
)

// AMQP starts a peer that speaks AMQP 0-9-1 as RabbitMQ does. It lets everybody in. Every queue and exchange is there, and empty. It
// confirms what is published, and keeps nothing. A message that asks for a reply is answered with an empty one. With an authority it speaks TLS too, to clients that begin with it.
func AMQP(a *Authority) (*Target, error) {
	t, replies := &Target{}, &replies{to: make(map[string]*consumer)}
	secure := t.secure(a)
	if secure != nil {
		secure.NextProtos = nil
	}
	return t, t.listen(func(conn net.Conn) {
		conn, ok := secured(conn, secure)
		if !ok {
			return
		}
		defer conn.Close()
		p := &peer{conn: conn, out: &output{w: bufio.NewWriterSize(conn, 16<<10)}, channels: make(map[uint16]*channel), replies: replies}
		p.r = bufio.NewReaderSize(p, 64<<10)
		defer replies.forget(p.out)
		p.serve()
	})
}

// secured is a connection below TLS, if the client begins with it, and there is a configuration.
func secured(conn net.Conn, config *tls.Config) (net.Conn, bool) {
	b := &buffered{Conn: conn, r: bufio.NewReaderSize(conn, 16<<10), closed: make(chan struct{})}
	first, err := b.r.Peek(1)
	if err != nil {
		return nil, false
	}
	if first[0] != handshakeRecord {
		return b, true
	}
	if config == nil {
		return nil, false
	}
	return tls.Server(b, config), true
}

// handshakeRecord is the first byte of a TLS connection.
const handshakeRecord = 0x16

// The kinds of frames, and their end.
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8
	frameEnd       = 0xCE

	// largestFrame is agreed on with every client.
	largestFrame = 128 << 10
	channelsMost = 2047
)

// The methods that are answered in their own way: class and number.
const (
	connectionStartOK = 10<<16 | 11
	connectionOpen    = 10<<16 | 40
	channelOpen       = 20<<16 | 10
	channelClose      = 20<<16 | 40
	queueDeclare      = 50<<16 | 10
	queuePurge        = 50<<16 | 30
	queueDelete       = 50<<16 | 40
	basicConsume      = 60<<16 | 20
	basicCancel       = 60<<16 | 30
	basicPublish      = 60<<16 | 40
	basicAck          = 60<<16 | 80
	confirmSelect     = 85<<16 | 10
)

// plainAnswers are the methods whose answer is the next number and says nothing.
var plainAnswers = map[uint32]bool{
	10<<16 | 50: true, channelClose: true, 40<<16 | 10: true, 40<<16 | 20: true, 40<<16 | 30: true, 50<<16 | 20: true, 50<<16 | 50: true,
	60<<16 | 10: true, 60<<16 | 110: true,
}

// peer is the null target's end of one connection.
type peer struct {
	conn     net.Conn
	r        *bufio.Reader
	out      *output
	channels map[uint16]*channel
	replies  *replies
	replied  map[*output]bool // has replies of ours that may not have been sent on
	frame    [32]byte
}

// channel counts the messages of a channel.
type channel struct {
	confirms             bool
	published, confirmed uint64
	begun                bool   // a message is under way
	missing              uint64 // bytes of its body
}

// Read reads from the client. All that came before is confirmed first, in one frame for each channel: as a broker does that has work
// waiting.
func (p *peer) Read(b []byte) (int, error) {
	for number, c := range p.channels {
		if c.confirms && c.published > c.confirmed {
			c.confirmed = c.published
			p.write(number, basicAck, append(binary.BigEndian.AppendUint64(nil, c.confirmed), 1))
		}
	}
	for to := range p.replied {
		to.flush() // an error shows at the consumer's own end
	}
	clear(p.replied)
	if err := p.out.flush(); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}

// serve answers until the client goes, or breaks the protocol.
func (p *peer) serve() {
	if _, err := p.r.Discard(8); err != nil { // the protocol's name and version
		return
	}
	start := []byte{0, 9, 0, 0, 0, 0} // version 0-9, no properties
	start = long(start, "PLAIN EXTERNAL AMQPLAIN")
	p.write(0, 10<<16|10, long(start, "en_US"))
	for p.next() {
	}
	p.out.flush() // of an orderly end
}

// next takes one frame. Of content only the size matters.
func (p *peer) next() bool {
	head := p.frame[:7]
	if _, err := io.ReadFull(p.r, head); err != nil {
		return false
	}
	kind, number, size := head[0], binary.BigEndian.Uint16(head[1:]), int(binary.BigEndian.Uint32(head[3:]))
	if size > largestFrame {
		return false
	}
	switch kind {
	case frameHeader:
		return p.header(p.channels[number], size)
	case frameBody:
		p.channels[number].take(uint64(size))
	case frameHeartbeat:
		p.out.write([]byte{frameHeartbeat, 0, 0, 0, 0, 0, 0, frameEnd})
	case frameMethod:
		return p.method(number, size)
	}
	_, err := p.r.Discard(size + 1)
	return err == nil
}

// header takes the size of a message's body, and replies to the message where it asks for that.
func (p *peer) header(c *channel, size int) bool {
	fields := p.frame[:14]
	if size < len(fields) {
		return false
	}
	if _, err := io.ReadFull(p.r, fields); err != nil {
		return false
	}
	size -= len(fields)
	if flags := binary.BigEndian.Uint16(fields[12:]); c != nil && flags&propertyReplyTo != 0 {
		properties := make([]byte, size)
		if _, err := io.ReadFull(p.r, properties); err != nil {
			return false
		}
		size = 0
		p.reply(flags, properties)
	}
	if c != nil {
		c.missing = binary.BigEndian.Uint64(fields[4:])
		c.take(0)
	}
	_, err := p.r.Discard(size + 1)
	return err == nil
}

// take takes bytes of a body. A message that has come whole is counted.
func (c *channel) take(n uint64) {
	if c == nil || !c.begun {
		return
	}
	c.missing -= min(c.missing, n)
	if c.missing == 0 {
		c.begun = false
		c.published++
	}
}

func (p *peer) method(number uint16, size int) bool {
	if size < 4 {
		return false
	}
	id := p.frame[:4]
	if _, err := io.ReadFull(p.r, id); err != nil {
		return false
	}
	method := binary.BigEndian.Uint32(id)
	if method == basicPublish {
		if c := p.channels[number]; c != nil {
			c.begun = true
		}
		_, err := p.r.Discard(size - len(id) + 1)
		return err == nil
	}
	arguments := make([]byte, size-len(id)+1)
	if _, err := io.ReadFull(p.r, arguments); err != nil {
		return false
	}
	p.answer(number, method, arguments)
	return true
}

// answer answers a method as RabbitMQ does, or not at all where it does not.
func (p *peer) answer(number uint16, method uint32, arguments []byte) {
	var out []byte
	switch method {
	case connectionStartOK: // tune
		out = binary.BigEndian.AppendUint16(nil, channelsMost)
		out = binary.BigEndian.AppendUint32(out, largestFrame)
		p.write(number, 10<<16|30, append(out, 0, 0))
		return
	case connectionOpen:
		out = []byte{0}
	case channelOpen:
		out = []byte{0, 0, 0, 0}
		p.channels[number] = &channel{}
	case queueDeclare:
		out = append(short(arguments, 1), make([]byte, 8)...)
	case queuePurge, queueDelete:
		out = make([]byte, 4)
	case basicConsume:
		out = short(arguments, 2)
		defer p.replies.consume(short(arguments, 1), &consumer{out: p.out, channel: number, tag: out})
	case basicCancel: // nothing stands before the tag
		out = short(append([]byte{0, 0}, arguments...), 1)
	case confirmSelect:
		if c := p.channels[number]; c != nil {
			c.confirms = true
		}
	default:
		if !plainAnswers[method] {
			return
		}
	}
	if method == channelClose {
		delete(p.channels, number)
	}
	p.write(number, method+1, out)
}

// write writes the frame of a method.
func (p *peer) write(number uint16, method uint32, arguments []byte) {
	p.out.write(methodFrame(nil, number, method, arguments))
}

func methodFrame(b []byte, number uint16, method uint32, arguments []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, frameMethod), number)
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(arguments)))
	b = binary.BigEndian.AppendUint32(b, method)
	return append(append(b, arguments...), frameEnd)
}

// short is the short text of that number among the arguments of a method, which begin with a reserved number of two bytes. The text
// stands as it is written, its length first.
func short(arguments []byte, number int) []byte {
	rest := arguments[min(2, len(arguments)):]
	for n := 1; len(rest) > 0 && len(rest) > int(rest[0]); n++ {
		text := rest[:1+int(rest[0])]
		if n == number {
			return text
		}
		rest = rest[len(text):]
	}
	return []byte{0}
}

func long(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}
