package witness

import (
	"bytes"
	"errors"

	"wringer/drivers"
	"wringer/drivers/http1"
)

// http1Reader reads an HTTP/1.x connection. Requests may be pipelined: the answers have the order of the requests.
type http1Reader struct {
	conn     *conn
	request  message
	response message
	waiting  []arrivedRequest // requests whose answer has not ended; the last may still be arriving
	mark     marker           // of the arriving request
	current  arrivedRequest
	old      bool // the response is HTTP/1.0
	status   int
}

// arrivedRequest is a request that arrived at the target.
type arrivedRequest struct {
	mark   drivers.Mark
	marked bool
	head   bool      // its method is HEAD
	link   *exchange // nil: the witness is a stream's
}

// pipelineBound is far more requests than any client has pending on one connection.
const pipelineBound = 1 << 12

func newHTTP1(c *conn) *http1Reader {
	h := &http1Reader{conn: c}
	h.request = message{begin: h.beginRequest, header: h.requestHeader, framed: h.arrived, whole: h.requestWhole}
	h.response = message{begin: h.beginResponse, header: h.responseHeader, framed: h.answering, whole: h.responseWhole}
	if l := c.w.link; l != nil {
		h.request.piece = func(b []byte) { l.piece(h.current.link, b) }
	}
	return h
}

func (h *http1Reader) asked(b []byte) error    { return h.request.feed(b) }
func (h *http1Reader) answered(b []byte) error { return h.response.feed(b) }

// ended ends a body that lasts until the connection ends. Any other answer is incomplete.
func (h *http1Reader) ended() error {
	if h.response.part == untilClose {
		return h.response.end()
	}
	return nil
}

// beginRequest reads METHOD TARGET HTTP/1.x.
func (h *http1Reader) beginRequest(line []byte) error {
	if len(line) == 0 { // RFC 9112, 2.2: a server skips blank lines before a request
		h.request.part = startLine
		return nil
	}
	method, rest, ok := bytes.Cut(line, []byte(" "))
	at := bytes.LastIndexByte(rest, ' ')
	if !ok || !isVisible(method) || at < 1 || !bytes.HasPrefix(rest[at+1:], []byte("HTTP/1.")) || len(rest)-at-1 != len("HTTP/1.1") {
		return errors.New("a request that is not HTTP/1.x; a witness cannot read TLS")
	}
	if string(method) == "CONNECT" {
		return errors.New("CONNECT: the rest is not HTTP")
	}
	h.mark = marker{}
	h.current = arrivedRequest{head: string(method) == "HEAD"}
	if l := h.conn.w.link; l != nil {
		h.current.link = l.begin(h.conn.id)
		h.current.link.Kind = requestKind(method, rest[:at])
	}
	return nil
}

func (h *http1Reader) requestHeader(name, value []byte) error {
	if x := h.current.link; x != nil {
		h.conn.w.link.header(x, name, value)
		return nil
	}
	if http1.Is(name, drivers.MarkHeader) {
		return h.mark.read(h.conn.w.identity, value)
	}
	return nil
}

// arrived handles the end of a request's head.
func (h *http1Reader) arrived() (framing, error) {
	f := &h.request.head
	switch {
	case f.encoding && (f.length >= 0 || !f.chunked):
		return framing{}, errors.New("a request with a transfer encoding that is not chunked, or beside a content length")
	case len(h.waiting) >= pipelineBound:
		return framing{}, errors.New("more than 4096 requests without an answer on one connection")
	}
	h.current.mark, h.current.marked = h.mark.Mark, h.mark.ours()
	h.waiting = append(h.waiting, h.current)
	if h.current.link != nil {
		h.conn.w.link.arrived(h.current.link)
	}
	if h.current.marked {
		h.conn.w.sink.Arrived(h.current.mark, h.conn.id, h.conn.w.clock())
	}
	return framing{length: max(f.length, 0), chunked: f.chunked}, nil
}

func (h *http1Reader) requestWhole() error {
	if x := h.current.link; x != nil {
		h.current.link = nil
		h.conn.w.link.whole(x)
	}
	if h.current.marked {
		h.conn.w.sink.Whole(h.current.mark)
	}
	return nil
}

// beginResponse reads HTTP/1.x STATUS.
func (h *http1Reader) beginResponse(line []byte) error {
	if len(line) < len("HTTP/1.1 200") || string(line[:7]) != "HTTP/1." || line[8] != ' ' {
		return errors.New("an answer that is not HTTP/1.x")
	}
	h.old, h.status = line[7] == '0', 0
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return errors.New("an answer without a status")
		}
		h.status = h.status*10 + int(c-'0')
	}
	return nil
}

func (h *http1Reader) responseHeader(_, _ []byte) error { return nil }

// answering handles the end of an answer's head. RFC 9112, 6.3 says where the body ends. An unrequested answer, as
// the 408 of a server that closes an idle connection, is read like any other.
func (h *http1Reader) answering() (framing, error) {
	f := &h.response.head
	switch {
	case h.status == 101:
		return framing{}, errors.New("101 Switching Protocols: the rest is not HTTP/1.x")
	case h.status < 200:
		return framing{}, errInterim
	case h.status == 204 || h.status == 304 || len(h.waiting) > 0 && h.waiting[0].head:
		return framing{}, nil
	case f.encoding && (f.length >= 0 || h.old):
		return framing{}, errors.New("an answer with a transfer encoding in HTTP/1.0 or beside a content length")
	case f.chunked:
		return framing{chunked: true}, nil
	case f.encoding || f.length < 0:
		return framing{close: true}, nil
	}
	return framing{length: f.length}, nil
}

func (h *http1Reader) responseWhole() error {
	if len(h.waiting) == 0 {
		return nil
	}
	first := h.waiting[0]
	h.waiting = h.waiting[:copy(h.waiting, h.waiting[1:])]
	if x := first.link; x != nil {
		x.Status = httpStatus(h.status)
		if h.conn.w.link.answered(x, h.conn.left) && h.current.link == x {
			h.current.link = nil
		}
	}
	if first.marked {
		h.conn.tellAnswered(first.mark)
	}
	return nil
}

// abandon implements protocolReader. A request whose answer came first may still be arriving.
func (h *http1Reader) abandon() {
	l := h.conn.w.link
	if l == nil {
		return
	}
	for _, r := range h.waiting {
		if r.link == h.current.link {
			h.current.link = nil
		}
		l.over(r.link)
	}
	if x := h.current.link; x != nil && x.Answered {
		l.over(x)
	}
	h.waiting, h.current.link = nil, nil
}

// marker collects the mark of one request.
type marker struct {
	drivers.Mark
	found bool
}

// read reads the header. A second one makes the mark ambiguous.
func (m *marker) read(id drivers.Identity, value []byte) error {
	if m.found {
		return errors.New("a request with two marks")
	}
	m.found, m.Mark = true, id.ParseMark(value)
	return nil
}

// ours reports whether the request carries a mark of this run and stream.
func (m *marker) ours() bool { return m.found && m.Ours }
