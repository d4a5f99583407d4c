package null

import (
	"bufio"
	"encoding/binary"
	"sync"
)

// The properties of a message that stand before the one that names the queue of its reply, as bits: short texts, a table, and two that are
// one byte each.
const (
	propertyHeaders       = 1 << 13
	propertyDelivery      = 1 << 12
	propertyPriority      = 1 << 11
	propertyCorrelationID = 1 << 10
	propertyReplyTo       = 1 << 9

	basicDeliver = 60<<16 | 60
	classBasic   = 60
)

// output is the way to one client. It is safe for concurrent use: other peers reply to the client.
type output struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func (o *output) write(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w.Write(b) // an error shows at the next flush
}

func (o *output) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Flush()
}

// consumer takes the replies that go to a queue.
type consumer struct {
	out     *output
	channel uint16
	tag     []byte // with its length before it
	number  uint64 // of the last delivery
}

// replies knows who consumes from which queue. It is safe for concurrent use.
type replies struct {
	mu sync.Mutex
	to map[string]*consumer
}

func (r *replies) consume(queue []byte, c *consumer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to[string(queue)] = c
}

// forget takes a client's consumers away.
func (r *replies) forget(o *output) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for queue, c := range r.to {
		if c.out == o {
			delete(r.to, queue)
		}
	}
}

// deliver gives a reply with a correlation id to who consumes from a queue. It returns where the reply went; nil: nobody consumes.
func (r *replies) deliver(queue, correlation []byte) *output {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.to[string(queue)]
	if c == nil {
		return nil
	}
	c.number++
	arguments := binary.BigEndian.AppendUint64(append([]byte(nil), c.tag...), c.number)
	arguments = append(arguments, 0, 0)     // not redelivered, and of the default exchange
	arguments = append(arguments, queue...) // the routing key
	b := methodFrame(nil, c.channel, basicDeliver, arguments)
	b = binary.BigEndian.AppendUint16(append(b, frameHeader), c.channel)
	b = binary.BigEndian.AppendUint32(b, uint32(14+len(correlation)))
	b = binary.BigEndian.AppendUint32(b, classBasic<<16)
	b = append(b, make([]byte, 8)...) // an empty body
	b = binary.BigEndian.AppendUint16(b, propertyCorrelationID)
	c.out.write(append(append(b, correlation...), frameEnd))
	return c.out
}

// reply replies to a message with these properties.
func (p *peer) reply(flags uint16, properties []byte) {
	correlation, queue := addressed(flags, properties)
	if correlation == nil || queue == nil {
		return
	}
	if to := p.replies.deliver(queue, correlation); to != nil && to != p.out {
		if p.replied == nil {
			p.replied = make(map[*output]bool)
		}
		p.replied[to] = true
	}
}

// addressed finds the correlation id and the queue of the reply among the properties of a message, each with its length before it; nil:
// there is none, or the properties are cut short.
func addressed(flags uint16, properties []byte) (correlation, queue []byte) {
	for bit := uint16(1 << 15); bit >= propertyReplyTo; bit >>= 1 {
		if flags&bit == 0 {
			continue
		}
		size := 1
		switch {
		case len(properties) == 0:
			return nil, nil
		case bit == propertyHeaders && len(properties) < 4:
			return nil, nil
		case bit == propertyHeaders:
			size = int(min(uint64(binary.BigEndian.Uint32(properties))+4, largestFrame))
		case bit != propertyDelivery && bit != propertyPriority:
			size += int(properties[0])
		}
		if size > len(properties) {
			return nil, nil
		}
		switch bit {
		case propertyCorrelationID:
			correlation = properties[:size]
		case propertyReplyTo:
			queue = properties[:size]
		}
		properties = properties[size:]
	}
	return correlation, queue
}
