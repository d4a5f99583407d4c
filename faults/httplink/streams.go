package httplink

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"wringer/faults/request"
)

const preface = http2.ClientPreface

// streams carries a connection of HTTP/2.
type streams struct {
	*conn
	up, down *side // towards the target, and the client

	mu        sync.Mutex
	last      uint32 // the highest stream number that the client opened
	open      map[uint32]*stream
	swallowed []uint32 // the swallowed streams in open, oldest first

	greeted chan struct{} // closed once the client has the target's first frame, the settings; no other frame may precede that one
	greet   sync.Once
	timers  sync.WaitGroup // of delayed frames
}

// stream is a stream that a fault acts on.
type stream struct {
	fault     *Fault
	size      int  // of the request's headers
	changed   bool // the fault changed the answer; guarded by down.mu
	swallowed bool // the target does not know the stream
	answered  bool // the answer's headers came
	truncated bool // the rest of the stream is dropped
	passed    int  // bytes of the answer's body passed so far
	grpc      bool
	holding   bool // frames for the client wait in held
	held      [][]byte
}

func newStreams(c *conn) *streams {
	return &streams{conn: c, up: newSide(c.Target), down: newSide(c.Client), open: make(map[uint32]*stream), greeted: make(chan struct{})}
}

// requests carries the client's frames.
func (s *streams) requests(r *bufio.Reader) error {
	hello := make([]byte, len(preface))
	if _, err := io.ReadFull(r, hello); err != nil {
		return err
	}
	if _, err := s.Target.Write(hello); err != nil {
		return err
	}
	in := newFrames(r)
	for {
		f, err := in.next()
		if err != nil {
			return err
		}
		if err := s.fromClient(f); err != nil {
			return err
		}
	}
}

// answers carries the target's frames.
func (s *streams) answers() error {
	defer s.timers.Wait()
	in := newFrames(bufio.NewReaderSize(s.Target, maxHead))
	for {
		f, err := in.next()
		if err == nil {
			err = s.fromTarget(f)
			s.greet.Do(func() { close(s.greeted) })
		}
		if err != nil {
			s.End(err) // delayed frames end with it
			return err
		}
	}
}

func (s *streams) fromClient(f *frame) error {
	s.mu.Lock()
	st := s.open[f.StreamID]
	fresh := f.Type == http2.FrameHeaders && f.StreamID > s.last
	if fresh {
		s.last = f.StreamID
	}
	s.mu.Unlock()
	if fresh {
		return s.request(f)
	}
	if st == nil || !st.swallowed {
		if f.Type == http2.FrameRSTStream {
			s.forget(f.StreamID)
		}
		return s.up.write(f)
	}
	if f.Type == http2.FrameData && len(f.payload) > 0 {
		return s.down.returnWindow(f.StreamID, len(f.payload))
	}
	return nil
}

// maxLost bounds the swallowed streams of a connection that are remembered.
const maxLost = 1 << 14

// remember adds a stream. A swallowed one is remembered after its end, because the client's cancel may cross our
// answer. The target must not get a frame of a stream that it never saw (RFC 9113, section 5.1: a connection error).
func (s *streams) remember(id uint32, st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[id] = st
	if !st.swallowed {
		return
	}
	s.swallowed = append(s.swallowed, id)
	if len(s.swallowed) > maxLost {
		delete(s.open, s.swallowed[0])
		s.swallowed = s.swallowed[1:]
	}
}

func (s *streams) forget(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}

// request carries the headers of a new request, or applies a fault to it.
func (s *streams) request(f *frame) error {
	header := make(http.Header)
	for _, h := range f.fields {
		header.Add(h.Name, h.Value)
	}
	// Pseudo-headers are not canonical names, and stay as they are.
	fault := s.layer.pick(true, pseudo(f, ":method"), pseudo(f, ":path"), header)
	if fault == nil {
		return s.up.write(f)
	}
	n := s.number(fault)
	a := &fault.act
	switch {
	case a.Cut > 0 && n >= a.Cut:
		s.meets(fault, f.size)
		return request.ErrCut
	case a.Cut > 0:
		return s.up.write(f)
	}
	st := &stream{fault: fault, size: f.size, swallowed: a.Status > 0 || a.GRPC != "" || a.Discard,
		grpc: strings.HasPrefix(header.Get("Content-Type"), "application/grpc")}
	s.remember(f.StreamID, st)
	switch {
	case !st.swallowed:
		return s.up.write(f)
	}
	s.meets(fault, f.size)
	switch {
	case a.Discard:
		fault.Silences(s.Ends)
		return nil
	}
	select {
	case <-s.greeted:
		return s.down.write(a.answerFrame(f.StreamID))
	case <-s.Ended():
		return io.EOF
	}
}

