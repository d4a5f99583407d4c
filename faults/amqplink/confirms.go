package amqplink

// maxUnconfirmed bounds the publishes without a confirm that are followed on a channel. A channel with more is not followed any
// more, and no confirm is lost on it.
const maxUnconfirmed = 1 << 18

// confirms follows the publishes of a channel in confirm mode. It is not safe for concurrent use.
type confirms struct {
	published   uint64
	confirmed   uint64              // all tags up to this one are confirmed
	unconfirmed map[uint64]struct{} // by tag
	lossy       bool                // a confirm was lost: those behind it stand for themselves alone
	lost        bool                // too many: not followed any more
}

func newConfirms() *confirms { return &confirms{unconfirmed: make(map[uint64]struct{})} }

// publishes notes a publish.
func (c *confirms) publishes() {
	c.published++
	if len(c.unconfirmed) >= maxUnconfirmed {
		c.lost, c.unconfirmed = true, nil
	}
	if !c.lost {
		c.unconfirmed[c.published] = struct{}{}
	}
}

// confirm returns the tags that a confirm of the broker stands for. drops says which of them the publisher never learns. whole is
// true if the confirm passes as it is; else the publisher gets one for each tag of told.
func (c *confirms) confirm(tag uint64, multiple bool, drops func(tag uint64) bool) (told []uint64, whole bool) {
	if c.lost {
		return nil, true
	}
	first := tag
	if multiple {
		first = c.confirmed + 1
		c.confirmed = max(c.confirmed, tag)
	}
	dropped := false
	for one := first; one <= tag; one++ {
		if _, open := c.unconfirmed[one]; !open {
			continue
		}
		delete(c.unconfirmed, one)
		if drops(one) {
			dropped = true
		} else {
			told = append(told, one)
		}
	}
	c.lossy = c.lossy || dropped
	if !dropped && (!multiple || !c.lossy) {
		return nil, true
	}
	return told, false
}
