package kafka

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/drivers"
)

// sizes draws the sizes of values. The zero value draws 0.
type sizes struct {
	ranges []sizeRange
	sum    uint64
}

// sizeRange is a range of sizes, low to high, both included. end is the sum of its weight and the weights before.
type sizeRange struct{ low, high, end uint64 }

// compileSizes reads {100: 90, 1KiB-4KiB: 9, 1MiB: 1}: a size or a range of sizes, and its weight.
func compileSizes(all map[string]uint32) (s sizes, err error) {
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
	var b drivers.Bytes
	if err := b.UnmarshalText([]byte(text)); err != nil {
		return 0, err
	}
	if b > maxSize {
		return 0, fmt.Errorf("%s: must be at most %s", text, drivers.Bytes(maxSize))
	}
	return uint64(b), nil
}

// of is the size of operation seq's value. All attempts of an operation have the same size.
func (s *sizes) of(seed, seq uint64) int {
	if s.sum == 0 {
		return 0
	}
	v := drivers.DrawBelow(drivers.Draw(seed, seq, 0), s.sum)
	i, _ := slices.BinarySearchFunc(s.ranges, v+1, func(r sizeRange, v uint64) int { return cmp.Compare(r.end, v) })
	r := s.ranges[i]
	return int(r.low + drivers.DrawBelow(drivers.Draw(seed, seq, 1), r.high-r.low+1))
}

// largest is the largest size that can be drawn.
func (s *sizes) largest() int {
	largest := uint64(0)
	for _, r := range s.ranges {
		largest = max(largest, r.high)
	}
	return int(largest)
}
