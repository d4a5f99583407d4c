package unary

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/drivers"
)

const (
	// streamWindow and connWindow are the bytes that a target may send ahead, on one stream and on the whole
	// connection.
	streamWindow = 1 << 20
	connWindow   = 16 << 20
	// readBuffer is the size of the read buffer. In bytes.
	readBuffer = 64 << 10
	// firstWindow, firstFrame and firstTable hold until the target's settings arrive. In bytes.
	firstWindow = 65_535
	firstFrame  = 16 << 10
	firstTable  = 4 << 10
	// maxStream is the highest stream number. After it the channel makes a new connection.
	maxStream = 1 << 30
)

// conn is one HTTP/2 connection. Callers append frames to out, and one goroutine writes them. Another goroutine
// reads.
type conn struct {
	channel *Channel
	net     net.Conn
	framer  *http2.Framer // for reading
	in      stamped
	filled  chan struct{} // holds one token: the writer has bytes to write, or has to end
	room    chan struct{} // holds one token: waiting bytes were written

	mu             sync.Mutex
	out            []byte
	asked          int  // bytes of out that the target asked for
	writing        bool // the writer was woken up for out
	closed         bool // nothing more is read or sent
	drained        bool // the connection takes no more calls
	writeClosed    bool // nothing can be written any more
	streams        map[uint32]*call
	waiting        []*call // calls that wait for a stream, or for room in out
	held           []*call // calls whose bodies wait for the target's windows, or for room in out
	next           uint32
	allowed        allowance
	unacknowledged int    // bytes received and not returned to the target's window
	gotGoAway      bool   // the target sent GOAWAY
	lastProcessed  uint32 // the last stream that the GOAWAY names
	block          bytes.Buffer
	encoder        *hpack.Encoder
	timeout        []byte
	// kept is the encoded block of the fields that all calls share, with the timeout keptTimeout. Empty: it has to be
	// encoded.
	kept        []byte
	keptTimeout string
}

// allowance holds the limits that the target sets.
type allowance struct {
	streams            int64
	window, eachWindow int64 // of the connection, and of a new stream; in bytes
	frame              int   // payload of a frame, in bytes
	headers            int64 // of the request, in bytes as RFC 9113 counts them (6.5.2)
}

// stamped is a connection that records the time of its last read.
type stamped struct {
	net.Conn
	clock func() time.Duration
	at    time.Duration
}

func (s *stamped) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.at = s.clock()
	return n, err
}

// newConn starts HTTP/2 on a connection, and waits for the target's settings.
func newConn(ch *Channel, raw net.Conn) (*conn, error) {
	c := &conn{
		channel: ch, net: raw, in: stamped{raw, ch.options.Clock, 0}, streams: make(map[uint32]*call), next: 1,
		filled: make(chan struct{}, 1), room: make(chan struct{}, 1),
		allowed: allowance{1<<31 - 1, firstWindow, firstWindow, firstFrame, 1<<63 - 1},
	}
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer = http2.NewFramer(nil, bufio.NewReaderSize(&c.in, readBuffer))
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(firstFrame)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(firstTable, nil)
	c.framer.MaxHeaderListSize = ch.options.MaxHeaders
	c.putPreface(ch.options.MaxHeaders)
	if _, err := raw.Write(c.out); err != nil {
		return nil, fmt.Errorf("begin HTTP/2: %w", err)
	}
	c.out, c.asked = c.out[:0], 0
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return nil, fmt.Errorf("the target's settings: %w", err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return nil, fmt.Errorf("the target begins with %s instead of its settings", frame.Header().Type)
	}
	if err := c.allow(settings); err != nil {
		return nil, err
	}
	return c, nil
}

// open sends a call, or queues it until a stream is free. It returns false if the connection takes no more calls.
func (c *conn) open(x *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || c.drained || c.writeClosed:
		c.channel.retire(c)
		return false
	case len(c.waiting) > 0 || !c.free():
		x.state = queued
		c.waiting = append(c.waiting, x)
	default:
		c.start(x)
	}
	return true
}

// sizeOf is the size of a call's headers, with the longest timeout. In bytes.
func (c *conn) sizeOf(x *call) (size int64) {
	for i := range x.fields {
		size += int64(x.fields[i].Size())
	}
	if !x.deadline.IsZero() {
		size += timeoutSize
	}
	return size + c.channel.size
}

