package unary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"wringer/drivers"
)

// long bounds the waits of tests. It measures nothing.
const long = time.Minute

// A call sends the given fields and message, and returns the target's answer.
func TestCall(t *testing.T) {
	heads := make(chan *http2.MetaHeadersFrame, 1)
	ch := newChannel(t, startTarget(t, nil, func(p *peer) {
		stream := p.request()
		heads <- p.headers[stream]
		p.answer(stream, p.bodies[stream][prefix:])
		echo(p)
	}))
	before := ch.options.Clock()
	r := ch.NewCaller().Do(within(t, 1500*time.Millisecond), []byte("hello"), []hpack.HeaderField{Field("who", "me"), Field("raw-bin", "\x00\xff")})
	if !r.Answered || r.Fault != "" || r.Status != codes.OK || string(r.Message) != "hello" || r.Sent != 1 || r.At < before || r.At > ch.options.Clock() {
		t.Fatalf("%+v", r)
	}
	got := make(map[string]string)
	for _, f := range (<-heads).Fields {
		got[f.Name] = f.Value
	}
	for name, want := range map[string]string{":method": "POST", ":scheme": "http", ":path": "/test.Echo/Echo", ":authority": ch.options.Authority,
		"content-type": "application/grpc", "te": "trailers", "who": "me", "raw-bin": "AP8"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if left, err := strconv.Atoi(strings.TrimSuffix(got["grpc-timeout"], "m")); err != nil || left < 1 || left > 1500 {
		t.Errorf("grpc-timeout is %q", got["grpc-timeout"])
	}
}

func TestTimeouts(t *testing.T) {
	for left, want := range map[time.Duration]string{
		-time.Minute: "1m", 0: "1m", 1: "1m", time.Millisecond: "1m", time.Millisecond + 1: "2m", time.Minute: "60000m", 99_999_999 * time.Millisecond: "99999999m",
		99_999_999*time.Millisecond + 1: "100000S", 1 << 62: "99999999S",
	} {
		if got := string(appendTimeout(nil, left)); got != want {
			t.Errorf("%s: %s, want %s", left, got, want)
		}
	}
}

// serverCodec passes bytes on.
type serverCodec struct{ encoding.CodecV2 }

func (serverCodec) Name() string { return "proto" }

func (serverCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (serverCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// A grpc-go server gets every message whole, whatever its size. Every caller gets the answer to its own call.
func TestManyAgainstGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var received atomic.Int64
	server := grpc.NewServer(grpc.ForceServerCodecV2(serverCodec{}), grpc.MaxConcurrentStreams(5), grpc.MaxRecvMsgSize(4<<20))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Echo", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Echo",
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var message []byte
			if err := decode(&message); err != nil {
				return nil, err
			}
			received.Add(1)
			switch {
			case bytes.HasPrefix(message, []byte("fail")):
				return nil, status.Error(codes.Aborted, string(message[:min(len(message), 50)])+" 100% äh\n")
			case bytes.HasPrefix(message, []byte("hang")):
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &message, nil
		}}}}, struct{}{})
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(l)
	}()
	defer func() {
		server.Stop()
		<-served
	}()
	ch := newChannel(t, l.Addr().String())
	var all sync.WaitGroup
	var sent atomic.Int64
	for n := range 12 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			caller := ch.NewCaller()
			for i := range 60 {
				kind, patience := "echo", long
				switch random.IntN(10) {
				case 0:
					kind = "fail"
				case 1:
					kind, patience = "hang", 20*time.Millisecond
				}
				message := fmt.Appendf(nil, "%s %d %d ", kind, n, i)
				if random.IntN(3) == 0 {
					message = append(message, bytes.Repeat([]byte{byte(i)}, random.IntN(900_000))...)
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				r := caller.Do(ctx, message, nil)
				cancel()
				sent.Add(int64(r.Sent))
				switch {
				case r.Sent > 1:
					t.Errorf("sent %d times", r.Sent)
				case kind == "echo" && (!r.Answered || r.Fault != "" || r.Status != codes.OK || !bytes.Equal(r.Message, message)):
					t.Errorf("%v %q %q, %d bytes of %d", r.Status, r.Fault, r.Text, len(r.Message), len(message))
				case kind == "fail" && (!r.Answered || r.Status != codes.Aborted || r.Text != string(message[:min(len(message), 50)])+" 100% äh\n"):
					t.Errorf("%v %q %q", r.Status, r.Fault, r.Text)
				case kind == "hang" && r.Answered && r.Status == codes.OK:
					t.Errorf("%v %q %q", r.Status, r.Fault, r.Text)
				}
			}
		})
	}
	all.Wait()
	if received.Load() > sent.Load() {
		t.Errorf("%d arrived, %d were sent", received.Load(), sent.Load())
	}
}

