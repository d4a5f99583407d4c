package witness

import (
	"bytes"

	"wringer/drivers"
)

// mandatoryBit is the bit of basic.publish by which the broker returns what no queue gets.
const mandatoryBit = 1

// publishes begins a publish, whose message follows.
func (a *amqpReader) publishes(c *amqpChannel, args []byte) error {
	if len(args) < 2 {
		return errAMQP
	}
	to, rest, err := shortString(args[2:])
	if err != nil {
		return err
	}
	key, rest, err := shortString(rest)
	if err != nil || len(rest) == 0 {
		return errAMQP
	}
	x, err := a.message(kindPublish)
	if err != nil {
		return err
	}
	x.mandatory = rest[0]&mandatoryBit != 0
	x.addressed(to, key)
	x.Published = &x.published
	if err := a.carries(x, &c.up, !c.confirms); err != nil || !c.confirms {
		return err
	}
	c.published++
	c.publishes[c.published] = x
	return nil
}

// returns takes a basic.return, whose message follows. Which publish it answers is known once its identity is.
func (a *amqpReader) returns(c *amqpChannel, args []byte) error {
	if len(args) < 2 {
		return errAMQP
	}
	_, rest, err := shortString(args[2:]) // why
	if err != nil {
		return err
	}
	to, rest, err := shortString(rest)
	if err != nil {
		return err
	}
	key, _, err := shortString(rest)
	if err != nil || c.down.of != nil {
		return errAMQP
	}
	x := a.conn.w.link.begin(a.conn.id)
	x.addressed(to, key)
	c.down = amqpContent{of: x, returned: true}
	return nil
}

// returned refuses the oldest publish that a returned message can be. A broker returns a message before it confirms it. Where none fits,
// any of the mandatory ones may be meant, and nothing is known of them.
func (a *amqpReader) returned(c *amqpChannel, back *exchange) {
	l := a.conn.w.link
	l.identified(back)
	oldest := uint64(0)
	for tag, x := range c.publishes {
		if (oldest == 0 || tag < oldest) && !back.encoded && x.ended && x.mandatory && x.published.Fate != drivers.Refused && sameMessage(x, back) {
			oldest = tag
		}
	}
	if oldest > 0 {
		c.publishes[oldest].published.Fate = drivers.Refused
	} else {
		for _, x := range c.publishes {
			x.published.Unread = x.published.Unread || x.mandatory
		}
	}
	l.pool.Put(back)
}

// addressed keeps where a message goes, in the memory of the exchange.
func (x *exchange) addressed(to, key []byte) {
	x.address = append(append(x.address[:0], to...), key...)
	x.published = drivers.Published{Exchange: x.address[:len(to):len(to)], RoutingKey: x.address[len(to):]}
}

func sameMessage(a, b *exchange) bool {
	return bytes.Equal(a.published.Exchange, b.published.Exchange) && bytes.Equal(a.published.RoutingKey, b.published.RoutingKey) && bytes.Equal(a.ID, b.ID)
}

// concludePublished settles what is told of a published message that is over.
func (l *link) concludePublished(x *exchange) {
	p := x.Published
	if p == nil {
		return
	}
	switch {
	case p.Fate == drivers.Refused, !x.Whole:
		p.Fate = drivers.Refused
	case x.Answered && x.Status == confirmed:
		p.Fate = drivers.Taken
	}
	p.Unread = p.Unread || x.encoded && (l.keep || l.place.inBody() || len(x.ID) == 0)
	if l.keep && !p.Unread {
		p.Body = x.body
	}
}
