package amqplink

import (
	"bufio"
	"encoding/binary"
	"errors"
)

// fromTarget carries the target's bytes.
func (c *conn) fromTarget() error {
	r := bufio.NewReaderSize(c.Target, bufferSize)
	if _, err := r.Peek(1); err != nil {
		return err
	}
	if !c.amqp.Load() { // the target speaks only after the client
		return c.copyRaw(r, &c.toClient)
	}
	return c.carry(r, &c.toClient, c.targetFrame)
}

// targetFrame carries one frame of the target.
func (c *conn) targetFrame(r *bufio.Reader, h head) error {
	switch {
	case h.kind == heartbeatFrame && c.dropsHeartbeat(fromTarget, h):
		return discard(r, h)
	case h.kind == heartbeatFrame:
		return c.toClient.copyFrame(r, h)
	case h.kind == bodyFrame:
		return c.targetBody(r, h)
	}
	frame, err := whole(r, h, &c.toClient)
	if err != nil {
		return err
	}
	if h.kind == headerFrame {
		return c.targetHeader(h, frame)
	}
	if h.channel == 0 {
		return c.toClient.write(frame)
	}
	switch m := methodOf(frame); m {
	case basicDeliver, basicGetOK, basicReturn:
		return c.beginContent(h.channel, frame)
	case basicAck, basicNack:
		return c.confirm(h.channel, frame)
	default:
		pass, answer := c.targetSays(h.channel, m, frame)
		if !pass {
			return c.toTarget.write(answer)
		}
		return c.put(h.channel, &item{frame: frame})
	}
}

// targetSays follows a method of the target. pass is false if the client does not get it; then the target may get an answer.
func (c *conn) targetSays(number uint16, m method, frame []byte) (pass bool, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.channels[number]
	if ch == nil {
		return true, nil
	}
	if ch.closedTarget {
		switch m {
		case channelClose: // the broker closed at the same time
			return false, frameOf(number, channelCloseOK)
		case channelCloseOK:
			ch.closedTarget = false
			c.forget(ch)
			c.changes()
		}
		return false, nil
	}
	a := arguments(frame)
	switch m {
	case basicConsumeOK:
		if len(ch.consuming) > 0 {
			one := ch.consuming[0]
			ch.consuming = ch.consuming[1:]
			one.consumer = a.text()
			ch.consumes(one)
		}
	case basicCancel, basicCancelOK:
		delete(ch.noAck, a.text())
	case basicGetEmpty:
		ch.gets()
	}
	return true, nil
}

// gets takes the oldest basic.get, and returns whether its message needs no acknowledgement.
func (ch *channel) gets() (noAck bool) {
	if len(ch.getting) == 0 {
		return false
	}
	noAck = ch.getting[0]
	ch.getting = ch.getting[1:]
	return noAck
}

// beginContent begins a message of the target.
func (c *conn) beginContent(number uint16, frame []byte) error {
	if methodOf(frame) == basicDeliver {
		if done, err := c.closeAt(number, len(frame)); done || err != nil {
			return err
		}
	}
	c.mu.Lock()
	ch := c.channels[number]
	if ch == nil {
		c.mu.Unlock()
		return c.toClient.write(frame)
	}
	defer c.mu.Unlock()
	if ch.closedTarget {
		return nil
	}
	m := &message{method: frame}
	ch.content = &content{message: m}
	a := arguments(frame)
	noAck := false
	switch methodOf(frame) {
	case basicReturn:
		return nil
	case basicDeliver:
		m.delivered = true
		consumer := a.text()
		noAck = ch.noAck[consumer]
		m.tagAt = headSize + 4 + 1 + len(consumer)
	case basicGetOK:
		noAck = ch.gets()
		m.tagAt = headSize + 4
	}
	m.tag = a.long()
	if !a.ok() {
		m.tagAt = 0
	} else if !noAck {
		m.open = ch.tags.comes(m.tag)
	}
	if ch.tags.overrun() {
		return errOverrun
	}
	return nil
}

// errOverrun ends a connection whose acknowledgements can be translated no more.
var errOverrun = errors.New("too many unacknowledged deliveries")

// maxMessage bounds the messages that a fault changes, or holds in a lane. A longer one passes as it comes.
const maxMessage = 4 << 20

// targetHeader carries a message's header. Then its size is known, and with it whether its frames are collected.
func (c *conn) targetHeader(h head, frame []byte) error {
	c.mu.Lock()
	ch := c.channels[h.channel]
	if ch == nil || ch.content == nil {
		dropped := ch != nil && ch.closedTarget
		c.mu.Unlock()
		if dropped {
			return nil
		}
		return c.toClient.write(frame)
	}
	one := ch.content
	one.header, one.left = frame, bodySize(frame)
	follow := ch.followed()
	c.mu.Unlock()
	small := one.left <= maxMessage
	if one.delivered && one.tagAt > 0 && small {
		one.plan = c.plan(follow, one.left)
	}
	if small && (!one.plan.empty() || c.waiting(ch)) {
		if one.left == 0 {
			return c.complete(ch)
		}
		return nil
	}
	if err := c.awaitLane(ch); err != nil {
		return err
	}
	return c.stream(ch)
}

