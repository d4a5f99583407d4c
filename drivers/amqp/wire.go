package amqp

import (
	"cmp"
	"net"
	"sync"
	"time"

	library "github.com/rabbitmq/amqp091-go"
)

// wire is one connection to a broker, from its opening to its end. It reads the broker's frames before the library does.
type wire struct {
	net.Conn
	driver *Driver
	of     *connection
	lib    *library.Connection
	frames splitter // of the reading goroutine, as every frame's handling
	now    time.Duration

	writing sync.Mutex
	held    []byte // bytes that wait to be written
	holders int    // channels that have more to publish

	opening sync.Mutex // one channel is opened at a time
	opened  uint16     // the channel that was opened last; guarded by mu

	mu      sync.Mutex
	epochs  map[uint16]*epoch
	blocked string // why the broker blocks publishers; empty: it does not
	over    bool
	end     ending
	ended   chan struct{} // closed at the end
}

func newWire(of *connection, conn net.Conn) *wire {
	return &wire{Conn: conn, driver: of.driver, of: of, epochs: make(map[uint16]*epoch), ended: make(chan struct{})}
}

// Read implements net.Conn. Bytes that break the protocol are not handed on: they end the connection.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.now = w.driver.env.Clock()
		if broken := w.frames.feed(p[:n], w.take); broken != nil {
			w.finish(brokenBy(broken))
			return 0, broken
		}
	}
	if err != nil {
		w.finish(brokenBy(err))
	}
	return n, err
}

// Write implements net.Conn. While a channel has more to publish, bytes are held back, and leave together: the library writes each
// message by itself, and the system's calls would cost half of a stream's CPU time (BenchmarkAgainstBare).
func (w *wire) Write(p []byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	if w.held = append(w.held, p...); w.holders > 0 && len(w.held) < maxHeld {
		return len(p), nil
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// maxHeld is how many bytes are held back at most.
const maxHeld = 64 << 10

// hold lets the connection hold bytes back, until release.
func (w *wire) hold() {
	w.writing.Lock()
	w.holders++
	w.writing.Unlock()
}

// release writes what was held back.
func (w *wire) release() {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.holders--
	_ = w.flush() // an error ends the connection
}

// flush writes what was held back. writing is held.
func (w *wire) flush() error {
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.Conn.Write(w.held)
	if w.held = w.held[:0]; err != nil {
		w.finish(brokenBy(err))
	}
	return err
}

// finish ends every epoch of the connection, once.
func (w *wire) finish(why ending) {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return
	}
	w.over, w.end = true, why
	epochs := w.epochs
	w.epochs = nil
	w.mu.Unlock()
	w.of.noteBlock("", w.driver.env.Clock())
	for _, e := range epochs {
		e.finish(why)
	}
	close(w.ended)
}

// take looks at one frame of the broker.
func (w *wire) take(kind byte, channel uint16, payload []byte) error {
	switch kind {
	case frameMethod:
		return w.method(channel, payload)
	case frameHeader, frameBody:
		if e := w.epoch(channel); e != nil {
			return e.content(kind, payload)
		}
	}
	return nil
}

func (w *wire) epoch(channel uint16) *epoch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epochs[channel]
}

func (w *wire) method(channel uint16, payload []byte) error {
	r := reader{b: payload}
	method := uint32(r.uint16())<<16 | uint32(r.uint16())
	e := w.epoch(channel)
	switch method {
	case connectionClose:
		code, text := r.uint16(), r.shortText()
		if err := r.err("connection.close"); err != nil {
			return err
		}
		w.finish(closedBy(code, text, 0))
	case connectionBlocked:
		w.block(cmp.Or(string(r.shortText()), "no reason given"))
	case connectionUnblocked:
		w.block("")
	case channelOpenOk:
		w.mu.Lock()
		w.opened = channel
		w.mu.Unlock()
	case channelClose:
		code, text := r.uint16(), r.shortText()
		by := uint32(r.uint16())<<16 | uint32(r.uint16())
		if err := r.err("channel.close"); err != nil || e == nil {
			return err
		}
		e.finish(closedBy(code, text, by))
	case channelFlow:
		if e != nil {
			e.flow(r.uint8()&1 == 1)
		}
	case basicAck, basicNack:
		tag, bits := r.uint64(), r.uint8()
		if err := r.err("a confirm"); err != nil {
			return err
		}
		if e == nil {
			return malformed("a confirm on channel %d, which publishes nothing", channel)
		}
		return e.confirm(tag, bits&1 == 1, method == basicAck, w.now)
	case basicReturn:
		code, text := r.uint16(), string(r.shortText())
		if err := r.err("basic.return"); err != nil || e == nil {
			return err
		}
		return e.beginReturn(code, text)
	}
	return nil
}

// block notes whether the broker blocks publishers, and why.
func (w *wire) block(why string) {
	w.mu.Lock()
	w.blocked = why
	epochs := make([]*epoch, 0, len(w.epochs))
	for _, e := range w.epochs {
		epochs = append(epochs, e)
	}
	w.mu.Unlock()
	w.of.noteBlock(why, w.now)
	for _, e := range epochs {
		e.block(why != "")
	}
}

// openEpoch opens a channel for publishing. All that it asks the broker must be answered within patience.
func (w *wire) openEpoch(c *channel) (*epoch, error) {
	guard := time.AfterFunc(patience(w.driver.env.Timeout), func() { w.Conn.Close() })
	defer guard.Stop()
	e, err := w.register(c)
	if err != nil {
		return nil, err
	}
	if exchange := w.driver.config.Exchange; exchange != "" {
		// A broker says only afterwards that an exchange is absent, and leaves open which messages it had taken.
		if err := e.lib.ExchangeDeclarePassive(exchange, "direct", true, false, false, false, nil); err != nil {
			w.forget(e)
			return nil, err
		}
	}
	if w.driver.config.confirm() {
		if err := e.lib.Confirm(false); err != nil {
			w.forget(e)
			return nil, err
		}
	}
	return e, nil
}

// register opens a channel, and makes its frames known to the epoch.
func (w *wire) register(c *channel) (*epoch, error) {
	w.opening.Lock()
	defer w.opening.Unlock()
	lib, err := w.lib.Channel()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil, library.ErrClosed
	}
	e := &epoch{channel: c, lib: lib, wire: w, id: w.opened, ended: make(chan struct{}), blocked: w.blocked != ""}
	w.epochs[e.id] = e
	return e, nil
}

// forget takes an epoch that is over, or never began, off the connection.
func (w *wire) forget(e *epoch) {
	w.mu.Lock()
	if w.epochs[e.id] == e {
		delete(w.epochs, e.id)
	}
	w.mu.Unlock()
}

func (w *wire) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// close says farewell to the broker, and ends the library's goroutines.
func (w *wire) close() {
	_ = w.lib.CloseDeadline(time.Now().Add(closeLimit)) // an error means that it is closed
	w.Conn.Close()
}
