package amqplink

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"wringer/drivers/drivertest/tier"
	"wringer/faults/faulttest"
)

// honest is a client that does what the protocol allows, at random, on several channels. It notes what no broker may do.
type honest struct {
	conn   net.Conn
	out    io.Writer
	random *rand.Rand

	mu       sync.Mutex
	channels [3]honestChannel
	wrong    []string
}

type honestChannel struct {
	opening, open       bool
	closing             bool // its close is not answered yet
	recovering          bool
	consuming, consumer bool // asked for; answered
	noAck               bool
	last                uint64   // the last delivery's tag
	unsettled           []uint64 // ascending
	header              bool     // a delivery's header is to come
	left                uint64
}

func (c *honest) say(frames ...[]byte) { _, _ = c.out.Write(slices.Concat(frames...)) }

func (c *honest) violation(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// listen follows what the broker says, until the connection ends.
func (c *honest) listen() {
	r := bufio.NewReader(c.conn)
	for {
		h, err := readHead(r)
		if err != nil {
			return
		}
		frame, err := readWhole(r, h)
		if err != nil {
			return
		}
		if h.channel > 0 {
			c.mu.Lock()
			c.hear(h, frame, &c.channels[h.channel-1])
			c.mu.Unlock()
		}
	}
}

func (c *honest) hear(h head, frame []byte, ch *honestChannel) {
	switch h.kind {
	case headerFrame:
		if !ch.header {
			c.violation("a header without a delivery on channel %d", h.channel)
		}
		ch.header, ch.left = false, bodySize(frame)
		return
	case bodyFrame:
		if ch.left < uint64(h.size) {
			c.violation("a body of %d bytes, %d were to come", h.size, ch.left)
		}
		ch.left -= uint64(h.size)
		return
	}
	m := methodOf(frame)
	if ch.header || ch.left > 0 {
		c.violation("method %x in the middle of a message", uint32(m))
	}
	if !ch.open && !ch.opening && m != channelCloseOK {
		c.violation("method %x on channel %d, which is closed", uint32(m), h.channel)
	}
	switch m {
	case 20<<16 | 11:
		ch.opening, ch.open = false, true
	case channelClose:
		closing := ch.closing
		*ch = honestChannel{closing: closing, open: closing}
		c.say(frameOf(h.channel, channelCloseOK))
	case channelCloseOK:
		*ch = honestChannel{}
	case basicConsumeOK:
		ch.consumer = true
	case basicCancelOK:
		ch.consuming, ch.consumer = false, false
	case basicRecoverOK:
		ch.recovering = false
	case basicDeliver:
		a := arguments(frame)
		a.text()
		tag := a.long()
		if tag != ch.last+1 {
			c.violation("tag %d after %d on channel %d", tag, ch.last, h.channel)
		}
		ch.last, ch.header = tag, true
		if !ch.noAck && !ch.recovering && !ch.closing {
			ch.unsettled = append(ch.unsettled, tag)
		}
	}
}

// acts does one thing on a channel.
func (c *honest) acts(number uint16, calm bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := &c.channels[number-1]
	switch {
	case ch.closing || ch.opening:
		return
	case !ch.open:
		ch.opening = true
		c.say(frameOf(number, channelOpen, 0))
		return
	}
	what := c.random.IntN(20)
	switch {
	case !ch.consuming && !ch.recovering:
		ch.consuming = true
		ch.noAck = !calm && len(ch.unsettled) == 0 && c.random.IntN(6) == 0
		bits := byte(0)
		if ch.noAck {
			bits = 2
		}
		c.say(frameOf(number, basicConsume, slices.Concat([]byte{0, 0}, shortText("q"), shortText("t"), []byte{bits, 0, 0, 0, 0})...))
	case !calm && what < 5:
		c.publish(number)
	case !calm && what == 5 && ch.consumer:
		ch.consumer = false
		c.say(frameOf(number, basicCancel, append(shortText("t"), 0)...))
	case !calm && what == 6 && !ch.recovering:
		ch.recovering, ch.unsettled = true, nil
		c.say(frameOf(number, basicRecover, 1))
	case !calm && what == 7:
		ch.closing, ch.unsettled = true, nil
		c.say(frameOf(number, channelClose, 0, 200, 0, 0, 0, 0, 0))
	default:
		c.settles(number, ch, calm)
	}
}

func (c *honest) publish(number uint16) {
	size := c.random.IntN(300)
	header := binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, uint64(size))
	frames := [][]byte{frameOf(number, basicPublish, slices.Concat([]byte{0, 0}, shortText(""), shortText("q"), []byte{0})...), contentFrame(headerFrame, number, append(header, 0, 0))}
	for size > 0 {
		n := min(size, 1+c.random.IntN(200))
		frames = append(frames, contentFrame(bodyFrame, number, make([]byte, n)))
		size -= n
	}
	c.say(frames...)
}