// start gives a call a stream, or refuses it. The target may have lowered its limit since the call began to wait.
func (c *conn) start(x *call) {
	if c.sizeOf(x) > c.allowed.headers {
		x.refuse(fmt.Errorf("the headers are larger than the target takes, %d bytes", c.allowed.headers))
		x.At = c.channel.options.Clock()
		c.notify(x)
		return
	}
	x.id, x.state, x.window = c.next, open, c.allowed.eachWindow
	x.Sent++
	x.Fault, x.Text = "", "" // of the transmission before
	c.streams[x.id] = x
	c.putHeaders(x)
	if c.pump(x); len(x.rest) > 0 {
		x.held = true
		c.held = append(c.held, x)
	}
	c.wakeWriter()
	if c.next += 2; c.next > maxStream {
		c.drain()
	}
}

// free reports whether a call can be sent now: the target allows another stream and reads what we send.
func (c *conn) free() bool {
	return int64(len(c.streams)) < c.allowed.streams && len(c.out) < outBound
}

// admit starts waiting calls, as many as can be sent.
func (c *conn) admit() {
	for !c.closed && !c.drained && len(c.waiting) > 0 && c.free() {
		first := c.waiting[0]
		c.waiting = slices.Delete(c.waiting, 0, 1)
		c.start(first)
	}
}

// await blocks until an opened call is over, or its deadline passes.
func (c *conn) await(ctx context.Context, x *call) {
	for {
		<-x.wake
		if x.done.Load() {
			return
		}
		if !x.late.Load() {
			continue // a token left by the call before
		}
		c.mu.Lock()
		if !x.done.Load() {
			c.abandon(ctx, x)
		}
		c.mu.Unlock()
		return
	}
}

// abandon ends a call whose deadline has passed, or whose run was cancelled.
func (c *conn) abandon(ctx context.Context, x *call) {
	err, fault := context.DeadlineExceeded, drivers.CodeTimeout
	if errors.Is(ctx.Err(), context.Canceled) {
		err, fault = context.Canceled, drivers.CodeCancelled
	}
	if x.Sent > 0 {
		x.fail(fault, err.Error())
	} else {
		x.refuse(err)
	}
	x.At = c.channel.options.Clock()
	if x.state == queued {
		c.waiting = slices.DeleteFunc(c.waiting, func(other *call) bool { return other == x })
	} else {
		c.putReset(x, http2.ErrCodeCancel)
		c.leave(x)
	}
	c.notify(x)
}

// end ends a call that has a stream. Its result is set. at is when the end was read.
func (c *conn) end(x *call, at time.Duration) {
	c.leave(x)
	x.At = at
	c.notify(x)
}

// notify wakes up the caller of a call that is over.
func (c *conn) notify(x *call) {
	x.state = idle
	x.done.Store(true)
	x.wakeCaller()
}

// leave takes a call off its stream, which makes room for the next call.
func (c *conn) leave(x *call) {
	delete(c.streams, x.id)
	if x.held {
		x.held = false
		c.held = slices.DeleteFunc(c.held, func(other *call) bool { return other == x })
	}
	if c.drained && len(c.streams) == 0 {
		c.net.Close()
	}
	c.admit()
}

// drain lets the current calls end, and takes no more.
func (c *conn) drain() {
	c.drained = true
	c.channel.retire(c)
	c.requeueWaiting()
	if len(c.streams) == 0 {
		c.net.Close()
	}
}

// requeueWaiting makes the calls that wait for a stream try another connection.
func (c *conn) requeueWaiting() {
	for _, x := range c.waiting {
		x.unseen = true
		c.notify(x)
	}
	c.waiting = nil
}

// close ends all calls on the connection: nothing more is read.
func (c *conn) close(fault, text string) {
	c.net.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true // Set closed before a new connection is made, so that no call is started on this one.
	c.channel.retire(c)
	c.channel.remove(c)
	c.requeueWaiting()
	now := c.channel.options.Clock()
	for _, x := range c.streams {
		x.fail(fault, text)
		c.end(x, now)
	}
	c.wakeWriter() // so that the writer ends
}
