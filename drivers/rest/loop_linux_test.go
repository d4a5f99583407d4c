package rest

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// byLoop is a session that makes its attempts by a loop of its own.
type byLoop struct {
	d *driver
	drivers.Poller
	over atomic.Bool
	done func()
}

// sessionByLoop opens a byLoop, or a plain session if the driver has no loop.
func sessionByLoop(d drivers.Driver) (drivers.Session, error) {
	plain, ok := d.(*driver)
	if !ok {
		return d.Session()
	}
	l, err := plain.Poller()
	if l == nil || err != nil {
		return plain.openSession(), err
	}
	b := &byLoop{d: plain, Poller: l}
	b.done = func() { b.over.Store(true) }
	return b, nil
}

func (b *byLoop) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	if deadline, ok := ctx.Deadline(); ok {
		at.Timeout = b.d.env.Clock() + time.Until(deadline) - at.Begun
	}
	b.over.Store(false)
	b.Await(ctx, 0)
	b.Send(ctx, op, at, b.done)
	for !b.over.Load() {
		b.Await(ctx, time.Millisecond)
	}
}

// loopConfig opens a driver whose sessions are loops.
type loopConfig struct{ *Config }

type loopDriver struct{ *driver }

func (c loopConfig) Open(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
	d, err := c.Config.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	return loopDriver{d.(*driver)}, nil
}

func (d loopDriver) Session() (drivers.Session, error) { return sessionByLoop(d.driver) }

func TestLoopConformance(t *testing.T) {
	for name, configure := range map[string]func(c *Config){
		"POST": func(*Config) {},
		"GET":  func(c *Config) { c.Request, c.Body = strings.TrimPrefix(c.Request, "POST "), "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.Run(t, drivertest.Subject{Start: func(t testing.TB) drivertest.Target {
				g := startTarget(t, nil)
				c := &Config{Request: "POST http://" + g.address + "/orders/{{id}}", Body: `{"id":"{{id}}"}`,
					Headers: map[string]string{"Idempotency-Key": "{{id}}"}, MaxBody: 1 << 20}
				configure(c)
				return drivertest.Target{Config: loopConfig{c}, Behave: g.behave(t), Received: g.received.Load, Close: g.close}
			}})
		})
	}
}

// The tests of sessions hold for loops too.
func TestLoopDoesWhatSessionsDo(t *testing.T) {
	plain := newSession
	newSession = sessionByLoop
	defer func() { newSession = plain }()
	for name, test := range map[string]func(*testing.T){
		"closed by peer": TestIdleConnectionClosedByPeer, "nobody asked": TestUnrequestedAnswer, "early": TestAnswerBeforeTheRequestIsWhole,
		"slow reader": TestLargeBodyToSlowReader, "on the wire": TestRequestOnTheWire, "meaning": TestMeaning, "HEAD": TestHead,
		"what is sent": TestWhatIsSent, "no header": TestNoValueAddsAHeader, "unfit": TestValueThatDoesNotFit, "unix": TestUnixSocket, "partial": TestPartialAnswers, "retry after": TestRetryAfter,
	} {
		t.Run(name, test)
	}
}

// first gives the first request of a connection a short answer, so that a loop gets the connection. It passes the
// other requests to next.
func first(t *testing.T, next func(c net.Conn, in *bufio.Reader) bool) string {
	return serve(t, func(_ int, c net.Conn, in *bufio.Reader) {
		if _, _, err := readRequest(in); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		for next(c, in) {
		}
	})
}

