package drivers

import (
	"encoding/binary"
	"strconv"
)

// Identity writes and reads the identities of one stream's operations: RUN.STREAM.SEQ. RUN tells this run from every other,
// so records of an earlier run are foreign and never unexpected.
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
// makes it foreign. A Reader is faster for many identities.
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

// Reader returns a reader with the results of Parse.
func (id Identity) Reader() IdentityReader {
	return IdentityReader{prefix: id.Run + "." + id.Stream + "."}
}

// IdentityReader reads the identities of one stream's operations, as Identity.Parse does. It compares the part before the
// number at once. Safe for concurrent use.
type IdentityReader struct{ prefix string }

// Parse reads an identity. It allocates nothing.
func (r IdentityReader) Parse(text []byte) (seq uint64, b Belonging) {
	n := len(r.prefix)
	if len(text) <= n || string(text[:n]) != r.prefix {
		return 0, Foreign
	}
	seq, ok := ParseNumber(text[n:])
	if !ok {
		return 0, Foreign
	}
	return seq, Ours
}

// cutField cuts "field." off the front of text.
func cutField(text []byte, field string) ([]byte, bool) {
	if len(text) <= len(field) || text[len(field)] != '.' || string(text[:len(field)]) != field {
		return nil, false
	}
	return text[len(field)+1:], true
}

// largest is the largest number that ParseNumber reads.
const largest = "18446744073709551615"

// ParseNumber reads a whole number, exactly as strconv writes it. It allocates nothing.
func ParseNumber(text []byte) (n uint64, ok bool) {
	switch {
	case len(text) == 0 || text[0] == '0' && len(text) > 1:
		return 0, false
	case len(text) <= 8:
		return eightDigits(leadingDigits(text))
	case len(text) > len(largest) || len(text) == len(largest) && string(text) > largest:
		return 0, false
	}
	last := len(text) - 8
	high, ok := ParseNumber(text[:last])
	low, digits := eightDigits(binary.LittleEndian.Uint64(text[last:]))
	if !ok || !digits {
		return 0, false
	}
	return high*1e8 + low, true
}

// zeros are eight digits 0.
const zeros = 0x3030303030303030

// leadingDigits returns a text of one to eight bytes as a word, padded in front to eight with zeros. The first byte is the
// lowest.
func leadingDigits(text []byte) (word uint64) {
	n := len(text)
	switch {
	case n == 8:
		return binary.LittleEndian.Uint64(text)
	case n >= 4: // bytes in both halves are the same
		word = uint64(binary.LittleEndian.Uint32(text)) | uint64(binary.LittleEndian.Uint32(text[n-4:]))<<(8*(n-4))
	default:
		for i, c := range text {
			word |= uint64(c) << (8 * i)
		}
	}
	return word<<(8*(8-n)) | zeros>>(8*n)
}

// eightDigits reads eight digits at once; the first is the lowest byte of the word. Neighbours are summed up to numbers of two
// digits, these to numbers of four, and these to one of eight. See Lemire, "Quickly parsing eight digits", 2018. ok is false
// unless all bytes are digits.
func eightDigits(word uint64) (n uint64, ok bool) {
	const high = 0xf0f0f0f0f0f0f0f0
	// The high half of a digit is 3, even after adding 6. No other byte has this property.
	if word&high != zeros || (word+0x0606060606060606)&high != zeros {
		return 0, false
	}
	word -= zeros
	word = word*10 + word>>8 // numbers of two digits, in every other byte
	const pair = 0x000000ff000000ff
	return (word&pair*(100+1000000<<32) + word>>16&pair*(1+10000<<32)) >> 32, true
}

// KeyOf is the key of operation seq, drawn from keys by the stream's seed. It is a pure function, so a check knows an
// operation's key without storing it. Uniform. keys of 0 gives 0.
func KeyOf(seed, seq, keys uint64) uint64 { return DrawBelow(Draw(seed, seq, keyPlace), keys) }

// KeysOf returns KeyOf for one seed and key space. It is faster for many keys: the seed is mixed once. The returned function
// is safe for concurrent use.
//
//go:noinline
func KeysOf(seed, keys uint64) func(seq uint64) uint64 {
	// If it were inlined, the compiler would copy the closure to the caller's package, and call there what it inlines here.
	mixed := mixSeed(seed)
	return func(seq uint64) uint64 { return DrawBelow(drawMixed(mixed, seq, keyPlace), keys) }
}

// keyPlace keeps the draws of keys apart from those of template places.
const keyPlace = 1 << 62
