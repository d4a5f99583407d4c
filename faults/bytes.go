package faults

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of bytes, written 100B, 64KiB or 1MB.
type Bytes int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	v, ok := ParseBytes(s)
	if !ok {
		return fmt.Errorf("%q is no amount of bytes: write 100B, 64KiB or 1MB, at least 1B", s)
	}
	*b = Bytes(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b Bytes) String() string {
	for _, i := range []int{2, 1, 0, 6, 5, 3} { // GiB, MiB, KiB, GB, MB, kB
		u := byteUnits[i]
		if f := Bytes(u.factor); b >= f && b%f == 0 {
			return strconv.FormatInt(int64(b/f), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

var byteUnits = []struct {
	suffix string
	factor float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// ParseBytes reads an amount of at least 1 byte, with its unit.
func ParseBytes(s string) (amount int64, ok bool) {
	for _, u := range byteUnits {
		number, found := strings.CutSuffix(s, u.suffix)
		if !found {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		v *= u.factor
		return int64(math.Round(v)), err == nil && v >= 1 && v <= math.MaxInt64/2
	}
	return 0, false
}
