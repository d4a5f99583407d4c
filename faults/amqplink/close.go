package amqplink

import "encoding/binary"

// closeAt closes the channel of a publish or a delivery, if a fault takes it. done says that it did, and that the message is
// dropped.
func (c *conn) closeAt(number uint16, bytes int) (done bool, err error) {
	for _, f := range c.inForce(func(a *Act) bool { return a.CloseChannel > 0 }) {
		if !c.closable(number) || !f.Takes() {
			continue
		}
		if done, err = c.closeChannel(f, number, bytes); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// closable says whether the channel can be closed now: it is open, and no message is under way on it, in either direction.
func (c *conn) closable(number uint16) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[number].closable()
}

func (ch *channel) closable() bool {
	return ch != nil && ch.live && !ch.closing && !ch.closedClient && !ch.closedTarget && !ch.closedByTarget && ch.publishing == 0 && !ch.headless && ch.content == nil
}

// closeChannel closes a channel towards both sides, each in the other's name.
func (c *conn) closeChannel(f *Fault, number uint16, bytes int) (done bool, err error) {
	err = c.send(func() [][]byte {
		ch := c.channels[number]
		if done = ch.closable(); !done {
			return nil
		}
		ch.closedClient, ch.closedTarget = true, true
		ch.tags.forgets()
		c.empty(ch)
		return [][]byte{closing(number, f.act.CloseChannel, "closed by a fault")}
	})
	if err != nil || !done {
		return done, err
	}
	c.meets(f, bytes)
	return true, c.toTarget.write(closing(number, 200, "closed"))
}

// closing is channel.close, because of no method in particular.
func closing(number uint16, code int, text string) []byte {
	a := binary.BigEndian.AppendUint16(nil, uint16(code))
	return frameOf(number, channelClose, append(append(a, shortText(text)...), 0, 0, 0, 0)...)
}
