package syntax

import "slices"

// table holds the replacement of each byte; "" for a byte that stays.
type table [256]string

// escape replaces bytes of dst[from:], in place.
func (t *table) escape(dst []byte, from int) []byte {
	more := 0
	for _, c := range dst[from:] {
		if r := t[c]; r != "" {
			more += len(r) - 1
		}
	}
	if more == 0 {
		return dst
	}
	old := len(dst)
	dst = slices.Grow(dst, more)[:old+more]
	for from, to := old, len(dst); from < to; { // from the end, so that nothing is overwritten before it was read
		from--
		if r := t[dst[from]]; r != "" {
			to -= len(r)
			copy(dst[to:], r)
		} else {
			to--
			dst[to] = dst[from]
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// percent is the table that percent-encodes the bytes that are not plain.
func percent(plain func(c byte) bool) *table {
	var t table
	for i := range t {
		if c := byte(i); !plain(c) {
			t[i] = string([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return &t
}

var (
	line = percent(func(c byte) bool { return c > ' ' && c < 0x7f && c != '#' })
	// unreserved keeps RFC 3986's unreserved characters alone.
	unreserved = percent(func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
	})
	jsonString = func() *table {
		t := table{'"': `\"`, '\\': `\\`}
		for c := range byte(' ') {
			t[c] = string([]byte{'\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15]})
		}
		return &t
	}()
	xmlText      = &table{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#13;"}
	xmlAttribute = &table{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&#34;", '\'': "&#39;", '\t': "&#9;", '\n': "&#10;", '\r': "&#13;"}
	// xmlCDATA ends the section and begins another one before each bracket that could end it.
	xmlCDATA = &table{'>': "]]><![CDATA[>"}
)

// Line escapes the bytes of dst[from:] that a request line cannot carry. It leaves the delimiters of a URL (/ ? & %) alone.
func Line(dst []byte, from int) []byte { return line.escape(dst, from) }

// Query escapes dst[from:] for a part of a URL or a form: all but RFC 3986's unreserved characters.
func Query(dst []byte, from int) []byte { return unreserved.escape(dst, from) }

// JSONString makes dst[from:] the inside of a JSON string.
func JSONString(dst []byte, from int) []byte { return jsonString.escape(dst, from) }
