package amqplink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// peer is a small broker with one queue, q, and the default exchange. It notes what no client may do.
type peer struct {
	address string

	mu       sync.Mutex
	queue    []queued
	sessions map[*session]struct{}
	received int
	acked    int
	wrong    []string
	random   *rand.Rand // nil: bytes are written as they are
}

type queued struct {
	header, body []byte // the header's payload
	redelivered  bool
}

// session is a connection of the peer. peer.mu guards it.
type session struct {
	peer     *peer
	conn     net.Conn
	out      *bufio.Writer
	channels map[uint16]*peerChannel
}

type peerChannel struct {
	consumer  string
	consumes  bool
	noAck     bool
	confirms  bool
	published uint64
	tag       uint64
	open      map[uint64]queued
	closing   bool
	content   *queued
	left      uint64
}

func newPeer(t testing.TB, random *rand.Rand) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{address: l.Addr().String(), sessions: make(map[*session]struct{}), random: random}
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for s := range p.sessions {
			s.conn.Close()
		}
		wrong := p.wrong
		p.mu.Unlock()
		all.Wait()
		for _, w := range wrong {
			t.Error("the broker saw ", w)
		}
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(c) })
		}
	})
	return p
}

// chunks writes in pieces of random sizes.
type chunks struct {
	to     io.Writer
	random *rand.Rand
}

