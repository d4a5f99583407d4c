package amqp

import (
	"errors"
	"fmt"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// epoch is one channel of a broker, from its opening to its end. Delivery tags count within it.
type epoch struct {
	channel *channel
	lib     *library.Channel
	wire    *wire
	id      uint16 // the channel's number on the connection

	// Guarded by channel.mu.
	open      unconfirmed
	over      bool
	paused    bool // by channel.flow
	blocked   bool // by connection.blocked
	cautious  bool // one message at a time, until a confirm comes: the channel before was closed because of a publish
	wary      bool // the channel was closed because of a publish
	lastFound uint64

	returning *returning // a return whose content is still to come; of the reading goroutine
	ended     chan struct{}
}

// returning is a message that the broker returns.
type returning struct {
	code       uint16
	text       string
	headed     bool
	properties properties
	missing    uint64 // bytes of the body
	body       []byte
}

// maxReturned bounds the part of a returned body that is kept to look for an identity.
const maxReturned = 1 << 20

// maxMessage bounds a message that a broker sends. The library keeps it whole.
const maxMessage = drivers.MaxSize + 1<<20

// errTooLarge marks a message that is larger than any that this package takes.
var errTooLarge = errors.New("the broker sent more than is taken")

// mayWrite says whether another message may be written. channel.mu is held.
func (e *epoch) mayWrite() bool {
	limit := e.channel.outstanding
	if e.cautious {
		limit = 1
	}
	return !e.over && !e.paused && !e.blocked && e.open.count < limit && len(e.open.all) < maxSpan
}

// maxSpan bounds how far the first unconfirmed publish may stay behind the last.
const maxSpan = 1 << 18

func (e *epoch) flow(active bool) { e.set(func() { e.paused = !active }) }

func (e *epoch) block(is bool) { e.set(func() { e.blocked = is }) }

// set changes whether messages may be written.
func (e *epoch) set(change func()) {
	e.channel.mu.Lock()
	change()
	e.channel.mu.Unlock()
	e.channel.signal()
}

func (e *epoch) isOver() bool {
	e.channel.mu.Lock()
	defer e.channel.mu.Unlock()
	return e.over
}

// confirm takes an ack or a nack, of one tag or of all tags up to it. Tags that were confirmed before say nothing new.
func (e *epoch) confirm(tag uint64, multiple, ack bool, now time.Duration) error {
	c := e.channel
	c.mu.Lock()
	if tag == 0 || tag > e.open.written() {
		written := e.open.written()
		c.mu.Unlock()
		return malformed("a confirm of delivery tag %d, and %d messages were published", tag, written)
	}
	var one [16]*publish
	taken := one[:0]
	if multiple {
		taken = e.open.takeAll(tag, taken)
	} else if p := e.open.take(tag); p != nil {
		taken = append(taken, p)
	}
	for _, p := range taken {
		c.deadlines.Remove(&p.expiry)
	}
	full := e.cautious
	if len(taken) > 0 {
		e.cautious = false
	}
	full = full || e.open.count+len(taken) >= c.outstanding
	c.mu.Unlock()
	if full {
		c.signal()
	}
	for _, p := range taken {
		c.driver.finish(p, now, func() {
			if ack {
				p.answered(drivers.Acked, "", "")
				return
			}
			c.driver.nacked.Add(1)
			p.answered(drivers.Indeterminate, codeNack, "the broker nacked the message")
		})
	}
	return nil
}

// beginReturn takes the first frame of a returned message.
func (e *epoch) beginReturn(code uint16, text string) error {
	if e.returning != nil {
		return malformed("a message is returned in the middle of another")
	}
	e.returning = &returning{code: code, text: text}
	return nil
}

// content takes a header or a part of the body of a returned message.
func (e *epoch) content(kind byte, payload []byte) error {
	r := e.returning
	if r == nil || r.headed != (kind == frameBody) {
		return malformed("content that belongs to no message")
	}
	if kind == frameHeader {
		size, properties, err := readContentHeader(payload)
		if err != nil {
			return err
		}
		if size > maxMessage {
			return fmt.Errorf("%w: a returned message of %d bytes", errTooLarge, size)
		}
		r.headed, r.missing, r.properties = true, size, properties.clone()
	} else {
		if uint64(len(payload)) > r.missing {
			return malformed("a returned message is longer than its header says")
		}
		r.missing -= uint64(len(payload))
		if e.channel.owner.place.path != nil && len(r.body)+len(payload) <= maxReturned {
			r.body = append(r.body, payload...)
		}
	}
	if r.missing > 0 {
		return nil
	}
	e.returning = nil
	return e.returned(r)
}

// returned ends the attempt whose message no queue got. The confirm that follows says nothing more.
func (e *epoch) returned(r *returning) error {
	c := e.channel
	of, ok := c.owner.of(r.properties, r.body)
	if !ok {
		return malformed("a message is returned that this stream did not publish")
	}
	c.mu.Lock()
	tag := e.open.find(of, e.lastFound)
	if tag == 0 {
		c.mu.Unlock()
		return nil // it was confirmed before, or its epoch is over
	}
	e.lastFound = tag
	p := e.open.all[tag-e.open.first-1]
	c.deadlines.Remove(&p.expiry)
	c.mu.Unlock()
	c.driver.returned.Add(1)
	c.driver.finish(p, e.wire.now, func() {
		p.answered(drivers.Rejected, replyCode(int(r.code)), r.text)
	})
	return nil
}

// finish ends the epoch, once. Its unconfirmed messages may have been taken, or not.
func (e *epoch) finish(why ending) {
	c := e.channel
	c.mu.Lock()
	if e.over {
		c.mu.Unlock()
		return
	}
	e.over, e.wary = true, why.publishRefused
	refused := e.open.last()
	if !why.publishRefused {
		refused = nil
	}
	all := e.open.all
	e.open.all, e.open.count = nil, 0
	for _, p := range all {
		if p != nil {
			c.deadlines.Remove(&p.expiry)
		}
	}
	c.mu.Unlock()
	code, detail := why.code, why.detail
	if c.driver.isShut() {
		code = drivers.CodeCancelled
	}
	now := c.driver.env.Clock()
	for _, p := range all {
		if p == nil {
			continue
		}
		c.driver.finish(p, now, func() {
			if p == refused {
				p.answered(drivers.Rejected, code, detail)
				return
			}
			p.unanswered(code, detail)
		})
	}
	close(e.ended)
}
