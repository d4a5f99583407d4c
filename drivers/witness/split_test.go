package witness

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// exchanges is a random sequence of requests and answers, with the counts that a witness must report.
type exchanges struct {
	asked, answered []byte
	want            *tally
}

// drawHTTP1 draws requests and answers with every kind of framing.
func drawHTTP1(t *rapid.T) exchanges {
	e := exchanges{want: newTally()}
	n := rapid.IntRange(1, 6).Draw(t, "requests")
	var in, out bytes.Buffer
	for i := range n {
		method := rapid.SampledFrom([]string{"GET", "HEAD", "POST"}).Draw(t, "method")
		marked := rapid.Bool().Draw(t, "marked")
		body := rapid.StringOfN(rapid.RuneFrom([]rune("ab\r\n:0 ")), 0, 40, -1).Draw(t, "body")
		answer := rapid.StringOfN(rapid.RuneFrom([]rune("xy\r\n0 ")), 0, 40, -1).Draw(t, "answer")
		last := i == n-1
		fmt.Fprintf(&in, "%s /%d HTTP/1.1\r\nHost: a\r\n", method, i)
		if marked {
			fmt.Fprintf(&in, "wRINGER-op:  r1.s.%d \r\n", i)
			e.want.arrived[fmt.Sprint(i)]++
			e.want.whole[fmt.Sprint(i)]++
		}
		drawBody(t, &in, method == "GET" && body == "", body, false, "request")
		if rapid.Bool().Draw(t, "hints") {
			out.WriteString("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
		}
		status := rapid.SampledFrom([]int{200, 204, 304, 503}).Draw(t, "status")
		fmt.Fprintf(&out, "HTTP/1.1 %d Some\r\n", status)
		if bare := method == "HEAD" || status == 204 || status == 304; bare {
			out.WriteString("Content-Length: 100\r\n\r\n")
		} else {
			drawBody(t, &out, false, answer, last, "answer")
		}
		if marked {
			e.want.answered[fmt.Sprint(i)]++
		}
	}
	e.asked, e.answered = in.Bytes(), out.Bytes()
	return e
}

// drawBody ends a head and writes a body.
func drawBody(t *rapid.T, to *bytes.Buffer, none bool, body string, close bool, label string) {
	switch framing := rapid.IntRange(0, 2).Draw(t, label+" framing"); {
	case none:
		to.WriteString("\r\n")
	case framing == 0 && close:
		to.WriteString("\r\n" + body)
	case framing == 1:
		to.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for len(body) > 0 {
			n := rapid.IntRange(1, len(body)).Draw(t, label+" chunk")
			fmt.Fprintf(to, "%X;ext=1\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		to.WriteString("0\r\nTrailer: 1\r\n\r\n")
	default:
		fmt.Fprintf(to, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
}

// drawHTTP2 draws requests and answers, with padding, priorities, continuations and other frames in between.
func drawHTTP2(t *rapid.T) exchanges {
	e := exchanges{want: newTally()}
	var in, out, block bytes.Buffer
	in.WriteString(preface)
	ask, answer := http2.NewFramer(&in, nil), http2.NewFramer(&out, nil)
	encoder := hpack.NewEncoder(&block)
	// Each side sends its settings first.
	ask.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	answer.WriteSettings()
	for i := range rapid.IntRange(1, 6).Draw(t, "requests") {
		stream := uint32(2*i + 1)
		id := fmt.Sprint(i)
		block.Reset()
		if rapid.Bool().Draw(t, "resize") {
			encoder.SetMaxDynamicTableSizeLimit(1 << 16)
			encoder.SetMaxDynamicTableSize(rapid.SampledFrom([]uint32{0, 100, 1 << 16}).Draw(t, "table"))
		}
		encoder.WriteField(hpack.HeaderField{Name: ":method", Value: "POST"})
		encoder.WriteField(hpack.HeaderField{Name: "wringer-op", Value: "r1.s." + id})
		encoder.WriteField(hpack.HeaderField{Name: "x-filler", Value: rapid.StringN(0, 20, -1).Draw(t, "filler")})
		bare := rapid.Bool().Draw(t, "no body")
		headers(t, ask, stream, block.Bytes(), bare)
		e.want.arrived[id]++
		switch {
		case bare:
			e.want.whole[id]++
		case rapid.Bool().Draw(t, "cancelled"):
			ask.WriteData(stream, false, []byte("half"))
			ask.WriteRSTStream(stream, http2.ErrCodeCancel)
			continue
		default:
			ask.WriteData(stream, false, []byte("half"))
			ask.WriteDataPadded(stream, true, []byte("rest"), make([]byte, rapid.IntRange(0, 9).Draw(t, "padding")))
			e.want.whole[id]++
		}
		ask.WritePing(false, [8]byte{1})
		if rapid.Bool().Draw(t, "reset") {
			answer.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
			continue
		}
		headers(t, answer, stream, []byte("not decoded"), false)
		answer.WriteData(stream, false, []byte("message"))
		headers(t, answer, stream, []byte("trailers"), true)
		e.want.answered[id]++
	}
	e.asked, e.answered = in.Bytes(), out.Bytes()
	return e
}

// headers writes a header block in one or more frames.
func headers(t *rapid.T, f *http2.Framer, stream uint32, block []byte, end bool) {
	cut := rapid.IntRange(0, len(block)).Draw(t, "cut")
	p := http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:cut], EndStream: end, EndHeaders: cut == len(block)}
	p.PadLength = uint8(rapid.IntRange(0, 3).Draw(t, "pad"))
	if rapid.Bool().Draw(t, "priority") {
		p.Priority = http2.PriorityParam{StreamDep: 1, Weight: 2}
	}
	f.WriteHeaders(p)
	if cut < len(block) {
		f.WriteContinuation(stream, true, block[cut:])
	}
}

// The witness reports the same however the bytes are split.
func TestPiecesDoNotMatter(t *testing.T) {
	for name, draw := range map[string]func(*rapid.T) exchanges{"HTTP/1.1": drawHTTP1, "HTTP/2": drawHTTP2} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				e := draw(t)
				sink := newTally()
				conn := New(identity, clock, sink).watch(&scripted{takes: 1 << 30})
				// The target answers after all requests were sent, as with pipelining.
				pieces(t, e.asked, func(b []byte) { conn.Write(b) })
				pieces(t, e.answered, func(b []byte) { conn.received(b, false) })
				conn.received(nil, true)
				if sink.String() != e.want.String() {
					t.Fatalf("%v\nwant %v\nasked %q\nanswered %q", sink, e.want, e.asked, e.answered)
				}
			})
		})
	}
}

