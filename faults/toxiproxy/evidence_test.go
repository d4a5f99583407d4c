package toxiproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"wringer/faults"
)

// A toxic counts what it cannot have left as it was, and nothing else.
func TestRules(t *testing.T) {
	const ms, in, out = time.Millisecond, "upstream", "downstream"
	type passing = faults.Passing
	answer := passing{FromTarget: true, Bytes: 500, Total: 500, Asked: 10, Run: 500, Since: 50 * ms}
	question := passing{Bytes: 500, Total: 500, Asked: 500, Run: 500, Since: ms}
	end, cut := passing{Kind: faults.PassedEnd, Total: 500, Since: 50 * ms}, passing{Kind: faults.PassedEnd, FromTarget: true, Total: 500, Asked: 10, Since: 50 * ms}
	for _, tt := range []struct {
		kind, stream string
		attributes   map[string]any
		passes       passing
		want         bool
	}{
		{"latency", out, map[string]any{"latency": 50.0}, answer, true},
		{"latency", out, map[string]any{"latency": 50.1}, answer, false}, // it was past the toxic before
		{"latency", out, map[string]any{"latency": 60.0, "jitter": 10.0}, answer, true},
		{"latency", out, map[string]any{"latency": 0.0, "jitter": 0.0}, answer, false},
		{"latency", out, map[string]any{"latency": 50.0}, question, false},
		{"latency", out, map[string]any{"latency": 5.0}, cut, false},
		{"latency", in, map[string]any{"latency": 50.0}, question, true},
		{"bandwidth", out, map[string]any{"rate": 500.0}, answer, true},
		{"bandwidth", out, map[string]any{"rate": 501.0}, answer, false}, // less than a millisecond
		{"bandwidth", in, map[string]any{"rate": 0.0}, question, true},
		{"timeout", out, nil, question, true},
		{"timeout", out, nil, answer, false},
		{"reset_peer", out, map[string]any{"timeout": 50.0}, cut, true},
		{"reset_peer", out, map[string]any{"timeout": 51.0}, cut, false},
		{"reset_peer", out, nil, question, false},
		{"reset_peer", in, nil, question, true},
		{"slow_close", out, map[string]any{"delay": 50.0}, cut, true},
		{"slow_close", out, map[string]any{"delay": 51.0}, cut, false},
		{"slow_close", out, map[string]any{"delay": 0.0}, cut, false},
		{"slow_close", out, map[string]any{"delay": 50.0}, end, false},
		{"slow_close", out, map[string]any{"delay": 50.0}, answer, false},
		{"slow_close", in, map[string]any{"delay": 5000.0}, end, true},
		{"slicer", out, map[string]any{"average_size": 400.0, "size_variation": 99.0}, answer, true},
		{"slicer", out, map[string]any{"average_size": 400.0, "size_variation": 100.0}, answer, false},
		{"limit_data", out, map[string]any{"bytes": 500.0}, cut, true},
		{"limit_data", out, map[string]any{"bytes": 500.0}, answer, false},
		{"limit_data", out, map[string]any{"bytes": 501.0}, cut, false},
		{"limit_data", out, map[string]any{"bytes": 0.0}, passing{Kind: faults.PassedEnd, FromTarget: true}, false}, // nobody asked
		{"limit_data", in, map[string]any{"bytes": 500.0}, question, true},
		{"limit_data", in, map[string]any{"bytes": 501.0}, question, false},
	} {
		r := (&toxic{Type: tt.kind, Stream: tt.stream, Toxicity: 1, Attributes: tt.attributes}).rule()
		if got := r.changes(tt.passes); got != tt.want {
			t.Errorf("%s %v %s, %+v: %t", tt.kind, tt.attributes, tt.stream, tt.passes, got)
		}
	}
	for passes, want := range map[passing]bool{answer: false, question: false, cut: true, end: false, {Kind: faults.PassedRefusal}: true} {
		if down.changes(passes) != want {
			t.Errorf("down, %+v: %t", passes, !want)
		}
	}
}

// What the server draws is certain once there were enough draws.
func TestDraws(t *testing.T) {
	latency := map[string]any{"latency": 20.0}
	for _, tt := range []struct {
		toxic               toxic
		connections, pieces int64
		bit                 bool
		why                 string
	}{
		{toxic{Type: "latency", Toxicity: 1, Attributes: latency}, 1, 1, true, ""},
		{toxic{Type: "latency", Toxicity: 0.5, Attributes: latency}, 0, 0, false, ""},
		{toxic{Type: "latency", Toxicity: 0.5, Attributes: latency}, 19, 1000, false, "19 connections are too few"},
		{toxic{Type: "latency", Toxicity: 0.5, Attributes: latency}, 20, 1000, true, ""},
		{toxic{Type: "latency", Toxicity: 0, Attributes: latency}, 1000, 1000, false, "1000 connections are too few"},
		{toxic{Type: "latency", Toxicity: 1e-30, Attributes: latency}, 1000, 1000, false, "1000 connections are too few"},
		{toxic{Type: "latency", Toxicity: 1, Attributes: map[string]any{"latency": 20.0, "jitter": 20.0}}, 1, 19, false, "19 pieces of bytes are too few"},
		{toxic{Type: "latency", Toxicity: 1, Attributes: map[string]any{"latency": 20.0, "jitter": 20.0}}, 1, 20, true, ""},
		{toxic{Type: "molasses", Toxicity: 1}, 5, 50, false, "molasses is not known"},
	} {
		e := &evidence{}
		e.rule.Store(tt.toxic.rule())
		e.pieces.Store(tt.pieces)
		b := e.bite(faults.Bite{Bit: tt.connections > 0, Connections: tt.connections})
		if b.Bit != tt.bit || !strings.Contains(b.Unmeasured, tt.why) || (b.Unmeasured == "") != (tt.why == "") {
			t.Errorf("%+v, %d connections: %+v", tt.toxic, tt.connections, b)
		}
	}
}

