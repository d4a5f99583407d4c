package unary

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"wringer/drivers"
)

// A call that the target refused fails if it cannot be resent, for whatever reason.
func TestNotResent(t *testing.T) {
	small := http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 100}
	for name, again := range map[string]func(p *peer){
		"headers that the target takes no more": func(p *peer) {
			p.WriteSettings(small)
			p.WriteRSTStream(1, http2.ErrCodeRefusedStream)
			p.request()
		},
		"no stream until the connection is drained": func(p *peer) {
			p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
			p.WriteRSTStream(1, http2.ErrCodeRefusedStream)
			p.WriteGoAway(1, http2.ErrCodeNo, nil)
			p.raw.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(startTarget(t, nil, func(p *peer) {
				p.request()
				again(p)
			}))
			dial, dialled := o.Dial, false
			o.Dial = func(ctx context.Context) (net.Conn, error) {
				if dialled {
					return nil, net.ErrClosed
				}
				dialled = true
				return dial(ctx)
			}
			ch := New(o)
			defer ch.Close()
			r := ch.NewCaller().Do(within(t, long), nil, nil)
			if r.Sent != 1 || r.Fault != drivers.CodeReset || r.Answered || r.Err != nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

// ending is a context that a test can end.
type ending struct {
	context.Context
	mu   sync.Mutex
	over bool
	call func()
}

func (e *ending) AfterFunc(f func()) func() bool {
	e.call = f
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return !e.over
	}
}

func (e *ending) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return context.DeadlineExceeded
	}
	return nil
}

func (e *ending) end() {
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
	e.call()
}

// A call whose deadline has passed is not resent, although the target did not process it and a connection is up.
func TestNotResentLate(t *testing.T) {
	ctx := &ending{Context: t.Context()}
	o := options(startTarget(t, nil, func(p *peer) {
		p.request()
		p.WriteGoAway(0, http2.ErrCodeNo, nil)
		p.request()
	}, func(p *peer) {
		if p.request() != 0 {
			p.t.Error("it was sent again")
		}
	}))
	dial, dials := o.Dial, 0
	o.Dial = func(c context.Context) (net.Conn, error) {
		if dials++; dials == 2 {
			ctx.end()
		}
		return dial(c)
	}
	ch := New(o)
	defer ch.Close()
	caller := ch.NewCaller()
	if r := caller.Do(ctx, nil, nil); r.Sent != 1 || r.Fault != drivers.CodeClosed || r.Answered {
		t.Errorf("%+v", r)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if r := caller.Do(cancelled, nil, nil); r.Sent != 0 || r.Err == nil {
		t.Errorf("cancelled before: %+v", r)
	}
}

// Local failures have a time, even during the warm-up, when the run's clock is negative.
func TestLocalFailureHasATime(t *testing.T) {
	o := options(startTarget(t, []http2.Setting{{ID: http2.SettingMaxHeaderListSize, Val: 100}}, echo))
	o.Clock = func() time.Duration { return -time.Minute }
	ch := New(o)
	defer ch.Close()
	if r := ch.NewCaller().Do(within(t, long), nil, nil); r.Sent != 0 || r.Err == nil || r.At != -time.Minute {
		t.Errorf("%+v", r)
	}
}

// The whole headers count against the target's limit, with the timeout. The limit is the one at the time of sending.
func TestHeaderLimit(t *testing.T) {
	ch := New(options("nowhere:1"))
	size := uint32(ch.size)
	ch.Close()
	o := options(startTarget(t, []http2.Setting{{ID: http2.SettingMaxHeaderListSize, Val: size + 10}}, echo))
	o.Authority = "nowhere:1"
	ch = New(o)
	defer ch.Close()
	caller := ch.NewCaller()
	if r := caller.Do(t.Context(), nil, nil); !r.Answered || r.Fault != "" {
		t.Errorf("without a timeout: %+v", r)
	}
	if r := caller.Do(within(t, long), nil, nil); r.Sent != 0 || r.Err == nil {
		t.Errorf("with one: %+v", r)
	}
	waits := make(chan struct{})
	late := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1}}, func(p *peer) {
		stream := p.request()
		<-waits
		p.WriteSettings(http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 100})
		p.answer(stream, nil)
		if p.request() != 0 {
			p.t.Error("headers larger than the target takes were sent")
		}
	}))
	var all sync.WaitGroup
	all.Go(func() {
		if r := late.NewCaller().Do(within(t, long), nil, nil); !r.Answered {
			t.Errorf("%+v", r)
		}
	})
	until(t, func() bool {
		c := late.standing()
		return c != nil && c.count(func() int { return len(c.streams) }) == 1
	})
	all.Go(func() {
		if r := late.NewCaller().Do(within(t, long), nil, nil); r.Sent != 0 || r.Err == nil {
			t.Errorf("%+v", r)
		}
	})
	c := late.standing()
	until(t, func() bool { return c.count(func() int { return len(c.waiting) }) == 1 })
	close(waits)
	all.Wait()
}

