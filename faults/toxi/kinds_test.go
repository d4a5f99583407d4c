package toxi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/faults"
)

func TestResetReachesIdleConnections(t *testing.T) {
	seen := make(chan error, 4)
	u, l := serve(t, func(c net.Conn) {
		_, err := io.Copy(c, c)
		seen <- err
	}), newLink(t)
	idle := dial(t, l, u.address())
	f := inject(t, l, Config{Reset: true})
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the idle client saw %v, not a reset", err)
	}
	if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the target saw %v, not a reset", err)
	}
	fresh := dial(t, l, u.address())
	inject(t, l, Config{Latency: steady(ms)}) // no fault for a connection that has sent nothing yet
	if l.count() != 1 {
		t.Error("a new connection was reset before its first byte")
	}
	if err := say(fresh, "hello"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a new client saw %v, not a reset", err)
	}
	if b := f.Bite(); b.Connections != 2 || b.ToTarget.Connections != 2 || b.FromTarget.Connections != 1 || b.Bytes != 5 {
		t.Errorf("bite %+v, %+v, %+v", b, b.ToTarget, b.FromTarget)
	}
	heal(t, f)
	if err := say(dial(t, l, u.address()), "hello"); err != nil {
		t.Error(err)
	}
}

func TestHalfOpenExisting(t *testing.T) {
	ended := make(chan struct{}, 4)
	u, l := serve(t, func(c net.Conn) { echo(c); ended <- struct{}{} }), newLink(t)
	old := dial(t, l, u.address())
	if err := say(old, "hello"); err != nil {
		t.Fatal(err)
	}
	f := inject(t, l, Config{HalfOpen: Existing})
	_, _ = io.WriteString(old, "anybody?")
	until(t, "it bit", func() bool { return f.Bite().Bytes == 8 })
	if err := say(dial(t, l, u.address()), "new"); err != nil {
		t.Errorf("a new connection: %v", err)
	}
	if len(ended) > 0 {
		t.Error("the target was told of the end")
	}
	heal(t, f)
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after healing the old connection saw %v, not a reset", err)
	}
	<-ended
}

func TestHalfOpenTakesIdleConnectionsToo(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	old := dial(t, l, u.address())
	f := inject(t, l, Config{HalfOpen: Existing})
	heal(t, f) // however soon: the peer has forgotten the connection
	if err := say(old, "hello"); err == nil {
		t.Error("the connection came back to life")
	}
}

func TestHalfOpenAccepting(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	f := inject(t, l, Config{HalfOpen: Accepting})
	c := dial(t, l, u.address())
	_, _ = io.WriteString(c, "hello")
	until(t, "it bit", func() bool { return f.Bite().ToTarget.Bytes == 5 })
	if n := u.connections(); n != 0 {
		t.Errorf("the target saw %d connections", n)
	}
	heal(t, f)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after healing: %v, not a reset", err)
	}
	if err := say(dial(t, l, u.address()), "hello"); err != nil {
		t.Error(err)
	}
}

func TestCloseAfterBytesIsExact(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 20_000)
	u, l := serve(t, func(c net.Conn) { _, _ = c.Write(body); _, _ = io.Copy(io.Discard, c) }), newLink(t)
	for with, want := range map[CloseWith]error{WithFIN: nil, WithReset: syscall.ECONNRESET} {
		f := inject(t, l, Config{CloseAfter: &Limit{Bytes: 100_001}, CloseWith: with})
		got, err := io.ReadAll(dial(t, l, u.address()))
		if !errors.Is(err, want) {
			t.Errorf("%s: ended with %v", with, err)
		}
		if len(got) != 100_001 || !bytes.HasPrefix(body, got) {
			t.Errorf("%s: %d bytes came", with, len(got))
		}
		if b := f.Bite(); b.Connections != 1 || b.FromTarget.Connections != 1 || b.ToTarget.Connections != 0 {
			t.Errorf("bite %+v", b)
		}
		heal(t, f)
	}
}