func (c chunks) Write(b []byte) (n int, err error) {
	for n < len(b) {
		m, err := c.to.Write(b[n:min(len(b), n+1+c.random.IntN(40))])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (p *peer) serve(c net.Conn) {
	s := &session{peer: p, conn: c, channels: make(map[uint16]*peerChannel)}
	s.out = bufio.NewWriter(c)
	if p.random != nil {
		s.out = bufio.NewWriterSize(chunks{c, p.random}, 1<<16)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	hello := make([]byte, len(greeting))
	if _, err := io.ReadFull(r, hello); err != nil || string(hello) != greeting {
		return
	}
	p.mu.Lock()
	p.sessions[s] = struct{}{}
	s.write(frameOf(0, 10<<16|10, append([]byte{0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 'P', 'L', 'A', 'I', 'N', 0, 0, 0, 5}, "en_US"...)...))
	p.mu.Unlock()
	for {
		h, err := readHead(r)
		if err != nil {
			break
		}
		frame, err := readWhole(r, h)
		if err != nil {
			break
		}
		p.mu.Lock()
		err = s.handle(h, frame)
		p.deliver()
		p.mu.Unlock()
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s)
	for _, ch := range s.channels {
		p.requeue(ch)
	}
	p.deliver()
}

func (s *session) write(frames ...[]byte) {
	for _, f := range frames {
		_, _ = s.out.Write(f)
	}
	_ = s.out.Flush()
}

// requeue puts back what a channel has not settled.
func (p *peer) requeue(ch *peerChannel) {
	for _, m := range ch.open {
		m.redelivered = true
		p.queue = append(p.queue, m)
	}
	ch.open = make(map[uint64]queued)
}

// deliver sends what is queued to the first consumer.
func (p *peer) deliver() {
	for s := range p.sessions {
		for number, ch := range s.channels {
			for ch.consumes && !ch.closing && len(p.queue) > 0 {
				m := p.queue[0]
				p.queue = p.queue[1:]
				s.give(number, ch, m)
			}
		}
	}
}

func (s *session) give(number uint16, ch *peerChannel, m queued) {
	ch.tag++
	if !ch.noAck {
		ch.open[ch.tag] = m
	}
	a := shortText(ch.consumer)
	a = binary.BigEndian.AppendUint64(a, ch.tag)
	flag := byte(0)
	if m.redelivered {
		flag = 1
	}
	a = append(append(a, flag, 0), shortText("q")...)
	s.write(frameOf(number, basicDeliver, a...), contentFrame(headerFrame, number, m.header))
	for body := m.body; len(body) > 0; {
		n := min(len(body), 1000)
		s.write(contentFrame(bodyFrame, number, body[:n]))
		body = body[n:]
	}
}

func contentFrame(kind byte, number uint16, payload []byte) []byte {
	b := append([]byte{kind}, byte(number>>8), byte(number))
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(append(b, payload...), frameEnd)
}

func (p *peer) violation(format string, args ...any) {
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

var errPeerDone = errors.New("done")

func (s *session) handle(h head, frame []byte) error {
	p := s.peer
	ch := s.channels[h.channel]
	if h.kind == heartbeatFrame {
		s.write(heartbeat)
		return nil
	}
	if h.kind != methodFrame {
		if ch == nil || ch.closing {
			return nil
		}
		if ch.content == nil {
			p.violation("content without a publish")
			return errPeerDone
		}
		payload := append([]byte(nil), frame[headSize:len(frame)-1]...)
		if h.kind == headerFrame {
			ch.content.header, ch.left = payload, bodySize(frame)
		} else {
			ch.content.body = append(ch.content.body, payload...)
			ch.left -= uint64(h.size)
		}
		if ch.left == 0 {
			p.queue = append(p.queue, *ch.content)
			p.received++
			ch.content = nil
			if ch.confirms {
				ch.published++
				s.write(frameOf(h.channel, basicAck, append(binary.BigEndian.AppendUint64(nil, ch.published), 0)...))
			}
		}
		return nil
	}
	return s.method(h.channel, ch, frame)
}

func (s *session) method(number uint16, ch *peerChannel, frame []byte) error {
	p, a := s.peer, arguments(frame)
	m := methodOf(frame)
	if number > 0 && m != channelOpen && ch == nil {
		p.violation("method %x on channel %d, which is closed", uint32(m), number)
		return errPeerDone
	}
	if ch != nil && ch.closing && m != channelClose && m != channelCloseOK {
		return nil
	}
	switch m {
	case connectionStartOK:
		s.write(frameOf(0, 10<<16|30, 0, 100, 0, 2, 0, 0, 0, 60))
	case 10<<16 | 40:
		s.write(frameOf(0, 10<<16|41, 0))
	case 10<<16 | 50:
		s.write(frameOf(0, 10<<16|51))
	case channelOpen:
		if ch != nil {
			p.violation("channel %d opened twice", number)
		}
		s.channels[number] = &peerChannel{open: make(map[uint64]queued)}
		s.write(frameOf(number, 20<<16|11, 0, 0, 0, 0))
	case channelClose:
		if !ch.closing { // else its own close is to be answered
			p.requeue(ch)
			delete(s.channels, number)
		}
		s.write(frameOf(number, channelCloseOK))
	case channelCloseOK:
		delete(s.channels, number)
	case 60<<16 | 10: // qos
		s.write(frameOf(number, 60<<16|11))
	case confirmSelect:
		ch.confirms = true
		s.write(frameOf(number, 85<<16|11))
	case basicConsume:
		a.take(2)
		a.text()
		ch.consumer = a.text()
		ch.consumes, ch.noAck = true, a.octet()&2 != 0
		s.write(frameOf(number, basicConsumeOK, shortText(ch.consumer)...))
	case basicCancel:
		ch.consumes = false
		s.write(frameOf(number, basicCancelOK, shortText(ch.consumer)...))
	case basicPublish:
		ch.content = new(queued)
	case basicRecover:
		p.requeue(ch)
		s.write(frameOf(number, basicRecoverOK))
	case basicAck, basicNack, basicReject:
		tag, bits := a.long(), a.octet()
		multiple, requeue := m != basicReject && bits&1 != 0, m == basicNack && bits&2 != 0 || m == basicReject && bits&1 != 0
		if _, ok := ch.open[tag]; !ok {
			p.violation("tag %d, which is not open", tag)
			return errPeerDone
		}
		for one, q := range ch.open {
			if one == tag || multiple && one <= tag {
				delete(ch.open, one)
				if requeue {
					q.redelivered = true
					p.queue = append(p.queue, q)
				} else {
					p.acked++
				}
			}
		}
	}
	return nil
}

// closes closes a channel in the peer's own name.
func (s *session) closes(number uint16) {
	ch := s.channels[number]
	if ch == nil || ch.closing {
		return
	}
	ch.closing = true
	s.peer.requeue(ch)
	s.write(closing(number, 406, "of the broker's own"))
}