// A call that the target says it did not process is resent once, on a connection that takes it.
func TestResent(t *testing.T) {
	refuse := func(p *peer) {
		p.WriteRSTStream(p.request(), http2.ErrCodeRefusedStream)
		echo(p)
	}
	leave := func(p *peer) {
		p.request()
		p.WriteGoAway(0, http2.ErrCodeNo, []byte("bye"))
		p.request()
	}
	for name, test := range map[string]struct {
		scripts []script
		sent    int
		fault   string
	}{
		"refused":          {[]script{refuse}, 2, ""},
		"GOAWAY":           {[]script{leave, echo}, 2, ""},
		"GOAWAY twice":     {[]script{leave, leave}, 2, drivers.CodeClosed},
		"refused and left": {[]script{func(p *peer) { p.WriteRSTStream(p.request(), http2.ErrCodeRefusedStream); leave(p) }, echo}, 2, drivers.CodeClosed},
		"a GOAWAY that keeps the call": {[]script{func(p *peer) {
			stream := p.request()
			p.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			p.WriteGoAway(stream, http2.ErrCodeNo, nil)
			p.answer(stream, nil)
			p.request()
		}, echo}, 1, ""},
		"a second GOAWAY that takes more": {[]script{func(p *peer) {
			stream := p.request()
			p.WriteGoAway(stream, http2.ErrCodeNo, nil)
			p.WriteGoAway(stream+2, http2.ErrCodeNo, nil)
			p.request()
		}, echo}, 1, drivers.CodeMalformed},
		"an end that says nothing": {[]script{func(p *peer) { p.request() }, echo}, 1, drivers.CodeClosed},
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel(t, startTarget(t, nil, test.scripts...))
			caller := ch.NewCaller()
			r := caller.Do(within(t, long), []byte("m"), nil)
			if r.Sent != test.sent || r.Fault != test.fault || r.Answered != (test.fault == "") {
				t.Errorf("%+v", r)
			}
			if len(test.scripts) > 1 && name != "GOAWAY twice" {
				if r := caller.Do(within(t, long), []byte("next"), nil); string(r.Message) != "next" || r.Sent != 1 {
					t.Errorf("the next call: %+v", r)
				}
			}
		})
	}
}

