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
		{Config{Link: "orders", Latency: steady(80 * ms), Jitter: 20 * ms}, "latency", "latency 80ms, jitter 20ms", ""},
		{Config{Link: "orders", Latency: steady(ms), Direction: Both}, "latency", "latency 1ms, direction both", ""},
		{Config{Link: "orders", Bandwidth: 1 << 20}, "bandwidth", "bandwidth 1MiB/s", ""},
		{Config{Link: "orders", Partition: FromTarget}, "partition", "partition from-target, drop", ""},
		{Config{Link: "orders", Partition: Both, Mode: Hold}, "partition", "partition both, hold", ""},
		{Config{Link: "orders", Refuse: true}, "refuse", "refuse", ""},
		{Config{Link: "orders", Latency: steady(ms), Bandwidth: 1500, Partition: ToTarget, Refuse: true},
			"latency+bandwidth+partition+refuse", "latency 1ms, bandwidth 1500B/s, partition to-target, drop, refuse", ""},
		{Config{Link: "orders", Latency: Latency{To: 500 * ms}}, "latency", "latency 0s to 500ms", ""},
		{Config{Link: "orders", Latency: Latency{File: "delays.txt"}}, "latency", "latency recorded in delays.txt", ""},
		{Config{Link: "orders", Latency: steady(40 * ms), Jitter: 10 * ms, Distribution: Normal}, "latency", "latency 40ms, jitter 10ms normal", ""},
		{Config{Link: "orders", ConnectDelay: ms, Connections: 0.3}, "connect_delay", "connect_delay 1ms, 30% of connections", ""},
		{Config{Link: "orders", Loss: 0.015, Direction: Both, Requests: 0.5}, "loss", "loss 1.5%, direction both, 50% of requests", ""},
		{Config{Link: "orders", Slice: &Slice{Size: 100, Vary: 50, Gap: ms}}, "slice", "slice 100B +- 50B every 1ms", ""},
		{Config{Link: "orders", SlowClose: time.Second}, "slow_close", "slow_close 1s", ""},
		{Config{Link: "orders", CloseAfter: &Limit{Time: time.Second}}, "close_after", "close_after 1s, fin", ""},
		{Config{Link: "orders", CloseAfter: &Limit{Bytes: 2048}, CloseWith: WithReset, Direction: ToTarget}, "close_after", "close_after 2KiB, reset, direction to-target", ""},
		{Config{Link: "orders", HalfOpen: Accepting}, "half_open", "half_open accepting", ""},
		{Config{Link: "orders", Reset: true, Requests: 0.01}, "reset", "reset, 1% of requests", ""},
		{Config{Link: "orders", Refuse: true, Flap: &Flap{2 * time.Second, 0.3}}, "refuse", "refuse, flap every 2s, 30%", ""},

		{Config{}, "", "", "link link"},
		{Config{Link: "orders"}, "", "", "link"},
		{Config{Link: "orders", Jitter: ms}, "", "", "link jitter"},
		{Config{Link: "orders", Latency: steady(ms), Jitter: 2 * ms}, "latency", "latency 1ms, jitter 2ms", "jitter"},
		{Config{Link: "orders", Latency: steady(-ms)}, "latency", "latency -1ms", "latency"},
		{Config{Link: "orders", Latency: steady(ms), Jitter: -ms}, "latency", "latency 1ms, jitter -1ms", "jitter"},
		{Config{Link: "orders", Refuse: true, Bandwidth: -1}, "bandwidth+refuse", "bandwidth -1B/s, refuse", "bandwidth"},
		{Config{Link: "orders", Partition: "up"}, "partition", "partition up, drop", "partition"},
		{Config{Link: "orders", Partition: Both, Mode: "lose"}, "partition", "partition both, lose", "mode"},
		{Config{Link: "orders", Refuse: true, Mode: Hold}, "refuse", "refuse", "mode"},
		{Config{Link: "orders", Partition: Both, Direction: Both}, "partition", "partition both, drop, direction both", "direction"},
		{Config{Link: "orders", Latency: Latency{To: 2 * ms}, Jitter: ms}, "latency", "latency 0s to 2ms, jitter 1ms", "jitter"},
		{Config{Link: "orders", Latency: Latency{To: ms, File: "x"}}, "latency", "latency recorded in x", "latency"},
		{Config{Link: "orders", Latency: Latency{File: "x"}, Jitter: ms}, "latency", "latency recorded in x, jitter 1ms", "jitter"},
		{Config{Link: "orders", Latency: steady(3 * ms), Jitter: ms, Distribution: Normal}, "latency", "latency 3ms, jitter 1ms normal", "jitter"},
		{Config{Link: "orders", Latency: steady(ms), Distribution: Pareto}, "latency", "latency 1ms pareto", "distribution"},
		{Config{Link: "orders", Latency: steady(ms), Jitter: ms, Distribution: "zipf"}, "latency", "latency 1ms, jitter 1ms zipf", "distribution"},
		{Config{Link: "orders", ConnectDelay: -1}, "connect_delay", "connect_delay -1ns", "connect_delay"},
		{Config{Link: "orders", Loss: 0.95}, "loss", "loss 95%", "loss"},
		{Config{Link: "orders", Slice: &Slice{Vary: -1, Gap: -1}}, "slice", "slice 0B +- -1B every -1ns", "slice.size slice.gap"},
		{Config{Link: "orders", Slice: &Slice{Size: 5, Vary: 5}}, "slice", "slice 5B +- 5B", "slice.vary"},
		{Config{Link: "orders", SlowClose: -1}, "slow_close", "slow_close -1ns", "slow_close"},
		{Config{Link: "orders", HalfOpen: "shut"}, "half_open", "half_open shut", "half_open"},
		{Config{Link: "orders", CloseAfter: &Limit{}, CloseWith: "bang"}, "close_after", "close_after 0s, bang", "close_after close_with"},
		{Config{Link: "orders", Reset: true, CloseWith: WithFIN}, "reset", "reset", "close_with"},
		{Config{Link: "orders", Reset: true, Flap: &Flap{}}, "reset", "reset, flap every 0s, 0%", "flap.every flap.duty"},
		{Config{Link: "orders", Reset: true, Direction: Both, Connections: 2}, "reset", "reset, direction both, 200% of connections", "direction connections"},
		{Config{Link: "orders", Refuse: true, SlowClose: 1, Requests: 0.5}, "slow_close+refuse", "slow_close 1ns, refuse, 50% of requests", "requests requests"},
		{Config{Link: "orders", Latency: steady(ms), Direction: "down"}, "latency", "latency 1ms, direction down", "direction"},
	}
	for _, tt := range tests {
		var fields []string
		tt.config.Check(func(field, message string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.problems {
			t.Errorf("%+v: problems with %q, want %q", tt.config, got, tt.problems)
		}
		if tt.config.Kind() != tt.kind || tt.config.words() != tt.words {
			t.Errorf("%+v: kind %q, words %q; want %q, %q", tt.config, tt.config.Kind(), tt.config.words(), tt.kind, tt.words)
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
	c := Config{Link: "orders", Latency: steady(time.Millisecond)}
	unknown := errors.New("no link orders")
	if _, err := c.Open(faults.Env{Link: func(string) (faults.Link, error) { return nil, unknown }}); !errors.Is(err, unknown) {
		t.Errorf("an unknown link: %v", err)
	}
	if _, err := c.Open(faults.Env{Link: func(string) (faults.Link, error) { return foreign{}, nil }}); err == nil {
		t.Error("a link of another mechanism was taken")
	}
}

func TestValueTexts(t *testing.T) {
	var limit Limit
	for text, want := range map[string]Limit{"2s": {Time: 2 * time.Second}, "64KiB": {Bytes: 64 << 10}, "10B": {Bytes: 10}} {
		if err := limit.UnmarshalText([]byte(text)); err != nil || limit != want {
			t.Errorf("%q is %+v, %v", text, limit, err)
		}
	}
	for _, text := range []string{"", "10", "0s", "-1s", "0B", "soon", "1001h"} {
		if err := limit.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %+v", text, limit)
		}
	}
	var latency Latency
	if err := latency.UnmarshalText([]byte("80ms")); err != nil || latency != steady(80*ms) {
		t.Errorf("80ms is %+v, %v", latency, err)
	}
	for _, text := range []string{"", "80", "-1ms", "slow", "1001h"} {
		if err := latency.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %+v", text, latency)
		}
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
