package unary

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"

	"wringer/drivers"
)

const gzipped = "gzip"

// Field is a field of the request's headers. The name is in lower case. The value of a name that ends in -bin is sent
// in base64. It is sent without indexing: values that change with every call would evict useful entries from the
// HPACK table.
func Field(name, value string) hpack.HeaderField {
	if strings.HasSuffix(name, "-bin") {
		value = base64.RawStdEncoding.EncodeToString([]byte(value))
	}
	return hpack.HeaderField{Name: name, Value: value, Sensitive: true}
}

// shared are the fields that all calls of a channel have.
func (o *Options) shared() []hpack.HeaderField {
	return []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: o.Scheme},
		{Name: ":path", Value: o.Path},
		{Name: ":authority", Value: o.Authority},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "user-agent", Value: "wringer"},
		{Name: "te", Value: "trailers"},
		{Name: "grpc-accept-encoding", Value: gzipped},
	}
}

const (
	timeoutField = "grpc-timeout"
	// timeoutSize is the largest size of the timeout field, as RFC 9113 counts it (6.5.2).
	timeoutSize = int64(len(timeoutField) + len("99999999m") + 32)
)

// appendTimeout writes a remaining time in the format of grpc-timeout, rounded up to the millisecond. In microseconds
// the value would change with every call, and the compression of neither side could keep it. A call without time left
// gets 1 ms, because the format has no zero.
func appendTimeout(dst []byte, left time.Duration) []byte {
	const most = 99_999_999 // eight digits
	ms := int64((max(left, 1) + time.Millisecond - 1) / time.Millisecond)
	if ms <= most {
		return append(strconv.AppendInt(dst, ms, 10), 'm')
	}
	return append(strconv.AppendInt(dst, min((ms+999)/1000, most), 10), 'S')
}

// head is the information in the first headers of an answer.
type head struct {
	proper   bool // a correct gRPC head
	interim  bool // a 1xx: more headers follow
	status   string
	kind     string // content type
	encoding string
	fault    string // an error in the headers; empty: none
}

// trailers are the target's end of a call.
type trailers struct {
	status           codes.Code
	message, details string
	fault            string // an error in the trailers; empty: none
}

func headOf(f *http2.MetaHeadersFrame) head {
	h := head{encoding: "identity"}
	for _, field := range f.Fields {
		switch field.Name {
		case ":status":
			h.status = field.Value
		case "content-type":
			h.kind = field.Value
		case "grpc-encoding":
			h.encoding = field.Value
		default:
			h.fault = cmp.Or(h.fault, flaw(field))
		}
	}
	rest, ok := strings.CutPrefix(h.kind, "application/grpc")
	h.proper = ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
	if !h.proper {
		code, err := strconv.Atoi(h.status)
		h.interim = err == nil && 100 <= code && code < 200
	}
	return h
}

// ProxyPrefix begins the code of an answer that is not gRPC's: http_503.
const ProxyPrefix = "http_"

// ProxyCode is the code of an HTTP status with which a proxy answers in the target's place; "" if a proxy does not.
func ProxyCode(status int) string {
	if status < 201 || status > 599 {
		return ""
	}
	return ProxyPrefix + strconv.Itoa(status)
}

// flaw is the error in a field of the answer's metadata; empty: none.
func flaw(f hpack.HeaderField) string {
	if strings.HasSuffix(f.Name, "-bin") {
		if _, err := Binary(f.Value); err != nil {
			return fmt.Sprintf("%s is no base64: %v", f.Name, err)
		}
	}
	return ""
}

// trailersOf reads the end of a call. A missing status is the code Unknown, as for grpc-go.
func trailersOf(f *http2.MetaHeadersFrame) trailers {
	t := trailers{status: codes.Unknown}
	details := 0
	for _, field := range f.Fields {
		t.fault = cmp.Or(t.fault, flaw(field))
		switch field.Name {
		case "grpc-status":
			code, err := strconv.ParseInt(field.Value, 10, 32)
			if err != nil {
				t.fault = fmt.Sprintf("grpc-status %q is no number", field.Value)
				return t
			}
			t.status = codes.Code(uint32(code))
		case "grpc-message":
			t.message = unescape(field.Value)
		case "grpc-status-details-bin":
			t.details = field.Value
			details++
		}
	}
	if details > 1 {
		t.details = "" // with two it is unknown which one is meant
	}
	return t
}

// unescape decodes the percent-encoding of grpc-message. Invalid escapes stay as they are.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

// Binary decodes the value of a field whose name ends in -bin: base64, padded or not.
func Binary(s string) ([]byte, error) {
	if len(s)%4 == 0 {
		return base64.StdEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// gunzip decompresses a message; most bounds the result. In bytes.
func gunzip(b []byte, most int) (message []byte, fault, text string) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		message, err = io.ReadAll(io.LimitReader(r, int64(most)+1))
	}
	switch {
	case err != nil:
		return nil, drivers.CodeMalformed, "a message does not decompress: " + err.Error()
	case len(message) > most:
		return nil, drivers.CodeTooLarge, fmt.Sprintf("a message decompresses to more than the limit, %d bytes", most)
	}
	return message, "", ""
}
