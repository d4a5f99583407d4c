package faulttest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// HalfCloseOverTLS checks that a link carries TLS connections of which the client ends its writing side. The client does so by
// close_notify alone, or with the end of its bytes. The target answers only then, and ends with close_notify. open connects to an
// address over the link.
func HalfCloseOverTLS(t *testing.T, open func(t *testing.T, address string) net.Conn) {
	t.Helper()
	address, roots := answersAtTheEnd(t)
	for name, end := range map[string]func(c *tls.Conn, below net.Conn) error{
		"close_notify":          func(c *tls.Conn, _ net.Conn) error { return c.CloseWrite() },
		"close_notify, and FIN": endsBoth,
	} {
		t.Run(name, func(t *testing.T) {
			below := open(t, address)
			defer below.Close()
			_ = below.SetDeadline(time.Now().Add(patience))
			c := tls.Client(below, &tls.Config{RootCAs: roots, ServerName: "example.com"})
			if _, err := io.WriteString(c, strings.Repeat("x", 100_000)); err != nil {
				t.Fatal(err)
			}
			if err := end(c, below); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); string(got) != "got 100000" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			// The target's close_notify came first, and its end follows.
			if n, err := below.Read(make([]byte, 1)); n > 0 || err != io.EOF {
				t.Errorf("behind close_notify: %d bytes, %v", n, err)
			}
		})
	}
}

func endsBoth(c *tls.Conn, below net.Conn) error {
	if err := c.CloseWrite(); err != nil {
		return err
	}
	return below.(interface{ CloseWrite() error }).CloseWrite()
}

// answersAtTheEnd starts a target that answers over TLS once its client has ended its writing side. roots trust it.
func answersAtTheEnd(t *testing.T) (address string, roots *x509.CertPool) {
	t.Helper()
	lender := httptest.NewTLSServer(nil) // of its certificate
	defer lender.Close()
	roots = x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: lender.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				n, _ := io.Copy(io.Discard, c)
				fmt.Fprintf(c, "got %d", n)
			})
		}
	})
	return l.Addr().String(), roots
}
