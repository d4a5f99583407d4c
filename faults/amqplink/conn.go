package amqplink

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"wringer/faults/request"
)

// conn carries one connection: one goroutine carries what the client says, another what the target says, and one for each channel
// on which deliveries wait.
type conn struct {
	*request.Ends
	layer   *layer
	address string // the address that was dialled
	amqp    atomic.Bool
	left    chan struct{} // closed once the target has said its last

	toClient, toTarget output

	mu       sync.Mutex
	met      map[*Fault]struct{}
	channels map[uint16]*channel
	held     int           // bytes in lanes
	changed  chan struct{} // closed and replaced when less waits in a lane, or a channel closed by a fault has ended
	lanes    sync.WaitGroup

	// Of the goroutine that carries the client's frames.
	hearsBlocked bool   // the client can be told that it is blocked
	heartbeats   uint16 // the agreed interval, in seconds; 0: none
}

// output is one side's writer. Whole frames are written under its mutex. It may be locked before conn.mu, never after.
type output struct {
	sync.Mutex
	to io.Writer
}

func (o *output) write(frames ...[]byte) error {
	o.Lock()
	defer o.Unlock()
	for _, frame := range frames {
		if _, err := o.to.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// send writes to the client what next returns. next is called with c.mu held, in the order of the writes: so what the channels
// know, and what the client sees, change in one order.
func (c *conn) send(next func() [][]byte) error {
	c.toClient.Lock()
	defer c.toClient.Unlock()
	c.mu.Lock()
	frames := next()
	c.mu.Unlock()
	for _, frame := range frames {
		if _, err := c.toClient.to.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// copyFrame passes on a frame as its bytes come.
func (o *output) copyFrame(r *bufio.Reader, h head) error {
	o.Lock()
	defer o.Unlock()
	return copyFrame(o.to, r, h)
}

func newConn(l *layer, client, target net.Conn, address string) *conn {
	return &conn{
		Ends: request.NewEnds(client, target), layer: l, address: address, toClient: output{to: client}, toTarget: output{to: target},
		met: make(map[*Fault]struct{}), channels: make(map[uint16]*channel), changed: make(chan struct{}), left: make(chan struct{}),
	}
}

// releaseFaults removes the ended connection from the faults that hold it.
func (c *conn) releaseFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.met {
		f.Releases(c.Ends)
	}
}

// inForce lists the faults in force on this connection for which does is true.
func (c *conn) inForce(does func(a *Act) bool) (all []*Fault) {
	for _, f := range c.layer.faults.All() {
		if does(&f.act) && f.aim.Covers(c.address, "") {
			all = append(all, f)
		}
	}
	return all
}

// meets counts something on this connection for a fault that acted on it. c.mu is not held.
func (c *conn) meets(f *Fault, bytes int) {
	c.mu.Lock()
	_, again := c.met[f]
	c.met[f] = struct{}{}
	c.mu.Unlock()
	f.Meets(!again, bytes)
}

// carry reads frames until the connection ends, and has each handled. Bytes that are no frames, and all behind them, pass
// unchanged.
func (c *conn) carry(r *bufio.Reader, to *output, handle func(r *bufio.Reader, h head) error) error {
	for {
		h, err := readHead(r)
		if err == nil {
			err = handle(r, h)
		}
		if errors.Is(err, errRaw) {
			return c.copyRaw(r, to)
		}
		if err != nil {
			return err
		}
	}
}

func (c *conn) copyRaw(r *bufio.Reader, to *output) error {
	c.layer.raw.Store(true)
	_, err := r.WriteTo(to.to)
	return err
}

// whole reads a whole frame. With errRaw the bytes that were read are passed on.
func whole(r *bufio.Reader, h head, to *output) ([]byte, error) {
	frame, err := readWhole(r, h)
	if errors.Is(err, errRaw) {
		return nil, errors.Join(err, to.write(frame))
	}
	return frame, err
}

// dropsHeartbeat says whether a heartbeat is dropped in the direction, and counts it.
func (c *conn) dropsHeartbeat(direction string, h head) bool {
	drop := false
	for _, f := range c.inForce(func(a *Act) bool { return a.DropHeartbeats == both || a.DropHeartbeats == direction }) {
		drop = true
		c.meets(f, h.size+edges)
	}
	return drop
}

func discard(r *bufio.Reader, h head) error {
	if err := copyFrame(io.Discard, r, h); !errors.Is(err, errRaw) {
		return err
	}
	return nil
}
