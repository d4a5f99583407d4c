package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// scriptedHTTP2 is an HTTP/2 peer that reads a request and then sends fixed bytes.
type scriptedHTTP2 struct {
	frames []byte
	next   []byte // bytes for further connections; nil: the same
	dials  int
	stay   bool // keep the connection open afterwards
	early  bool // answer after the request's head, before its body is whole
	all    sync.WaitGroup
}

func (p *scriptedHTTP2) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	say := p.frames
	if p.dials++; p.dials > 1 && p.next != nil {
		say = p.next
	}
	p.all.Go(func() { p.serve(far, say) })
	return near, nil
}

func (p *scriptedHTTP2) serve(c net.Conn, say []byte) {
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(c, c)
	fr.SetMaxReadFrameSize(1 << 20)
	began := make(chan struct{})
	p.all.Go(func() { // keep reading, so that the client's own frames do not block it
		once := sync.OnceFunc(func() { close(began) })
		defer once()
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.HeadersFrame:
				if p.early || f.StreamEnded() {
					once()
				}
			case *http2.DataFrame:
				if f.StreamEnded() {
					once()
				}
			}
		}
	})
	if _, err := c.Write([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil { // empty SETTINGS
		return
	}
	<-began
	if _, err := c.Write(say); err == nil && p.stay {
		io.Copy(io.Discard, c)
	}
}

// attempt sends one request to the peer.
func (p *scriptedHTTP2) attempt(t testing.TB, c Config, deadline time.Duration) drivers.Attempt {
	env := drivertest.NewEnv(t, time.Now())
	env.Dial = p.dial
	c.HTTP2 = true
	if c.Request == "" && c.Steps == nil {
		c.Request = "http://peer/"
	}
	d, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Session()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var at drivers.Attempt
	at.Reset(1, 0)
	s.Do(ctx, &drivers.Op{Seq: 1}, &at)
	s.Close()
	d.Close()
	p.all.Wait()
	return at
}

// frames writes frames of stream 1.
func frames(write func(fr *http2.Framer)) []byte {
	var b bytes.Buffer
	write(http2.NewFramer(&b, nil))
	return b.Bytes()
}

// head writes a head; fields are alternating names and values.
func head(fr *http2.Framer, end bool, fields ...string) {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for i := 0; i+1 < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	rest, first := block.Bytes(), true
	for first || len(rest) > 0 {
		n := min(len(rest), 16<<10)
		if last := n == len(rest); first {
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: rest[:n], EndStream: end, EndHeaders: last})
		} else {
			fr.WriteContinuation(1, last, rest[:n])
		}
		rest, first = rest[n:], false
	}
}

