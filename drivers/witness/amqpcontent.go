package witness

import "encoding/binary"

// amqpContent is the message behind a publish or a delivery, while its frames come. The zero value awaits none.
type amqpContent struct {
	of     *exchange
	headed bool // its header has come
	left   uint64
	silent bool // no answer comes: the request is over with the message
	// returned: the broker gives a message back. It is no request.
	returned bool
}

// content takes a frame of a message, of one direction of a channel. cut: only the beginning of its size bytes was kept.
func (a *amqpReader) content(ch *amqpChannel, c *amqpContent, kind byte, payload []byte, size int, cut bool) error {
	if c.of == nil {
		return nil // of a message that nobody looks into: the answer to basic.get
	}
	l := a.conn.w.link
	switch {
	case kind == kindHeader && !c.headed:
		if len(payload) < 14 {
			return errAMQP
		}
		c.headed, c.left = true, binary.BigEndian.Uint64(payload[4:])
		if cut {
			c.of.encoded = true // what identifies it may be behind the part that is kept
			break
		}
		if err := l.properties(c.of, payload[12:]); err != nil {
			return err
		}
	case kind == kindBody && c.headed && uint64(size) <= c.left:
		if l.piece(c.of, payload); cut {
			c.of.encoded = true
		}
		c.left -= uint64(size)
	default:
		return errAMQP
	}
	if c.left == 0 {
		a.contained(ch, c)
	}
	return nil
}

// contained ends a message that has come whole.
func (a *amqpReader) contained(ch *amqpChannel, c *amqpContent) {
	x, silent, returned := c.of, c.silent, c.returned
	*c = amqpContent{}
	if returned {
		x.ended = true
		a.returned(ch, x)
		return
	}
	a.conn.w.link.whole(x)
	if silent {
		a.end(x)
	}
}

// properties takes the properties of a message: its headers, its message-id, and whether its body is compressed.
func (l *link) properties(x *exchange, b []byte) error {
	r := amqpFields{b: b}
	has := binary.BigEndian.Uint16(r.bytes(2))
	text := func(bit int) (text []byte) {
		if has&(1<<bit) != 0 {
			text = r.short()
		}
		return text
	}
	text(15) // content-type
	if encoding := text(14); encoding != nil {
		l.header(x, []byte("content-encoding"), encoding)
	}
	if has&(1<<13) != 0 {
		l.table(x, r.long())
	}
	for _, bit := range []int{12, 11} { // delivery-mode, priority
		if has&(1<<bit) != 0 {
			r.bytes(1)
		}
	}
	for _, bit := range []int{10, 9, 8} { // correlation-id, reply-to, expiration
		text(bit)
	}
	if id := text(7); l.place.messageID {
		x.identify(id)
	}
	if r.cut {
		return errAMQP
	}
	return nil
}

// table takes the headers of a message that are texts. What stands behind a value of an unknown kind is not read.
func (l *link) table(x *exchange, b []byte) {
	r := amqpFields{b: b}
	for len(r.b) > 0 && !r.cut {
		name := r.short()
		size, known := amqpSizes[r.byte()]
		switch {
		case !known:
			return
		case size == amqpLong:
			if text := r.long(); !r.cut {
				l.header(x, name, text)
			}
		default:
			r.bytes(size)
		}
	}
}

// amqpLong is the size of a value that has its length before it: a text, a table, a list.
const amqpLong = -1

// amqpSizes are the sizes of the kinds of values.
var amqpSizes = map[byte]int{'S': amqpLong, 'x': amqpLong, 'A': amqpLong, 'F': amqpLong, 't': 1, 'b': 1, 'B': 1, 's': 2, 'u': 2,
	'I': 4, 'i': 4, 'f': 4, 'l': 8, 'L': 8, 'd': 8, 'T': 8, 'D': 5, 'V': 0}

// amqpFields reads the fields of a payload one after another. Once one is cut, the others are empty.
type amqpFields struct {
	b   []byte
	cut bool
}

var nothing [8]byte

// bytes cuts n bytes off the front. Where there are fewer, it returns zeros, eight at most.
func (r *amqpFields) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.cut = nil, true
		return nothing[:min(max(n, 0), len(nothing))]
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *amqpFields) byte() byte    { return r.bytes(1)[0] }
func (r *amqpFields) short() []byte { return r.bytes(int(r.byte())) }
func (r *amqpFields) long() []byte  { return r.bytes(int(binary.BigEndian.Uint32(r.bytes(4)))) }
