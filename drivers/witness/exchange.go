package witness

import (
	"encoding/binary"
	"strings"
	"sync"

	"wringer/drivers"
	"wringer/drivers/http1"
)

// link is the side of a witness that stands on a link between services.
type link struct {
	place Place
	to    func() drivers.Requests
	pool  sync.Pool
}

// OnLink makes the witness of a link between services. It reports each request, with the identity in its place, to the account
// that to returns at the time of its arrival; nil: to none.
func OnLink(place Place, to func() drivers.Requests) *Witness {
	return &Witness{link: &link{place: place, to: to, pool: sync.Pool{New: func() any { return new(exchange) }}}}
}

// exchange is one request on a link, until it is over.
type exchange struct {
	drivers.Request
	id         []byte // the memory of ID
	body       []byte // as much of it as may hold the identity
	scratch    []byte
	encoded    bool // the body is compressed, or too long: nothing is found in it
	framed     bool // the body is gRPC's: a message has five bytes before it
	identified bool
	ended      bool // its body arrived whole
}

const (
	// bodyBound bounds the part of a body that is kept to find an identity in it.
	bodyBound = 64 << 10
	// idBound bounds an identity. What is longer is none: two that begin alike may differ.
	idBound = 1 << 10
	// kindBound bounds the text of a kind.
	kindBound = 96
)

func (l *link) begin(conn uint64) *exchange {
	x := l.pool.Get().(*exchange)
	*x = exchange{Request: drivers.Request{Conn: conn}, id: x.id[:0], body: x.body[:0], scratch: x.scratch}
	return x
}

// header takes a header of the request.
func (l *link) header(x *exchange, name, value []byte) {
	switch {
	case l.place.header != "" && http1.Is(name, l.place.header):
		x.identify(value)
	case http1.Is(name, drivers.HeaderTraceparent):
		if t, ok := drivers.ParseTraceparent(value); ok {
			x.Trace = t
		}
	case http1.Is(name, drivers.HeaderB3), http1.Is(name, drivers.HeaderB3TraceID):
		if t, ok := drivers.ParseB3(value); ok && x.Trace == (drivers.TraceID{}) {
			x.Trace = t
		}
	case http1.Is(name, drivers.HeaderAmazon):
		if t, ok := drivers.ParseAmazon(value); ok && x.Trace == (drivers.TraceID{}) {
			x.Trace = t
		}
	case http1.Is(name, "content-encoding"), http1.Is(name, "grpc-encoding"):
		x.encoded = !http1.Is(value, "identity")
	case http1.Is(name, "content-type"):
		x.framed = len(value) >= len(grpcType) && http1.Is(value[:len(grpcType)], grpcType)
	}
}

const grpcType = "application/grpc"

// identify keeps the identity. An empty one, and one that is too long, is none.
func (x *exchange) identify(value []byte) {
	if len(value) > 0 && len(value) <= idBound {
		x.id = append(x.id[:0], value...)
		x.ID = x.id
	}
}

// arrived handles the end of the head.
func (l *link) arrived(x *exchange) {
	l.began(x)
	if !l.place.inBody() {
		l.identified(x)
	}
}

// began is arrived of a request that may be identified behind its head.
func (l *link) began(x *exchange) {
	if to := l.to(); to != nil {
		to.Arrived(&x.Request)
	}
}

// piece takes a piece of the body.
func (l *link) piece(x *exchange, b []byte) {
	if x == nil || !l.place.inBody() || x.encoded || x.identified {
		return
	}
	if _, whole := x.message(); x.framed && whole { // of a call's messages the first identifies it
		return
	}
	if len(x.body)+len(b) > bodyBound {
		x.encoded, x.body = true, x.body[:0]
		return
	}
	x.body = append(x.body, b...)
}

// identified tells the account what identifies the request. A body that was cut may hold the identity all the same, but not a
// number at which it was cut.
func (l *link) identified(x *exchange) {
	if x.identified {
		return
	}
	x.identified = true
	if body, whole := x.message(); l.place.inBody() && len(body) > 0 && !x.Plain {
		x.identify(l.place.find(body, whole, &x.scratch))
	}
	if x.To != nil {
		x.To.Identified(&x.Request)
	}
}

// message is the document in the body, the first of a call's messages, and whether it is whole; empty where there is none that can be
// read.
func (x *exchange) message() (doc []byte, whole bool) {
	const frame = 5
	switch {
	case x.encoded:
		return nil, false
	case !x.framed:
		return x.body, x.ended
	case len(x.body) < frame || x.body[0] != 0: // compressed
		return nil, false
	}
	doc, length := x.body[frame:], uint64(binary.BigEndian.Uint32(x.body[1:]))
	if uint64(len(doc)) < length {
		return doc, false
	}
	return doc[:length], true
}

// whole handles the end of the request.
func (l *link) whole(x *exchange) {
	x.ended, x.Whole = true, true
	l.identified(x)
	if x.Answered {
		l.over(x)
	}
}

// answered handles the end of the answer, and reports whether the request is over. left: the caller had given it up.
func (l *link) answered(x *exchange, left bool) (over bool) {
	if left {
		x.Status = ""
	}
	x.Answered = !left
	if over = x.ended || left; over {
		l.over(x)
	}
	return over
}

// over ends a request that was answered or given up. Nothing may be done with it any more.
func (l *link) over(x *exchange) {
	l.identified(x)
	if x.To != nil {
		x.To.Over(&x.Request)
	}
	l.pool.Put(x)
}

// kind is the kind of a request: in gRPC its method, else the method and the class of the path.
func (x *exchange) kind(method, path []byte) string {
	if x.framed {
		return string(path[:min(len(path), kindBound)])
	}
	return requestKind(method, path)
}

// requestKind is the method, and the class of the path: without its query, and with * for each segment that looks like a
// value.
func requestKind(method, path []byte) string {
	var b strings.Builder
	b.Write(method[:min(len(method), 16)])
	b.WriteByte(' ')
	text := string(path[:min(len(path), 1<<10)])
	if i := strings.Index(text, "://"); i >= 0 { // of a request to a proxy
		text = text[i+3:]
		text = text[max(strings.IndexByte(text, '/'), 0):]
	}
	text, _, _ = strings.Cut(text, "?")
	for i, segment := range strings.Split(text, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		if b.Len()+len(segment) > kindBound {
			b.WriteString("...")
			break
		}
		if isValue(segment) {
			segment = "*"
		}
		b.WriteString(segment)
	}
	return b.String()
}

// isValue reports whether a segment of a path looks like a value: it holds a digit and is no version as in v1, or is long, or holds
// what no name has.
func isValue(segment string) bool {
	if len(segment) > 40 {
		return true
	}
	digits := 0
	for i := range len(segment) {
		switch c := segment[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c <= ' ' || c >= 0x7f || c == '%':
			return true
		}
	}
	version := len(segment) <= 3 && segment != "" && segment[0] == 'v'
	return digits > 0 && !version
}
