package rest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// script is a connection whose peer sends fixed bytes and then closes.
type script struct{ io.Reader }

func (script) Write(b []byte) (int, error)        { return len(b), nil }
func (script) Close() error                       { return nil }
func (script) LocalAddr() net.Addr                { return nil }
func (script) RemoteAddr() net.Addr               { return nil }
func (script) SetDeadline(time.Time) error        { return nil }
func (script) SetReadDeadline(t time.Time) error  { return nil }
func (script) SetWriteDeadline(t time.Time) error { return nil }

// readAnswer reads one answer; left is the number of unused bytes.
func readAnswer(from io.Reader, method string) (a *answer, left int, err error) {
	a = &answer{}
	c := newConn(script{from}, nil, false)
	r := reader{c: c, evaluator: &evaluator{keep: true}, a: a, maxBody: 1 << 10, noBody: method == "HEAD"}
	err = r.read(context.Background())
	return a, c.w - c.r, err
}

var answers = []struct {
	name, method, text string
	status             int
	body               string
	last               bool
	left               int
}{
	{name: "length", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello"},
	{name: "no reason", text: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", status: 200},
	{name: "same length twice", text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x"},
	{name: "lone LF", text: "HTTP/1.1 404 Not Found\nContent-Length: 2\n\nno", status: 404, body: "no"},
	{name: "chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1 \r\n!\r\n0\r\nTrailer: x\r\n\r\n", status: 200, body: "hello!"},
	{name: "until the end", text: "HTTP/1.1 200 OK\r\n\r\nhello", status: 200, body: "hello", last: true},
	{name: "closing", text: "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", status: 200, last: true},
	{name: "old", text: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x", last: true},
	{name: "old and kept", text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x"},
	{name: "interim", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", status: 204},
	{name: "204 has no body", text: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", status: 204, left: 5},
	{name: "304 has no body", text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304},
	{name: "HEAD has no body", method: "HEAD", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", status: 200},
	{name: "more than was asked for", text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200", status: 200, body: "x", left: 12},
	{name: "long header", text: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20_000) + "\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x"},
}

func TestAnswer(t *testing.T) {
	for _, test := range answers {
		t.Run(test.name, func(t *testing.T) {
			for name, from := range map[string]io.Reader{
				"at once": strings.NewReader(test.text), "byte by byte": iotest.OneByteReader(strings.NewReader(test.text)),
			} {
				a, left, err := readAnswer(from, test.method)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if a.status != test.status || string(a.body) != test.body || a.size != int64(len(test.body)) || a.last != test.last {
					t.Errorf("%s: status %d, body %q of %d bytes, last %v", name, a.status, a.body, a.size, a.last)
				}
				if name == "at once" && left != test.left {
					t.Errorf("%d bytes left, want %d", left, test.left)
				}
			}
		})
	}
}

// broken stands for any error of an answer that breaks the protocol.
var broken = malformed("")

var brokenAnswers = []struct {
	name, text string
	want       error
}{
	{"nothing", "", errCut},
	{"half a status line", "HTTP/1.1 20", errCut},
	{"half a head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", errCut},
	{"no body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", errCut},
	{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", errCut},
	{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", errCut},
	{"half a last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", errCut},
	{"only interim", "HTTP/1.1 100 Continue\r\n\r\n", errCut},
	{"body too large", "HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n", errTooLarge},
	{"chunk too large", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", errTooLarge},
	{"endless", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 5000), errTooLarge},
	{"other protocol", "ICY 200 OK\r\n\r\n", broken},
	{"blank line first", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", broken},
	{"version 2", "HTTP/2.0 200 OK\r\n\r\n", broken},
	{"version 1.2", "HTTP/1.2 200 OK\r\n\r\n", broken},
	{"short status", "HTTP/1.1 20 OK!!\r\n\r\n", broken},
	{"long status", "HTTP/1.1 2000 OK\r\n\r\n", broken},
	{"status 099", "HTTP/1.1 099 OK\r\n\r\n", broken},
	{"status 600", "HTTP/1.1 600 OK\r\n\r\n", broken},
	{"switching", "HTTP/1.1 101 Switching Protocols\r\n\r\n", broken},
	{"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", broken},
	{"blank in a name", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", broken},
	{"no name", "HTTP/1.1 200 OK\r\nwhatever\r\n\r\n", broken},
	{"NUL in a value", "HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n", broken},
	{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", broken},
	{"signed length", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", broken},
	{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", broken},
	{"huge length", "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n", broken},
	{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", broken},
	{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", broken},
	{"gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", broken},
	{"chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", broken},
	{"chunk with lone LF", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n", broken},
	{"chunk longer than said", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n", broken},
	{"endless head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20_000), broken},
	{"endless line", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 200_000), broken},
	{"endless interim", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10_000), broken},
}

func TestAnswerThatIsNone(t *testing.T) {
	for _, test := range brokenAnswers {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := readAnswer(strings.NewReader(test.text), "GET")
			var m malformed
			if errors.As(err, &m) && test.want == error(broken) {
				return
			}
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// FuzzAnswer shows that the reader accepts an answer only if net/http reads the same answer. How the bytes are split
// does not matter.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nno",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
		"HTTP/1.0 304 Not Modified\r\nRetry-After: 1\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, _, err := readAnswer(bytes.NewReader(text), "GET")
		slow, _, err2 := readAnswer(iotest.OneByteReader(bytes.NewReader(text)), "GET")
		if (err == nil) != (err2 == nil) || err == nil && (a.status != slow.status || !bytes.Equal(a.body, slow.body)) {
			t.Fatalf("at once %+v, %v; byte by byte %+v, %v", a, err, slow, err2)
		}
		if err != nil {
			return
		}
		status, body, err := standardAnswer(text)
		if err != nil {
			t.Fatalf("net/http: %v", err)
		}
		if status != a.status || !bytes.Equal(body, a.body) {
			t.Fatalf("status %d, body %q; net/http: status %d, body %q", a.status, a.body, status, body)
		}
	})
}

func standardAnswer(text []byte) (status int, body []byte, err error) {
	in := bufio.NewReader(bytes.NewReader(text))
	for {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return 0, nil, err
		}
		if response.StatusCode < 200 {
			continue
		}
		body, err = io.ReadAll(response.Body)
		return response.StatusCode, body, err
	}
}
