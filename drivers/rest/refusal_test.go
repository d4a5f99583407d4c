package rest

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/drivertest/tier"
	"wringer/drivers/tlsconfig"
)

// The statuses that the connections of a target answer with, one after the other, and what they are told as where the body never ends:
// a status that is no success is enough.
var unended = []struct {
	status  string
	outcome drivers.Outcome
	code    string
}{
	{"413", drivers.Rejected, "http_413"},
	{"503", drivers.Indeterminate, "http_503"},
	{"200", drivers.Indeterminate, drivers.CodeTimeout},
}

func TestBodyThatNeverEnds(t *testing.T) {
	for name, head := range map[string]string{
		"with a length": "Content-Length: 100\r\n\r\nno room",
		"chunked":       "Transfer-Encoding: chunked\r\n\r\n7\r\nno room\r\n",
		"until the end": "\r\nno room",
		"none of it":    "Content-Length: 100\r\n\r\n",
	} {
		for _, version := range []string{"http/1.1", "TLS", "loop"} {
			t.Run(name+", "+version, func(t *testing.T) {
				t.Parallel()
				if name != "chunked" || version != "loop" {
					tier.Slow(t, "it waits for bodies")
				}
				var secure *tls.Config
				c := &Config{Request: "POST http://", Body: "x"}
				if version == "TLS" {
					secure = secureRaw(t)
					c.Request, c.TLS = "POST https://", tlsconfig.Config{Insecure: true}
				}
				server := drivertest.ServeRawTLS(t, secure, func(c *drivertest.RawConn) {
					if _, _, err := readRequest(c.In); err == nil {
						c.Say("HTTP/1.1 " + unended[c.Number-1].status + " X\r\n" + head)
						c.Hang()
					}
				})
				c.Request += server.Address()
				neverEnds(t, c, version == "loop")
			})
		}
	}
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		server := serveHTTP2(t, func(_ *drivertest.RawConn, fr *http2.Framer, stream uint32, n int) bool {
			block := frames(func(fr *http2.Framer) { head(fr, false, ":status", unended[n-1].status) })
			fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, stream, block[9:])
			return fr.WriteData(stream, false, []byte("no room")) == nil
		})
		neverEnds(t, &Config{Request: "POST http://" + server.Address(), Body: "x", HTTP2: true}, false)
	})
}

func neverEnds(t *testing.T, c *Config, byLoop bool) {
	d := open(t, c)
	make := drivers.Driver.Session
	if byLoop {
		make = sessionByLoop
	}
	s, err := make(d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, want := range unended {
		timeout := 20 * time.Second
		if want.code == drivers.CodeTimeout { // in vain
			timeout = 2 * refusalWait
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		var at drivers.Attempt
		at.Reset(1, 0)
		s.Do(ctx, &drivers.Op{Seq: uint64(i)}, &at)
		cancel()
		expect(t, at, want.outcome, want.code)
		// The time is that of the head, and not that at which the wait for the body ended.
		if over := d.(*driver).env.Clock(); want.code != drivers.CodeTimeout && (at.Done <= at.Sent || at.Done+refusalWait > over || !at.Answered) {
			t.Errorf("%+v, over at %v", at, over)
		}
	}
}

// A refusal whose body is too long to be kept is a refusal, and one that meets the end of the run is cancelled.
func TestRefusalWithALongBody(t *testing.T) {
	for _, head := range []string{"Content-Length: 2000000000\r\n\r\nno room", "Transfer-Encoding: chunked\r\n\r\n77777777\r\nno room"} {
		server := drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
			if _, _, err := readRequest(c.In); err == nil {
				c.Say("HTTP/1.1 413 X\r\n" + head)
				c.Hang()
			}
		})
		c := &Config{Request: "POST http://" + server.Address(), Body: "x", Checks: []Check{{Body: "a"}}, MaxBody: 1 << 10}
		expect(t, do(t, session1(t, c), 1), drivers.Rejected, "http_413")
	}
}

func TestRefusalOfACancelledRun(t *testing.T) {
	said := make(chan struct{})
	server := drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
		if _, _, err := readRequest(c.In); err == nil {
			c.Say("HTTP/1.1 413 X\r\nContent-Length: 100\r\n\r\nno room")
			close(said)
			c.Hang()
		}
	})
	s := session1(t, &Config{Request: "POST http://" + server.Address(), Body: "x"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-said; cancel() }()
	var at drivers.Attempt
	at.Reset(1, 0)
	s.Do(ctx, &drivers.Op{}, &at)
	expect(t, at, drivers.Indeterminate, drivers.CodeCancelled)
}
