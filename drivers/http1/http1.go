// Package http1 reads the text of HTTP/1.1 messages in place: the drivers that send requests and the witness of links look at each
// byte of them. Nothing allocates.
package http1

import "strings"

// Is reports whether a header is called name: ASCII letters are compared without case.
func Is(header []byte, name string) bool {
	if len(header) != len(name) {
		return false
	}
	for i := range header {
		if lower(header[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Length reads a content length in bytes: 1*DIGIT (RFC 9110, 8.6), at most 18 digits, so that the number cannot overflow.
func Length(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// ChunkSize reads the size of a chunk in bytes: 1*HEXDIG (RFC 9112, 7.1), at most 15 digits, so that the number cannot overflow.
func ChunkSize(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		digit := strings.IndexByte("0123456789abcdef", lower(c))
		if digit < 0 {
			return 0, false
		}
		n = n<<4 | int64(digit)
	}
	return n, true
}
