package amqplink

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"time"
)

// canHearBlocked is how a client says that it takes connection.blocked, in its capabilities.
const canHearBlocked = "\x12connection.blockedt\x01"

// fromClient carries the client's bytes.
func (c *conn) fromClient() error {
	r := bufio.NewReaderSize(c.Client, bufferSize)
	if ok, err := greets(r); err != nil {
		return err
	} else if !ok {
		return c.copyRaw(r, &c.toTarget)
	}
	c.amqp.Store(true)
	if err := c.toTarget.write([]byte(greeting)); err != nil {
		return err
	}
	_, _ = r.Discard(len(greeting))
	return c.carry(r, &c.toTarget, c.clientFrame)
}

// greets reads as few bytes as it needs to see whether the client speaks AMQP 0-9-1, and consumes none.
func greets(r *bufio.Reader) (bool, error) {
	for n := 1; n <= len(greeting); n++ {
		b, err := r.Peek(n)
		if err != nil && (len(b) == 0 || err != io.EOF) {
			return false, err
		}
		if err != nil || string(b) != greeting[:n] {
			return false, nil
		}
	}
	return true, nil
}

// clientFrame carries one frame of the client.
func (c *conn) clientFrame(r *bufio.Reader, h head) error {
	switch {
	case h.kind == heartbeatFrame && c.dropsHeartbeat(toTarget, h):
		return discard(r, h)
	case h.kind == heartbeatFrame:
		return c.toTarget.copyFrame(r, h)
	case h.kind == methodFrame:
		frame, err := whole(r, h, &c.toTarget)
		if err != nil {
			return err
		}
		return c.clientMethod(h, frame)
	case h.kind == headerFrame:
		frame, err := whole(r, h, &c.toTarget)
		if err != nil {
			return err
		}
		if c.clientContent(h, bodySize(frame), true) {
			return nil
		}
		return c.toTarget.write(frame)
	}
	if c.clientContent(h, uint64(h.size), false) {
		return discard(r, h)
	}
	return c.toTarget.copyFrame(r, h)
}

// clientContent follows the content of a publish. It reports whether the frame is dropped.
func (c *conn) clientContent(h head, size uint64, header bool) (drop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.channels[h.channel]
	switch {
	case ch == nil:
	case ch.closedClient:
		return true
	case header:
		ch.publishing, ch.headless = size, false
	default:
		ch.publishing -= min(size, ch.publishing)
	}
	return false
}

// clientMethod carries a method of the client, or what a fault makes of it.
func (c *conn) clientMethod(h head, frame []byte) error {
	if h.channel == 0 {
		c.agree(frame)
		return c.toTarget.write(frame)
	}
	if methodOf(frame) == basicPublish {
		if err := c.block(len(frame)); err != nil {
			return err
		}
		if done, err := c.closeAt(h.channel, len(frame)); done || err != nil {
			return err
		}
	}
	if methodOf(frame) == channelOpen {
		if err := c.awaitClosed(h.channel); err != nil {
			return err
		}
	}
	out, answer := c.clientSays(h.channel, frame)
	if answer != nil {
		if err := c.toClient.write(answer); err != nil {
			return err
		}
	}
	return c.toTarget.write(out...)
}

// awaitClosed blocks until the broker has let go of a channel that a fault closed. It would not hear that the channel is opened
// anew if it had closed it at the same time.
func (c *conn) awaitClosed(number uint16) error {
	return c.await(func() bool {
		ch := c.channels[number]
		return ch == nil || !ch.closedTarget
	})
}

// agree notes what client and broker agree on.
func (c *conn) agree(frame []byte) {
	switch methodOf(frame) {
	case connectionStartOK:
		c.hearsBlocked = bytes.Contains(frame, []byte(canHearBlocked))
	case connectionTuneOK:
		a := arguments(frame)
		a.take(6) // channels, frame size
		c.heartbeats = a.short()
	}
}

