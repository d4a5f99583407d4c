package tlsconfig

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"
)

// TestRefusedCertificate: a server that demands a certificate ends the connection after the client's handshake. The client's
// error names the alert, whether the reset meets its write or its read.
func TestRefusedCertificate(t *testing.T) {
	certificate := httptest.NewTLSServer(nil)
	certificate.Close()
	server := &tls.Config{Certificates: certificate.TLS.Certificates, ClientAuth: tls.RequireAnyClientCert}
	for name, first := range map[string]func(c net.Conn, closed <-chan struct{}) error{
		"read": func(c net.Conn, _ <-chan struct{}) error {
			_, err := c.Read(make([]byte, 1))
			return err
		},
		"write": func(c net.Conn, closed <-chan struct{}) (err error) {
			<-closed // the first write still succeeds: the kernel learns from its answer that the server is gone
			for err == nil {
				_, err = c.Write([]byte("request"))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := refused(t, server, first); !errors.Is(err, ErrHandshake) {
				t.Errorf("%v, want the server's alert", err)
			}
		})
	}
}

// refused opens a connection to a server with this configuration, and returns the error of what first does with it.
func refused(t *testing.T, server *tls.Config, first func(net.Conn, <-chan struct{}) error) error {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if conn, err := listener.Accept(); err == nil {
			_ = tls.Server(conn, server).Handshake() // it sends the alert
			conn.Close()
		}
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Client(t.Context(), raw, listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return first(conn, closed)
}

// TestAnswered: after the server's first byte an alert is no refusal, and a failed write reads nothing.
func TestAnswered(t *testing.T) {
	c := &Conn{}
	alert := &net.OpError{Op: "remote error", Err: tls.AlertError(116)}
	if err := c.refusal(alert); !errors.Is(err, ErrHandshake) {
		t.Errorf("before: %v", err)
	}
	if err := c.refusal(io.EOF); errors.Is(err, ErrHandshake) {
		t.Errorf("an end: %v", err)
	}
	c.answered.Store(true)
	if err := c.refusal(alert); errors.Is(err, ErrHandshake) {
		t.Errorf("after: %v", err)
	}
}
