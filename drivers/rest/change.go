package rest

import (
	"bytes"
	"encoding/json"

	"wringer/drivers"
)

// changer returns a function that makes another request body of the same form. The changed body still names the same
// operation, so an effect of it shows as a second effect of that operation. In JSON the function changes the first
// number. Without a number it changes the last string that does not hold the identity, or adds a member. A form gets
// one more field, any other body one more character.
func changer(id drivers.Identity) func(body []byte) []byte {
	prefix := []byte(id.Run + "." + id.Stream + ".")
	return func(body []byte) []byte {
		switch {
		case json.Valid(body):
			return changeJSON(body, prefix)
		case bytes.IndexByte(body, '=') > 0 && !bytes.ContainsAny(body, " \t\r\n<>{"):
			return append(bytes.Clone(body), "&wringer_replay=1"...)
		}
		return append(bytes.Clone(body), '~')
	}
}

// changeJSON changes a valid JSON text.
func changeJSON(body, identity []byte) []byte {
	text := -1 // end of the last string that may be changed
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			end := endOfString(body, i)
			if !isName(body, end) && !bytes.Contains(body[i:end], identity) {
				text = end - 1
			}
			i = end - 1
		case '0' <= c && c <= '9':
			return changeNumber(body, i)
		}
	}
	if text >= 0 {
		return insert(body, text, "x")
	}
	if at := bytes.IndexByte(body, '{'); at >= 0 && at == len(body)-len(bytes.TrimLeft(body, " \t\r\n")) {
		if next := bytes.TrimLeft(body[at+1:], " \t\r\n"); next[0] == '}' {
			return insert(body, at+1, `"wringer_replay":true`)
		}
		return insert(body, at+1, `"wringer_replay":true,`)
	}
	return append(append([]byte{'['}, body...), ']')
}

// endOfString returns the index after the closing quote of the string that begins at i.
func endOfString(body []byte, i int) int {
	for i++; body[i] != '"'; i++ {
		if body[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// isName reports whether the string that ends before i names a member.
func isName(body []byte, i int) bool {
	rest := bytes.TrimLeft(body[i:], " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

// changeNumber changes the last digit of the digits at i by one.
func changeNumber(body []byte, i int) []byte {
	out := bytes.Clone(body)
	for i+1 < len(out) && '0' <= out[i+1] && out[i+1] <= '9' {
		i++
	}
	if out[i] == '9' {
		out[i] = '8'
	} else {
		out[i]++
	}
	return out
}

func insert(body []byte, at int, text string) []byte {
	out := make([]byte, 0, len(body)+len(text))
	return append(append(append(out, body[:at]...), text...), body[at:]...)
}
