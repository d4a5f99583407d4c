package toxi

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wringer/faults"
)

// counts checks what a fault counted in each direction.
func counts(t *testing.T, f *Fault, connections int64, to, from faults.Met) {
	t.Helper()
	b := f.Bite()
	if b.Bit != (connections > 0) || b.Connections != connections || *b.ToTarget != to || *b.FromTarget != from {
		t.Errorf("%s: %d connections, %+v, %+v; want %d, %+v, %+v", f.config.words(), b.Connections, *b.ToTarget, *b.FromTarget, connections, to, from)
	}
}

// A fault counts the bytes, connections and ends that it changed, and no others.
func TestCountsOnlyWhatItChanges(t *testing.T) {
	none := faults.Met{}
	zero := filepath.Join(t.TempDir(), "zero.txt")
	if err := os.WriteFile(zero, []byte("0ms\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("0123456789", 15)
	exchange := func(text string) func(t *testing.T, l *Link, address string) {
		return func(t *testing.T, l *Link, address string) {
			if err := say(virtualDial(t, l, address), text); err != nil {
				t.Error(err)
			}
		}
	}
	ends := func(t *testing.T, l *Link, address string) {
		c := virtualDial(t, l, address)
		if err := say(c, "hello"); err != nil {
			t.Error(err)
		}
		c.Close()
		time.Sleep(time.Minute)
	}
	// A partition that holds bytes for a minute, under everything else.
	held := func(then func(t *testing.T, l *Link, address string)) func(t *testing.T, l *Link, address string) {
		return func(t *testing.T, l *Link, address string) {
			f := inject(t, l, Config{Partition: Both, Mode: Hold})
			time.AfterFunc(time.Minute, func() { heal(t, f) })
			then(t, l, address)
		}
	}
	for name, tt := range map[string]struct {
		config      Config
		traffic     func(t *testing.T, l *Link, address string)
		connections int64
		to, from    faults.Met
	}{
		"latency":                        {Config{Latency: steady(ms)}, exchange("hello"), 1, none, faults.Met{Connections: 1, Bytes: 5}},
		"recorded latency of 0":          {Config{Latency: Latency{File: zero}}, exchange("hello"), 0, none, none},
		"ramp that has not begun":        {Config{Latency: Latency{To: time.Second}}, exchange("hello"), 0, none, none},
		"ramp":                           {Config{Latency: Latency{From: 500 * ms}}, exchange("hello"), 1, none, faults.Met{Connections: 1, Bytes: 5}},
		"connect_delay":                  {Config{ConnectDelay: time.Second}, exchange("hello"), 1, faults.Met{Connections: 1}, none},
		"connect_delay, held for longer": {Config{ConnectDelay: time.Second}, held(exchange("hello")), 0, none, none},
		"handshake, held for longer":     {Config{Latency: steady(time.Second), Direction: ToTarget}, held(func(t *testing.T, l *Link, a string) { virtualDial(t, l, a) }), 0, none, none},
		"bandwidth that limits nothing":  {Config{Bandwidth: 1 << 30}, exchange("hello"), 0, none, none},
		"ramp and bandwidth, once":       {Config{Latency: Latency{From: 500 * ms}, Bandwidth: 1000}, exchange("hello"), 1, none, faults.Met{Connections: 1, Bytes: 5}},
		"slice larger than the bytes":    {Config{Slice: &Slice{Size: 5, Gap: time.Second}}, exchange("hello"), 0, none, none},
		"slice":                          {Config{Slice: &Slice{Size: 100}}, exchange(long), 1, none, faults.Met{Connections: 1, Bytes: 150}},
		"gap after a slice": {Config{Slice: &Slice{Size: 5, Gap: time.Second}}, func(t *testing.T, l *Link, address string) {
			c := virtualDial(t, l, address)
			for range 3 {
				if err := say(c, "hello"); err != nil {
					t.Error(err)
				}
			}
		}, 1, none, faults.Met{Connections: 1, Bytes: 10}},
		"slow_close without an end": {Config{SlowClose: time.Second, Direction: Both}, exchange("hello"), 0, none, none},
		"slow_close":                {Config{SlowClose: time.Second, Direction: ToTarget}, ends, 1, faults.Met{Connections: 1}, none},
		"slow_close, held for longer": {Config{SlowClose: time.Second, Direction: ToTarget}, func(t *testing.T, l *Link, address string) {
			c := virtualDial(t, l, address)
			f := inject(t, l, Config{Partition: ToTarget, Mode: Hold})
			_, _ = io.WriteString(c, "hello")
			c.Close()
			time.Sleep(time.Minute)
			heal(t, f)
			time.Sleep(time.Minute)
		}, 0, none, none},
		"close_after, later than the end": {Config{CloseAfter: &Limit{Time: time.Hour}}, ends, 0, none, none},
		"close_after, more than passes":   {Config{CloseAfter: &Limit{Bytes: 6}}, ends, 0, none, none},
		"refuse without a connection":     {Config{Refuse: true}, func(*testing.T, *Link, string) {}, 0, none, none},
		"reset without a byte":            {Config{Reset: true}, func(t *testing.T, l *Link, address string) { virtualDial(t, l, address) }, 0, none, none},
		"half_open without old ones":      {Config{HalfOpen: Existing}, exchange("hello"), 0, none, none},
		"the link's own probe": {Config{Latency: steady(ms), Direction: Both}, func(t *testing.T, l *Link, _ string) {
			e, err := l.openEcho(t.Context(), "", true)
			if err != nil {
				t.Fatal(err)
			}
			defer e.close()
			if _, err := e.roundTrip(t.Context()); err != nil {
				t.Error(err)
			}
		}, 0, none, none},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, _, address := virtualLink(t)
				f := inject(t, l, tt.config)
				tt.traffic(t, l, address)
				synctest.Wait()
				counts(t, f, tt.connections, tt.to, tt.from)
			})
		})
	}
}

// A connection that has ended is not reset any more.
func TestDoesNotCountTheResetOfAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, address := virtualLink(t)
		virtualDial(t, l, address)
		var ended *flow
		for ended = range l.flows {
		}
		f := openFault(t, l, Config{Reset: true})
		before := l.active.Load()
		now := newActiveFaults([]*activeFault{newActiveFault(f, 1)})
		ended.end()
		ended.notify(before, now)
		counts(t, f, 0, faults.Met{}, faults.Met{})
	})
}
