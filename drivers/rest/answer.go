package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"wringer/drivers/http1"
)

// malformed is the error of an answer that broke the protocol.
type malformed string

func (m malformed) Error() string { return string(m) }

var (
	errTooLarge = errors.New("the answer's body exceeds max_body, and a check, a capture or a replay needs all of it")
	errCut      = errors.New("closed before the answer was whole")
	errCutTLS   = fmt.Errorf("%w: no TLS close_notify ended the body", errCut)
)

// maxHead bounds everything before the body, interim answers included.
const maxHead = 64 << 10

// reader reads the answer to one request. The driver has its own reader because leniency could turn garbage into an
// ack: fasthttp's parser skips blank lines before the status line, and its body reader accepts some broken framings
// as the end of the body. This reader accepts nothing that net/http refuses, as a fuzz test shows.
type reader struct {
	c         *conn
	evaluator *evaluator
	a         *answer
	maxBody   int64
	noBody    bool // the request's method is HEAD

	clock   func() time.Duration // the run's; nil: reading does not block
	headed  bool                 // the head came, with a status
	refused bool                 // the head came, and its status is no success

	left int // bytes of maxHead not yet used
	framing
}

// framing states where the body ends (RFC 9112, 6.3).
type framing struct {
	old      bool  // HTTP/1.0
	length   int64 // -1 when not given
	close    bool
	keep     bool
	encoding bool
}

// read reads one whole answer. After any error the connection cannot be used again.
func (r *reader) read(ctx context.Context) error {
	r.left, r.headed, r.refused = maxHead, false, false
	for {
		r.framing = framing{length: -1}
		r.a.reset(r.evaluator)
		if err := r.readHead(ctx); err != nil {
			return err
		}
		if r.a.status >= 200 {
			break
		}
		if r.a.status == 101 {
			return malformed("unrequested 101 Switching Protocols")
		}
	}
	r.headed, r.a.last = true, r.close || r.old && !r.keep
	r.refused = !r.evaluator.ok[r.a.status]
	read := r.readBody
	if r.refused && r.clock != nil && (r.encoding || r.length < 0 || r.length > int64(r.c.w-r.c.r)) {
		read = r.readRefusal
	}
	err := read(ctx)
	if err == io.EOF {
		return errCut
	}
	return err
}

// judge marks an error of read that came behind the head.
func (r *reader) judge(err error) error {
	if err != nil && r.headed {
		return afterHead{err}
	}
	return err
}

func (r *reader) readHead(ctx context.Context) error {
	line, err := r.headLine(ctx)
	if err != nil {
		return err
	}
	if err := r.status(line); err != nil {
		return err
	}
	for {
		line, err := r.headLine(ctx)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		name, value, err := cutHeader(line)
		if err != nil {
			return err
		}
		if err := r.framing.header(name, value); err != nil {
			return err
		}
		r.a.header(r.evaluator, name, value)
	}
}

// headLine reads one line of a head, without its end. A lone LF ends a line too (RFC 9112, 2.2).
func (r *reader) headLine(ctx context.Context) ([]byte, error) {
	line, err := r.c.readLine(ctx, r.left)
	if err == io.EOF {
		err = errCut
	}
	if err != nil {
		return nil, err
	}
	if r.left -= len(line); r.left < 0 {
		return nil, malformed("head longer than 64 KiB")
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	return line, nil
}

// status reads a status line, as in HTTP/1.1 200 OK.
func (r *reader) status(line []byte) error {
	const example = "HTTP/1.x 200"
	if len(line) < len(example) || string(line[:7]) != "HTTP/1." || line[8] != ' ' {
		return malformed("no HTTP/1 status line")
	}
	if len(line) > len(example) && line[len(example)] != ' ' {
		return malformed("status of more than three digits")
	}
	switch line[7] {
	case '0':
		r.old = true
	case '1':
	default:
		return malformed("unknown version of HTTP")
	}
	status := 0
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return malformed("status that is not a number")
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 || status > 599 {
		return malformed("status outside of 100 to 599")
	}
	if !validValue(line[12:]) {
		return malformed("control character in the status line")
	}
	r.a.status = status
	return nil
}

// cutHeader splits a header line. A line folded over two lines (obsolete since RFC 7230) counts as malformed.
func cutHeader(line []byte) (name, value []byte, err error) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return nil, nil, malformed("header line without a name")
	}
	name, value = line[:i], line[i+1:]
	for _, c := range name {
		if !tokenBytes[c] {
			return nil, nil, malformed("invalid character in a header name")
		}
	}
	if !validValue(value) {
		return nil, nil, malformed("control character in a header")
	}
	return name, trim(value), nil
}

