package rest

// The escapes (see drivers.Dialect) make dst[from:] fit its position, in place where possible. Text without special
// characters costs one scan.

const upperHex = "0123456789ABCDEF"

// escaper percent-encodes the bytes that are not plain.
func escaper(plain func(c byte) bool) func(dst []byte, from int) []byte {
	var keep [256]bool
	for c := range keep {
		keep[c] = plain(byte(c))
	}
	return func(dst []byte, from int) []byte {
		return rewrite(dst, from, &keep, func(dst []byte, c byte) []byte {
			return append(dst, '%', upperHex[c>>4], upperHex[c&15])
		})
	}
}

// rewrite replaces each byte of dst[from:] that is not in keep.
func rewrite(dst []byte, from int, keep *[256]bool, put func(dst []byte, c byte) []byte) []byte {
	for i := from; i < len(dst); i++ {
		if keep[dst[i]] {
			continue
		}
		rest := string(dst[i:])
		dst = dst[:i]
		for _, c := range []byte(rest) {
			if keep[c] {
				dst = append(dst, c)
			} else {
				dst = put(dst, c)
			}
		}
		break
	}
	return dst
}

// escapeLine escapes the bytes that a request line cannot carry. It leaves the delimiters of a URL (/ ? & %) alone.
var escapeLine = escaper(func(c byte) bool { return c > ' ' && c < 0x7f && c != '#' })

// escapeQuery escapes everything but RFC 3986's unreserved characters.
var escapeQuery = escaper(func(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
})

// escapeHeader escapes line ends and control characters, so that no value can add a header.
var escapeHeader = escaper(func(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' })

// escapeJSON makes the inside of a JSON string.
func escapeJSON(dst []byte, from int) []byte {
	return rewrite(dst, from, &plainJSON, func(dst []byte, c byte) []byte {
		if c == '"' || c == '\\' {
			return append(dst, '\\', c)
		}
		return append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
	})
}

var plainJSON = func() (keep [256]bool) {
	for c := range keep {
		keep[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return keep
}()
