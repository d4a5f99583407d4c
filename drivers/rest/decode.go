package rest

import (
	"bytes"
	"errors"
	"strings"
	"unicode"

	"wringer/drivers/coding"
)

// decode makes a.body what the target encoded, by the answer's Content-Encoding, and cuts off a byte order mark. The result has at
// most limit bytes, whatever the body unpacks to.
func (a *answer) decode(limit int64) (err error) {
	a.body, a.spare, err = coding.Undo(a.codings, a.body, a.spare, limit)
	switch {
	case errors.Is(err, coding.ErrTooLarge):
		return errTooLarge
	case err != nil:
		return malformed(err.Error())
	}
	a.body, a.codings = bytes.TrimPrefix(a.body, []byte("\ufeff")), ""
	return nil
}

// clip shortens a text to about n bytes, and makes it one printable line.
func clip[T string | []byte](text T, n int) string {
	cut := len(text) > n
	if cut {
		text = text[:n]
	}
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "")), " ")
	line = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, line)
	if cut {
		line += "..."
	}
	return line
}
