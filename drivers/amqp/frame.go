package amqp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The kinds of frames.
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8
	frameEnd       = 0xCE

	frameHead = 7 // kind, channel, size
	// maxFrame bounds the payload of a frame. The driver agrees with each broker on frames of this size.
	maxFrame = 128 << 10
)

// The methods that the driver reads: class and number.
const (
	connectionClose     = 10<<16 | 50
	connectionBlocked   = 10<<16 | 60
	connectionUnblocked = 10<<16 | 61
	channelOpenOk       = 20<<16 | 11
	channelFlow         = 20<<16 | 20
	channelClose        = 20<<16 | 40
	basicPublish        = 60<<16 | 40
	basicReturn         = 60<<16 | 50
	basicAck            = 60<<16 | 80
	basicNack           = 60<<16 | 120
)

// errMalformed marks bytes that break the protocol.
var errMalformed = errors.New("the broker broke the protocol")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// splitter cuts a broker's bytes into frames, as they arrive in pieces.
type splitter struct{ partial []byte }

// feed takes the next bytes, and hands on each frame that is complete. payload is valid during the call of take.
func (s *splitter) feed(p []byte, take func(kind byte, channel uint16, payload []byte) error) error {
	if len(s.partial) > 0 {
		rest, err := s.complete(p, take)
		if err != nil || len(s.partial) > 0 {
			return err
		}
		p = rest
	}
	for len(p) > 0 {
		whole, err := frameLength(p)
		if err != nil {
			return err
		}
		if whole == 0 || len(p) < whole {
			s.partial = append(s.partial[:0], p...)
			return nil
		}
		if err := handOn(p[:whole], take); err != nil {
			return err
		}
		p = p[whole:]
	}
	return nil
}

// complete adds bytes to the frame that has begun. It returns the bytes behind it. If the frame is still incomplete, partial is not
// empty.
func (s *splitter) complete(p []byte, take func(kind byte, channel uint16, payload []byte) error) (rest []byte, err error) {
	if n := frameHead - len(s.partial); n > 0 {
		n = min(n, len(p))
		s.partial = append(s.partial, p[:n]...)
		p = p[n:]
	}
	whole, err := frameLength(s.partial)
	if err != nil || whole == 0 {
		return nil, err
	}
	n := min(whole-len(s.partial), len(p))
	s.partial = append(s.partial, p[:n]...)
	if len(s.partial) < whole {
		return nil, nil
	}
	err = handOn(s.partial, take)
	s.partial = s.partial[:0]
	return p[n:], err
}

// frameLength is the length of the frame that begins b; 0: not known yet.
func frameLength(b []byte) (int, error) {
	if len(b) < frameHead {
		return 0, nil
	}
	switch b[0] {
	case frameMethod, frameHeader, frameBody, frameHeartbeat:
	default:
		return 0, malformed("a frame of kind %d", b[0])
	}
	size := binary.BigEndian.Uint32(b[3:])
	if size > maxFrame {
		return 0, malformed("a frame of %d bytes", size)
	}
	return frameHead + int(size) + 1, nil
}

func handOn(frame []byte, take func(kind byte, channel uint16, payload []byte) error) error {
	last := len(frame) - 1
	if frame[last] != frameEnd {
		return malformed("a frame does not end where its size says")
	}
	return take(frame[0], binary.BigEndian.Uint16(frame[1:]), frame[frameHead:last])
}

// reader reads the fields of a frame's payload one after another. After an error every read gives nothing.
type reader struct {
	b     []byte
	short bool // the payload ended too early
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint8() (v uint8) {
	if b := r.bytes(1); b != nil {
		v = b[0]
	}
	return v
}

func (r *reader) uint16() (v uint16) {
	if b := r.bytes(2); b != nil {
		v = binary.BigEndian.Uint16(b)
	}
	return v
}

func (r *reader) uint32() (v uint32) {
	if b := r.bytes(4); b != nil {
		v = binary.BigEndian.Uint32(b)
	}
	return v
}

func (r *reader) uint64() (v uint64) {
	if b := r.bytes(8); b != nil {
		v = binary.BigEndian.Uint64(b)
	}
	return v
}

// shortText reads a text of up to 255 bytes.
func (r *reader) shortText() []byte { return r.bytes(int(r.uint8())) }

// longText reads a text with a length of four bytes.
func (r *reader) longText() []byte {
	n := r.uint32()
	if n > maxFrame {
		r.b, r.short = nil, true
		return nil
	}
	return r.bytes(int(n))
}

// err says whether the payload was too short.
func (r *reader) err(what string) error {
	if r.short {
		return malformed("%s is cut short", what)
	}
	return nil
}

// properties are those of a message's properties that tell whose it is. They are parts of the payload.
type properties struct {
	id      []byte // the header wringer-id
	attempt []byte // the header wringer-attempt
	message []byte // message-id
}

// The bits of the properties that stand before message-id, and its own.
const (
	hasContentType = 1 << 15
	hasEncoding    = 1 << 14
	hasHeaders     = 1 << 13
	hasMode        = 1 << 12
	hasPriority    = 1 << 11
	hasCorrelation = 1 << 10
	hasReplyTo     = 1 << 9
	hasExpiration  = 1 << 8
	hasMessageID   = 1 << 7
)

// readContentHeader reads the payload of a content header: the size of the body, and whose message it is.
func readContentHeader(payload []byte) (size uint64, p properties, err error) {
	r := reader{b: payload}
	r.uint32() // class and weight
	size = r.uint64()
	has := r.uint16()
	for _, bit := range []uint16{hasContentType, hasEncoding} {
		if has&bit != 0 {
			r.shortText()
		}
	}
	if has&hasHeaders != 0 {
		if err := p.readHeaders(r.longText()); err != nil {
			return 0, p, err
		}
	}
	for _, bit := range []uint16{hasMode, hasPriority} {
		if has&bit != 0 {
			r.uint8()
		}
	}
	for _, bit := range []uint16{hasCorrelation, hasReplyTo, hasExpiration} {
		if has&bit != 0 {
			r.shortText()
		}
	}
	if has&hasMessageID != 0 {
		p.message = r.shortText()
	}
	return size, p, r.err("a content header")
}

// readHeaders reads a table of headers.
func (p *properties) readHeaders(table []byte) error {
	r := reader{b: table}
	for len(r.b) > 0 {
		name := r.shortText()
		text, err := r.value()
		if err != nil {
			return err
		}
		switch string(name) {
		case HeaderID:
			p.id = text
		case HeaderAttempt:
			p.attempt = text
		}
	}
	return r.err("a table of headers")
}

// value reads a value of a table. It returns the bytes of a text, and nil for every other kind.
func (r *reader) value() (text []byte, err error) {
	switch kind := r.uint8(); kind {
	case 'S', 'x':
		return r.longText(), nil
	case 'A', 'F':
		r.longText()
	case 't', 'b', 'B':
		r.bytes(1)
	case 's', 'u':
		r.bytes(2)
	case 'I', 'i', 'f':
		r.bytes(4)
	case 'l', 'L', 'd', 'T':
		r.bytes(8)
	case 'D':
		r.bytes(5)
	case 'V':
	default:
		if !r.short {
			return nil, malformed("a header's value of kind %q", kind)
		}
	}
	return nil, nil
}

// clone keeps the properties beyond the frame.
func (p properties) clone() properties {
	return properties{bytes.Clone(p.id), bytes.Clone(p.attempt), bytes.Clone(p.message)}
}