// A loop and a session report the same outcome for any answer, however its bytes are split.
func TestLoopReportsWhatASessionReports(t *testing.T) {
	type answerText struct{ name, method, text string }
	var all []answerText
	for _, a := range answers {
		all = append(all, answerText{a.name, a.method, a.text})
	}
	for _, a := range brokenAnswers {
		all = append(all, answerText{a.name, "", a.text})
	}
	for _, a := range all {
		for _, pieces := range []int{1, 3, 20} {
			address := first(t, func(c net.Conn, in *bufio.Reader) bool {
				if _, err := http.ReadRequest(in); err != nil {
					return false
				}
				for text := a.text; len(text) > 0; {
					n := len(text)
					if pieces > 1 {
						n = min(n, 1+rand.IntN(2*len(a.text)/pieces+1))
					}
					if _, err := io.WriteString(c, text[:n]); err != nil {
						break
					}
					text = text[n:]
				}
				c.(*drivertest.RawConn).HalfClose()
				io.Copy(io.Discard, in)
				return false
			})
			config := &Config{Request: a.method + " http://" + address, MaxBody: 1 << 10, Checks: []Check{{Size: ">= 0"}}}
			var said [2]drivers.Attempt
			for i, make := range []func(drivers.Driver) (drivers.Session, error){drivers.Driver.Session, sessionByLoop} {
				s, err := make(open(t, config))
				if err != nil {
					t.Fatal(err)
				}
				expect(t, do(t, s, 1), drivers.Acked, "")
				said[i] = do(t, s, 2)
				s.Close()
			}
			if want, got := said[0], said[1]; got.Outcome != want.Outcome || got.Code != want.Code || got.Status != want.Status || got.In != want.In || got.Answered != want.Answered || got.Partial != want.Partial {
				t.Errorf("%s in %d pieces: a session says %v %q (%s) %d, %d bytes; the loop %v %q (%s) %d, %d bytes", a.name, pieces,
					want.Outcome, want.Code, want.Detail, want.Status, want.In, got.Outcome, got.Code, got.Detail, got.Status, got.In)
			}
		}
	}
}

