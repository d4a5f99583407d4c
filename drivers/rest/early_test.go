package rest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/tlsconfig"
)

// An answer to an upload is taken when it comes, whatever becomes of the rest of the request.
func TestAnswersDuringAnUpload(t *testing.T) {
	const size = moreThanTight
	const refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
	drain := func(c *drivertest.RawConn, length int64) int64 {
		n, _ := io.CopyN(io.Discard, c.In, length)
		return n
	}
	for name, test := range map[string]struct {
		peer    func(c *drivertest.RawConn, length int64, read *atomic.Int64)
		outcome drivers.Outcome
		codes   string
		whole   bool
	}{
		"refused, and held on": {func(c *drivertest.RawConn, _ int64, _ *atomic.Int64) {
			c.Say(refusal)
			<-c.Done
		}, drivers.Rejected, "http_413", false},
		"refused, with a body that never ends": {func(c *drivertest.RawConn, _ int64, _ *atomic.Int64) {
			c.Say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 20\r\n\r\nno")
			<-c.Done
		}, drivers.Rejected, "http_413", false},
		"refused after a part": {func(c *drivertest.RawConn, length int64, read *atomic.Int64) {
			read.Add(drain(c, length/2))
			c.Say(refusal)
			<-c.Done
		}, drivers.Rejected, "http_413", false},
		"accepted early, and read on": {func(c *drivertest.RawConn, length int64, read *atomic.Int64) {
			c.Say(okAnswer)
			time.Sleep(30 * time.Millisecond)
			read.Add(drain(c, length))
			<-c.Done
		}, drivers.Acked, "", true},
		"accepted": {func(c *drivertest.RawConn, length int64, read *atomic.Int64) {
			read.Add(drain(c, length))
			c.Say(okAnswer)
			<-c.Done
		}, drivers.Acked, "", true},
		"cut": {func(c *drivertest.RawConn, length int64, read *atomic.Int64) {
			read.Add(drain(c, length/2))
			c.Cut()
		}, drivers.Indeterminate, "reset closed", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, secure := range []bool{false, true} {
				for _, second := range []bool{false, true} { // on a new connection, and on a reused one
					if testing.Short() && secure != second {
						t.Logf("slow, left out by -short: TLS %v, reused %v", secure, second)
						continue
					}
					var read atomic.Int64
					var config *tls.Config
					scheme := "http"
					if secure {
						config, scheme = secureRaw(t), "https"
					}
					server := drivertest.ServeRawTLS(t, config, func(c *drivertest.RawConn) {
						tighten(c)
						for {
							r, err := http.ReadRequest(c.In)
							if err != nil {
								return
							}
							if r.ContentLength > 100 {
								test.peer(c, r.ContentLength, &read)
								return
							}
							io.Copy(io.Discard, r.Body)
							c.Say(okAnswer)
						}
					})
					// The first row is a short body.
					c := &Config{Request: "POST " + scheme + "://" + server.Address(), Body: "{{data.body}}", Data: &drivers.Data{File: "b.csv"}, TLS: tlsconfig.Config{Insecure: secure}}
					if !secure {
						c.TLS = tlsconfig.Config{}
					}
					s := sessionOver(t, dialTight, c, map[string]string{"b.csv": "body\nshort\n" + strings.Repeat("x", size) + "\n"})
					if second {
						expect(t, do(t, s, 0), drivers.Acked, "")
					}
					at := do(t, s, 1)
					if at.Outcome != test.outcome || !strings.Contains(" "+test.codes+" ", " "+at.Code+" ") {
						t.Errorf("TLS %v, reused %v: %v, code %q (%q)", secure, second, at.Outcome, at.Code, at.Detail)
					}
					for test.whole && read.Load() != size && t.Context().Err() == nil { // the target may still read what was sent
						time.Sleep(time.Millisecond)
					}
					if at.Out != size || at.Done <= at.Sent {
						t.Errorf("%+v", at)
					}
				}
			}
		})
	}
}

// The time of an early answer is that at which it came, and not that at which the rest of the request had left. The target
// reads the rest once the answer's time was noted.
func TestTimeOfAnEarlyAnswer(t *testing.T) {
	const size = moreThanTight
	noted := make(chan struct{})
	server := drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
		tighten(c)
		if r, err := http.ReadRequest(c.In); err == nil {
			c.Say(okAnswer)
			select {
			case <-noted:
			case <-c.Done:
			}
			io.CopyN(io.Discard, c.In, r.ContentLength)
			<-c.Done
		}
	})
	env := drivertest.NewEnv(t, time.Now())
	var came atomic.Bool
	env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialTight(ctx, network, address)
		return &tellsRead{c, &came}, err
	}
	clock, once, done := env.Clock, sync.Once{}, time.Duration(0)
	env.Clock = func() time.Duration {
		now := clock()
		if came.Load() {
			once.Do(func() { done = now; close(noted) })
		}
		return now
	}
	d, err := (&Config{Request: "POST http://" + server.Address(), Body: strings.Repeat("x", size)}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, _ := d.Session()
	defer s.Close()
	at := do(t, s, 1)
	expect(t, at, drivers.Acked, "")
	if at.Done != done {
		t.Errorf("answered at %v; it came by %v", at.Done, done)
	}
}

// tellsRead notes that something was read.
type tellsRead struct {
	net.Conn
	came *atomic.Bool
}

func (c *tellsRead) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.came.Store(true)
	}
	return n, err
}