func TestBadInputOverHTTP2(t *testing.T) {
	for _, test := range []struct {
		name    string
		write   func(fr *http2.Framer)
		stay    bool
		outcome drivers.Outcome
		codes   string // any of
	}{
		{"fine", func(fr *http2.Framer) { head(fr, false, ":status", "200"); fr.WriteData(1, true, []byte("x")) }, false, drivers.Acked, ""},
		{"reset", func(fr *http2.Framer) { fr.WriteRSTStream(1, http2.ErrCodeInternal) }, true, drivers.Indeterminate, "reset"},
		{"reset in the body", func(fr *http2.Framer) {
			head(fr, false, ":status", "200")
			fr.WriteData(1, false, []byte("half"))
			fr.WriteRSTStream(1, http2.ErrCodeCancel)
		}, true, drivers.Indeterminate, "reset"},
		{"going away", func(fr *http2.Framer) { fr.WriteGoAway(0, http2.ErrCodeNo, nil) }, true, drivers.Indeterminate, "closed"},
		{"going away in anger", func(fr *http2.Framer) { fr.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings")) }, false, drivers.Indeterminate, "closed"},
		{"going away with this stream", func(fr *http2.Framer) { fr.WriteGoAway(1, http2.ErrCodeNo, nil) }, false, drivers.Indeterminate, "closed"},
		{"going away, yet answered", func(fr *http2.Framer) {
			fr.WriteGoAway(1, http2.ErrCodeNo, nil)
			head(fr, true, ":status", "204")
		}, false, drivers.Acked, ""},
		{"closed", func(*http2.Framer) {}, false, drivers.Indeterminate, "closed"},
		{"closed in the body", func(fr *http2.Framer) {
			head(fr, false, ":status", "200")
			fr.WriteData(1, false, []byte("half"))
		}, false, drivers.Indeterminate, "closed"},
		{"shorter than it says", func(fr *http2.Framer) {
			head(fr, false, ":status", "200", "content-length", "5")
			fr.WriteData(1, true, []byte("ab"))
		}, true, drivers.Indeterminate, "closed malformed"},
		{"longer than it says", func(fr *http2.Framer) {
			head(fr, false, ":status", "200", "content-length", "1")
			fr.WriteData(1, true, []byte("abc"))
		}, true, drivers.Indeterminate, "malformed"},
		{"10 GB", func(fr *http2.Framer) {
			head(fr, false, ":status", "200", "content-length", "10000000000")
			for range 4 { // within the flow-control window
				fr.WriteData(1, false, make([]byte, 16<<10-1))
			}
		}, true, drivers.Indeterminate, "too_large"},
		{"no status", func(fr *http2.Framer) { head(fr, true, "x", "y") }, true, drivers.Indeterminate, "malformed"},
		{"status that is no number", func(fr *http2.Framer) { head(fr, true, ":status", "ok") }, true, drivers.Indeterminate, "malformed"},
		{"status beyond all", func(fr *http2.Framer) { head(fr, true, ":status", "777") }, true, drivers.Indeterminate, "malformed"},
		{"body without a head", func(fr *http2.Framer) { fr.WriteData(1, true, []byte("x")) }, true, drivers.Indeterminate, "malformed"},
		{"upper case", func(fr *http2.Framer) { head(fr, true, ":status", "200", "X-Y", "z") }, true, drivers.Indeterminate, "malformed"},
		{"huge head", func(fr *http2.Framer) { head(fr, true, ":status", "200", "x", strings.Repeat("y", 200<<10)) }, true, drivers.Indeterminate, "malformed"},
		{"many headers", func(fr *http2.Framer) {
			fields := []string{":status", "200"}
			for i := range 20_000 {
				fields = append(fields, "x-"+strconv.Itoa(i), "y")
			}
			head(fr, true, fields...)
		}, true, drivers.Indeterminate, "malformed"},
		{"interim answers without end", func(fr *http2.Framer) {
			for range 5_000 {
				head(fr, false, ":status", "103", "x", strings.Repeat("y", 40))
			}
		}, true, drivers.Indeterminate, "malformed"},
		{"garbage", func(fr *http2.Framer) { fr.WriteRawFrame(0xff, 0xff, 0x7fffffff, make([]byte, 100)) }, false, drivers.Indeterminate, "closed malformed"},
		{"HTTP/1.1", func(*http2.Framer) {}, false, drivers.Indeterminate, "closed malformed"},
		{"a frame larger than allowed", func(fr *http2.Framer) { fr.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 2<<20)) }, false, drivers.Indeterminate, "malformed closed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &scriptedHTTP2{frames: frames(test.write), stay: test.stay}
			if test.name == "HTTP/1.1" {
				p.frames = []byte(strings.Repeat("HTTP/1.1 400 Bad Request\r\n\r\n", 10))
			}
			at := p.attempt(t, Config{MaxBody: 1 << 20, Checks: []Check{{Body: "^"}}}, 20*time.Second)
			if at.Outcome != test.outcome || !(test.codes == "" && at.Code == "" || strings.Contains(" "+test.codes+" ", " "+at.Code+" ")) {
				t.Errorf("%v, code %q (%q); want %v, %q", at.Outcome, at.Code, at.Detail, test.outcome, test.codes)
			}
			if !at.Wire || at.Answered != (at.Outcome == drivers.Acked) {
				t.Errorf("%+v", at)
			}
		})
	}
}

