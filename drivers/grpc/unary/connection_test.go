package unary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/drivers"
)

// A channel opens no more streams than the target allows. A call that waits in vain has sent nothing.
func TestFewStreams(t *testing.T) {
	for _, most := range []uint32{1, 3} {
		var total atomic.Int64
		ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: most}}, func(p *peer) {
			for range 3 {
				var streams []uint32
				for range most {
					streams = append(streams, p.request())
				}
				p.raw.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				if stream := p.begun(); stream != 0 {
					p.t.Errorf("stream %d was opened beside %d", stream, streams)
				}
				p.raw.SetReadDeadline(time.Time{})
				for _, stream := range streams {
					total.Add(1)
					p.answer(stream, nil)
				}
			}
			for stream := p.request(); stream != 0; stream = p.request() {
				total.Add(1)
				p.answer(stream, nil)
			}
		}))
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				caller := ch.NewCaller()
				for range 50 {
					if r := caller.Do(within(t, long), nil, nil); r.Fault != "" || !r.Answered {
						t.Errorf("%+v", r)
					}
				}
			})
		}
		all.Wait()
		if total.Load() != 500 {
			t.Errorf("%d requests", total.Load())
		}
	}
	ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}, func(p *peer) {
		if p.begun() != 0 {
			p.t.Error("a stream was opened")
		}
	}))
	if r := ch.NewCaller().Do(within(t, 50*time.Millisecond), nil, nil); r.Sent != 0 || !errors.Is(r.Err, context.DeadlineExceeded) {
		t.Errorf("%+v", r)
	}
}

// A body is sent no faster than the target's windows allow, and in frames no larger than the target accepts.
func TestWindows(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789"), 20_000)
	overrun := make(chan string, 100)
	target := startTarget(t, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1000}, {ID: http2.SettingMaxFrameSize, Val: 1 << 15}}, func(p *peer) {
		allowed := map[uint32]int{}
		whole, got := 65_535, 0
		for {
			var stream uint32
			var ended bool
			ok := p.next(func(f http2.Frame) bool {
				d, ok := f.(*http2.DataFrame)
				if ok {
					stream, ended = d.StreamID, d.StreamEnded()
					got += len(d.Data())
				}
				return ok
			})
			if !ok {
				return
			}
			if allowed[stream] == 0 {
				allowed[stream] = 1000
			}
			if len(p.bodies[stream]) > allowed[stream] || got > whole {
				overrun <- fmt.Sprintf("stream %d: %d of %d bytes, in all %d of %d", stream, len(p.bodies[stream]), allowed[stream], got, whole)
			}
			if ended {
				p.answer(stream, p.bodies[stream][prefix:])
				continue
			}
			if len(p.bodies[stream]) == allowed[stream] {
				allowed[stream] += 30_000
				p.WriteWindowUpdate(stream, 30_000)
			}
			if got == whole || whole-got < 20_000 {
				whole += 50_000
				p.WriteWindowUpdate(0, 50_000)
			}
		}
	})
	ch := newChannel(t, target)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if r := ch.NewCaller().Do(within(t, long), message, nil); !bytes.Equal(r.Message, message) {
				t.Errorf("%q: %d bytes of %d", r.Text, len(r.Message), len(message))
			}
		})
	}
	all.Wait()
	close(overrun)
	for text := range overrun {
		t.Error(text)
	}
}

// Later settings apply to current calls.
func TestSettingsChange(t *testing.T) {
	message := bytes.Repeat([]byte("x"), 5000)
	ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}, {ID: http2.SettingMaxConcurrentStreams, Val: 1}}, func(p *peer) {
		p.begun()
		p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100_000}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2},
			http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
		for range 2 {
			if p.request() == 0 {
				p.t.Error("a request did not come")
			}
		}
		for stream := range p.headers {
			p.answer(stream, p.bodies[stream][prefix:])
		}
		echo(p)
	}))
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			caller := ch.NewCaller()
			for range 3 {
				if r := caller.Do(within(t, long), message, nil); !bytes.Equal(r.Message, message) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
	all.Wait()
}

// Headers larger than the target's limit are not sent. Headers larger than a frame are sent in several frames.
func TestLargeHeaders(t *testing.T) {
	ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingMaxHeaderListSize, Val: 50_000}}, echo))
	caller := ch.NewCaller()
	if r := caller.Do(within(t, long), nil, []hpack.HeaderField{Field("much", strings.Repeat("y", 60_000))}); r.Sent != 0 || r.Err == nil {
		t.Errorf("%+v", r)
	}
	if r := caller.Do(within(t, long), nil, []hpack.HeaderField{Field("much", strings.Repeat("~", 40_000))}); r.Sent != 1 || !r.Answered || r.Fault != "" {
		t.Errorf("%+v", r)
	}
}

// A call that waits for a stream when the target goes away uses the next connection. It is not sent twice.
func TestWaitingAcrossConnections(t *testing.T) {
	var gone sync.Once
	var requests atomic.Int64
	wait := make(chan struct{}) // all callers but one wait
	ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1}}, func(p *peer) {
		for stream := p.request(); stream != 0; stream = p.request() {
			requests.Add(1)
			gone.Do(func() {
				<-wait
				p.WriteGoAway(stream, http2.ErrCodeNo, nil)
			})
			p.answer(stream, nil)
		}
	}))
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if r := ch.NewCaller().Do(within(t, long), nil, nil); r.Sent != 1 || !r.Answered || r.Fault != "" {
				t.Errorf("%+v", r)
			}
		})
	}
	until(t, func() bool {
		c := ch.standing()
		return c != nil && c.count(func() int { return len(c.waiting) }) == 4
	})
	close(wait)
	all.Wait()
	if requests.Load() != 5 {
		t.Errorf("%d requests", requests.Load())
	}
}

// Pings are answered, but a target that does not read the answers gets a bounded number.
func TestPings(t *testing.T) {
	ch := newChannel(t, startTarget(t, nil, func(p *peer) {
		stream := p.request()
		for range 10 {
			p.WritePing(false, [8]byte{1})
		}
		for p.pings < 10 && p.next(func(http2.Frame) bool { return true }) {
		}
		p.answer(stream, nil)
		p.request()
		for p.WritePing(false, [8]byte{2}) == nil {
		}
	}))
	caller := ch.NewCaller()
	if r := caller.Do(within(t, long), nil, nil); !r.Answered || r.Fault != "" {
		t.Errorf("%+v", r)
	}
	if r := caller.Do(within(t, 500*time.Millisecond), nil, nil); r.Fault != drivers.CodeTimeout {
		t.Errorf("%+v", r)
	}
	c := ch.standing()
	if c == nil {
		t.Fatal("the connection is gone")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) > 2*outBound {
		t.Errorf("%d bytes wait", len(c.out))
	}
}
