package witness

import (
	"errors"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/drivers"
)

// http2Reader reads an HTTP/2 connection (RFC 9113) after the client's preface. It decodes the header blocks of
// requests, because the compression has a state. Of answers it reads only the frames.
type http2Reader struct {
	conn    *conn
	request frames
	answers frames
	decoder *hpack.Decoder
	mark    marker
	broken  error // the error of the current header block
	streams map[uint32]*stream2

	// Of a link between services alone: the request whose headers arrive, and the statuses of the answer whose headers do.
	head           *exchange
	method, path   []byte
	answerDecoder  *hpack.Decoder
	status, detail string
}

// stream2 is a request that arrived, until the request and its answer have ended.
type stream2 struct {
	mark            drivers.Mark
	marked          bool
	ended, answered bool
	link            *exchange // nil: the witness is a stream's
}

// The bounds are far above the limits of clients and servers.
const (
	blockBound   = 1 << 20 // of a header block, compressed
	streamBound  = 1 << 16 // open streams
	tableBound   = 1 << 20 // of the HPACK table: the target's settings may allow more than 4 KiB
	literalBound = 1 << 20
)

func newHTTP2(c *conn) *http2Reader {
	h := &http2Reader{conn: c, streams: make(map[uint32]*stream2)}
	h.request = frames{begin: h.requestFrame, block: h.decode, end: h.requestEnd}
	h.answers = frames{begin: h.answerFrame, end: h.answerEnd}
	h.decoder = hpack.NewDecoder(4096, h.field)
	h.decoder.SetAllowedMaxDynamicTableSize(tableBound)
	h.decoder.SetMaxStringLength(literalBound)
	if l := c.w.link; l != nil {
		h.request.data = func(b []byte) {
			if s := h.streams[h.request.stream]; s != nil {
				l.piece(s.link, b)
			}
		}
		h.answers.block = h.decodeAnswer
		h.answerDecoder = hpack.NewDecoder(4096, h.answerField)
		h.answerDecoder.SetAllowedMaxDynamicTableSize(tableBound)
		h.answerDecoder.SetMaxStringLength(literalBound)
	}
	return h
}

func (h *http2Reader) asked(b []byte) error    { return h.request.feed(b) }
func (h *http2Reader) answered(b []byte) error { return h.answers.feed(b) }

// ended does nothing: an HTTP/2 answer never ends with its connection.
func (h *http2Reader) ended() error { return nil }

func (h *http2Reader) requestFrame(f *frame) error {
	if f.kind == http2.FrameHeaders {
		h.mark, h.broken, h.head = marker{}, nil, nil
		if l := h.conn.w.link; l != nil && h.streams[f.stream] == nil {
			h.head, h.method, h.path = l.begin(h.conn.id), h.method[:0], h.path[:0]
		}
	}
	return nil
}

// decode decodes a piece of a header block.
func (h *http2Reader) decode(b []byte) error {
	_, err := h.decoder.Write(b)
	return errors.Join(err, h.broken)
}

func (h *http2Reader) field(f hpack.HeaderField) {
	if l := h.conn.w.link; l != nil {
		switch {
		case h.head == nil: // a trailer
		case f.Name == ":method":
			h.method = append(h.method, f.Value...)
		case f.Name == ":path":
			h.path = append(h.path, f.Value...)
		default:
			l.header(h.head, []byte(f.Name), []byte(f.Value))
		}
		return
	}
	if strings.EqualFold(f.Name, drivers.MarkHeader) && h.broken == nil {
		h.broken = h.mark.read(h.conn.w.identity, []byte(f.Value))
	}
}

// requestEnd handles the end of a client's frame.
func (h *http2Reader) requestEnd(f *frame) error {
	switch {
	case f.kind == http2.FrameRSTStream:
		h.forget(f.stream)
		return nil
	case f.block && f.last:
		if err := errors.Join(h.decoder.Close(), h.broken); err != nil {
			return err
		}
		if err := h.headersEnd(f.stream); err != nil {
			return err
		}
	}
	if s := h.streams[f.stream]; s != nil && f.endsStream() && !s.ended {
		s.ended = true
		h.settle(f.stream, s)
		if s.link != nil {
			h.conn.w.link.whole(s.link)
		}
		if s.marked {
			h.conn.w.sink.Whole(s.mark)
		}
	}
	return nil
}

// settle removes a request that is over.
func (h *http2Reader) settle(stream uint32, s *stream2) {
	if s.ended && s.answered {
		delete(h.streams, stream)
	}
}

// forget ends a request that either side has given up.
func (h *http2Reader) forget(stream uint32) {
	s := h.streams[stream]
	delete(h.streams, stream)
	if s != nil && s.link != nil {
		h.conn.w.link.over(s.link)
	}
}

// abandon implements protocolReader.
func (h *http2Reader) abandon() {
	for stream := range h.streams {
		h.forget(stream)
	}
	h.head = nil
}

// headersEnd handles the end of a client's header block: the head or the trailer of a request.
func (h *http2Reader) headersEnd(stream uint32) error {
	if h.streams[stream] != nil {
		return nil
	}
	if len(h.streams) >= streamBound {
		return errors.New("more than 65536 requests without an answer on one connection")
	}
	s := &stream2{mark: h.mark.Mark, marked: h.mark.ours()}
	h.streams[stream] = s
	if l := h.conn.w.link; l != nil {
		s.link, h.head = h.head, nil
		s.link.Kind = s.link.kind(h.method, h.path)
		l.arrived(s.link)
	}
	if s.marked {
		h.conn.w.sink.Arrived(s.mark, h.conn.id, h.conn.w.clock())
	}
	return nil
}

func (h *http2Reader) answerFrame(f *frame) error {
	if f.kind == http2.FrameHeaders {
		h.status, h.detail = "", ""
	}
	return nil
}

// decodeAnswer decodes a piece of an answer's header block.
func (h *http2Reader) decodeAnswer(b []byte) error {
	_, err := h.answerDecoder.Write(b)
	return err
}

func (h *http2Reader) answerField(f hpack.HeaderField) {
	switch f.Name {
	case ":status":
		h.status = f.Value
	case "grpc-status":
		h.detail = grpcStatus(f.Value)
	}
}

// answerHead handles the end of an answer's header block. The status of gRPC stands in the trailer, and counts more.
func (h *http2Reader) answerHead(s *stream2) error {
	if err := h.answerDecoder.Close(); err != nil || s == nil || s.link == nil {
		return err
	}
	switch n := parseStatus(h.status); {
	case h.detail != "":
		s.link.Status = h.detail
	case n >= 200:
		s.link.Status = httpStatus(n)
	}
	return nil
}

// parseStatus reads three digits; 0 when the text is anything else.
func parseStatus(text string) (n int) {
	if len(text) != 3 {
		return 0
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0
		}
		n = n*10 + int(text[i]-'0')
	}
	return n
}

// answerEnd handles the end of a target's frame.
func (h *http2Reader) answerEnd(f *frame) error {
	s := h.streams[f.stream]
	if h.answerDecoder != nil && f.block && f.last {
		if err := h.answerHead(s); err != nil {
			return err
		}
	}
	switch {
	case s == nil:
	case f.kind == http2.FrameRSTStream:
		h.forget(f.stream)
	case f.endsStream() && !s.answered:
		s.answered = true
		h.settle(f.stream, s)
		if s.link != nil && h.conn.w.link.answered(s.link, h.conn.left) {
			delete(h.streams, f.stream)
		}
		if s.marked {
			h.conn.tellAnswered(s.mark)
		}
	}
	return nil
}
