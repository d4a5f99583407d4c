package grpc

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// rawCall is one request that reached a raw target.
type rawCall struct {
	*http2.Framer
	conn   *drivertest.RawConn
	stream uint32
}

func (x *rawCall) headers(end bool, pairs ...string) {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	const frame = 16_000
	for first := true; first || b.Len() > 0; first = false {
		part := b.Next(frame)
		if first {
			x.WriteHeaders(http2.HeadersFrameParam{StreamID: x.stream, BlockFragment: part, EndStream: end, EndHeaders: b.Len() == 0})
		} else {
			x.WriteContinuation(x.stream, b.Len() == 0, part)
		}
	}
}

// begin sends the headers of a correct answer.
func (x *rawCall) begin() { x.headers(false, ":status", "200", "content-type", "application/grpc") }

// message sends bytes after the five bytes that precede a message.
func (x *rawCall) message(flag byte, length uint32, b ...byte) {
	x.WriteData(x.stream, false, append([]byte{flag, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}, b...))
}

func (x *rawCall) trailers(status string, pairs ...string) {
	x.headers(true, append([]string{"grpc-status", status}, pairs...)...)
}

// startRaw starts a target that writes HTTP/2 frames itself, so that it can break every rule. It answers each whole
// request with answer. The types come from a file, because it has no reflection.
func startRaw(t *testing.T, answer func(x *rawCall)) *drivertest.RawServer {
	t.Helper()
	return drivertest.ServeRaw(t, func(c *drivertest.RawConn) { serveRaw(c, answer) })
}

func serveRaw(c *drivertest.RawConn, answer func(x *rawCall)) {
	if !c.Skip(len(http2.ClientPreface)) {
		return
	}
	f := http2.NewFramer(c, c)
	f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				f.WritePing(true, frame.Data)
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				answer(&rawCall{f, c, frame.StreamID})
			}
		}
	}
}

