package amqplink

import "time"

// channel is what is known of one channel of a connection. conn.mu guards it.
type channel struct {
	number    uint16
	tags      tags
	confirms  *confirms       // nil: not in confirm mode
	noAck     map[string]bool // by consumer: whether its messages are never acknowledged
	consuming []consume       // asked for, and not answered
	getting   []bool          // the same of basic.get: whether without an acknowledgement
	opaque    bool            // in transactions, or after basic.recover-async: the broker may take back what was settled or open

	content    *content // what comes from the target
	publishing uint64   // bytes of a publish that are to come from the client
	headless   bool     // the header of a publish is to come from the client

	lane     []*item // what waits for its time, in order
	draining bool    // a goroutine sends what is in the lane

	// closedClient and closedTarget say that this link closed the channel, and that the answer is to come. What else comes from
	// there is dropped.
	closedClient, closedTarget bool
	closedByTarget             bool // the broker closed it, and the client's answer is to come
	closing                    bool // the client closed it, and the broker's answer is to come
	live                       bool // the client has opened it, and it has not ended since
}

// consume is a basic.consume.
type consume struct {
	consumer string
	noAck    bool
}

// maxConsumers bounds the consumers of a channel that are followed.
const maxConsumers = 1 << 14

// content is a message that is arriving from the target.
type content struct {
	*message
	left     uint64 // bytes of the body that are to come
	streamed bool   // its frames pass as they come
}

// message is a delivery, or an answer to basic.get, or a returned publish.
type message struct {
	method, header []byte // frames
	bodies         []byte // frames, one after the other

	delivered bool // by basic.deliver
	tagAt     int  // where the delivery tag stands in method; 0: it has none
	tag       uint64
	open      *opened // nil: nobody settles it

	plan plan
}

// plan is what the faults in force do with a delivery.
type plan struct {
	corrupt, again, late *Fault
	delays               []*Fault
}

func (p *plan) empty() bool {
	return p.corrupt == nil && p.again == nil && p.late == nil && len(p.delays) == 0
}

func (m *message) size() int { return len(m.method) + len(m.header) + len(m.bodies) }

// item waits in a lane: a message, or the frame of a method.
type item struct {
	message *message
	frame   []byte
	waits   []wait
	late    *Fault        // it waits for the next delivery, and has not seen it
	early   chan struct{} // closed when it has to wait no more
}

type wait struct {
	by  *Fault
	due time.Time
}

func (i *item) size() int {
	if i.message != nil {
		return i.message.size()
	}
	return len(i.frame)
}

// resets forgets all of an ended channel.
func (ch *channel) resets() {
	*ch = channel{number: ch.number, closedClient: ch.closedClient, closedTarget: ch.closedTarget, lane: ch.lane, draining: ch.draining, content: ch.content}
}

// followed says whether faults may deliver again or out of order.
func (ch *channel) followed() bool { return !ch.tags.lost && !ch.opaque }

// startsConsuming notes a basic.consume.
func (ch *channel) startsConsuming(c consume, noWait bool) {
	switch {
	case noWait:
		ch.consumes(c)
	case len(ch.consuming) < maxConsumers:
		ch.consuming = append(ch.consuming, c)
	}
}

func (ch *channel) consumes(c consume) {
	if ch.noAck == nil {
		ch.noAck = make(map[string]bool)
	}
	if len(ch.noAck) < maxConsumers {
		ch.noAck[c.consumer] = c.noAck
	}
}