// A request that an orderly GOAWAY left unprocessed is resent, and each resend is counted, whatever the outcome.
func TestUnprocessedRequestIsResent(t *testing.T) {
	away := frames(func(fr *http2.Framer) { fr.WriteGoAway(0, http2.ErrCodeNo, nil) })
	for name, test := range map[string]struct {
		next    []byte
		outcome drivers.Outcome
		code    string
		hidden  int
	}{
		"then taken":      {frames(func(fr *http2.Framer) { head(fr, true, ":status", "204") }), drivers.Acked, "", 1},
		"then refused":    {frames(func(fr *http2.Framer) { head(fr, true, ":status", "409") }), drivers.Rejected, "http_409", 1},
		"then reset":      {frames(func(fr *http2.Framer) { fr.WriteRSTStream(1, http2.ErrCodeInternal) }), drivers.Indeterminate, drivers.CodeReset, 1},
		"again and again": {nil, drivers.Indeterminate, drivers.CodeClosed, maxResends},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{Request: "POST http://peer/", Body: "x"}
			for shape, c := range map[string]Config{"plain": c, "redirects": {Request: c.Request, Body: "x", Redirects: 2}, "chain": {Steps: []Step{{Name: "a", Request: c.Request, Body: "x"}}}} {
				at := (&scriptedHTTP2{frames: away, next: test.next, stay: true}).attempt(t, c, 20*time.Second)
				expect(t, at, test.outcome, test.code)
				if at.Hidden != test.hidden || at.Transparent != test.hidden || !at.Wire || at.Sent > at.Done {
					t.Errorf("%s: %+v", shape, at)
				}
			}
		})
	}
}

// A peer that refuses during a large body has answered.
func TestAnswerBeforeTheRequestIsWholeOverHTTP2(t *testing.T) {
	p := &scriptedHTTP2{early: true, stay: true, frames: frames(func(fr *http2.Framer) {
		head(fr, true, ":status", "413")
		fr.WriteRSTStream(1, http2.ErrCodeNo)
	})}
	at := p.attempt(t, Config{Request: "POST http://peer/", Body: strings.Repeat("x", 1<<20)}, 20*time.Second)
	expect(t, at, drivers.Rejected, "http_413")
}

// FuzzHTTP2 answers with arbitrary bytes. Every attempt must end. An acked answer must be one that another reader
// finds too: a final head of stream 1 with a status of 200 to 299, an ended stream, and the announced number of
// bytes.
func FuzzHTTP2(f *testing.F) {
	f.Add(frames(func(fr *http2.Framer) { head(fr, true, ":status", "200") }))
	f.Add(frames(func(fr *http2.Framer) {
		head(fr, false, ":status", "100")
		head(fr, false, ":status", "200", "content-length", "2")
		fr.WriteData(1, false, []byte("a"))
		fr.WritePing(false, [8]byte{})
		fr.WriteData(1, true, []byte("b"))
	}))
	f.Add(frames(func(fr *http2.Framer) {
		head(fr, false, ":status", "200")
		fr.WriteDataPadded(1, false, []byte("ab"), []byte("\x00\x00"))
		head(fr, true, "trailer", "x")
	}))
	f.Add(frames(func(fr *http2.Framer) { head(fr, false, ":status", "200"); fr.WriteRSTStream(1, http2.ErrCodeNo) }))
	f.Add(frames(func(fr *http2.Framer) { fr.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")) }))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		at := (&scriptedHTTP2{frames: raw}).attempt(t, Config{MaxBody: 1 << 10, Checks: []Check{{Body: "^"}}}, 20*time.Second)
		if at.Outcome == drivers.Unknown || at.Code == drivers.CodeTimeout || (at.Outcome == drivers.Acked) != (at.Code == "") {
			t.Fatalf("%+v", at)
		}
		if at.Outcome == drivers.Acked {
			if err := wholeAnswer(raw); err != nil {
				t.Fatalf("acked: %v", err)
			}
		}
	})
}

// wholeAnswer returns what an answer of stream 1 lacks.
func wholeAnswer(raw []byte) error {
	fr := http2.NewFramer(io.Discard, bytes.NewReader(raw))
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	status, size, length := 0, int64(0), int64(-1)
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return err
		}
		ended := false
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID != 1 {
				continue
			}
			if status < 200 {
				status, _ = strconv.Atoi(f.PseudoValue("status"))
				for _, h := range f.RegularFields() {
					if h.Name == "content-length" {
						length, _ = strconv.ParseInt(h.Value, 10, 64)
					}
				}
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			if f.StreamID != 1 {
				continue
			}
			size += int64(len(f.Data()))
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			if f.StreamID == 1 {
				return errors.New("the stream was reset")
			}
		}
		if !ended {
			continue
		}
		switch {
		case status < 200 || status > 299:
			return errors.New("status " + strconv.Itoa(status))
		case length >= 0 && size != length && status != 204:
			return errors.New("another size than it says")
		}
		return nil
	}
}
