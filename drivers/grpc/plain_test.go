package grpc

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"wringer/drivers/drivertest"
	"wringer/drivers/tlsconfig"
)

// With TLS the target must prove the authority's name and choose HTTP/2.
func TestPlainTLS(t *testing.T) {
	pair, cert, _ := certificate(t)
	for _, test := range []struct {
		name, authority string
		protocols       []string
		want            string // of the error
	}{
		{"the authority's name", "example.com", []string{"h2"}, "the target's settings"}, // fails after the handshake
		{"another name", "example.org", []string{"h2"}, "example.org"},
		{"no protocol", "example.com", nil, "chose the protocol"},
	} {
		t.Run(test.name, func(t *testing.T) {
			secure := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: test.protocols}
			server := drivertest.ServeRawTLS(t, secure, func(c *drivertest.RawConn) { c.Conn.(*tls.Conn).HandshakeContext(t.Context()) })
			c := &Config{Target: server.Address(), Authority: test.authority, TLS: &tlsconfig.Config{CA: cert}}
			d := &driver{env: drivertest.NewEnv(t, time.Now()), method: "/test.v1.Inventory/Reserve"}
			if err := d.openPlain(c); err != nil {
				t.Fatal(err)
			}
			r := d.channels[0].NewCaller().Do(t.Context(), nil, nil)
			past := test.want == "the target's settings"
			if r.Sent != 0 || r.Err == nil || !strings.Contains(r.Text, test.want) && !past || errors.Is(r.Err, errHandshake) == past {
				t.Errorf("%+v", r)
			}
			d.Close()
			server.Wait()
		})
	}
}
