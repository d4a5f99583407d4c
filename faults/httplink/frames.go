package httplink

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/faults/request"
)

// frame is one received HTTP/2 frame, or a header block with its continuations.
type frame struct {
	http2.FrameHeader
	payload []byte
	fields  []hpack.HeaderField // of a header block
	prefix  []byte              // the bytes before the block: the priority, or the promised stream
	block   bool
	size    int // on the wire
}

func (f *frame) add(name, value string) *frame {
	f.block = true
	f.fields = append(f.fields, hpack.HeaderField{Name: name, Value: value})
	return f
}

// ends reports whether the frame ends its side of the stream.
func (f *frame) ends() bool {
	return f.Type == http2.FrameRSTStream ||
		(f.Type == http2.FrameHeaders || f.Type == http2.FrameData) && f.Flags.Has(http2.FlagDataEndStream)
}

// data is the body in a DATA frame.
func (f *frame) data() []byte {
	p := f.payload
	if f.Flags.Has(http2.FlagDataPadded) && len(p) > 0 && int(p[0]) < len(p) {
		return p[1 : len(p)-int(p[0])]
	}
	return p
}

const (
	// maxPayload bounds the frames that are read. The peers use 16 KiB unless they agree on more.
	maxPayload = 1 << 20
	maxBlock   = 1 << 20
	maxTable   = 1 << 20
	leastFrame = 16 << 10 // the size that every peer accepts
)

// frames reads frames. It decodes every header block, because each depends on the blocks before.
type frames struct {
	r       *bufio.Reader
	decoder *hpack.Decoder
}

func newFrames(r *bufio.Reader) *frames {
	d := hpack.NewDecoder(4096, nil)
	d.SetAllowedMaxDynamicTableSize(maxTable)
	d.SetMaxStringLength(maxBlock)
	return &frames{r: r, decoder: d}
}

func (in *frames) next() (*frame, error) {
	f, err := in.raw()
	if err != nil {
		return nil, err
	}
	if f.Type != http2.FrameHeaders && f.Type != http2.FramePushPromise {
		return f, nil
	}
	block, err := f.strip()
	if err != nil {
		return nil, err
	}
	for !f.Flags.Has(http2.FlagHeadersEndHeaders) {
		more, err := in.raw()
		if err != nil {
			return nil, err
		}
		if more.Type != http2.FrameContinuation || more.StreamID != f.StreamID || len(block)+len(more.payload) > maxBlock {
			return nil, request.ErrCut
		}
		block = append(block, more.payload...)
		f.Flags |= more.Flags & http2.FlagHeadersEndHeaders
		f.size += more.size
	}
	if f.fields, err = in.decoder.DecodeFull(block); err != nil {
		return nil, request.ErrCut
	}
	f.block, f.payload = true, nil
	return f, nil
}

func (in *frames) raw() (*frame, error) {
	h, err := http2.ReadFrameHeader(in.r)
	if err != nil {
		return nil, err
	}
	if h.Length > maxPayload {
		return nil, request.ErrCut
	}
	f := &frame{FrameHeader: h, payload: make([]byte, h.Length), size: 9 + int(h.Length)}
	if _, err := io.ReadFull(in.r, f.payload); err != nil {
		return nil, err
	}
	return f, nil
}

// strip removes padding and prefix from a header block.
func (f *frame) strip() ([]byte, error) {
	p := f.payload
	if f.Flags.Has(http2.FlagHeadersPadded) {
		if len(p) == 0 || int(p[0]) >= len(p) {
			return nil, request.ErrCut
		}
		p = p[1 : len(p)-int(p[0])]
		f.Flags &^= http2.FlagHeadersPadded
	}
	n := 0
	switch {
	case f.Type == http2.FramePushPromise:
		n = 4
	case f.Flags.Has(http2.FlagHeadersPriority):
		n = 5
	}
	if len(p) < n {
		return nil, request.ErrCut
	}
	f.prefix = bytes.Clone(p[:n])
	return bytes.Clone(p[n:]), nil
}

// side writes to one end.
type side struct {
	mu      sync.Mutex
	w       io.Writer
	encoder *hpack.Encoder
	block   bytes.Buffer
}

func newSide(w io.Writer) *side {
	s := &side{w: w}
	s.encoder = hpack.NewEncoder(&s.block)
	// Without a table the blocks do not depend on each other, and may be late or missing.
	s.encoder.SetMaxDynamicTableSize(0)
	return s
}

func (s *side) write(f *frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(s.bytes(f))
}

func (s *side) put(b []byte) error {
	_, err := s.w.Write(b)
	return err
}

// bytes encodes a frame. A block longer than a frame is continued. The caller holds s.mu.
func (s *side) bytes(f *frame) []byte {
	if !f.block {
		return appendFrame(nil, f.Type, f.Flags, f.StreamID, f.payload)
	}
	s.block.Reset()
	s.block.Write(f.prefix)
	for _, h := range f.fields {
		_ = s.encoder.WriteField(h) // cannot fail: it writes into memory
	}
	rest := s.block.Bytes()
	kind, flags := f.Type, f.Flags
	var out []byte
	for {
		part := rest[:min(len(rest), leastFrame)]
		rest = rest[len(part):]
		flags &^= http2.FlagHeadersEndHeaders
		if len(rest) == 0 {
			flags |= http2.FlagHeadersEndHeaders
		}
		out = appendFrame(out, kind, flags, f.StreamID, part)
		if len(rest) == 0 {
			return out
		}
		kind, flags = http2.FrameContinuation, 0
	}
}

func appendFrame(b []byte, kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), byte(kind), byte(flags))
	b = binary.BigEndian.AppendUint32(b, id)
	return append(b, payload...)
}

// returnWindow returns n bytes to the sender's windows, of the stream and of the connection.
func (s *side) returnWindow(id uint32, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := binary.BigEndian.AppendUint32(nil, uint32(n))
	b := appendFrame(nil, http2.FrameWindowUpdate, 0, 0, room)
	return s.put(appendFrame(b, http2.FrameWindowUpdate, 0, id, room))
}

func (s *side) returnConnectionWindow(n int) error {
	if n == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(appendFrame(nil, http2.FrameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(n))))
}
