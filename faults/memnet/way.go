package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// way carries the bytes of one direction of a connection.
type way struct {
	mu      sync.Mutex
	changed sync.Cond // of everything below

	buf      []byte // buf[from:] is written, and not read yet
	from     int
	finished bool // the writer has ended in order
	broken   bool // a reset: what was written before is still read
	left     bool // the reader has closed
	deaf     bool // the reader wants no more
	gone     bool // the writer has closed

	// reader and writer are the two ends that the way lies between.
	reader, writer *end

	reading, writing deadline
}

// end is what a reset left at one end of a connection, in both ways: as on Linux, one call says so, and the next ones do not.
type end struct {
	mu    sync.Mutex
	reset bool // and no call has said so
}

// met notes a reset.
func (e *end) met() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reset = true
}

// tell returns the error of a reset that no call has told yet, else instead.
func (e *end) tell(instead error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reset {
		e.reset = false
		return syscall.ECONNRESET
	}
	return instead
}

// window is how many bytes wait for their reader before a writer waits.
const window = 1 << 20

func newWay(reader, writer *end) *way {
	w := &way{reader: reader, writer: writer}
	w.changed.L = &w.mu
	return w
}

func (w *way) read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case w.left:
			return 0, net.ErrClosed
		case w.reading.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case w.from < len(w.buf) && !w.deaf:
			n := copy(p, w.buf[w.from:])
			w.take(n)
			return n, nil
		}
		switch ended := w.ended(); {
		case ended == syscall.ECONNRESET:
			return 0, w.reader.tell(io.EOF)
		case ended != nil:
			return 0, ended
		}
		w.changed.Wait()
	}
}

// take removes bytes that were read.
func (w *way) take(n int) {
	w.from += n
	if w.from == len(w.buf) {
		w.buf, w.from = w.buf[:0], 0
	}
	w.changed.Broadcast()
}

// ended is how the writer ended, nil while it has not. An end in order is the last word: a reset that follows does not show.
func (w *way) ended() error {
	switch {
	case w.finished || w.deaf:
		return io.EOF
	case w.broken:
		return syscall.ECONNRESET
	}
	return nil
}

func (w *way) write(p []byte) (written int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case w.gone:
			return written, net.ErrClosed
		case w.writing.passed:
			return written, os.ErrDeadlineExceeded
		case w.finished:
			return written, w.writer.tell(syscall.EPIPE)
		case w.broken:
			return written, w.writer.tell(syscall.EPIPE)
		case w.left:
			w.broken = true // what this write was answered with shows at the next one
			return written + len(p), nil
		}
		if w.deaf {
			return written + len(p), nil
		}
		n := min(len(p), window-(len(w.buf)-w.from))
		if n > 0 {
			w.put(p[:n])
			written, p = written+n, p[n:]
		}
		if len(p) == 0 {
			return written, nil
		}
		w.changed.Wait()
	}
}

// put appends bytes, in the room of those that were read where there is enough.
func (w *way) put(p []byte) {
	if w.from > 0 && len(w.buf)+len(p) > cap(w.buf) {
		w.buf = w.buf[:copy(w.buf, w.buf[w.from:])]
		w.from = 0
	}
	w.buf = append(w.buf, p...)
	w.changed.Broadcast()
}

func (w *way) peek() (data bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.left:
		return false, net.ErrClosed
	case w.from < len(w.buf) && !w.deaf:
		return true, nil
	}
	return false, w.ended()
}

// change changes the way, and tells those who wait.
func (w *way) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	w.changed.Broadcast()
}

// finish ends the writing in order.
func (w *way) finish() { w.change(func() { w.finished = true }) }

// reset breaks the way.
func (w *way) reset() { w.change(func() { w.broken = true }) }

// over says whether there is nothing left to end in order.
func (w *way) over() (finished, broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.finished, w.broken
}

// deafen ends the reading, but not the connection.
func (w *way) deafen() { w.change(func() { w.deaf = true }) }

// abandon is the writer's close.
func (w *way) abandon() {
	w.change(func() {
		w.gone = true
		w.writing.stop()
	})
}

// leave is the reader's close. It reports whether bytes were unread.
func (w *way) leave() (unread bool) {
	w.change(func() {
		unread = w.from < len(w.buf)
		w.buf, w.from = nil, 0
		w.left = true
		w.reading.stop()
	})
	return unread
}

// deadline is that of one side.
type deadline struct {
	passed bool
	serial int // of the timer that counts
	timer  *time.Timer
}

func (d *deadline) stop() {
	d.serial++
	if d.timer != nil {
		d.timer.Stop()
	}
}

// setDeadline sets one of the two deadlines of w; zero is none.
func (w *way) setDeadline(d *deadline, t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d == &w.reading && w.left || d == &w.writing && w.gone {
		return net.ErrClosed
	}
	d.stop()
	d.passed = false
	if !t.IsZero() {
		if wait := time.Until(t); wait <= 0 {
			d.passed = true
		} else {
			serial := d.serial
			d.timer = time.AfterFunc(wait, func() { w.expire(d, serial) })
		}
	}
	w.changed.Broadcast()
	return nil
}

// expire is called when the time of a deadline has come; a later one may have taken its place.
func (w *way) expire(d *deadline, serial int) {
	w.change(func() {
		if d.serial == serial {
			d.passed = true
		}
	})
}
