package toxi

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/faults"
)

func TestConfig(t *testing.T) {
	tests := []struct {
		config   Config
		kind     string
		words    string
		problems string // the fields, in order
	}{
		{Config{Link: "orders", Latency: 80 * ms, Jitter: 20 * ms}, "latency", "latency 80ms, jitter 20ms", ""},
		{Config{Link: "orders", Latency: ms, Direction: Both}, "latency", "latency 1ms, direction both", ""},
		{Config{Link: "orders", Bandwidth: 1 << 20}, "bandwidth", "bandwidth 1MiB/s", ""},
		{Config{Link: "orders", Partition: FromTarget}, "partition", "partition from-target, drop", ""},
		{Config{Link: "orders", Partition: Both, Mode: Hold}, "partition", "partition both, hold", ""},
		{Config{Link: "orders", Refuse: true}, "refuse", "refuse", ""},
		{Config{Link: "orders", Latency: ms, Bandwidth: 1500, Partition: ToTarget, Refuse: true},
			"latency+bandwidth+partition+refuse", "latency 1ms, bandwidth 1500B/s, partition to-target, drop, refuse", ""},

		{Config{}, "", "", "link link"},
		{Config{Link: "orders"}, "", "", "link"},
		{Config{Link: "orders", Jitter: ms}, "", "jitter 1ms", "link jitter"},
		{Config{Link: "orders", Latency: ms, Jitter: 2 * ms}, "latency", "latency 1ms, jitter 2ms", "jitter"},
		{Config{Link: "orders", Latency: -ms}, "latency", "latency -1ms", "latency"},
		{Config{Link: "orders", Latency: ms, Jitter: -ms}, "latency", "latency 1ms, jitter -1ms", "jitter"},
		{Config{Link: "orders", Refuse: true, Bandwidth: -1}, "bandwidth+refuse", "bandwidth -1B/s, refuse", "bandwidth"},
		{Config{Link: "orders", Partition: "up"}, "partition", "partition up, drop", "partition"},
		{Config{Link: "orders", Partition: Both, Mode: "lose"}, "partition", "partition both, lose", "mode"},
		{Config{Link: "orders", Refuse: true, Mode: Hold}, "refuse", "refuse", "mode"},
		{Config{Link: "orders", Partition: Both, Direction: Both}, "partition", "partition both, drop", "direction"},
		{Config{Link: "orders", Latency: ms, Direction: "down"}, "latency", "latency 1ms, direction down", "direction"},
	}
	for _, tt := range tests {
		var fields []string
		tt.config.Check(func(field, message string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.problems {
			t.Errorf("%+v: problems with %q, want %q", tt.config, got, tt.problems)
		}
		if tt.config.Kind() != tt.kind || tt.config.String() != tt.words {
			t.Errorf("%+v: kind %q, words %q; want %q, %q", tt.config, tt.config.Kind(), tt.config.String(), tt.kind, tt.words)
		}
		if on := tt.config.On(); on != (faults.Place{Link: tt.config.Link}) {
			t.Errorf("%+v: on %+v", tt.config, on)
		}
	}
}

// foreign is a link of another mechanism.
type foreign struct{}

func (foreign) Name() string { return "orders" }
func (foreign) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no dial")
}

func TestOpenNeedsALinkOfThisMesh(t *testing.T) {
	c := Config{Link: "orders", Latency: time.Millisecond}
	unknown := errors.New("no link orders")
	if _, err := c.Open(faults.Env{Link: func(string) (faults.Link, error) { return nil, unknown }}); !errors.Is(err, unknown) {
		t.Errorf("an unknown link: %v", err)
	}
	if _, err := c.Open(faults.Env{Link: func(string) (faults.Link, error) { return foreign{}, nil }}); err == nil {
		t.Error("a link of another mechanism was taken")
	}
}

func TestBandwidthText(t *testing.T) {
	for text, want := range map[string]BytesPerSecond{
		"1MiB/s": 1 << 20, "64KiB/s": 64 << 10, "1.5kB/s": 1500, "10MB/s": 10_000_000, "1GiB/s": 1 << 30, "500B/s": 500, " 2 MB/s ": 2_000_000,
	} {
		var got BytesPerSecond
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1MiB", "1/s", "0B/s", "-1MB/s", "NaNMB/s", "InfB/s", "0.1B/s", "1Mbit/s", "fast", "9e30GB/s", "MB/s"} {
		var got BytesPerSecond
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := BytesPerSecond(rapid.Int64Range(1, 1<<50).Draw(t, "bandwidth"))
		var got BytesPerSecond
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Errorf("%d became %q became %d: %v", want, want, got, err)
		}
	})
}
