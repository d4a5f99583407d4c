package rest

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/tlsconfig"
)

// secureRaw is the TLS side of a raw server.
func secureRaw(t *testing.T) *tls.Config {
	cert := sign(t, nil, "target.test")
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.cert.Raw}, PrivateKey: cert.key}}}
}

// answersOverTLS answers the first request of each connection with text, and ends the connection by end.
func answersOverTLS(t *testing.T, text string, end func(c *drivertest.RawConn)) *Config {
	server := drivertest.ServeRawTLS(t, secureRaw(t), func(c *drivertest.RawConn) {
		if _, _, err := readRequest(c.In); err == nil && c.Say(text) {
			end(c)
		}
	})
	return &Config{Request: "https://" + server.Address(), TLS: tlsconfig.Config{Insecure: true}}
}

func TestBodyThatEndsWithATLSConnection(t *testing.T) {
	cut := func(c *drivertest.RawConn) {
		c.HalfClose()
		io.Copy(io.Discard, bufio.NewReader(c.Conn.(*tls.Conn).NetConn()))
	}
	notify := func(c *drivertest.RawConn) { c.Conn.(*tls.Conn).CloseWrite(); c.HalfClose(); c.Hang() }
	for name, test := range map[string]struct {
		answer  string
		end     func(*drivertest.RawConn)
		outcome drivers.Outcome
		code    string
	}{
		"no length, cut":              {"HTTP/1.1 200 OK\r\n\r\nhal", cut, drivers.Indeterminate, drivers.CodeClosed},
		"no length, nothing yet, cut": {"HTTP/1.1 200 OK\r\n\r\n", cut, drivers.Indeterminate, drivers.CodeClosed},
		"HTTP/1.0, cut":               {"HTTP/1.0 200 OK\r\n\r\nhal", cut, drivers.Indeterminate, drivers.CodeClosed},
		"Connection: close, cut":      {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhal", cut, drivers.Indeterminate, drivers.CodeClosed},
		"chunked, cut":                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n", cut, drivers.Indeterminate, drivers.CodeClosed},
		"chunked, cut by a notify":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n", notify, drivers.Indeterminate, drivers.CodeClosed},
		"short of its length":         {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhal", notify, drivers.Indeterminate, drivers.CodeClosed},
		"an error of the target, cut": {"HTTP/1.1 409 Conflict\r\n\r\nhal", cut, drivers.Indeterminate, drivers.CodeClosed},
		"no length, ended":            {"HTTP/1.1 200 OK\r\n\r\nwhole", notify, drivers.Acked, ""},
		"HTTP/1.0, ended":             {"HTTP/1.0 200 OK\r\n\r\nwhole", notify, drivers.Acked, ""},
		"whole by its length, cut":    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", cut, drivers.Acked, ""},
		"no body at all, cut":         {"HTTP/1.1 204 No Content\r\n\r\n", cut, drivers.Acked, ""},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, do(t, session1(t, answersOverTLS(t, test.answer, test.end)), 1), test.outcome, test.code)
		})
	}
}

// A connection between driver and target may hand over the last bytes and the end in one read, as a link may.
func TestEndInTheReadOfTheLastBytes(t *testing.T) {
	s := &socket{Conn: &lastRead{text: "bytes"}}
	p := make([]byte, 16)
	if n, err := s.Read(p); n != 5 || err != nil || s.ended.Load() {
		t.Fatalf("%d bytes, %v, ended %v", n, err, s.ended.Load())
	}
	if n, err := s.Read(p); n != 0 || err != io.EOF || !s.ended.Load() {
		t.Fatalf("then %d bytes, %v, ended %v", n, err, s.ended.Load())
	}
}

// lastRead returns its text together with the end.
type lastRead struct {
	*tls.Conn
	text string
}

func (c *lastRead) Read(p []byte) (int, error) {
	n := copy(p, c.text)
	c.text = c.text[n:]
	return n, io.EOF
}

// A connection that is not made in time is a time-out, and says of what. Nothing was sent.
func TestConnectionNotMadeInTime(t *testing.T) {
	hung := drivertest.ServeRaw(t, func(c *drivertest.RawConn) { c.Hang() })
	onBothVersions(t, func(t *testing.T, http2 bool) {
		for name, test := range map[string]struct {
			config Config
			dial   drivers.DialFunc
			detail string
		}{
			"TLS handshake": {Config{Request: "https://" + hung.Address(), TLS: tlsconfig.Config{Insecure: true}}, nil, "the TLS handshake did not end in time"},
			"dial": {Config{Request: "http://" + hung.Address()}, func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
			}, "the dial did not end in time"},
			"dial, by the system": {Config{Request: "http://" + hung.Address()}, func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}
			}, "the dial did not end in time"},
		} {
			t.Run(name, func(t *testing.T) {
				env := drivertest.NewEnv(t, time.Now())
				if test.dial != nil {
					env.Dial = test.dial
				}
				test.config.HTTP2 = http2
				d, err := test.config.Open(t.Context(), env)
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				s, _ := d.Session()
				defer s.Close()
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				var at drivers.Attempt
				s.Do(ctx, &drivers.Op{}, &at)
				expect(t, at, drivers.Rejected, drivers.CodeTimeout)
				if at.Wire || !strings.Contains(at.Detail, test.detail) {
					t.Errorf("%+v", at)
				}
			})
		}
	})
}
