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

// errNotHTTP: this is no HTTP. What follows passes as it is.
var errNotHTTP = errors.New("not HTTP")

// maxHead bounds the headers of a message; a longer one passes as it is, and all behind it.
const maxHead = 64 << 10

// readHead looks at the start line and the headers of the next message, and takes nothing.
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

// startLine says whether b may begin a message of HTTP/1. What cannot passes at once, and does not wait for headers.
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

// body is how a message's body is framed.
type body struct {
	length  int64 // of a plain one; negative: until the end of the connection
	chunked bool

	cut  bool // it ends after most bytes
	most int

	passed int
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

// pass writes the body to w, changed by change where that is not nil.
func (b *body) pass(w io.Writer, r *bufio.Reader, change func([]byte, int)) error {
	switch {
	case b.chunked:
		return b.chunks(w, r, change)
	case b.length < 0:
		err := b.some(w, r, 1<<62, change)
		return err // the end of the connection is that of the body
	}
	return b.some(w, r, b.length, change)
}

// some passes n bytes of the body.
func (b *body) some(w io.Writer, r *bufio.Reader, n int64, change func([]byte, int)) error {
	for n > 0 {
		if b.cut && b.passed >= b.most {
			return errShort
		}
		if _, err := r.Peek(1); err != nil {
			return err
		}
		size := int(min(n, int64(r.Buffered())))
		if b.cut {
			size = min(size, b.most-b.passed)
		}
		p, _ := r.Peek(size)
		if change != nil {
			change(p, b.passed)
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		_, _ = r.Discard(size) // it is in the buffer
		b.passed += size
		n -= int64(size)
	}
	return nil
}

// chunks passes a chunked body with its trailers (RFC 9112, section 7.1).
func (b *body) chunks(w io.Writer, r *bufio.Reader, change func([]byte, int)) error {
	for {
		line, err := b.line(w, r)
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
		if err != nil {
			return request.ErrCut // the reader at the other end could not go on either
		}
		if n == 0 {
			break
		}
		if err := b.some(w, r, int64(n), change); err != nil {
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

// line passes a line of the framing and returns it without its end.
func (b *body) line(w io.Writer, r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if len(line) > 0 {
		if _, err := w.Write(line); err != nil {
			return "", err
		}
	}
	return strings.TrimRight(string(line), "\r\n"), err
}
