package drivers

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// encoders change what a place renders: {{base64 id}}. Each rewrites dst[from:], and allocates nothing but room in dst.
var encoders = map[string]func(dst []byte, from int) []byte{
	"base64":    func(dst []byte, from int) []byte { return encodeAs(base64.StdEncoding, dst, from) },
	"base64url": func(dst []byte, from int) []byte { return encodeAs(base64.RawURLEncoding, dst, from) },
	"hex":       func(dst []byte, from int) []byte { return replaced(dst, from, hex.AppendEncode(dst, dst[from:])) },
	"sha256": func(dst []byte, from int) []byte {
		sum := sha256.Sum256(dst[from:])
		return hex.AppendEncode(dst[:from], sum[:])
	},
	"text": func(dst []byte, _ int) []byte { return dst },
	"upper": func(dst []byte, from int) []byte {
		if text := dst[from:]; isASCII(text) {
			for i, c := range text {
				if 'a' <= c && c <= 'z' {
					text[i] = c - 'a' + 'A'
				}
			}
			return dst
		}
		return append(dst[:from], bytes.ToUpper(dst[from:])...)
	},
}

// isASCII says whether text has no byte above 0x7f.
func isASCII(text []byte) bool {
	return !slices.ContainsFunc(text, func(c byte) bool { return c > 0x7f })
}

func encodeAs(e *base64.Encoding, dst []byte, from int) []byte {
	return replaced(dst, from, e.AppendEncode(dst, dst[from:]))
}

// replaced puts what was appended to dst in the place of dst[from:].
func replaced(dst []byte, from int, longer []byte) []byte {
	n := copy(longer[from:], longer[len(dst):])
	return longer[:from+n]
}

// compileEncoder compiles {{base64 PLACE}} and its like. Encoders may stand before each other.
func (d Dialect) compileEncoder(name string, words []string) (Place, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("%s takes a place, as in {{%s id}}", name, name)
	}
	if words[0] == "choice" {
		return nil, fmt.Errorf("%s takes no choice: write the words as they shall stand", name)
	}
	inner, err := d.place(words)
	if err != nil {
		return nil, err
	}
	encode := encoders[name]
	return func(dst []byte, env *Env, op *Op, place uint64) []byte {
		from := len(dst)
		return encode(inner(dst, env, op, place), from)
	}, nil
}

// layouts are the parts of a time by strftime's letters, as Go writes them.
var layouts = strings.NewReplacer("%Y", "2006", "%m", "01", "%d", "02", "%H", "15", "%M", "04", "%S", "05", "%y", "06", "%b", "Jan", "%a", "Mon", "%z", "-0700", "%Z", "MST", "%%", "%")

// compileNow compiles {{now FORMAT}}: the planned start in UTC, by strftime's letters.
func compileNow(args []string) (Place, error) {
	format := strings.Join(args, " ")
	if format == "" {
		return nil, fmt.Errorf("now takes a format, as in {{now %%Y-%%m-%%d}}; {{timestamp}} is RFC 3339, {{unix_ms}} milliseconds")
	}
	layout := layouts.Replace(format)
	if i := strings.IndexByte(layout, '%'); i >= 0 && !strings.Contains(format, "%%") {
		return nil, fmt.Errorf("now knows %%Y %%y %%m %%d %%b %%a %%H %%M %%S %%z %%Z, and not %s", layout[i:min(i+2, len(layout))])
	}
	if strings.ContainsAny(format, "0123456789") {
		return nil, fmt.Errorf("now takes no digits: write the parts of the time by letters, as in %%Y-%%m-%%d")
	}
	return func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		return env.Epoch().Add(op.Planned).In(time.UTC).AppendFormat(dst, layout)
	}, nil
}