// plan draws what the faults in force do with a delivery.
func (c *conn) plan(follow bool, size uint64) (p plan) {
	acts := c.inForce(func(a *Act) bool { return a.Corrupt > 0 || a.Duplicate > 0 || a.Reorder > 0 || a.DelayDeliveries > 0 })
	for _, f := range acts {
		switch {
		case (f.act.Duplicate > 0 || f.act.Reorder > 0) && !follow, f.act.Corrupt > 0 && size == 0, !f.Takes():
		case f.act.Corrupt > 0:
			p.corrupt = f
		case f.act.Duplicate > 0:
			p.again = f
		case f.act.Reorder > 0:
			p.late = f
		default:
			p.delays = append(p.delays, f)
		}
	}
	return p
}

// stream begins to pass on a message as it comes.
func (c *conn) stream(ch *channel) error {
	return c.send(func() [][]byte {
		one := ch.content
		if one == nil || ch.closedTarget {
			return nil
		}
		one.streamed = true
		if one.left == 0 {
			ch.content = nil
		}
		c.number(ch, one.message)
		return [][]byte{one.method, one.header, one.bodies}
	})
}

// targetBody carries a part of a message's body.
func (c *conn) targetBody(r *bufio.Reader, h head) error {
	c.mu.Lock()
	ch := c.channels[h.channel]
	if ch != nil && ch.closedTarget {
		c.mu.Unlock()
		return discard(r, h)
	}
	var one *content
	done := false
	if ch != nil && ch.content != nil {
		one = ch.content
		one.left -= min(one.left, uint64(h.size))
		done = one.left == 0
		if done && one.streamed {
			ch.content = nil
		}
	}
	c.mu.Unlock()
	if one == nil || one.streamed {
		return c.toClient.copyFrame(r, h)
	}
	if len(one.bodies)+h.size > 2*maxMessage { // more than its header said, or in tiny pieces
		if err := c.stream(ch); err != nil {
			return err
		}
		return c.toClient.copyFrame(r, h)
	}
	frame := make([]byte, h.size+edges)
	if err := readFull(r, frame); err != nil {
		return err
	}
	one.bodies = append(one.bodies, frame...)
	if done {
		return c.complete(ch)
	}
	return nil
}

// complete sends a message that has been collected, or has it wait.
func (c *conn) complete(ch *channel) error {
	c.mu.Lock()
	one := ch.content
	ch.content = nil
	dropped := ch.closedTarget
	c.mu.Unlock()
	if one == nil || dropped {
		return nil
	}
	m, p := one.message, one.plan
	if p.corrupt != nil && p.corrupt.InForce() && corrupt(m.bodies) {
		c.meets(p.corrupt, int(bodySize(m.header)))
	}
	if err := c.put(ch.number, c.planned(m, p)); err != nil || p.again == nil || !p.again.InForce() {
		return err
	}
	c.meets(p.again, m.size())
	return c.put(ch.number, &item{message: m.copy(p.again.act.Redelivered)})
}

// copy is the message once more.
func (m *message) copy(redelivered bool) *message {
	again := *m
	again.method = append([]byte(nil), m.method...)
	if redelivered {
		again.method[m.tagAt+8] |= 1
	}
	return &again
}

// corrupt changes one byte of sixteen of a body's frames. It reports whether it changed any.
func corrupt(frames []byte) (changed bool) {
	for len(frames) > 0 {
		size := int(binary.BigEndian.Uint32(frames[3:]))
		for i := 0; i < size; i += 16 {
			frames[headSize+i] ^= 0x55
			changed = true
		}
		frames = frames[size+edges:]
	}
	return changed
}

// confirm carries a confirm of the broker, or what a fault leaves of it.
func (c *conn) confirm(number uint16, frame []byte) error {
	losing := c.inForce(func(a *Act) bool { return a.LoseConfirms > 0 })
	a := arguments(frame)
	tag, bits := a.long(), a.octet()
	lost := make(map[*Fault]int)
	c.mu.Lock()
	ch := c.channels[number]
	if ch == nil || ch.confirms == nil || !a.ok() {
		c.mu.Unlock()
		return c.put(number, &item{frame: frame})
	}
	if ch.closedTarget {
		c.mu.Unlock()
		return nil
	}
	told, asItIs := ch.confirms.confirm(tag, bits&1 != 0, func(uint64) bool {
		for _, f := range losing {
			if f.Takes() {
				lost[f]++
				return true
			}
		}
		return false
	})
	c.mu.Unlock()
	for f, n := range lost {
		f.Silences(c.Ends)
		for range n {
			c.meets(f, 0)
		}
	}
	if asItIs {
		return c.put(number, &item{frame: frame})
	}
	for _, tag := range told {
		one := append([]byte(nil), frame...)
		binary.BigEndian.PutUint64(one[headSize+4:], tag)
		one[headSize+12] &^= 1
		if err := c.put(number, &item{frame: one}); err != nil {
			return err
		}
	}
	return nil
}