// raw is a connection over the link to the proxy, which the proxy has taken.
func (r *rig) raw(t *testing.T) net.Conn {
	t.Helper()
	c, err := r.link.Dial(t.Context(), "tcp", r.listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// ask sends a request over c and reads what comes back, until the end if the connection is to be closed.
func ask(t *testing.T, c net.Conn, connection string) {
	t.Helper()
	question := "POST / HTTP/1.1\r\nHost: x\r\nConnection: " + connection + "\r\nContent-Length: 5\r\n\r\nhello"
	if _, err := io.WriteString(c, question); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for buffer := make([]byte, 1024); !strings.HasSuffix(string(got), "hello") || connection == "close"; {
		n, err := c.Read(buffer)
		got = append(got, buffer[:n]...)
		if err != nil {
			return
		}
	}
}

// Against the real server: a toxic that changed nothing of the traffic that there was does not count it, and one that did counts it.
func TestCountsWhatTheServerChanged(t *testing.T) {
	half := 0.5
	keeps := func(t *testing.T, r *rig) { ask(t, r.raw(t), "keep-alive") }
	closes := func(t *testing.T, r *rig) { ask(t, r.raw(t), "close") }
	asks := func(t *testing.T, r *rig) {
		if _, err := io.WriteString(r.raw(t), "x"); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		config Config
		meet   func(t *testing.T, r *rig)
		bit    bool
		why    string
	}{
		"slow_close, no end":        {Config{Toxic: "slow_close", Attributes: map[string]any{"delay": 5}}, keeps, false, ""},
		"slow_close":                {Config{Toxic: "slow_close", Attributes: map[string]any{"delay": 5}}, closes, true, ""},
		"limit_data, not reached":   {Config{Toxic: "limit_data", Attributes: map[string]any{"bytes": 100_000}}, closes, false, ""},
		"limit_data":                {Config{Toxic: "limit_data", Attributes: map[string]any{"bytes": 3}}, closes, true, ""},
		"limit_data of nothing":     {Config{Toxic: "limit_data", Attributes: map[string]any{"bytes": 0}}, closes, true, ""},
		"bandwidth, wide":           {Config{Toxic: "bandwidth", Attributes: map[string]any{"rate": 100_000}}, keeps, false, ""},
		"bandwidth":                 {Config{Toxic: "bandwidth", Attributes: map[string]any{"rate": 10}}, keeps, true, ""},
		"slicer, larger":            {Config{Toxic: "slicer", Attributes: map[string]any{"average_size": 100_000}}, keeps, false, ""},
		"slicer":                    {Config{Toxic: "slicer", Attributes: map[string]any{"average_size": 50, "size_variation": 5}}, keeps, true, ""},
		"timeout, nobody asks":      {Config{Toxic: "timeout", Attributes: map[string]any{"timeout": 5}}, func(t *testing.T, r *rig) { r.raw(t) }, false, ""},
		"timeout":                   {Config{Toxic: "timeout", Attributes: map[string]any{"timeout": 5}}, asks, true, ""},
		"reset_peer":                {Config{Toxic: "reset_peer", Attributes: map[string]any{"timeout": 5}}, closes, true, ""},
		"latency of nothing":        {Config{Toxic: "latency", Attributes: map[string]any{"latency": 0}}, closes, false, ""},
		"latency":                   {Config{Toxic: "latency", Attributes: map[string]any{"latency": 5}}, closes, true, ""},
		"toxicity, few connections": {Config{Toxic: "latency", Attributes: map[string]any{"latency": 5}, Toxicity: &half}, keeps, false, "connections are too few"},
		"toxicity": {Config{Toxic: "latency", Attributes: map[string]any{"latency": 5}, Toxicity: &half}, func(t *testing.T, r *rig) {
			for range 120 { // one that is not delayed may be too early to count
				keeps(t, r)
			}
		}, true, ""},
		"down, no traffic": {Config{Down: true}, func(*testing.T, *rig) {}, false, ""},
		"down": {Config{Down: true}, func(t *testing.T, r *rig) {
			if _, err := r.link.Dial(t.Context(), "tcp", r.listen); err == nil {
				t.Error("the proxy takes connections")
			}
		}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			f := r.open(t, tt.config, nil)
			inject := func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				return f.Inject(ctx)
			}
			err := inject()
			if errors.Is(err, errSilent) {
				// The server can block for good as it adds a toxic. Its library is known for that: once more, with another.
				r = newRig(t)
				f = r.open(t, tt.config, nil)
				err = inject()
			}
			if err != nil {
				t.Fatal(err)
			}
			tt.meet(t, r)
			for n := 1; n < 10 && tt.why != "" && f.Bite().Unmeasured == ""; n++ {
				tt.meet(t, r) // the one before may have been too early to count
			}
			wait(t, f, func(b faults.Bite) bool { return b.Bit == tt.bit && (b.Unmeasured == "") == (tt.why == "") })
			if b := f.Bite(); b.Bit != tt.bit || !strings.Contains(b.Unmeasured, tt.why) || (b.Unmeasured == "") != (tt.why == "") {
				t.Errorf("%+v", b)
			}
			if err := errors.Join(f.Heal(t.Context()), f.Probe(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

// wait waits until the fault has counted, if it will.
func wait(t *testing.T, f *Fault, done func(faults.Bite) bool) {
	t.Helper()
	tick, bound := time.NewTicker(time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer bound.Stop()
	for !done(f.Bite()) {
		select {
		case <-tick.C:
		case <-bound.C:
			t.Fatalf("it counts %+v", f.Bite())
		}
	}
}