// settles acknowledges, rejects or gives back some deliveries.
func (c *honest) settles(number uint16, ch *honestChannel, calm bool) {
	if len(ch.unsettled) == 0 {
		return
	}
	at := c.random.IntN(len(ch.unsettled))
	tag, multiple := ch.unsettled[at], c.random.IntN(2) == 0
	m, bits := basicAck, byte(0)
	if !calm {
		m = []method{basicAck, basicAck, basicNack, basicReject}[c.random.IntN(4)]
	}
	requeue := c.random.IntN(2) == 0
	switch {
	case m == basicReject:
		multiple = false
		if requeue {
			bits = 1
		}
	case multiple:
		bits = 1 // never tag 0, which would settle what is still under way
	}
	if m == basicNack && requeue {
		bits |= 2
	}
	c.say(frameOf(number, m, append(binary.BigEndian.AppendUint64(nil, tag), bits)...))
	if multiple {
		ch.unsettled = slices.Clone(ch.unsettled[at+1:])
	} else {
		ch.unsettled = slices.Delete(slices.Clone(ch.unsettled), at, at+1)
	}
}

// The client is honest, and faults act on its deliveries. The broker never sees a tag that is unknown or settled. The client sees
// ascending tags and whole messages on open channels. At the end all is settled.
func TestRandomInterleavings(t *testing.T) {
	for round := range tier.Rounds(t, 60, 12) {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			interleave(t, uint64(round))
		})
	}
}

func interleave(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	p := newPeer(t, rand.New(rand.NewPCG(seed, 2)))
	r := newRig(t, p.address)
	acts := []Act{{Duplicate: 0.3}, {Reorder: 0.3}, {DelayDeliveries: 2 * time.Millisecond, Share: 0.2}, {Corrupt: 0.1}, {CloseChannel: 406, Share: 0.02}}
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	c := &honest{conn: conn, random: random, out: chunks{conn, rand.New(rand.NewPCG(seed, 3))}}
	var all sync.WaitGroup
	all.Go(c.listen)
	defer all.Wait()
	defer conn.Close()
	c.say([]byte(greeting))
	var inForce []*Fault
	for step := range 400 {
		if step == 20 { // some is open before
			for _, a := range acts {
				if random.IntN(3) > 0 {
					inForce = append(inForce, r.inject(t, a))
				}
			}
		}
		if step%100 == 99 {
			p.closesAny(random)
		}
		c.acts(uint16(1+random.IntN(len(c.channels))), false)
		if random.IntN(4) == 0 {
			time.Sleep(time.Duration(random.IntN(500)) * time.Microsecond)
		}
	}
	for _, f := range inForce {
		faulttest.Heal(t, f)
	}
	for bound := time.Now().Add(patience); !p.settled(); {
		c.acts(uint16(1+random.IntN(len(c.channels))), true)
		time.Sleep(200 * time.Microsecond)
		if time.Now().After(bound) {
			p.mu.Lock()
			c.mu.Lock()
			t.Errorf("%d of %d messages are settled, %d queued; the client: %+v", p.acked, p.received, len(p.queue), c.channels)
			c.mu.Unlock()
			p.mu.Unlock()
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.wrong {
		t.Error("the client saw ", w)
	}
}

// closesAny closes a channel in the peer's own name.
func (p *peer) closesAny(random *rand.Rand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sessions {
		s.closes(uint16(1 + random.IntN(3)))
	}
}

// settled says whether every message that came was settled.
func (p *peer) settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	open := 0
	for s := range p.sessions {
		for _, ch := range s.channels {
			open += len(ch.open)
		}
	}
	return len(p.queue) == 0 && open == 0 || len(p.wrong) > 0
}
