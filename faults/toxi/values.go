package toxi

import (
	"fmt"
	"strings"

	"wringer/faults"
)

// BytesPerSecond is a bandwidth, written 64KiB/s, 1MiB/s, 10MB/s or 500B/s.
type BytesPerSecond int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *BytesPerSecond) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	amount, ok := strings.CutSuffix(s, "/s")
	v, whole := faults.ParseBytes(amount)
	if !ok || !whole {
		return fmt.Errorf("%q is no bandwidth: write 64KiB/s, 1MiB/s or 10MB/s, at least 1B/s", s)
	}
	*b = BytesPerSecond(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (b BytesPerSecond) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b BytesPerSecond) String() string { return Bytes(b).String() + "/s" }

// Bytes is an amount of bytes.
type Bytes = faults.Bytes