// openRaw opens a driver of the raw target's method; it is closed with the test.
func openRaw(t *testing.T, raw *drivertest.RawServer, change func(*Config)) drivers.Driver {
	t.Helper()
	env := drivertest.NewEnv(t, time.Now())
	env.Files = "testdata"
	c := &Config{Target: raw.Address(), Method: "test.v1.Inventory/Reserve", Protos: []string{"shop.proto"}}
	change(c)
	d, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// many are headers of 2 MiB, in pairs.
var many = slices.Repeat([]string{"x-much", strings.Repeat("a", 8<<10)}, 256)

var goodReply = []byte{0x08, 0x01}

// TestBadAnswers checks that each bad answer has the right outcome and a stable code, and leaves the session usable.
func TestBadAnswers(t *testing.T) { onBothPaths(t, testBadAnswers) }

func testBadAnswers(t *testing.T, change func(*Config)) {
	for _, test := range []struct {
		name     string
		answer   func(x *rawCall)
		outcome  drivers.Outcome
		codes    []string
		answered bool
	}{
		{"well", func(x *rawCall) { x.begin(); x.message(0, 2, goodReply...); x.trailers("0") }, drivers.Acked, []string{""}, true},
		{"GOAWAY that covers the call", func(x *rawCall) { x.WriteGoAway(0, http2.ErrCodeNo, nil) }, drivers.Indeterminate, []string{"closed", "grpc_unavailable", "reset"}, false},
		{"GOAWAY, then the answer", func(x *rawCall) {
			x.WriteGoAway(x.stream, http2.ErrCodeNo, nil)
			x.begin()
			x.message(0, 2, goodReply...)
			x.trailers("0")
		}, drivers.Acked, []string{""}, true},
		{"RST_STREAM", func(x *rawCall) { x.WriteRSTStream(x.stream, http2.ErrCodeInternal) }, drivers.Indeterminate, []string{"reset"}, false},
		{"RST_STREAM CANCEL", func(x *rawCall) { x.WriteRSTStream(x.stream, http2.ErrCodeCancel) }, drivers.Indeterminate, []string{"reset"}, false},
		{"RST_STREAM in the middle", func(x *rawCall) {
			x.begin()
			x.message(0, 100, goodReply...)
			x.WriteRSTStream(x.stream, http2.ErrCodeInternal)
		}, drivers.Indeterminate, []string{"reset"}, false},
		{"closed within a message", func(x *rawCall) { x.begin(); x.message(0, 100, goodReply...); x.conn.Close() }, drivers.Indeterminate, []string{"closed", "reset"}, false},
		{"a message cut short", func(x *rawCall) { x.begin(); x.message(0, 100, goodReply...); x.trailers("0") }, drivers.Indeterminate, []string{"malformed", "grpc_internal"}, true},
		{"OK without a message", func(x *rawCall) { x.begin(); x.trailers("0") }, drivers.Indeterminate, []string{"malformed"}, false},
		{"two messages", func(x *rawCall) {
			x.begin()
			x.message(0, 2, goodReply...)
			x.message(0, 2, goodReply...)
			x.trailers("0")
		}, drivers.Indeterminate, []string{"malformed"}, false},
		{"a message and no status", func(x *rawCall) {
			x.begin()
			x.message(0, 2, goodReply...)
			x.WriteData(x.stream, true, nil)
		}, drivers.Indeterminate, []string{"closed", "malformed"}, false},
		{"a status that is no number", func(x *rawCall) { x.begin(); x.message(0, 2, goodReply...); x.trailers("fine") }, drivers.Indeterminate, []string{"malformed"}, false},
		{"a flag that says compressed", func(x *rawCall) { x.begin(); x.message(1, 2, goodReply...); x.trailers("0") }, drivers.Indeterminate, []string{"malformed"}, false},
		{"an unknown flag", func(x *rawCall) { x.begin(); x.message(7, 2, goodReply...); x.trailers("0") }, drivers.Indeterminate, []string{"malformed"}, false},
		{"a length beyond the limit", func(x *rawCall) { x.begin(); x.message(0, 1<<31, goodReply...) }, drivers.Indeterminate, []string{"too_large"}, false},
		{"a proxy's 503", func(x *rawCall) {
			x.headers(false, ":status", "503", "content-type", "text/html")
			x.WriteData(x.stream, true, []byte("<html>"))
		}, drivers.Indeterminate, []string{"http_503"}, true},
		{"a proxy's 429", func(x *rawCall) { x.headers(true, ":status", "429") }, drivers.Indeterminate, []string{"http_429"}, true},
		{"a proxy's 500", func(x *rawCall) { x.headers(true, ":status", "500") }, drivers.Indeterminate, []string{"http_500"}, true},
		{"a proxy's 302", func(x *rawCall) { x.headers(true, ":status", "302", "location", "/login") }, drivers.Indeterminate, []string{"http_302"}, true},
		{"a proxy's 401", func(x *rawCall) { x.headers(true, ":status", "401") }, drivers.Rejected, []string{"http_401"}, true},
		{"a proxy's 404", func(x *rawCall) { x.headers(true, ":status", "404", "content-type", "text/html") }, drivers.Rejected, []string{"http_404"}, true},
		{"another content type", func(x *rawCall) {
			x.headers(false, ":status", "200", "content-type", "text/plain")
			x.WriteData(x.stream, true, []byte("hello"))
		}, drivers.Indeterminate, []string{"malformed"}, false},
		{"a huge header", func(x *rawCall) {
			x.headers(false, ":status", "200", "content-type", "application/grpc", "x-much", strings.Repeat("a", 2<<20))
		}, drivers.Indeterminate, []string{"malformed"}, false},
		{"too many headers", func(x *rawCall) {
			x.headers(false, append([]string{":status", "200", "content-type", "application/grpc"}, many[:280]...)...)
		}, drivers.Indeterminate, []string{"too_large", "malformed"}, false},
		{"huge trailers", func(x *rawCall) {
			x.begin()
			x.message(0, 2, goodReply...)
			x.trailers("0", many...) // above twice the limit the connection ends
		}, drivers.Indeterminate, []string{"malformed"}, false},
		{"half a message and a rejection", func(x *rawCall) { x.begin(); x.message(0, 100, goodReply...); x.trailers("5") }, drivers.Indeterminate, []string{"malformed", "grpc_internal"}, true},
		{"a whole message and a rejection", func(x *rawCall) { x.begin(); x.message(0, 2, goodReply...); x.trailers("5") }, drivers.Rejected, []string{"grpc_not_found"}, true},
		{"a message that does not decompress and a rejection", func(x *rawCall) {
			x.headers(false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip")
			x.message(1, 2, goodReply...)
			x.trailers("5")
		}, drivers.Indeterminate, []string{"malformed"}, false},
		{"OK, and details of an error", func(x *rawCall) {
			x.begin()
			x.message(0, 2, goodReply...)
			x.trailers("0", "grpc-status-details-bin", "CAU")
		}, drivers.Indeterminate, []string{"grpc_internal"}, true},
		{"a rejection, and details of an error", func(x *rawCall) { x.begin(); x.trailers("5", "grpc-status-details-bin", "CA0") }, drivers.Indeterminate, []string{"grpc_internal"}, true},
		{"a rejection with its details", func(x *rawCall) { x.begin(); x.trailers("5", "grpc-status-details-bin", "CAU") }, drivers.Rejected, []string{"grpc_not_found"}, true},
		{"metadata that is no base64", func(x *rawCall) {
			x.begin()
			x.message(0, 2, goodReply...)
			x.trailers("0", "x-bin", "!")
		}, drivers.Indeterminate, []string{"malformed"}, false},
		{"a frame that is none", func(x *rawCall) {
			x.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, x.stream, []byte{0xff, 0xff, 0xff, 0xff})
		}, drivers.Indeterminate, []string{"malformed", "closed", "reset"}, false},
		{"silence", func(*rawCall) {}, drivers.Indeterminate, []string{"timeout"}, false},
		{"half an answer, then silence", func(x *rawCall) { x.begin(); x.message(0, 100, goodReply...) }, drivers.Indeterminate, []string{"timeout"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			raw := startRaw(t, test.answer)
			defer raw.Close()
			d := openRaw(t, raw, change)
			s, _ := d.Session()
			for range 2 { // the second shows that the session is usable
				wait := 20 * time.Second
				if slices.Contains(test.codes, "timeout") {
					wait = 200 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				var at drivers.Attempt
				s.Do(ctx, &drivers.Op{}, &at)
				cancel()
				if at.Outcome != test.outcome || !slices.Contains(test.codes, at.Code) || at.Answered != test.answered {
					t.Errorf("%v %q answered %v (%s)", at.Outcome, at.Code, at.Answered, at.Detail)
				}
			}
		})
	}
}

// A target that disclaims a call after it began to answer may have executed the call. If the library resends the call
// and the target rejects it, that says nothing about the first transmission.
func TestDisclaimedCall(t *testing.T) {
	onBothPaths(t, func(t *testing.T, change func(*Config)) {
		requests := 0
		raw := startRaw(t, func(x *rawCall) {
			x.begin()
			if requests++; requests == 1 {
				x.WriteRSTStream(x.stream, http2.ErrCodeRefusedStream)
				return
			}
			x.trailers("6")
		})
		defer raw.Close()
		d := openRaw(t, raw, change)
		if at := do(t, d, drivers.Op{}); at.Outcome != drivers.Indeterminate || at.Transparent > 0 {
			t.Errorf("%+v", at)
		}
	})
}

// A status after the end of an answer is neither an answer nor a rejection. The library makes statuses of its own from a
// reset.
func TestStatusAfterTheEnd(t *testing.T) {
	onBothPaths(t, func(t *testing.T, change func(*Config)) {
		for name, end := range map[string]func(x *rawCall){
			"a reset": func(x *rawCall) { x.WriteRSTStream(x.stream, http2.ErrCodeEnhanceYourCalm) },
		} {
			t.Run(name, func(t *testing.T) {
				raw := startRaw(t, func(x *rawCall) {
					var b bytes.Buffer
					into := *x
					into.Framer = http2.NewFramer(&b, nil)
					end(&into)
					into.trailers("0")
					x.conn.Write(b.Bytes()) // in one write: the library's writer, which forgets the call, is slower
				})
				defer raw.Close()
				d := openRaw(t, raw, change)
				for range 20 {
					if at := do(t, d, drivers.Op{}); at.Outcome != drivers.Indeterminate {
						t.Fatalf("%+v", at)
					}
				}
			})
		}
	})
}