func pieces(t *rapid.T, b []byte, give func([]byte)) {
	for len(b) > 0 {
		n := rapid.IntRange(1, min(len(b), 50)).Draw(t, "piece")
		give(b[:n])
		b = b[n:]
	}
}

// For any bytes, the witness does not fail, keeps a bounded amount, and counts no answer without a request.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nWringer-Op: r1.s.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\n\r\nhi"), 7)
	f.Add([]byte(preface+"\x00\x00\x05\x01\x05\x00\x00\x00\x01hello"), []byte("\x00\x00\x00\x00\x01\x00\x00\x00\x01"), 1)
	f.Fuzz(func(t *testing.T, asked, answered []byte, piece int) {
		sink := newTally()
		conn := New(identity, clock, sink).watch(&scripted{takes: 1 << 30})
		piece = max(piece%64, 1)
		for len(asked)+len(answered) > 0 {
			n := min(piece, len(asked))
			conn.Write(asked[:n])
			asked = asked[n:]
			n = min(piece, len(answered))
			conn.received(answered[:n], len(answered) == n)
			answered = answered[n:]
		}
		for id, n := range sink.answered {
			if n > sink.arrived[id] {
				t.Errorf("%d answers to %d requests: %v", n, sink.arrived[id], sink)
			}
		}
		if len(sink.blind) > 1 {
			t.Error(sink)
		}
	})
}
