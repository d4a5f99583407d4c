package unary

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/drivers"
)

// A call that ended is not among those whose bodies wait, however it ended.
func TestEndedCallHoldsNoPlace(t *testing.T) {
	for name, end := range map[string]func(p *peer, stream uint32){
		"timeout": func(*peer, uint32) {},
		"reset":   func(p *peer, stream uint32) { p.WriteRSTStream(stream, http2.ErrCodeInternal) },
		"answer": func(p *peer, stream uint32) {
			p.fields(stream, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5")
		},
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, func(p *peer) {
				for stream := p.begun(); stream != 0; stream = p.begun() {
					end(p, stream)
				}
			}))
			timeout := long
			if name == "timeout" {
				timeout = 20 * time.Millisecond
			}
			caller := ch.NewCaller()
			for range 3 {
				r := caller.Do(within(t, timeout), nil, nil)
				for ; r.Sent == 0 && timeout < long; r = caller.Do(within(t, timeout), nil, nil) {
					timeout *= 2 // on a busy machine the time was over before the call was sent
				}
				if r.Sent != 1 {
					t.Fatalf("%+v", r)
				}
			}
			c := ch.standing()
			if held := c.count(func() int { return len(c.held) }); held > 0 {
				t.Errorf("%d are held", held)
			}
		})
	}
}

// An answer may be exactly as large as the limit, and exactly as long as it says.
func TestAnswerToTheByte(t *testing.T) {
	const most = 1 << 20
	for name, test := range map[string]struct {
		body  []byte
		fault string
	}{
		"the limit":      {framed(make([]byte, most)), ""},
		"one more":       {framed(make([]byte, most+1)), drivers.CodeTooLarge},
		"one is lacking": {framed(make([]byte, 9))[:prefix+8], drivers.CodeMalformed},
		"one too many":   {append(framed(make([]byte, 9)), 0), drivers.CodeMalformed},
		"no length":      {framed(nil)[:prefix-1], drivers.CodeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel(t, startTarget(t, nil, func(p *peer) {
				stream := p.request()
				p.begin(stream)
				for b := test.body; len(b) > 0; {
					n := min(len(b), firstFrame)
					p.WriteData(stream, false, b[:n])
					b = b[n:]
				}
				p.fields(stream, true, "grpc-status", "0")
				p.request()
			}))
			if r := ch.NewCaller().Do(within(t, long), nil, nil); r.Fault != test.fault || test.fault == "" && len(r.Message) != most {
				t.Errorf("%q (%s), %d bytes", r.Fault, r.Text, len(r.Message))
			}
		})
	}
}