// A call that is given up is cancelled at the target. A late answer on its stream reaches no other call.
func TestCancelledCall(t *testing.T) {
	taken := make(chan http2.ErrCode, 1)
	ch := newChannel(t, startTarget(t, nil, func(p *peer) {
		late := p.request()
		p.next(func(f http2.Frame) bool { _, ok := f.(*http2.RSTStreamFrame); return ok })
		taken <- p.resets[late]
		stream := p.request()
		p.answer(late, []byte("late"))
		p.answer(stream, []byte("now"))
		echo(p)
	}))
	caller := ch.NewCaller()
	if r := caller.Do(within(t, 30*time.Millisecond), nil, nil); r.Fault != drivers.CodeTimeout || r.Answered || r.Sent != 1 {
		t.Errorf("%+v", r)
	}
	if code := <-taken; code != http2.ErrCodeCancel {
		t.Errorf("taken back with %s", code)
	}
	if r := caller.Do(within(t, long), nil, nil); string(r.Message) != "now" {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := caller.Do(ctx, nil, nil); r.Sent == 1 && r.Fault != drivers.CodeCancelled && !r.Answered || r.Sent == 0 && !errors.Is(r.Err, context.Canceled) {
		t.Errorf("%+v", r)
	}
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if r := caller.Do(past, nil, nil); r.Sent != 0 || !errors.Is(r.Err, context.DeadlineExceeded) {
		t.Errorf("%+v", r)
	}
}

// An answer before the request is complete is valid. The rest of the request is not sent.
func TestAnsweredEarly(t *testing.T) {
	stopped := make(chan http2.ErrCode, 1)
	ch := newChannel(t, startTarget(t, nil, func(p *peer) {
		stream := p.begun()
		p.fields(stream, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "8", "grpc-message", "too%20much")
		p.next(func(f http2.Frame) bool { _, ok := f.(*http2.RSTStreamFrame); return ok })
		stopped <- p.resets[stream]
		p.WriteWindowUpdate(0, 1<<20)
		echo(p)
	}))
	caller := ch.NewCaller()
	r := caller.Do(within(t, long), make([]byte, 900_000), nil)
	if !r.Answered || r.Status != codes.ResourceExhausted || r.Text != "too much" || r.Fault != "" {
		t.Errorf("%+v", r)
	}
	if code := <-stopped; code != http2.ErrCodeNo {
		t.Errorf("stopped with %s", code)
	}
	for range 3 {
		if r := caller.Do(within(t, long), []byte("small"), nil); string(r.Message) != "small" {
			t.Errorf("%+v", r)
		}
	}
}

// A target that does not read gets a bounded number of bytes. Unsent calls are reported as unsent.
func TestUnread(t *testing.T) {
	release := make(chan struct{})
	ch := newChannel(t, startTarget(t, nil, func(p *peer) {
		<-release
	}))
	defer close(release)
	caller := ch.NewCaller()
	sent, unsent := 0, 0
	for range 3000 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if r := caller.Do(ctx, nil, []hpack.HeaderField{Field("much", strings.Repeat("~", 10_000))}); r.Sent > 0 {
			sent++
		} else if unsent++; unsent > 20 {
			cancel()
			break
		}
		cancel()
	}
	if sent == 0 || unsent == 0 {
		t.Errorf("%d sent, %d not", sent, unsent)
	}
	c := ch.standing()
	if c == nil {
		t.Fatal("the connection is gone")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) > 2*outBound || len(c.waiting) > 0 || len(c.streams) > 0 {
		t.Errorf("%d bytes and %d calls wait, %d are under way", len(c.out), len(c.waiting), len(c.streams))
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{"plain": "plain", "a%20b": "a b", "100%": "100%", "%zz%41": "%zzA", "%C3%A4": "ä", "%ff": "\ufffd", "%4": "%4"} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// For any bytes that a target sends, a call ends in time. Its result claims no more transmissions than there were.
func FuzzAnswer(f *testing.F) {
	var whole bytes.Buffer
	p := &peer{Framer: http2.NewFramer(&whole, nil)}
	p.encoder = hpack.NewEncoder(&p.encoded)
	p.answer(1, []byte("x"))
	f.Add(whole.Bytes())
	f.Add([]byte("garbage garbage garbage"))
	whole.Reset()
	p.WriteGoAway(0, http2.ErrCodeNo, nil)
	p.WriteWindowUpdate(1, 5)
	p.WriteRSTStream(1, http2.ErrCodeRefusedStream)
	p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	p.WritePing(false, [8]byte{})
	f.Add(whole.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		o := options("fuzz:1")
		var talks sync.WaitGroup
		o.Dial = func(context.Context) (net.Conn, error) {
			a, b := net.Pipe()
			talks.Go(func() { io.Copy(io.Discard, b) })
			talks.Go(func() {
				defer b.Close()
				framer := http2.NewFramer(b, nil)
				framer.WriteSettings()
				b.Write(raw)
			})
			return a, nil
		}
		ch := New(o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		r := ch.NewCaller().Do(ctx, []byte("request"), nil)
		cancel()
		if r.Answered && r.Sent == 0 || r.Sent > 2 || r.Sent > 0 && r.Err != nil || len(r.Message) > o.MaxMessage {
			t.Errorf("%+v", r)
		}
		ch.Close()
		talks.Wait()
	})
}
