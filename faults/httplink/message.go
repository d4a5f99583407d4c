package httplink

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"wringer/faults/request"
)

// errNotHTTP: the bytes are not HTTP. They and all later bytes pass unchanged.
var errNotHTTP = errors.New("not HTTP")

// maxHead bounds the headers of a message. A longer message and all bytes after it pass unchanged. In bytes.
const maxHead = 64 << 10

// readHead looks at the start line and headers of the next message, without consuming them.
func readHead(r *bufio.Reader) ([]byte, error) {
	for n := 1; ; n = r.Buffered() + 1 {
		if n > maxHead {
			return nil, errNotHTTP
		}
		b, err := r.Peek(n)
		if all, _ := r.Peek(r.Buffered()); len(all) > 0 {
			if at := bytes.Index(all, []byte("\r\n\r\n")); at >= 0 {
				return bytes.Clone(all[:at+4]), nil
			}
			if !startLine(all) {
				return nil, errNotHTTP
			}
		}
		if err == io.EOF && len(b) > 0 {
			return nil, errNotHTTP
		}
		if err != nil {
			return nil, err
		}
	}
}

// startLine reports whether b may begin an HTTP/1 message. Other bytes pass at once, without waiting for headers.
func startLine(b []byte) bool {
	line, _, whole := bytes.Cut(b, []byte("\n"))
	for _, c := range bytes.TrimSuffix(line, []byte("\r")) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return !whole || bytes.Contains(line, []byte("HTTP/1."))
}

func parseRequest(head []byte) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
}

func parseAnswer(head []byte, method string) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: method})
}

// body is the framing of a message's body.
type body struct {
	length  int64 // of a body without chunks; negative: until the end of the connection
	chunked bool

	passed int
}

// empty reports whether nothing follows the headers.
func (b *body) empty() bool { return !b.chunked && b.length == 0 }

// bodyFault changes the bytes of a body, or ends it early.
type bodyFault struct {
	act     *Act
	inForce func() bool
	changed func() // called for each change
}

// room returns how many of the next n bytes pass, after passed bytes of the body.
func (f *bodyFault) room(n int64, passed int) int64 {
	if f == nil || f.act.Truncate == nil || !f.inForce() {
		return n
	}
	return min(n, int64(max(*f.act.Truncate-passed, 0)))
}

// change changes bytes of the body, from offset on.
func (f *bodyFault) change(p []byte, offset int) {
	if f != nil && f.act.Corrupt && f.inForce() && corrupt(p, offset) {
		f.changed()
	}
}

func bodyOf(r *http.Request) *body {
	if len(r.TransferEncoding) > 0 {
		return &body{chunked: true}
	}
	return &body{length: max(r.ContentLength, 0)}
}

func bodyOfAnswer(a *http.Response, method string) *body {
	switch {
	case method == http.MethodHead, a.StatusCode < 200, a.StatusCode == http.StatusNoContent, a.StatusCode == http.StatusNotModified,
		method == http.MethodConnect && a.StatusCode < 300:
		return &body{}
	case len(a.TransferEncoding) > 0:
		return &body{chunked: true}
	}
	return &body{length: a.ContentLength}
}

// pass writes the body to w. fault may be nil.
func (b *body) pass(w io.Writer, r *bufio.Reader, fault *bodyFault) error {
	switch {
	case b.chunked:
		return b.chunks(w, r, fault)
	case b.length < 0:
		return b.some(w, r, 1<<62, fault) // the end of the connection ends the body
	}
	return b.some(w, r, b.length, fault)
}

// some passes n bytes of the body.
func (b *body) some(w io.Writer, r *bufio.Reader, n int64, fault *bodyFault) error {
	for n > 0 {
		room := fault.room(n, b.passed)
		if room > 0 || b.length < 0 { // only a body of no announced length may end here by itself
			if _, err := r.Peek(1); err != nil {
				return err
			}
		}
		if room == 0 {
			fault.changed()
			return errShort
		}
		size := int(min(room, int64(r.Buffered())))
		p, _ := r.Peek(size)
		fault.change(p, b.passed)
		if _, err := w.Write(p); err != nil {
			return err
		}
		_, _ = r.Discard(size) // cannot fail: the bytes are in the buffer
		b.passed += size
		n -= int64(size)
	}
	return nil
}

// chunks passes a chunked body with its trailers (RFC 9112, section 7.1).
func (b *body) chunks(w io.Writer, r *bufio.Reader, fault *bodyFault) error {
	for {
		line, err := b.line(w, r)
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
		if err != nil {
			return request.ErrCut // the other end could not go on either
		}
		if n == 0 {
			break
		}
		if err := b.some(w, r, int64(n), fault); err != nil {
			return err
		}
		if _, err := b.line(w, r); err != nil {
			return err
		}
	}
	for {
		if line, err := b.line(w, r); err != nil || line == "" {
			return err
		}
	}
}

// line passes a line of the framing. It returns the line without its line end.
func (b *body) line(w io.Writer, r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if len(line) > 0 {
		if _, err := w.Write(line); err != nil {
			return "", err
		}
	}
	return strings.TrimRight(string(line), "\r\n"), err
}