// Answers are read although the target does not read the waiting requests. Only answers that the target asked for
// stop reading.
func TestReadsWhileUnread(t *testing.T) {
	const big = 32 << 20 // more than the kernel buffers
	over := make(chan struct{})
	ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}}, func(p *peer) {
		p.WriteWindowUpdate(0, 1<<30)
		first := p.begun()
		for len(p.bodies[first]) < 100 && p.next(func(http2.Frame) bool { return true }) {
		}
		// From here on the target does not read. The answer comes in pieces, so that one read does not get all of it.
		p.begin(first)
		body := framed(bytes.Repeat([]byte("x"), 900_000))
		for len(body) > 0 {
			n := min(len(body), firstFrame)
			p.WriteData(first, false, body[:n])
			body = body[n:]
		}
		p.fields(first, true, "grpc-status", "0")
		<-over
	}))
	// Were the answer not read, unreadTimeout would end the call with a fault.
	r := ch.NewCaller().Do(within(t, long), make([]byte, big), nil)
	close(over)
	if !r.Answered || r.Fault != "" || len(r.Message) != 900_000 {
		t.Errorf("%d bytes, %q %q", len(r.Message), r.Fault, r.Text)
	}
}

// Skipped headers leave the HPACK table unknown, so the connection is not used after them.
func TestSkippedHeaders(t *testing.T) {
	ch := newChannel(t, startTarget(t, nil, func(p *peer) {
		p.answer(p.request(), nil) // the table's last entry is status 0
		stream := p.request()
		p.begin(stream)
		p.fields(stream, true, "grpc-status", "5") // now it is status 5
		stream = p.request()
		p.begin(stream)
		p.encoded.Reset()
		p.encoder.WriteField(hpack.HeaderField{Name: "grpc-status", Value: "13"}) // the third, in headers with more padding than fits
		block := append([]byte{255}, p.encoded.Bytes()...)
		p.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream|http2.FlagHeadersPadded, stream, block)
		stream = p.request()
		p.encoded.Reset()
		p.encoder.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
		p.encoder.WriteField(hpack.HeaderField{Name: "content-type", Value: "application/grpc", Sensitive: true}) // without the table
		p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.encoded.Bytes(), EndHeaders: true})
		p.fields(stream, true, "grpc-status", "13") // by the table
		p.request()
	}, func(p *peer) {
		stream := p.request()
		p.begin(stream)
		p.fields(stream, true, "grpc-status", "13")
		p.request()
	}))
	caller := ch.NewCaller()
	for i, want := range []codes.Code{codes.OK, codes.NotFound} {
		if r := caller.Do(within(t, long), nil, nil); !r.Answered || r.Status != want {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if r := caller.Do(within(t, long), nil, nil); r.Answered || r.Fault != drivers.CodeMalformed {
		t.Errorf("skipped: %+v", r)
	}
	for range 3 {
		r := caller.Do(within(t, long), nil, nil)
		if r.Answered && r.Status == codes.Internal {
			return
		}
		if r.Answered || r.Sent > 0 && r.Fault == "" {
			t.Fatalf("the next call: %+v", r)
		}
	}
	t.Error("no answer on the next connection")
}

// bad is the expected result of a malformed answer.
type bad struct {
	answered bool
	status   codes.Code
	fault    string
}

// An answer that contradicts itself or the protocol is neither OK nor a rejection.
func TestContradictoryAnswers(t *testing.T) {
	details := func(code codes.Code) string {
		b, err := proto.Marshal(&spb.Status{Code: int32(code), Message: "details"})
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawStdEncoding.EncodeToString(b)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write([]byte("zipped"))
	w.Close()
	whole := func(end ...string) func(p *peer, stream uint32) {
		return func(p *peer, stream uint32) {
			p.begin(stream)
			p.WriteData(stream, false, framed(nil))
			p.fields(stream, true, end...)
		}
	}
	for name, test := range map[string]struct {
		answer func(p *peer, stream uint32)
		want   bad
	}{
		"details that agree":         {whole("grpc-status", "5", "grpc-status-details-bin", details(5)), bad{true, codes.NotFound, ""}},
		"details twice":              {whole("grpc-status", "5", "grpc-status-details-bin", details(5), "grpc-status-details-bin", details(5)), bad{true, codes.NotFound, ""}},
		"details that are none":      {whole("grpc-status", "5", "grpc-status-details-bin", "/w"), bad{true, codes.NotFound, ""}},
		"details that are no base64": {whole("grpc-status", "5", "grpc-status-details-bin", "!"), bad{false, codes.OK, drivers.CodeMalformed}},
		"metadata that is no base64": {whole("grpc-status", "0", "x-bin", "!"), bad{false, codes.OK, drivers.CodeMalformed}},
		"headers that are no base64": {func(p *peer, stream uint32) {
			p.fields(stream, false, ":status", "200", "content-type", "application/grpc", "x-bin", "=")
			p.fields(stream, true, "grpc-status", "5")
		}, bad{false, codes.OK, drivers.CodeMalformed}},
		"half a message and a rejection": {func(p *peer, stream uint32) {
			p.begin(stream)
			p.WriteData(stream, false, framed([]byte("whole"))[:7])
			p.fields(stream, true, "grpc-status", "5")
		}, bad{true, codes.NotFound, drivers.CodeMalformed}},
		"a message that does not decompress and a rejection": {func(p *peer, stream uint32) {
			p.fields(stream, false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip")
			p.WriteData(stream, false, append([]byte{1, 0, 0, 0, 3}, "zip"...))
			p.fields(stream, true, "grpc-status", "5")
		}, bad{false, codes.NotFound, drivers.CodeMalformed}},
		"a whole message and a rejection": {func(p *peer, stream uint32) {
			p.fields(stream, false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip")
			p.WriteData(stream, false, append([]byte{1, 0, 0, 0, byte(zipped.Len())}, zipped.Bytes()...))
			p.fields(stream, true, "grpc-status", "5")
		}, bad{true, codes.NotFound, ""}},
		"a status that is not quite interim": {func(p *peer, stream uint32) {
			p.fields(stream, false, ":status", "1xx")
			whole("grpc-status", "0")(p, stream)
		}, bad{false, codes.OK, drivers.CodeMalformed}},
		"interim headers": {func(p *peer, stream uint32) {
			p.fields(stream, false, ":status", "103", "link", "x")
			whole("grpc-status", "0")(p, stream)
		}, bad{true, codes.OK, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel(t, startTarget(t, nil, func(p *peer) {
				for stream := p.request(); stream != 0; stream = p.request() {
					test.answer(p, stream)
				}
			}))
			caller := ch.NewCaller()
			for range 2 {
				r := caller.Do(within(t, long), nil, nil)
				if got := (bad{r.Answered, r.Status, r.Fault}); got != test.want || r.Sent != 1 {
					t.Errorf("%+v, want %+v (%q)", got, test.want, r.Text)
				}
			}
		})
	}
}

// A target that began to answer has processed the call, whatever it says afterwards. The call is not resent.
func TestBegunAnswerIsNotResent(t *testing.T) {
	for name, take := range map[string]func(p *peer, stream uint32){
		"refused": func(p *peer, stream uint32) { p.WriteRSTStream(stream, http2.ErrCodeRefusedStream) },
		"GOAWAY":  func(p *peer, stream uint32) { p.WriteGoAway(0, http2.ErrCodeNo, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel(t, startTarget(t, nil, func(p *peer) {
				stream := p.request()
				p.begin(stream)
				take(p, stream)
				echo(p)
			}, echo))
			if r := ch.NewCaller().Do(within(t, long), nil, nil); r.Sent != 1 || r.Answered || r.Fault == "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A frame is never larger than outBound, even if the target accepts more.
func TestLargestFrame(t *testing.T) {
	largest := 0
	ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}, {ID: http2.SettingMaxFrameSize, Val: 1<<24 - 1}}, func(p *peer) {
		p.SetMaxReadFrameSize(1<<24 - 1)
		p.WriteWindowUpdate(0, 1<<30)
		p.next(func(f http2.Frame) bool {
			d, ok := f.(*http2.DataFrame)
			if ok {
				largest = max(largest, int(d.Length))
			}
			return ok && d.StreamEnded()
		})
		p.answer(1, nil)
		p.request()
	}))
	fields := []hpack.HeaderField{Field("much", strings.Repeat("~", 100_000))}
	if r := ch.NewCaller().Do(within(t, long), make([]byte, 3<<20), fields); !r.Answered || r.Fault != "" {
		t.Errorf("%+v", r)
	}
	if largest > outBound {
		t.Errorf("a frame of %d bytes", largest)
	}
}