// clientSays follows a method on a channel. It returns what the target gets in its place, and what the client is answered.
func (c *conn) clientSays(number uint16, frame []byte) (out [][]byte, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out = [][]byte{frame}
	ch, m := c.channels[number], methodOf(frame)
	if m == channelOpen && (ch == nil || !ch.closedClient) {
		if ch == nil {
			ch = &channel{number: number}
			c.channels[number] = ch
		}
		ch.resets()
		ch.live = true
		return out, nil
	}
	if ch == nil {
		return out, nil
	}
	if ch.closedClient {
		switch m {
		case channelClose: // it closed at the same time
			return nil, frameOf(number, channelCloseOK)
		case channelCloseOK:
			ch.closedClient = false
			ch.resets()
			c.forget(ch)
		}
		return nil, nil
	}
	a := arguments(frame)
	switch m {
	case channelClose:
		ch.closing = true
		ch.tags.forgets()
	case channelCloseOK:
		ch.closedByTarget = false
		ch.resets()
		c.forget(ch)
	case basicConsume:
		a.take(2)
		a.text() // the queue
		one := consume{consumer: a.text()}
		bits := a.octet()
		one.noAck = bits&2 != 0
		ch.startsConsuming(one, bits&8 != 0)
	case basicGet:
		a.take(2)
		a.text()
		if len(ch.getting) < maxConsumers {
			ch.getting = append(ch.getting, a.octet()&1 != 0)
		}
	case basicPublish:
		ch.headless = true
		if ch.confirms != nil {
			ch.confirms.publishes()
		}
	case confirmSelect:
		if ch.confirms == nil {
			ch.confirms = newConfirms()
		}
	case txSelect:
		ch.opaque = true
	case basicRecover, basicRecoverAsync:
		ch.opaque = ch.opaque || m == basicRecoverAsync // nothing tells which deliveries were under way
		ch.tags.forgets()
		c.dropDeliveries(ch)
	case basicAck, basicNack, basicReject:
		if ch.opaque && !ch.tags.differ {
			break // the numbers are the same
		}
		return c.acknowledge(ch, frame), nil
	}
	return out, nil
}

// acknowledge translates an acknowledgement. c.mu is held.
func (c *conn) acknowledge(ch *channel, frame []byte) (out [][]byte) {
	if ch.closedByTarget {
		return nil // the broker drops it
	}
	a, m := arguments(frame), methodOf(frame)
	tag, bits := a.long(), a.octet()
	if !a.ok() {
		return [][]byte{frame}
	}
	s := ch.tags.settles(tag, m != basicReject && bits&1 != 0)
	for _, tag := range s.tags {
		one := bytes.Clone(frame)
		at := headSize + 4
		binary.BigEndian.PutUint64(one[at:], tag)
		if m != basicReject {
			one[at+8] = one[at+8] &^ 1
			if s.multiple {
				one[at+8] |= 1
			}
		}
		out = append(out, one)
	}
	return out
}

// forget drops a channel that ended on both sides. c.mu is held.
func (c *conn) forget(ch *channel) {
	if !ch.live && !ch.closedClient && !ch.closedTarget && !ch.draining && len(ch.lane) == 0 && ch.content == nil {
		delete(c.channels, ch.number)
	}
}

// block holds a publish, and all that the client says behind it, while a fault blocks the connection. It keeps the target's
// heartbeats up. Clients that say that they can hear it are told.
func (c *conn) block(bytes int) error {
	blocking := c.inForce(func(a *Act) bool { return a.Block })
	if len(blocking) == 0 {
		return nil
	}
	if err := c.tell(connectionBlocked, shortText("low on memory")...); err != nil {
		return err
	}
	for _, f := range blocking {
		c.meets(f, bytes)
		for f.InForce() && !c.over() {
			f.WaitOr(c.Ends, time.Now().Add(c.pulse()), c.left)
			if c.heartbeats > 0 && f.InForce() && !c.over() {
				if err := c.toTarget.write(heartbeat); err != nil {
					return err
				}
			}
		}
	}
	return c.tell(connectionUnblocked)
}

// pulse is how often heartbeats are sent in the client's place.
func (c *conn) pulse() time.Duration {
	if c.heartbeats == 0 {
		return time.Hour
	}
	return time.Duration(c.heartbeats) * time.Second / 2
}

// cut says whether the connection has ended.
func (c *conn) cut() bool {
	select {
	case <-c.Ended():
		return true
	default:
		return false
	}
}

// over says whether the connection, or what the target says, has ended.
func (c *conn) over() bool {
	select {
	case <-c.left:
		return true
	default:
		return c.cut()
	}
}

// tell sends the client a method of the connection's that it can hear.
func (c *conn) tell(m method, arguments ...byte) error {
	if !c.hearsBlocked {
		return nil
	}
	return c.toClient.write(frameOf(0, m, arguments...))
}
