package null

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"wringer/drivers"
)

// authority is an authority, and a configuration that trusts it alone.
func authority(t *testing.T) (*Authority, *tls.Config) {
	t.Helper()
	a, err := NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(a.File())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("the authority's file holds no certificate")
	}
	return a, &tls.Config{RootCAs: pool}
}

// A client that verifies reaches the target below every name and address that it asks for, by HTTP/1.1 and by HTTP/2. Beside it the same
// port takes plain connections.
func TestHTTPS(t *testing.T) {
	a, trust := authority(t)
	dial := begun(t, func() (*Target, error) { return HTTP(a) })
	for _, url := range []string{"https://orders.invalid/", "https://127.0.0.9:8443/", "https://[::1]:8443/", "http://orders.invalid/"} {
		for _, two := range []bool{false, true} {
			p := new(http.Protocols)
			p.SetHTTP1(!two)
			p.SetHTTP2(two)
			p.SetUnencryptedHTTP2(two)
			transport := &http.Transport{Protocols: p, DialContext: dial, TLSClientConfig: trust.Clone()}
			resp, err := (&http.Client{Transport: transport}).Get(url)
			if err != nil {
				t.Errorf("%s, HTTP/2 %t: %v", url, two, err)
				continue
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(text) != drivers.NullAnswer || (resp.ProtoMajor == 2) != two {
				t.Errorf("%s, HTTP/2 %t: %s %q, %v", url, two, resp.Proto, text, err)
			}
			transport.CloseIdleConnections()
		}
	}
}

// Only who trusts the authority takes its certificates.
func TestWhoDoesNotTrustTheAuthority(t *testing.T) {
	a, _ := authority(t)
	conn, err := begun(t, func() (*Target, error) { return HTTP(a) })(t.Context(), "tcp", "orders.invalid:443")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tls.Client(conn, &tls.Config{ServerName: "orders.invalid", RootCAs: x509.NewCertPool()}).Handshake(); err == nil {
		t.Error("a certificate of an unknown authority was taken")
	}
}

// A real target that speaks TLS is asked with TLS, by the name that was dialled.
func TestTheRealTargetIsAskedWithTLS(t *testing.T) {
	a, trust := authority(t)
	real, err := HTTP(a)
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	var asked string
	conn, err := dialTLS(t.Context(), func(ctx context.Context, network, address string) (net.Conn, error) {
		asked = address
		return real.Through(dialer, nil)(ctx, network, address)
	}, "tcp", "orders.invalid:443", trust)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if name := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].DNSNames[0]; asked != "orders.invalid:443" || name != "orders.invalid" {
		t.Errorf("asked %s, by the name %s", asked, name)
	}
}
