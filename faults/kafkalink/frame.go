package kafkalink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	// errRaw marks bytes that are no Kafka frame. They pass unchanged.
	errRaw = errors.New("not a Kafka frame")
	// errUnread marks an answer that the library does not understand.
	errUnread = errors.New("not understood")
)

const (
	bufferSize = 32 << 10
	// maxFrame is more than brokers accept. A longer frame is another protocol (a TLS record reads as 369 MB).
	maxFrame = 256 << 20
	// maxRead bounds the frames that are read as a whole. Longer frames pass unread.
	maxRead = 16 << 20
	// headSize is the size of length, key, version and correlation id of a request.
	headSize = 12
)

// head is the beginning of a request.
type head struct {
	size         int // of the whole frame, its length field included
	key, version int16
	correlation  int32
}

// readHead peeks at the next request without consuming it.
func readHead(r *bufio.Reader) (h head, err error) {
	b, err := r.Peek(headSize)
	if err != nil {
		return h, endedEarly(b, err)
	}
	h.size = 4 + int(binary.BigEndian.Uint32(b))
	h.key, h.version = int16(binary.BigEndian.Uint16(b[4:])), int16(binary.BigEndian.Uint16(b[6:]))
	h.correlation = int32(binary.BigEndian.Uint32(b[8:]))
	if h.size < headSize || h.size > maxFrame {
		return h, errRaw
	}
	return h, nil
}

// readAnswerHead peeks at the next answer without consuming it.
func readAnswerHead(r *bufio.Reader) (size int, correlation int32, err error) {
	b, err := r.Peek(8)
	if err != nil {
		return 0, 0, endedEarly(b, err)
	}
	size = 4 + int(binary.BigEndian.Uint32(b))
	if size < 8 || size > maxFrame {
		return 0, 0, errRaw
	}
	return size, int32(binary.BigEndian.Uint32(b[4:])), nil
}

// endedEarly turns bytes before a clean end into errRaw, so that they are passed on first.
func endedEarly(b []byte, err error) error {
	if err == io.EOF && len(b) > 0 {
		return errRaw
	}
	return err
}

// known says whether kmsg knows the request. An opaque token of SaslHandshake v0 is framed by its length alone, and its
// text reads as a version that does not exist.
func (h head) known() bool {
	request := kmsg.RequestForKey(h.key)
	return request != nil && h.version >= 0 && h.version <= request.MaxVersion()
}

// body skips the header of a whole request frame.
func (h head) body(frame []byte) ([]byte, error) {
	r := kbin.Reader{Src: frame[headSize:]}
	r.UnsafeNullableString() // the client id
	if flexible(kmsg.RequestForKey(h.key), h.version) {
		kmsg.SkipTags(&r)
	}
	if !r.Ok() {
		return nil, errUnread
	}
	return r.Src, nil
}

func flexible(m kmsg.Request, version int16) bool {
	if m == nil {
		return false
	}
	m.SetVersion(version)
	return m.IsFlexible()
}

// unanswered says whether this is a Produce request that wants no answer. prefix is the available start of the frame.
func (h head) unanswered(prefix []byte) bool {
	if kmsg.Key(h.key) != kmsg.Produce {
		return false
	}
	body, err := h.body(prefix)
	if err != nil {
		return false
	}
	r := kbin.Reader{Src: body}
	switch {
	case h.version >= 9:
		r.UnsafeCompactNullableString() // the transactional id
	case h.version >= 3:
		r.UnsafeNullableString()
	}
	acks := r.Int16()
	return r.Ok() && acks == 0
}

// skipHeader skips the header between the correlation id and the answer.
func skipHeader(answer kmsg.Response, b []byte) ([]byte, error) {
	// The answer to ApiVersions has the old header in every version (KIP-511).
	if !answer.IsFlexible() || kmsg.Key(answer.Key()) == kmsg.ApiVersions {
		return b, nil
	}
	r := kbin.Reader{Src: b}
	kmsg.SkipTags(&r)
	if !r.Ok() {
		return nil, errUnread
	}
	return r.Src, nil
}

// copyBytes writes the next n bytes of r to w.
func copyBytes(w io.Writer, r *bufio.Reader, n int) error {
	for n > 0 {
		if _, err := r.Peek(1); err != nil {
			return err
		}
		b, _ := r.Peek(min(n, r.Buffered()))
		if _, err := w.Write(b); err != nil {
			return err
		}
		_, _ = r.Discard(len(b)) // the bytes are in the buffer
		n -= len(b)
	}
	return nil
}

// refusal is the answer to a Produce request in which every partition has the error code. It starts with its length.
func refusal(h head, frame []byte, code int16) ([]byte, error) {
	body, err := h.body(frame)
	if err != nil {
		return nil, err
	}
	request := kmsg.NewPtrProduceRequest()
	request.SetVersion(h.version)
	if err := request.UnsafeReadFrom(body); err != nil {
		return nil, err
	}
	answer := request.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range request.Topics {
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode, p.BaseOffset, p.LogAppendTime, p.LogStartOffset = partition.Partition, code, -1, -1, -1
			t.Partitions = append(t.Partitions, p)
		}
		answer.Topics = append(answer.Topics, t)
	}
	return h.answer(answer), nil
}

// answer is the frame of an answer to the request.
func (h head) answer(answer kmsg.Response) []byte {
	out := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(h.correlation))
	if answer.IsFlexible() {
		out = append(out, 0) // no tagged fields
	}
	return withLength(answer.AppendTo(out))
}

// withLength sets a frame's length.
func withLength(frame []byte) []byte {
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}
