package toxi

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// BytesPerSecond is a bandwidth, written 64KiB/s, 1MiB/s, 10MB/s or 500B/s.
type BytesPerSecond int64

var bandwidthUnits = []struct {
	suffix string
	factor float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *BytesPerSecond) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	amount, ok := strings.CutSuffix(s, "/s")
	for _, u := range bandwidthUnits {
		number, found := strings.CutSuffix(amount, u.suffix)
		if !ok || !found {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if v *= u.factor; err != nil || !(v >= 1 && v <= math.MaxInt64/2) {
			break
		}
		*b = BytesPerSecond(math.Round(v))
		return nil
	}
	return fmt.Errorf("%q is no bandwidth: write 64KiB/s, 1MiB/s or 10MB/s, at least 1B/s", s)
}

// MarshalText implements encoding.TextMarshaler.
func (b BytesPerSecond) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b BytesPerSecond) String() string {
	for _, i := range []int{2, 1, 0, 6, 5, 3} { // GiB, MiB, KiB, GB, MB, kB
		u := bandwidthUnits[i]
		if f := BytesPerSecond(u.factor); b >= f && b%f == 0 {
			return strconv.FormatInt(int64(b/f), 10) + u.suffix + "/s"
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B/s"
}
