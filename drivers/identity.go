package drivers

import (
	"strconv"
)

// Identity writes and reads the identities of one stream's operations: RUN.STREAM.SEQ, where RUN tells this run from
// every other, so that what an earlier run left in a topic is foreign and never unexpected.
type Identity struct {
	Run    string // letters and digits
	Stream string // no dot
}

// Belonging says whose identity was read.
type Belonging uint8

const (
	// Foreign: no identity, or one of another run or stream.
	Foreign Belonging = iota
	// Ours: of this run and stream.
	Ours
)

// Append appends the identity of operation seq to dst.
func (id Identity) Append(dst []byte, seq uint64) []byte {
	dst = append(dst, id.Run...)
	dst = append(dst, '.')
	dst = append(dst, id.Stream...)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, seq, 10)
}

// Text is Append as a string.
func (id Identity) Text(seq uint64) string { return string(id.Append(nil, seq)) }

// Parse reads an identity. It allocates nothing. The text must be exactly what Append writes: a leading zero or a sign
// makes it foreign.
func (id Identity) Parse(text []byte) (seq uint64, b Belonging) {
	rest, ok := cutField(text, id.Run)
	if !ok {
		return 0, Foreign
	}
	rest, ok = cutField(rest, id.Stream)
	if !ok {
		return 0, Foreign
	}
	if seq, ok = ParseNumber(rest); !ok {
		return 0, Foreign
	}
	return seq, Ours
}

// maxDigits is how many digits no whole number overflows with.
const maxDigits = 19

// ParseNumber reads a whole number, exactly as strconv writes it. It allocates nothing.
func ParseNumber(text []byte) (n uint64, ok bool) {
	if len(text) == 0 || len(text) > 20 || (text[0] == '0' && len(text) > 1) {
		return 0, false
	}
	short := text[:min(len(text), maxDigits)]
	for _, c := range short {
		d := uint64(c - '0')
		if d > 9 {
			return 0, false
		}
		n = n*10 + d
	}
	for _, c := range text[len(short):] {
		d := uint64(c - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// cutField cuts "field." off the front of text.
func cutField(text []byte, field string) ([]byte, bool) {
	if len(text) <= len(field) || text[len(field)] != '.' || string(text[:len(field)]) != field {
		return nil, false
	}
	return text[len(field)+1:], true
}

// KeyOf is the key that operation seq of a stream with that seed draws from its key space: a pure function, so that a
// judge knows an operation's key without having kept it. Uniform; keys of 0 gives 0.
func KeyOf(seed, seq, keys uint64) uint64 { return DrawBelow(Draw(seed, seq, keyPlace), keys) }

// keyPlace keeps the key's draw apart from those of template places.
const keyPlace = 1 << 62