// Received bytes are returned to the target's window exactly once, with the padding.
func TestWindowReturned(t *testing.T) {
	const frames, size, padding = 3000, 4000, 255
	given := make(map[uint32]int)
	var stream uint32
	target := startTarget(t, nil, func(p *peer) {
		stream = p.request()
		p.begin(stream)
		for i := range frames {
			part := make([]byte, size)
			if i == 0 {
				copy(part, framed(make([]byte, frames*size-prefix)))
			}
			p.WriteDataPadded(stream, false, part[:size], make([]byte, padding))
		}
		// The answer ends after the ping's answer, so that the next request cannot come before that one.
		p.WritePing(false, [8]byte{})
		p.next(func(f http2.Frame) bool {
			if w, ok := f.(*http2.WindowUpdateFrame); ok && p.headers[1] != nil {
				given[w.StreamID] += int(w.Increment)
			}
			_, ok := f.(*http2.PingFrame)
			return ok
		})
		p.fields(stream, true, "grpc-status", "0")
		p.fields(p.request(), true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5")
		p.request()
	})
	o := options(target)
	o.MaxMessage = frames * size
	ch := New(o)
	defer ch.Close()
	caller := ch.NewCaller()
	if r := caller.Do(within(t, long), nil, nil); r.Fault != "" || len(r.Message) != frames*size-prefix {
		t.Fatalf("%q: %d bytes", r.Text, len(r.Message))
	}
	if r := caller.Do(within(t, long), nil, nil); !r.Answered {
		t.Fatalf("%+v", r)
	}
	const all = frames * (size + 1 + padding)
	for id, window := range map[uint32]int{0: connWindow, stream: streamWindow} {
		if id == 0 {
			c := ch.standing()
			if kept := c.count(func() int { return c.unacknowledged }); given[id]+kept != all {
				t.Errorf("the connection: %d given back and %d kept, of %d", given[id], kept, all)
			}
		}
		if given[id] > all || given[id] <= all-window/2-firstFrame {
			t.Errorf("stream %d: %d given back of %d", id, given[id], all)
		}
	}
}

// The bytes read from a target are bounded while it asks for answers and does not read them.
func TestUnreadAnswers(t *testing.T) {
	const most = 4 * outBound / 17 // pings, with an answer of 17 bytes each
	var talk sync.WaitGroup
	o := options("pipe:1")
	pings := 0
	o.Dial = func(context.Context) (net.Conn, error) {
		a, b := net.Pipe()
		talk.Go(func() {
			defer b.Close()
			begun := make(chan struct{})
			go func() { // the preface, settings, and the acknowledgement of ours
				io.CopyN(io.Discard, b, int64(len(http2.ClientPreface)+9+3*6+9+4+9))
				close(begun)
			}()
			framer := http2.NewFramer(b, nil)
			framer.WriteSettings()
			<-begun
			b.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			for pings < most && framer.WritePing(false, [8]byte{}) == nil {
				pings++
			}
		})
		return a, nil
	}
	ch := New(o)
	if r := ch.NewCaller().Do(within(t, long), nil, nil); r.Answered {
		t.Errorf("%+v", r)
	}
	ch.Close()
	talk.Wait()
	if pings >= most {
		t.Errorf("%d pings were read", pings)
	}
}

// A connection runs out of stream numbers, and the next call makes a new connection.
func TestStreamNumbersRunOut(t *testing.T) {
	ch := newChannel(t, startTarget(t, nil, echo))
	caller := ch.NewCaller()
	if r := caller.Do(within(t, long), nil, nil); !r.Answered {
		t.Fatalf("%+v", r)
	}
	first := ch.standing()
	first.count(func() int {
		first.next = maxStream - 1
		return 0
	})
	for range 3 {
		if r := caller.Do(within(t, long), []byte("m"), nil); string(r.Message) != "m" || r.Sent != 1 {
			t.Errorf("%+v", r)
		}
	}
	if second := ch.standing(); second == first || first.next != maxStream+1 {
		t.Errorf("the number after the last is %d, on another connection: %v", first.next, second != first)
	}
	until(t, func() bool {
		ch.mu.Lock()
		defer ch.mu.Unlock()
		return len(ch.live) == 1
	})
}

// A call that waits for room gets it when the target reads on, even if the target answers no call.
func TestRoomAgain(t *testing.T) {
	const calls = 100 // more than fit into two buffers
	var talk sync.WaitGroup
	full, came := make(chan struct{}), 0
	o := options("pipe:1")
	o.Dial = func(context.Context) (net.Conn, error) {
		a, b := net.Pipe()
		talk.Go(func() {
			defer b.Close()
			io.CopyN(io.Discard, b, int64(len(http2.ClientPreface)))
			p := newPeer(t, b)
			p.ReadFrame() // settings, and a window
			p.ReadFrame()
			p.WriteSettings()
			<-full
			b.SetReadDeadline(time.Now().Add(long))
			for came < calls && p.begun() != 0 {
				came++
			}
		})
		return a, nil
	}
	ch := New(o)
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			ch.NewCaller().Do(within(t, 2*long), nil, []hpack.HeaderField{Field("much", strings.Repeat("~", 10_000))})
		})
	}
	until(t, func() bool {
		c := ch.standing()
		return c != nil && c.count(func() int { return len(c.waiting) + len(c.streams) }) == calls
	})
	close(full)
	talk.Wait()
	if came != calls {
		t.Errorf("%d of %d came", came, calls)
	}
	ch.Close()
	all.Wait()
}

// A draining connection without calls is closed.
func TestDrainedConnectionCloses(t *testing.T) {
	ended := make(chan struct{})
	ch := newChannel(t, startTarget(t, nil, func(p *peer) {
		stream := p.request()
		p.answer(stream, nil)
		p.WriteGoAway(stream, http2.ErrCodeNo, nil)
		p.request()
		close(ended)
	}))
	if r := ch.NewCaller().Do(within(t, long), nil, nil); !r.Answered {
		t.Errorf("%+v", r)
	}
	select {
	case <-ended:
	case <-time.After(long):
		t.Error("it stands")
	}
}
