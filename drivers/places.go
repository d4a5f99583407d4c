package drivers

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

func literal(s string) Place {
	return func(dst []byte, _ *Env, _ *Op, _ uint64) []byte { return append(dst, s...) }
}

// literal is the text between places, escaped once.
func (d Dialect) literal(s string) Place {
	if d.Syntax != nil {
		s = d.Syntax.Literal(s)
	}
	return literal(s)
}

func (d Dialect) place(words []string) (Place, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("empty; allowed: %s", d.names())
	}
	name, args := words[0], words[1:]
	if d.Lookup != nil {
		if p := d.Lookup(name); p != nil {
			return p, noArguments(name, args)
		}
	}
	if counters[name] != nil && len(args) > 0 {
		return compileArithmetic(name, args)
	}
	for _, places := range []map[string]Place{plainPlaces, tracePlaces} {
		if p, ok := places[name]; ok {
			return p, noArguments(name, args)
		}
	}
	switch name {
	case "base64", "base64url", "hex", "sha256", "text", "upper":
		return d.compileEncoder(name, args)
	case "now":
		return compileNow(args)
	case "int":
		return compileInt(args)
	case "string":
		return compileString(args)
	case "choice":
		return compileChoice(args, Fit{})
	}
	return nil, fmt.Errorf("unknown name %q; allowed: %s", name, d.names())
}

func noArguments(name string, args []string) error {
	if len(args) != 0 {
		return fmt.Errorf("%s takes no arguments", name)
	}
	return nil
}

// names lists the names allowed in a place.
func (d Dialect) names() string {
	all := slices.Concat(placeNames, d.Names, []string{"text"})
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Reserved says whether every template has a place with this name.
func Reserved(name string) bool { return slices.Contains(placeNames, name) }

var placeNames = []string{
	"b3", "base64", "base64url", "choice", "hex", "id", "int", "key", "keyseq", "message", "message_id", "now", "raw", "seq", "sha256", "string", "timestamp",
	"traceparent", "unix_ms", "upper", "uuid", "xray",
}

var plainPlaces = map[string]Place{
	"id": func(dst []byte, env *Env, op *Op, _ uint64) []byte { return env.Identity.Append(dst, op.Seq) },
	"seq": func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		return strconv.AppendUint(dst, op.Seq, 10)
	},
	"key": func(dst []byte, _ *Env, op *Op, _ uint64) []byte { return AppendKey(dst, op.Key) },
	"keyseq": func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		return strconv.AppendUint(dst, op.KeySeq, 10)
	},
	"message": func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		return strconv.AppendUint(dst, op.Message, 10)
	},
	"message_id": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		return env.Identity.AppendMessage(dst, op.Seq, op.Message)
	},
	"uuid": func(dst []byte, env *Env, op *Op, place uint64) []byte {
		return appendUUID(dst, draw(env, op, 2*place), draw(env, op, 2*place+1<<32))
	},
	"timestamp": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		return env.Epoch().Add(op.Planned).UTC().AppendFormat(dst, time.RFC3339Nano)
	},
	"unix_ms": func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		return strconv.AppendInt(dst, env.Epoch().Add(op.Planned).UnixMilli(), 10)
	},
}

func compileInt(args []string) (Place, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("int takes the lowest and the highest value, as in {{int 1 100}}")
	}
	low, err1 := strconv.ParseInt(args[0], 10, 64)
	high, err2 := strconv.ParseInt(args[1], 10, 64)
	if err1 != nil || err2 != nil || high < low {
		return nil, fmt.Errorf("int takes two whole numbers, the lower first")
	}
	span := uint64(high-low) + 1
	return func(dst []byte, env *Env, op *Op, place uint64) []byte {
		return strconv.AppendInt(dst, low+int64(DrawBelow(draw(env, op, place), span)), 10)
	}, nil
}

func compileString(args []string) (Place, error) {
	n := -1
	if len(args) == 1 {
		if v, err := strconv.Atoi(args[0]); err == nil {
			n = v
		}
	}
	if n < 0 || n > MaxTemplateString {
		return nil, fmt.Errorf("string takes a length of 0 to %d", MaxTemplateString)
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return func(dst []byte, env *Env, op *Op, place uint64) []byte {
		var bits uint64
		for i := range n {
			if i%10 == 0 {
				bits = draw(env, op, place<<24+uint64(i))
			}
			dst = append(dst, letters[bits&63])
			bits >>= 6
		}
		return dst
	}, nil
}

// compileChoice makes the words fit at once.
func compileChoice(args []string, fit Fit) (Place, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("choice takes the words to choose from")
	}
	var words []string
	var ends []uint64
	var sum uint64
	for _, a := range args {
		word, weight := a, uint64(1)
		if i := strings.LastIndexByte(a, ':'); i >= 0 {
			w, err := strconv.ParseUint(a[i+1:], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("weight of %q is not a whole number", a)
			}
			word, weight = a[:i], w
		}
		if fit.Check != nil {
			if why := fit.Check([]byte(word)); why != "" {
				return nil, fmt.Errorf("%q %s", word, why)
			}
		}
		if fit.Escape != nil {
			word = string(fit.Escape([]byte(word), 0))
		}
		sum += weight
		words, ends = append(words, word), append(ends, sum)
	}
	if sum == 0 {
		return nil, fmt.Errorf("every weight is 0")
	}
	return func(dst []byte, env *Env, op *Op, place uint64) []byte {
		v := DrawBelow(draw(env, op, place), sum)
		for i, end := range ends {
			if v < end {
				return append(dst, words[i]...)
			}
		}
		return dst
	}, nil
}

// appendUUID writes a version 4 UUID (RFC 9562).
func appendUUID(dst []byte, a, b uint64) []byte {
	var raw [16]byte
	for i := range 8 {
		raw[i], raw[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[0:8], raw[0:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:36], raw[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(dst, text[:]...)
}