// trim cuts blanks and tabs off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func validValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// header records what a header says about the framing.
func (f *framing) header(name, value []byte) error {
	switch {
	case http1.Is(name, "Content-Length"):
		n, ok := http1.Length(value)
		if !ok || f.length >= 0 && f.length != n {
			return malformed("invalid or contradictory content length")
		}
		f.length = n
	case http1.Is(name, "Transfer-Encoding"):
		if !http1.Is(value, "chunked") || f.encoding {
			return malformed("transfer encoding other than chunked")
		}
		f.encoding = true
	case http1.Is(name, "Connection"):
		for option := range bytes.SplitSeq(value, []byte(",")) {
			option = trim(option)
			f.close = f.close || http1.Is(option, "close")
			f.keep = f.keep || http1.Is(option, "keep-alive")
		}
	}
	return nil
}

func (r *reader) readBody(ctx context.Context) error {
	switch {
	case r.noBody || r.a.status == 204 || r.a.status == 304:
		return nil
	case r.encoding && (r.old || r.length >= 0):
		// RFC 9112, 6.1 and 6.3: such framing is faulty, and a sign of a smuggled answer.
		return malformed("transfer encoding in HTTP/1.0, or beside a content length")
	case r.encoding:
		return r.readChunks(ctx)
	case r.length >= 0:
		if r.length > r.maxBody {
			return errTooLarge
		}
		return r.take(ctx, r.length)
	}
	// Without either header the body ends with the connection. In clear text a body that was cut short looks the same.
	// Over TLS only a close_notify ends it (RFC 9112, 9.8).
	r.a.last = true
	for {
		if err := r.take(ctx, int64(r.c.w-r.c.r)); err != nil {
			return err
		}
		if err := r.c.fill(ctx); err == io.EOF {
			if r.c.truncated() {
				return errCutTLS
			}
			return nil
		} else if err != nil {
			return err
		}
	}
}

// take reads n bytes of the body.
func (r *reader) take(ctx context.Context, n int64) error {
	if r.a.size += n; r.a.size > r.maxBody {
		return errTooLarge
	}
	c := r.c
	if n > int64(len(c.buf)) && len(c.buf) < largeBuffer {
		buf := make([]byte, largeBuffer)
		c.w = copy(buf, c.buf[c.r:c.w])
		c.r, c.buf = 0, buf
	}
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(ctx); err != nil {
				return err
			}
		}
		have := int(min(n, int64(c.w-c.r)))
		r.evaluator.take(r.a, c.buf[c.r:c.r+have])
		c.r += have
		n -= int64(have)
	}
	return nil
}

// take keeps what is needed of the body's next bytes.
func (j *evaluator) take(a *answer, part []byte) {
	switch {
	case j.keep:
		a.body = append(a.body, part...)
	case !j.ok[a.status] && len(a.body) < shownBody+1:
		a.body = append(a.body, part[:min(len(part), shownBody+1-len(a.body))]...)
	}
}

// readChunks reads a chunked body with its trailer (RFC 9112, 7.1). In it lines must end in CRLF.
func (r *reader) readChunks(ctx context.Context) error {
	for {
		line, err := r.c.readLine(ctx, maxHead)
		if err != nil {
			return err
		}
		n, ok := parseChunk(line)
		if !ok {
			return malformed("chunk without a size")
		}
		if n > r.maxBody {
			return errTooLarge
		}
		if n == 0 {
			return r.readTrailer(ctx)
		}
		if err := r.take(ctx, n); err != nil {
			return err
		}
		if line, err = r.c.readLine(ctx, 2); err != nil {
			return err
		}
		if string(line) != "\r\n" {
			return malformed("chunk longer than its size")
		}
	}
}

// parseChunk reads a chunk's size from its line: hexadecimal digits, perhaps blanks and an extension, CRLF.
func parseChunk(line []byte) (int64, bool) {
	line, found := bytes.CutSuffix(line, []byte("\r\n"))
	if !found {
		return 0, false
	}
	size, extension, _ := bytes.Cut(line, []byte(";"))
	size = bytes.TrimRight(size, " \t")
	if !validValue(extension) {
		return 0, false
	}
	return http1.ChunkSize(size)
}

// readTrailer reads the lines after the last chunk. Their content is ignored, but they must be there.
func (r *reader) readTrailer(ctx context.Context) error {
	for left := maxHead; ; {
		line, err := r.c.readLine(ctx, left)
		if err != nil {
			return err
		}
		if left -= len(line); left < 0 {
			return malformed("trailer longer than 64 KiB")
		}
		line, found := bytes.CutSuffix(line, []byte("\r\n"))
		if !found {
			return malformed("trailer line without CRLF")
		}
		if len(line) == 0 {
			return nil
		}
		if _, _, err := cutHeader(line); err != nil {
			return err
		}
	}
}
