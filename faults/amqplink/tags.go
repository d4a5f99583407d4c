package amqplink

import (
	"math"
	"slices"
)

// maxOpen bounds the unacknowledged deliveries that are followed on a channel. A channel with more is not followed any more, and no
// fault delivers on it again or out of order.
const maxOpen = 1 << 18

// unknownTag is a delivery tag that no broker gives.
const unknownTag = math.MaxInt64

// tags translates a channel's delivery tags: the broker's, by which messages came, and the client's, which count what the client
// got. They differ once a message was given twice, or before another that came earlier. The first of several acknowledgements of one
// message counts. It is not safe for concurrent use.
type tags struct {
	given   uint64             // the client's last tag
	settled uint64             // the client's tags up to this one are settled
	open    map[uint64]*opened // by the client's tag: what it has not settled
	atHome  []uint64           // the broker's tags that are not settled, ascending
	differ  bool
	lost    bool // too many are open: tags are not translated any more
}

// opened is a message that came from the broker. Several of the client's tags may stand for it.
type opened struct {
	tag     uint64 // the broker's
	settled bool
}

// comes notes a message of the broker that the client has to settle.
func (t *tags) comes(tag uint64) *opened {
	if t.lost {
		return nil
	}
	if !t.differ && len(t.atHome) >= maxOpen {
		*t = tags{lost: true}
		return nil
	}
	t.atHome = append(t.atHome, tag)
	return &opened{tag: tag}
}

// overrun says that more is open than can be followed, on a channel whose tags must be translated.
func (t *tags) overrun() bool { return t.differ && len(t.atHome) > 4*maxOpen }

// gives returns the client's tag of a message that it gets now. o is nil for a message that nobody settles.
func (t *tags) gives(tag uint64, o *opened) uint64 {
	if t.lost {
		return tag
	}
	t.given++
	t.differ = t.differ || t.given != tag
	if o != nil {
		if t.open == nil {
			t.open = make(map[uint64]*opened)
		}
		t.open[t.given] = o
	}
	return t.given
}

// settlement is what the broker gets in place of an acknowledgement.
type settlement struct {
	tags     []uint64 // the broker's
	multiple bool     // the last of them stands for all
}

// settles translates an acknowledgement.
func (t *tags) settles(tag uint64, multiple bool) settlement {
	if t.lost {
		return settlement{[]uint64{tag}, multiple}
	}
	if multiple && tag == 0 {
		return t.upTo(t.given)
	}
	o, known := t.open[tag]
	switch {
	case !known && t.differ:
		return settlement{tags: []uint64{unknownTag}, multiple: multiple} // the broker tells the client of its error
	case !known:
		return settlement{[]uint64{tag}, multiple}
	case multiple:
		return t.upTo(tag)
	}
	delete(t.open, tag)
	for t.settled < t.given && t.open[t.settled+1] == nil {
		t.settled++
	}
	if o.settled {
		return settlement{}
	}
	o.settled = true
	t.leaves(o.tag)
	return settlement{tags: []uint64{o.tag}}
}

// upTo settles all of the client's tags up to one.
func (t *tags) upTo(last uint64) settlement {
	var all []uint64
	for tag := t.settled + 1; tag <= last; tag++ {
		o := t.open[tag]
		delete(t.open, tag)
		if o != nil && !o.settled {
			o.settled = true
			all = append(all, o.tag)
		}
	}
	t.settled = max(t.settled, last)
	slices.Sort(all)
	if len(all) > 1 && slices.Equal(all, t.atHome[:min(len(all), len(t.atHome))]) {
		t.atHome = t.atHome[len(all):]
		return settlement{all[len(all)-1:], true}
	}
	for _, tag := range all {
		t.leaves(tag)
	}
	return settlement{tags: all}
}

// leaves takes a settled tag off the broker's.
func (t *tags) leaves(tag uint64) {
	at, found := slices.BinarySearch(t.atHome, tag)
	switch {
	case !found:
	case at == 0:
		t.atHome = t.atHome[1:]
	default:
		t.atHome = slices.Delete(t.atHome, at, at+1)
	}
}

// forgets drops what is open: the broker delivers it anew, with new tags.
func (t *tags) forgets() {
	for _, o := range t.open {
		o.settled = true
	}
	t.open, t.atHome, t.settled = nil, nil, t.given
}