func TestSharesOfConnections(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	f := inject(t, l, Config{Refuse: true, Connections: 0.3})
	refused := 0
	const n = 200
	for range n {
		c, err := l.Dial(t.Context(), "tcp", u.address())
		if err != nil {
			refused++
			continue
		}
		c.Close()
	}
	if refused < n*2/10 || refused > n*4/10 || f.Bite().Connections != int64(refused) {
		t.Errorf("%d of %d connections refused, bite %+v", refused, n, f.Bite())
	}
	heal(t, f)
}

// TestSharesOfRequests: the fault acts on exactly the requests that the seed picks, and on their answers.
func TestSharesOfRequests(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	f := inject(t, l, Config{Latency: steady(time.Millisecond), Direction: Both, Requests: 0.4})
	c := dial(t, l, u.address())
	id, picked := l.serial.Load(), int64(0)
	const n = 100
	for i := range n {
		if err := say(c, "0123456789"); err != nil {
			t.Fatal(err)
		}
		if picks(f.config.Requests, f.seed, id, uint64(i+1)) {
			picked++
		}
	}
	b := f.Bite()
	if picked < n*2/10 || picked > n*6/10 || b.ToTarget.Bytes != 10*picked || b.FromTarget.Bytes != 10*picked {
		t.Errorf("%d of %d picked; to the target %+v, from it %+v", picked, n, *b.ToTarget, *b.FromTarget)
	}
	heal(t, f)
}

func TestFlap(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	f := inject(t, l, Config{Refuse: true, Flap: &Flap{Every: 20 * ms, Duty: 0.5}})
	dials := func() bool {
		c, err := l.Dial(t.Context(), "tcp", u.address())
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	for range 3 {
		until(t, "it is refused", func() bool { return !dials() })
		until(t, "it is not", dials)
		if f.Probe(t.Context()) == nil {
			t.Error("the probe takes a pause for the end")
		}
	}
	heal(t, f)
	heal(t, f)
	if !dials() {
		t.Error("refused after healing")
	}
}

// TestAFaultStopsWhatIsBeingWritten: a target writes to a slow reader and fills every buffer. The partition rules all
// bytes that the link had not written. No byte is lost or doubled when the link switches between bypass and lane.
func TestAFaultStopsWhatIsBeingWritten(t *testing.T) {
	const size = 24 << 20
	u, l := serve(t, func(c net.Conn) { _, _ = io.Copy(c, body(5, size)) }), newLink(t)
	c := dial(t, l, u.address())
	var f *flow
	for f = range l.flows {
	}
	bypass := f.lanes[fromTarget].bypass
	until(t, "the link waits for the reader", func() bool {
		bypass.mu.Lock()
		defer bypass.mu.Unlock()
		return bypass.writing
	})
	fault := inject(t, l, Config{Partition: FromTarget, Mode: Hold})
	until(t, "it bit", func() bool { return fault.Bite().FromTarget.Bytes > 0 })
	heal(t, fault)
	if err := compare(c, body(5, size), size); err != nil {
		t.Error(err)
	}
}

func TestRecordedDelays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "delays.txt")
	text := "# round trips of a day\n10ms\n\n30ms # twice as slow\n 20ms\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := recorded(path)
	if err != nil || s.mean != 20*ms || s.fine[0] != 10*ms || s.most() != 30*ms || s.draw(0.5) != 20*ms {
		t.Errorf("%+v, %v", s, err)
	}
	c := Config{Link: "orders", Latency: Latency{File: "missing.txt"}}
	l := newLink(t)
	if _, err := c.Open(faults.Env{Link: func(string) (faults.Link, error) { return l, nil }}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	for _, bad := range []string{"", "# nothing\n", "10\n", "-1ms\n", "2h\n", "1ms 2ms\n"} {
		if _, err := readDelays(strings.NewReader("\ufeff12ms\n")); err != nil {
			t.Errorf("with a byte order mark: %v", err)
		}
		if _, err := readDelays(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
