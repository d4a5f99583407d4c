package witness

import (
	"encoding/binary"
	"errors"

	"golang.org/x/net/http2"
)

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
	// data gets a piece of a message; nil: nobody looks into it.
	data func(b []byte)
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

	skip, pad int  // bytes of a frame before and after the block or the message
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
	case http2.FrameData:
		if r.data != nil && f.flags.Has(http2.FlagDataPadded) && r.left > 0 {
			f.padded, f.skip = true, 1
		}
	case http2.FrameContinuation:
		f.block, f.last = true, f.flags.Has(http2.FlagContinuationEndHeaders)
	case http2.FramePushPromise:
		// It could be continued like a header block. No client of ours wants pushes.
		return errors.New("a PUSH_PROMISE")
	}
	return r.begin(f)
}

// payload reads a piece of a frame's payload. It looks only into header blocks, and into messages if somebody wants them.
func (r *frames) payload(b []byte) error {
	f := &r.frame
	message := f.kind == http2.FrameData && r.data != nil
	if !message && (!f.block || r.block == nil) || len(b) == 0 {
		return nil
	}
	left := r.left // bytes of the frame from b on
	if f.padded {
		f.pad, f.padded = int(b[0]), false
		if f.pad > left-f.skip {
			return errors.New("a frame with more padding than it has room for")
		}
	}
	n := min(f.skip, len(b))
	f.skip -= n
	b, left = b[n:], left-n
	b = b[:max(min(len(b), left-f.pad), 0)]
	if message {
		r.data(b)
		return nil
	}
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
