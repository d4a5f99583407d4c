package witness

import (
	"encoding/binary"
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
}

// stream2 is a request that arrived, until the request and its answer have ended.
type stream2 struct {
	mark            drivers.Mark
	marked          bool
	ended, answered bool
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
	return h
}

func (h *http2Reader) asked(b []byte) error    { return h.request.feed(b) }
func (h *http2Reader) answered(b []byte) error { return h.answers.feed(b) }

// ended does nothing: an HTTP/2 answer never ends with its connection.
func (h *http2Reader) ended() error { return nil }

func (h *http2Reader) requestFrame(f *frame) error {
	if f.kind == http2.FrameHeaders {
		h.mark, h.broken = marker{}, nil
	}
	return nil
}

// decode decodes a piece of a header block.
func (h *http2Reader) decode(b []byte) error {
	_, err := h.decoder.Write(b)
	return errors.Join(err, h.broken)
}

func (h *http2Reader) field(f hpack.HeaderField) {
	if strings.EqualFold(f.Name, drivers.MarkHeader) && h.broken == nil {
		h.broken = h.mark.read(h.conn.w.identity, []byte(f.Value))
	}
}

// requestEnd handles the end of a client's frame.
func (h *http2Reader) requestEnd(f *frame) error {
	switch {
	case f.kind == http2.FrameRSTStream:
		delete(h.streams, f.stream)
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
	if s.marked {
		h.conn.w.sink.Arrived(s.mark, h.conn.id, h.conn.w.clock())
	}
	return nil
}

func (h *http2Reader) answerFrame(*frame) error { return nil }

// answerEnd handles the end of a target's frame.
func (h *http2Reader) answerEnd(f *frame) error {
	s := h.streams[f.stream]
	switch {
	case s == nil:
	case f.kind == http2.FrameRSTStream:
		delete(h.streams, f.stream)
	case f.endsStream() && !s.answered:
		s.answered = true
		h.settle(f.stream, s)
		if s.marked {
			h.conn.tellAnswered(s.mark)
		}
	}
	return nil
}

// frames reads the frames of one direction, from pieces of any size. It keeps at most nine bytes.
type frames struct {
	frame
	header [9]byte
	n      int // bytes of header
	left   int // of the payload
	begun  bool

	// begin gets a frame's header, block a piece of a header block, end the end of a frame.
	begin func(f *frame) error
	block func(b []byte) error
	end   func(f *frame) error
}

// frame is the header of one frame, and its place in a header block.
type frame struct {
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
	// block: the frame carries a header block, and ends it if last is set. open: a header block has begun and not
	// ended. closing: that block ends the stream.
	block, last   bool
	open, closing bool
	size          int // of the block so far

	skip, pad int  // bytes of a HEADERS frame before and after the block
	padded    bool // pad is not read yet
}

// endsStream reports whether the frame is the last one of its message.
func (f *frame) endsStream() bool {
	switch f.kind {
	case http2.FrameData:
		return f.flags.Has(http2.FlagDataEndStream)
	case http2.FrameHeaders, http2.FrameContinuation:
		return f.last && f.closing
	}
	return false
}

func (r *frames) feed(b []byte) error {
	for len(b) > 0 || r.begun && r.left == 0 {
		if !r.begun {
			n := copy(r.header[r.n:], b)
			b = b[n:]
			if r.n += n; r.n < len(r.header) {
				return nil
			}
			if err := r.start(); err != nil {
				return err
			}
			continue
		}
		n := min(r.left, len(b))
		if err := r.payload(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		if r.left -= n; r.left > 0 {
			return nil
		}
		if err := r.finish(); err != nil {
			return err
		}
	}
	return nil
}

// start reads a frame's header.
func (r *frames) start() error {
	r.n, r.begun = 0, true
	r.left = int(r.header[0])<<16 | int(r.header[1])<<8 | int(r.header[2])
	f := &r.frame
	f.kind, f.flags = http2.FrameType(r.header[3]), http2.Flags(r.header[4])
	f.stream = binary.BigEndian.Uint32(r.header[5:]) &^ (1 << 31)
	f.block, f.last, f.skip, f.pad, f.padded = false, false, 0, 0, false
	if f.open != (f.kind == http2.FrameContinuation) {
		return errors.New("a frame between a header block and its continuation, or a continuation of none")
	}
	switch f.kind {
	case http2.FrameHeaders:
		f.block, f.open, f.size = true, true, 0
		f.closing = f.flags.Has(http2.FlagHeadersEndStream)
		f.last = f.flags.Has(http2.FlagHeadersEndHeaders)
		f.padded = f.flags.Has(http2.FlagHeadersPadded)
		if f.flags.Has(http2.FlagHeadersPriority) {
			f.skip = 5
		}
		if f.padded {
			f.skip++
		}
		if f.skip > r.left {
			return errors.New("a HEADERS frame that is too short")
		}
	case http2.FrameContinuation:
		f.block, f.last = true, f.flags.Has(http2.FlagContinuationEndHeaders)
	case http2.FramePushPromise:
		// It could be continued like a header block. No client of ours wants pushes.
		return errors.New("a PUSH_PROMISE")
	}
	return r.begin(f)
}

// payload reads a piece of a frame's payload. It looks only into header blocks.
func (r *frames) payload(b []byte) error {
	f := &r.frame
	if !f.block || r.block == nil || len(b) == 0 {
		return nil
	}
	left := r.left // bytes of the frame from b on
	if f.padded {
		f.pad, f.padded = int(b[0]), false
		if f.pad > left-f.skip {
			return errors.New("a HEADERS frame with more padding than it has room for")
		}
	}
	n := min(f.skip, len(b))
	f.skip -= n
	b, left = b[n:], left-n
	b = b[:max(min(len(b), left-f.pad), 0)]
	if f.size += len(b); f.size > blockBound {
		return errors.New("a header block of more than 1 MiB")
	}
	if len(b) == 0 {
		return nil
	}
	return r.block(b)
}

func (r *frames) finish() error {
	r.begun = false
	if r.frame.block && r.last {
		r.open = false
	}
	return r.end(&r.frame)
}
