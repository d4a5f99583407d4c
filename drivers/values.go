package drivers

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of bytes, written 512, 10KiB, 1MiB, 2GiB, 10kB, 1MB or 1GB.
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range byteUnits {
		number, found := strings.CutSuffix(s, u.suffix)
		if !found {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) || v*u.factor > math.MaxInt64/2 {
			break
		}
		*b = Bytes(math.Round(v * u.factor))
		return nil
	}
	return fmt.Errorf("%q is no amount of bytes: write 512, 10KiB, 1MiB or 1MB", s)
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b Bytes) String() string {
	for i := 2; i >= 0; i-- {
		if f := Bytes(byteUnits[i].factor); b >= f && b%f == 0 {
			return strconv.FormatInt(int64(b/f), 10) + byteUnits[i].suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Ratio is a share, written 10% or 0.1.
type Ratio float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Ratio) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Errorf("%q is no share: write 10%% or 0.1", s)
	}
	if percent {
		v /= 100
	}
	*r = Ratio(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (r Ratio) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(r)*100, 'g', 12, 64) + "%"), nil
}