func pseudo(f *frame, name string) string {
	for _, h := range f.fields {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// answerFrame is the whole answer that replaces the target's.
func (a *Act) answerFrame(id uint32) *frame {
	f := &frame{FrameHeader: http2.FrameHeader{Type: http2.FrameHeaders, Flags: http2.FlagHeadersEndStream | http2.FlagHeadersEndHeaders, StreamID: id}}
	if a.GRPC != "" {
		f.add(":status", "200").add("content-type", "application/grpc").
			add("grpc-status", strconv.Itoa(codeOf(a.GRPC))).add("grpc-message", "injected by a fault")
		return f
	}
	f.add(":status", strconv.Itoa(a.Status)).add("content-length", "0")
	if a.RetryAfter > 0 {
		f.add("retry-after", fmt.Sprint(int(a.RetryAfter/time.Second)))
	}
	return f
}

func (s *streams) fromTarget(f *frame) error {
	s.mu.Lock()
	st := s.open[f.StreamID]
	s.mu.Unlock()
	if st == nil || f.StreamID == 0 || st.swallowed {
		return s.down.write(f)
	}
	if f.ends() {
		s.forget(f.StreamID)
	}
	head := f.Type == http2.FrameHeaders && !st.answered && !strings.HasPrefix(pseudo(f, ":status"), "1")
	st.answered = st.answered || head
	a := &st.fault.act
	switch {
	case st.truncated:
		return s.returnDropped(f, len(f.payload))
	case !st.fault.InForce():
		return s.toClient(st, f)
	case head:
		if a.Headers > 0 {
			s.hold(st, a.Headers)
		}
		err := s.toClient(st, f)
		if a.Body > 0 {
			s.hold(st, a.Body)
		}
		return err
	case f.Type == http2.FrameData && a.Corrupt:
		if st.corrupt(f) {
			s.changesNow(st)
		}
	case f.Type == http2.FrameData && a.Truncate != nil:
		return s.truncate(st, f, *a.Truncate)
	}
	return s.toClient(st, f)
}

// grpcPrefix is the length of the flag and the size before each message. A fault corrupts the body, not this framing.
const grpcPrefix = 5

// corrupt reports whether it changed a byte.
func (st *stream) corrupt(f *frame) (changed bool) {
	data := f.data()
	if st.grpc {
		skip := min(len(data), max(grpcPrefix-st.passed, 0))
		changed = corrupt(data[skip:], max(st.passed-grpcPrefix, 0))
	} else {
		changed = corrupt(data, st.passed)
	}
	st.passed += len(data)
	return changed
}

// changes counts a request whose answer a fault changed, once. The caller holds down.mu.
func (s *streams) changes(st *stream) {
	if !st.changed {
		st.changed = true
		s.meets(st.fault, st.size)
	}
}

// changesNow is changes for a caller that does not hold down.mu.
func (s *streams) changesNow(st *stream) {
	s.down.mu.Lock()
	defer s.down.mu.Unlock()
	s.changes(st)
}

// truncate ends the stream's body early. It resets the stream, because no other end may follow a short body.
func (s *streams) truncate(st *stream, f *frame, most int) error {
	data := f.data()
	if st.passed+len(data) <= most {
		st.passed += len(data)
		return s.toClient(st, f)
	}
	s.changesNow(st)
	whole := len(f.payload)
	part := bytes.Clone(data[:most-st.passed])
	st.truncated, st.passed = true, most
	f.Flags &^= http2.FlagDataEndStream | http2.FlagDataPadded
	f.payload = part
	if err := s.toClient(st, f); err != nil {
		return err
	}
	if err := s.toClient(st, reset(f.StreamID, http2.ErrCodeInternal)); err != nil {
		return err
	}
	if err := s.up.write(reset(f.StreamID, http2.ErrCodeCancel)); err != nil {
		return err
	}
	return s.up.returnConnectionWindow(whole - len(part))
}

// returnDropped returns the connection's window for a frame that is dropped.
func (s *streams) returnDropped(f *frame, size int) error {
	if f.Type != http2.FrameData || size == 0 {
		return nil
	}
	return s.up.returnConnectionWindow(size)
}

func reset(id uint32, code http2.ErrCode) *frame {
	return &frame{FrameHeader: http2.FrameHeader{Type: http2.FrameRSTStream, StreamID: id}, payload: binary.BigEndian.AppendUint32(nil, uint32(code))}
}

// toClient writes a frame, or queues it behind the waiting frames of its stream. The client's window for the stream
// bounds the queue.
func (s *streams) toClient(st *stream, f *frame) error {
	s.down.mu.Lock()
	defer s.down.mu.Unlock()
	if st.holding {
		s.changes(st)
		st.held = append(st.held, s.down.bytes(f))
		return nil
	}
	return s.down.put(s.down.bytes(f))
}

// hold makes the stream's frames wait until the delay is over, the fault is healed or the connection has ended.
func (s *streams) hold(st *stream, delay time.Duration) {
	s.down.mu.Lock()
	st.holding = true
	s.down.mu.Unlock()
	due := time.Now().Add(delay)
	s.timers.Go(func() {
		st.fault.Wait(s.Ends, due)
		s.down.mu.Lock()
		defer s.down.mu.Unlock()
		st.holding = false
		for _, b := range st.held {
			if s.down.put(b) != nil {
				break // the goroutine that reads the client gets the same error
			}
		}
		st.held = nil
	})
}
