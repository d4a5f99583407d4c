package amqplink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"
)

const (
	// maxHeld bounds what waits in the lanes of a connection. Beyond it the target is read no further.
	maxHeld = 32 << 20
	// reorderWithin is how long a delivery waits for the next one of its channel.
	reorderWithin = 100 * time.Millisecond
)

// errEnded ends a goroutine whose connection has ended.
var errEnded = errors.New("the connection has ended")

// planned is a delivery with what it has to wait for.
func (c *conn) planned(m *message, p plan) *item {
	i := &item{message: m}
	now := time.Now()
	due := now
	for _, f := range p.delays {
		due = due.Add(f.act.DelayDeliveries)
		if f.Delays(c.Ends, due) {
			c.meets(f, m.size())
			i.waits = append(i.waits, wait{f, due})
		}
	}
	if f := p.late; f != nil && f.InForce() {
		i.late, i.early = f, make(chan struct{})
		i.waits = append(i.waits, wait{f, due.Add(reorderWithin)})
	}
	return i
}

// put sends an item to the client behind what waits on its channel. It blocks while too much waits.
func (c *conn) put(number uint16, i *item) error {
	var overtaken *Fault
	full := false
	err := c.send(func() [][]byte {
		ch := c.channels[number]
		switch {
		case ch == nil && i.message != nil, ch != nil && ch.closedTarget: // the channel has ended
			return nil
		case ch == nil:
			return [][]byte{i.frame}
		}
		overtaken = ch.hurry(i)
		if !ch.draining && len(i.waits) == 0 && len(ch.lane) == 0 {
			return c.frames(ch, i)
		}
		at := len(ch.lane)
		if overtaken != nil {
			at--
		}
		ch.lane = slices.Insert(ch.lane, at, i)
		c.held += i.size()
		full = c.held > maxHeld
		if !ch.draining {
			ch.draining = true
			c.lanes.Go(func() { c.drain(ch) })
		}
		return nil
	})
	if overtaken != nil {
		c.meets(overtaken, i.size())
	}
	if err == nil && full {
		err = c.await(func() bool { return c.held <= maxHeld })
	}
	return err
}

// hurry ends the wait of a delivery that waits for the next one, because i comes. It returns the fault if i overtakes it.
func (ch *channel) hurry(i *item) *Fault {
	if len(ch.lane) == 0 {
		return nil
	}
	last := ch.lane[len(ch.lane)-1]
	f := last.late
	if f == nil {
		return nil
	}
	last.late = nil
	close(last.early)
	if i.late != nil { // it overtakes, and waits for none itself
		i.late, i.waits = nil, i.waits[:len(i.waits)-1]
	}
	if i.message == nil || !i.message.delivered || len(i.waits) > 0 {
		return nil
	}
	return f
}

// drain sends what is in a lane, each item at its time, until the lane is empty.
func (c *conn) drain(ch *channel) {
	for ended := false; !ended; {
		var next *item
		err := c.send(func() [][]byte {
			if ended = len(ch.lane) == 0 || c.cut(); ended {
				ch.draining = false
				c.released(0)
				return nil
			}
			if next = ch.lane[0]; len(next.waits) > 0 {
				return nil
			}
			ch.lane = ch.lane[1:]
			next.late = nil // none overtakes it any more
			c.released(next.size())
			return c.frames(ch, next)
		})
		if err != nil {
			c.End(err)
		}
		if next != nil && len(next.waits) > 0 {
			w := next.waits[0]
			w.by.WaitOr(c.Ends, w.due, next.early)
			next.waits = next.waits[1:]
		}
	}
}

// released notes that less waits. c.mu is held.
func (c *conn) released(bytes int) {
	c.held -= bytes
	c.changes()
}

// changes wakes those that await something. c.mu is held.
func (c *conn) changes() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// await blocks until holds, which is asked with c.mu held, or until the connection or what the target says has ended.
func (c *conn) await(holds func() bool) error {
	for {
		c.mu.Lock()
		ok, changed := holds(), c.changed
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-c.left:
			return errEnded
		case <-c.Ended():
			return errEnded
		}
	}
}

// waiting says whether anything waits on the channel.
func (c *conn) waiting(ch *channel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ch.draining || len(ch.lane) > 0
}

// awaitLane blocks until nothing waits on the channel.
func (c *conn) awaitLane(ch *channel) error {
	return c.await(func() bool { return !ch.draining && len(ch.lane) == 0 })
}

// frames are an item's frames as the client gets them now. c.mu is held.
func (c *conn) frames(ch *channel, i *item) [][]byte {
	if i.message != nil {
		c.number(ch, i.message)
		return [][]byte{i.message.method, i.message.header, i.message.bodies}
	}
	switch methodOf(i.frame) {
	case channelClose:
		ch.closedByTarget = true
		ch.tags.forgets()
	case channelCloseOK:
		ch.resets()
		c.forget(ch)
	case basicRecoverOK:
		ch.tags.forgets() // what was under way
	}
	return [][]byte{i.frame}
}

// number gives a message the client's tag. c.mu is held.
func (c *conn) number(ch *channel, m *message) {
	if m.tagAt > 0 {
		binary.BigEndian.PutUint64(m.method[m.tagAt:], ch.tags.gives(m.tag, m.open))
	}
}

// empty drops what waits on a channel. c.mu is held.
func (c *conn) empty(ch *channel) {
	c.keep(ch, func(*item) bool { return false })
}

// dropDeliveries drops the deliveries that wait on a channel: the broker delivers them anew. c.mu is held.
func (c *conn) dropDeliveries(ch *channel) {
	c.keep(ch, func(i *item) bool { return i.message == nil || !i.message.delivered })
}

func (c *conn) keep(ch *channel, wanted func(i *item) bool) {
	var kept []*item
	for _, i := range ch.lane {
		if wanted(i) {
			kept = append(kept, i)
			continue
		}
		if i.late != nil {
			i.late = nil
			close(i.early)
		}
		c.released(i.size())
	}
	ch.lane = kept
}

func readFull(r *bufio.Reader, frame []byte) error {
	_, err := io.ReadFull(r, frame)
	return err
}
