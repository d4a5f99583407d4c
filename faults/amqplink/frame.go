package amqplink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// The types of frames.
const (
	methodFrame    = 1
	headerFrame    = 2
	bodyFrame      = 3
	heartbeatFrame = 8

	frameEnd = 0xce
	headSize = 7 // type, channel and size
	edges    = headSize + 1
)

// greeting is what a client of AMQP 0-9-1 says first.
const greeting = "AMQP\x00\x00\x09\x01"

var heartbeat = []byte{heartbeatFrame, 0, 0, 0, 0, 0, 0, frameEnd}

const (
	bufferSize = 64 << 10
	// maxWhole bounds the frames that are read as a whole: methods and content headers. Brokers negotiate frames of 128 KiB.
	maxWhole = 1 << 20
	// maxBody bounds a body's frame. Its bytes pass as they come.
	maxBody = 256 << 20
)

// errRaw marks bytes that are no frame of AMQP 0-9-1. They and all later bytes of their direction pass unchanged.
var errRaw = errors.New("not a frame of AMQP 0-9-1")

// head is the beginning of a frame.
type head struct {
	kind    byte
	channel uint16
	size    int // of the payload
}

// readHead peeks at the next frame without consuming it.
func readHead(r *bufio.Reader) (h head, err error) {
	b, err := r.Peek(headSize)
	if err == io.EOF && len(b) > 0 {
		return h, errRaw
	}
	if err != nil {
		return h, err
	}
	size := binary.BigEndian.Uint32(b[3:])
	h = head{kind: b[0], channel: binary.BigEndian.Uint16(b[1:]), size: int(size)}
	if size > maxBody || !h.valid() {
		return h, errRaw
	}
	return h, nil
}

func (h head) valid() bool {
	switch h.kind {
	case methodFrame:
		return h.size >= 4 && h.size <= maxWhole
	case headerFrame:
		return h.size >= 14 && h.size <= maxWhole && h.channel > 0
	case bodyFrame:
		return h.channel > 0
	case heartbeatFrame:
		return h.channel == 0 && h.size <= maxWhole
	}
	return false
}

// readWhole reads the frame of a head. Without its end the bytes stay unread, and the error is errRaw.
func readWhole(r *bufio.Reader, h head) ([]byte, error) {
	n := h.size + edges
	if n <= r.Size() {
		b, err := r.Peek(n)
		if err != nil {
			return nil, endedEarly(err)
		}
		if b[n-1] != frameEnd {
			return nil, errRaw
		}
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	if frame[n-1] != frameEnd {
		return frame, errRaw
	}
	return frame, nil
}

// endedEarly turns an end in the middle of a frame into errRaw, so that its bytes are passed on first.
func endedEarly(err error) error {
	if err == io.EOF {
		return errRaw
	}
	return err
}

// copyFrame passes on the frame of a head, and returns errRaw behind one without its end.
func copyFrame(w io.Writer, r *bufio.Reader, h head) error {
	var last byte
	for n := h.size + edges; n > 0; {
		if _, err := r.Peek(1); err != nil {
			return err
		}
		b, _ := r.Peek(min(n, r.Buffered()))
		last = b[len(b)-1]
		if _, err := w.Write(b); err != nil {
			return err
		}
		_, _ = r.Discard(len(b)) // the bytes are in the buffer
		n -= len(b)
	}
	if last != frameEnd {
		return errRaw
	}
	return nil
}

// frameOf makes a method's frame.
func frameOf(channel uint16, m method, arguments ...byte) []byte {
	b := make([]byte, 0, edges+4+len(arguments))
	b = append(b, methodFrame)
	b = binary.BigEndian.AppendUint16(b, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(arguments)))
	b = binary.BigEndian.AppendUint32(b, uint32(m))
	return append(append(b, arguments...), frameEnd)
}

// method is a class and a method.
type method uint32

const (
	connectionStartOK   method = 10<<16 | 11
	connectionTuneOK    method = 10<<16 | 31
	connectionBlocked   method = 10<<16 | 60
	connectionUnblocked method = 10<<16 | 61
	channelOpen         method = 20<<16 | 10
	channelClose        method = 20<<16 | 40
	channelCloseOK      method = 20<<16 | 41
	basicConsume        method = 60<<16 | 20
	basicConsumeOK      method = 60<<16 | 21
	basicCancel         method = 60<<16 | 30
	basicCancelOK       method = 60<<16 | 31
	basicPublish        method = 60<<16 | 40
	basicReturn         method = 60<<16 | 50
	basicDeliver        method = 60<<16 | 60
	basicGet            method = 60<<16 | 70
	basicGetOK          method = 60<<16 | 71
	basicGetEmpty       method = 60<<16 | 72
	basicAck            method = 60<<16 | 80
	basicReject         method = 60<<16 | 90
	basicRecoverAsync   method = 60<<16 | 100
	basicRecover        method = 60<<16 | 110
	basicRecoverOK      method = 60<<16 | 111
	basicNack           method = 60<<16 | 120
	confirmSelect       method = 85<<16 | 10
	txSelect            method = 90<<16 | 10
)

func methodOf(frame []byte) method { return method(binary.BigEndian.Uint32(frame[headSize:])) }

// reader reads a method's arguments. Beyond their end it reads zeros, and ok is false.
type reader struct {
	b   []byte
	bad bool
}

// arguments reads those of a method's frame.
func arguments(frame []byte) *reader { return &reader{b: frame[headSize+4 : len(frame)-1]} }

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) octet() byte   { return r.take(1)[0] }
func (r *reader) short() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) long() uint64  { return binary.BigEndian.Uint64(r.take(8)) }
func (r *reader) text() string  { return string(r.take(int(r.octet()))) }
func (r *reader) ok() bool      { return !r.bad }
func shortText(s string) []byte { return append([]byte{byte(len(s))}, s...) }
func bodySize(header []byte) uint64 {
	return binary.BigEndian.Uint64(header[headSize+4:])
}