// The loop takes an early answer although the request cannot be sent whole. The connection was idle before.
func TestLoopTakesAnEarlyAnswer(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	address := first(t, func(c net.Conn, in *bufio.Reader) bool {
		tighten(c)
		if _, err := http.ReadRequest(in); err != nil {
			return false
		}
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
		<-over
		return false
	})
	s, err := sessionByLoop(openTight(t, &Config{Request: "POST http://" + address, Body: strings.Repeat("x", moreThanTight)}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	expect(t, do(t, s, 1), drivers.Acked, "")
	expect(t, do(t, s, 2), drivers.Rejected, "http_413")
}

// Connections that are not sockets stay with their sessions.
func TestLoopWithoutSockets(t *testing.T) {
	w := newRecordingServer(t, nil, answerOK)
	env := drivertest.NewEnv(t, time.Now())
	env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return struct{ net.Conn }{c}, err
	}
	d, err := (&Config{Request: w.URL}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, err := sessionByLoop(d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for seq := range uint64(5) {
		expect(t, do(t, s, seq), drivers.Acked, "")
	}
	if w.connections() != 1 {
		t.Errorf("%d connections", w.connections())
	}
}

// The time of an answer does not depend on when the loop looks for it.
func TestLoopTimesAnswers(t *testing.T) {
	wrote := make(chan struct{}, 1)
	address := first(t, func(c net.Conn, in *bufio.Reader) bool {
		if _, _, err := readRequest(in); err != nil {
			return false
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		wrote <- struct{}{}
		return true
	})
	d := open(t, &Config{Request: "http://" + address}).(*driver)
	s, err := sessionByLoop(d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	expect(t, do(t, s, 0), drivers.Acked, "")
	l := s.(*byLoop)
	// The kernel begins to timestamp some time after the request for timestamps.
	for seq := uint64(1); ; seq++ {
		var at drivers.Attempt
		at.Reset(1, d.env.Clock())
		over := false
		l.Send(t.Context(), &drivers.Op{Seq: seq}, &at, func() { over = true })
		<-wrote
		written := d.env.Clock()
		<-time.After(2 * time.Millisecond)
		for !over {
			l.Await(t.Context(), 0)
		}
		expect(t, at, drivers.Acked, "")
		if at.Done < at.Sent || at.Done > d.env.Clock() {
			t.Fatalf("sent %s, done %s", at.Sent, at.Done)
		}
		if at.Done <= written {
			return
		}
		if seq == 1000 {
			t.Fatalf("written by %s, done %s", written, at.Done)
		}
	}
}

// polledRun is a loop with some idle connections and several pending attempts.
type polledRun struct {
	d  *driver
	l  drivers.Poller
	at [16]drivers.Attempt
	op [16]drivers.Op
	up int // attempts begun

	pending atomic.Int64
	close   func() // once
}

// startPolled opens a loop and makes one attempt over each of n connections, which are idle afterwards.
func startPolled(t *testing.T, d drivers.Driver, n int) *polledRun {
	t.Helper()
	l, err := d.(*driver).Poller()
	if err != nil {
		t.Fatal(err)
	}
	f := &polledRun{d: d.(*driver), l: l, close: sync.OnceFunc(func() { l.Close() })}
	t.Cleanup(f.close)
	for range n {
		f.send(t.Context(), time.Minute)
	}
	f.awaitAll(t.Context())
	for i := range n {
		expect(t, f.at[i], drivers.Acked, "")
	}
	return f
}

// send begins an attempt of the next operation.
func (f *polledRun) send(ctx context.Context, timeout time.Duration) {
	i := f.up
	f.up++
	f.op[i].Seq = uint64(i)
	f.at[i].Reset(1, f.d.env.Clock())
	f.at[i].Timeout = timeout
	f.pending.Add(1)
	f.l.Await(ctx, 0)
	f.l.Send(ctx, &f.op[i], &f.at[i], func() { f.pending.Add(-1) })
}

// awaitAll runs the loop until no attempt is pending.
func (f *polledRun) awaitAll(ctx context.Context) {
	for f.pending.Load() > 0 {
		f.l.Await(ctx, time.Millisecond)
	}
}

// An attempt whose deadline passes ends alone.
func TestLoopEndsOneAttempt(t *testing.T) {
	release := make(chan struct{})
	w := newRecordingServer(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".3") {
			<-release
		}
	})
	defer close(release)
	f := startPolled(t, open(t, &Config{Request: w.URL + "/{{id}}"}), 3)
	f.send(t.Context(), 50*time.Millisecond)
	f.send(t.Context(), time.Minute)
	f.send(t.Context(), 0)
	f.awaitAll(t.Context())
	for i := range f.up {
		if i == 3 {
			expect(t, f.at[i], drivers.Indeterminate, drivers.CodeTimeout)
		} else {
			expect(t, f.at[i], drivers.Acked, "")
		}
	}
}

// On a busy machine a loop waits by runtime timers, and works as well.
func TestLoopOnABusyMachine(t *testing.T) {
	w := newRecordingServer(t, nil, answerOK)
	f := startPolled(t, open(t, &Config{Request: w.URL}), 1)
	l := f.l.(*loop)
	l.busyUntil = time.Hour
	f.send(t.Context(), time.Minute)
	f.awaitAll(t.Context())
	expect(t, f.at[1], drivers.Acked, "")
	l.busyUntil = 0
	l.noteTime(l.d.env.Clock(), time.Hour)
	if l.busyUntil != 0 {
		t.Error("crowded, though it woke up in time")
	}
	l.noteTime(3*busyDelay, busyDelay)
	if l.busyUntil < time.Second {
		t.Error("not crowded, though it woke up late")
	}
}

// When the run ends, the attempts of the loop and of its sessions end too.
func TestLoopEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	w := newRecordingServer(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".0") {
			<-release
		}
	})
	defer close(release)
	f := startPolled(t, open(t, &Config{Request: w.URL + "/{{id}}"}), 1)
	ctx, cancel := context.WithCancel(t.Context())
	f.send(ctx, time.Hour)
	f.send(ctx, 0)
	for len(w.requests()) < 3 {
		f.l.Await(ctx, time.Millisecond)
	}
	cancel()
	f.awaitAll(ctx)
	expect(t, f.at[1], drivers.Indeterminate, drivers.CodeCancelled)
	expect(t, f.at[2], drivers.Indeterminate, drivers.CodeCancelled)
}

// BenchmarkLoop is BenchmarkDo by a loop.
func BenchmarkLoop(b *testing.B) { benchmarkDo(b, sessionByLoop) }
