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
	// streamWindow and connWindow are how much a target may send ahead on one stream, and on all of a connection. In bytes.
	streamWindow = 1 << 20
	connWindow   = 16 << 20
	// readBuffer is how much is read at once. In bytes.
	readBuffer = 64 << 10
	// firstWindow, firstFrame and firstTable are what holds before the target's settings say otherwise. In bytes.
	firstWindow = 65_535
	firstFrame  = 16 << 10
	firstTable  = 4 << 10
	// maxStream is where a connection's numbers are given up for those of a new one.
	maxStream = 1 << 30
)

// conn is one HTTP/2 connection. Callers put frames into out, and one goroutine writes them; one reads what comes.
type conn struct {
	channel *Channel
	net     net.Conn
	framer  *http2.Framer // reads
	in      stamped
	filled  chan struct{} // holds one token: there is something to write, or nothing ever again
	room    chan struct{} // holds one token: what waited was written

	mu             sync.Mutex
	out            []byte
	asked          int  // how much of out the target asked for, in bytes
	writing        bool // the writer has been told of out
	closed         bool // nothing more is read, or sent
	drained        bool // it takes no more calls
	writeClosed    bool // it can't be written to
	streams        map[uint32]*call
	waiting        []*call // for a stream, or for room in out
	held           []*call // whose bodies wait for the target's windows, or for room in out
	next           uint32
	allowed        allowance
	unacknowledged int    // received and not given back to the target
	gotGoAway      bool   // there was a GOAWAY
	lastProcessed  uint32 // the last stream that it named
	block          bytes.Buffer
	encoder        *hpack.Encoder
	timeout        []byte
	// kept is the block of what calls have in common, for the time keptTimeout; empty: it has to be encoded.
	kept        []byte
	keptTimeout string
}

// allowance is what the target lets us do.
type allowance struct {
	streams            int64
	window, eachWindow int64 // of the connection, and of a stream when it is opened; in bytes
	frame              int   // payload of a frame, in bytes
	headers            int64 // of the request, in bytes as RFC 9113 counts them (6.5.2)
}

// stamped reads, and remembers when.
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

// newConn begins HTTP/2 on a connection, and waits for the target's settings.
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

// open sends a call, or lets it wait for a stream. It returns false where the connection takes no more calls.
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

// sizeOf is the size of a call's headers, with the longest timeout.
func (c *conn) sizeOf(x *call) (size int64) {
	for i := range x.fields {
		size += int64(x.fields[i].Size())
	}
	if !x.deadline.IsZero() {
		size += timeoutSize
	}
	return size + c.channel.size
}

// start gives a call a stream, or refuses it: what the target takes may be less than when the call began to wait.
func (c *conn) start(x *call) {
	if c.sizeOf(x) > c.allowed.headers {
		x.refuse(fmt.Errorf("the headers are larger than the target takes, %d bytes", c.allowed.headers))
		x.At = c.channel.options.Clock()
		c.notify(x)
		return
	}
	x.id, x.state, x.window = c.next, open, c.allowed.eachWindow
	x.Sent++
	x.Fault, x.Text = "", "" // those of the transmission before
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

// free says whether a call can be sent now: the target lets us have a stream, and reads what is sent.
func (c *conn) free() bool {
	return int64(len(c.streams)) < c.allowed.streams && len(c.out) < outBound
}

// admit starts calls that wait, as far as they can be sent.
func (c *conn) admit() {
	for !c.closed && !c.drained && len(c.waiting) > 0 && c.free() {
		first := c.waiting[0]
		c.waiting = slices.Delete(c.waiting, 0, 1)
		c.start(first)
	}
}

// await blocks until a call that was opened is over, or its time is up.
func (c *conn) await(ctx context.Context, x *call) {
	for {
		<-x.wake
		if x.done.Load() {
			return
		}
		if !x.late.Load() {
			continue // a token that the call before left
		}
		c.mu.Lock()
		if !x.done.Load() {
			c.abandon(ctx, x)
		}
		c.mu.Unlock()
		return
	}
}

// abandon gives up a call whose time is up, or whose run is.
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

// end ends a call that has a stream; its result is set. at is when that was read.
func (c *conn) end(x *call, at time.Duration) {
	c.leave(x)
	x.At = at
	c.notify(x)
}

// notify tells a call's caller that it is over.
func (c *conn) notify(x *call) {
	x.state = idle
	x.done.Store(true)
	x.wakeCaller()
}

// leave takes a call off its stream, which is then the next one's.
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

// drain lets the calls under way end, and takes no more.
func (c *conn) drain() {
	c.drained = true
	c.channel.retire(c)
	c.requeueWaiting()
	if len(c.streams) == 0 {
		c.net.Close()
	}
}

// requeueWaiting has the calls that wait for a stream look for another connection.
func (c *conn) requeueWaiting() {
	for _, x := range c.waiting {
		x.unseen = true
		c.notify(x)
	}
	c.waiting = nil
}

// close ends every call that is under way: nothing more is read.
func (c *conn) close(fault, text string) {
	c.net.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true // before another connection is made: nobody is sent to his end here
	c.channel.retire(c)
	c.channel.remove(c)
	c.requeueWaiting()
	now := c.channel.options.Clock()
	for _, x := range c.streams {
		x.fail(fault, text)
		c.end(x, now)
	}
	c.wakeWriter() // the writer, to end
}
