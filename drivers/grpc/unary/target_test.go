package unary

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"wringer/drivers/drivertest"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/drivers/drivertest/tier"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

// script is the target's behaviour on one connection, after both sides have started HTTP/2. It ends the connection by
// returning.
type script func(p *peer)

// peer is the target's side of one connection. It reads frames, and keeps the parts of requests.
type peer struct {
	*http2.Framer
	t       testing.TB
	raw     net.Conn
	encoded bytes.Buffer
	encoder *hpack.Encoder
	headers map[uint32]*http2.MetaHeadersFrame
	bodies  map[uint32][]byte
	resets  map[uint32]http2.ErrCode
	pings   int // answered
}

func newPeer(t testing.TB, c net.Conn) *peer {
	p := &peer{Framer: http2.NewFramer(c, c), t: t, raw: c, headers: make(map[uint32]*http2.MetaHeadersFrame),
		bodies: make(map[uint32][]byte), resets: make(map[uint32]http2.ErrCode)}
	p.encoder = hpack.NewEncoder(&p.encoded)
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return p
}

// next reads until want accepts a frame. It returns false at the end of the connection.
func (p *peer) next(want func(http2.Frame) bool) bool {
	for {
		frame, err := p.ReadFrame()
		if err != nil {
			return false
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			p.headers[f.StreamID] = f
		case *http2.DataFrame:
			p.bodies[f.StreamID] = append(p.bodies[f.StreamID], f.Data()...)
		case *http2.RSTStreamFrame:
			p.resets[f.StreamID] = f.ErrCode
		case *http2.PingFrame:
			p.pings++
		}
		if want(frame) {
			return true
		}
	}
}

// request reads until a request is complete, and returns its stream; 0 at the end of the connection.
func (p *peer) request() (stream uint32) {
	p.next(func(f http2.Frame) bool {
		d, ok := f.(*http2.DataFrame)
		if ok && d.StreamEnded() {
			stream = d.StreamID
		}
		return stream != 0
	})
	return stream
}

// begun reads until the headers of a request, and returns its stream.
func (p *peer) begun() (stream uint32) {
	p.next(func(f http2.Frame) bool {
		h, ok := f.(*http2.MetaHeadersFrame)
		if ok {
			stream = h.StreamID
		}
		return ok
	})
	return stream
}

func (p *peer) fields(stream uint32, end bool, pairs ...string) {
	p.encoded.Reset()
	for i := 0; i < len(pairs); i += 2 {
		p.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.encoded.Bytes(), EndStream: end, EndHeaders: true})
}

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// begin sends the headers of an answer.
func (p *peer) begin(stream uint32) {
	p.fields(stream, false, ":status", "200", "content-type", "application/grpc")
}

// answer answers a request with a message.
func (p *peer) answer(stream uint32, message []byte) {
	p.begin(stream)
	for b := framed(message); len(b) > 0; {
		n := min(len(b), firstFrame)
		p.WriteData(stream, false, b[:n])
		b = b[n:]
	}
	p.fields(stream, true, "grpc-status", "0")
}

// echo answers each request with its own message, until the connection ends.
func echo(p *peer) {
	for stream := p.request(); stream != 0; stream = p.request() {
		p.answer(stream, p.bodies[stream][prefix:])
	}
}

// startTarget starts a target that follows one script a connection, the last one for all further connections.
// settings are the target's.
func startTarget(t testing.TB, settings []http2.Setting, scripts ...script) (address string) {
	t.Helper()
	var raw []func(*drivertest.RawConn)
	for _, follow := range scripts {
		raw = append(raw, func(c *drivertest.RawConn) {
			if !c.Skip(len(http2.ClientPreface)) {
				return
			}
			p := newPeer(t, c)
			p.WriteSettings(settings...)
			follow(p)
		})
	}
	return drivertest.ServeRaw(t, raw...).Address()
}

var epoch = time.Now()

func options(address string) Options {
	return Options{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		Timeout:    20 * time.Second,
		Clock:      func() time.Duration { return time.Since(epoch) },
		Scheme:     "http",
		Authority:  address,
		Path:       "/test.Echo/Echo",
		MaxHeaders: 64 << 10,
		MaxMessage: 1 << 20,
		Opened:     func() {},
		Closed:     func() {},
	}
}

// newChannel returns a channel to a target. The test closes it.
func newChannel(t testing.TB, address string) *Channel {
	ch := New(options(address))
	t.Cleanup(ch.Close)
	return ch
}

// within is a context with a deadline that no call of a test should reach.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func (ch *Channel) standing() *conn {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.conn
}

func (c *conn) count(of func() int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return of()
}

// until waits for other goroutines to make a condition true.
func until(t *testing.T, what func() bool) {
	t.Helper()
	for ends := time.Now().Add(long); !what(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(ends) {
			t.Fatal("it does not happen")
		}
	}
}
