package witness

import "errors"

// records reads length-prefixed frames of one direction, from pieces of any size. It keeps at most the bound of a frame's bytes.
type records struct {
	// head is the length of a frame's header. size returns the length of the whole frame, header included, and how many of its
	// bytes are wanted.
	head int
	size func(header []byte) (size, wanted int, err error)
	// take gets the wanted bytes of a frame, once the frame is complete. It keeps none of them.
	take func(b []byte, size int) error

	buf    []byte
	left   int // bytes of the frame that are still to come; 0: its header is not complete
	whole  int
	wanted int
}

var errFrame = errors.New("a frame with a length that cannot be")

func (r *records) feed(b []byte) error {
	for {
		if r.left == 0 {
			n := min(r.head-len(r.buf), len(b))
			r.buf, b = append(r.buf, b[:n]...), b[n:]
			if len(r.buf) < r.head {
				return nil
			}
			size, wanted, err := r.size(r.buf)
			if err != nil {
				return err
			}
			if size < r.head {
				return errFrame
			}
			r.whole, r.wanted, r.left = size, wanted, size-r.head
		}
		n := min(r.left, len(b))
		if room := r.wanted - len(r.buf); room > 0 {
			r.buf = append(r.buf, b[:min(n, room)]...)
		}
		b = b[n:]
		if r.left -= n; r.left > 0 {
			return nil
		}
		err := r.take(r.buf, r.whole)
		if r.buf = r.buf[:0]; cap(r.buf) > 64<<10 {
			r.buf = nil
		}
		if err != nil || len(b) == 0 {
			return err
		}
	}
}
