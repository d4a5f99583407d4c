package drivers

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// MaxSize bounds the sizes of generated values.
const MaxSize = 64 << 20

// Sizes draws the sizes of values. The zero value draws 0.
type Sizes struct {
	ranges []sizeRange
	sum    uint64
}

// sizeRange is a range of sizes, low to high, both included. end is the sum of its weight and the weights before.
type sizeRange struct{ low, high, end uint64 }

// CompileSizes reads {100: 90, 1KiB-4KiB: 9, 1MiB: 1}: a size or a range of sizes, and its weight.
func CompileSizes(all map[string]uint32) (s Sizes, err error) {
	for _, text := range slices.Sorted(maps.Keys(all)) {
		var r sizeRange
		from, to, ranged := strings.Cut(text, "-")
		if r.low, err = size(from); err != nil {
			return s, err
		}
		if r.high = r.low; ranged {
			if r.high, err = size(to); err != nil {
				return s, err
			}
		}
		if r.high < r.low {
			return s, fmt.Errorf("%q: the lower size comes first", text)
		}
		s.sum += uint64(all[text])
		r.end = s.sum
		s.ranges = append(s.ranges, r)
	}
	if len(all) > 0 && s.sum == 0 {
		return s, fmt.Errorf("every weight is 0")
	}
	return s, nil
}

func size(text string) (uint64, error) {
	var b Bytes
	if err := b.UnmarshalText([]byte(text)); err != nil {
		return 0, err
	}
	if b > MaxSize {
		return 0, fmt.Errorf("%s: must be at most %s", text, Bytes(MaxSize))
	}
	return uint64(b), nil
}

// Of is the size of operation seq's value. All attempts of an operation have the same size.
func (s *Sizes) Of(seed, seq uint64) int {
	if s.sum == 0 {
		return 0
	}
	v := DrawBelow(Draw(seed, seq, 0), s.sum)
	i, _ := slices.BinarySearchFunc(s.ranges, v+1, func(r sizeRange, v uint64) int { return cmp.Compare(r.end, v) })
	r := s.ranges[i]
	return int(r.low + DrawBelow(Draw(seed, seq, 1), r.high-r.low+1))
}

// Largest is the largest size that can be drawn.
func (s *Sizes) Largest() int {
	largest := uint64(0)
	for _, r := range s.ranges {
		largest = max(largest, r.high)
	}
	return int(largest)
}

// blanks is the padding of values.
var blanks = bytes.Repeat([]byte{' '}, 4096)

// Pad appends blanks until b has size bytes.
func Pad(b []byte, size int) []byte {
	for len(b) < size {
		b = append(b, blanks[:min(size-len(b), len(blanks))]...)
	}
	return b
}
