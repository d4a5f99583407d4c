package grpc

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/tlsconfig"
)

// certificate returns a certificate for example.com, also as PEM files.
func certificate(t *testing.T) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	pair = server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return pair, write("cert.pem", "CERTIFICATE", pair.Certificate[0]), write("key.pem", "PRIVATE KEY", key)
}

func TestMutualTLS(t *testing.T) {
	pair, cert, key := certificate(t)
	g := startTarget(t, []string{"v1"}, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})))
	t.Cleanup(g.close)
	for _, test := range []struct {
		name string
		tls  tlsconfig.Config
		want string // of the error; empty: none
	}{
		{"both prove themselves", tlsconfig.Config{CA: cert, Cert: cert, Key: key, ServerName: "example.com"}, ""},
		{"no certificate of the client's", tlsconfig.Config{CA: cert, ServerName: "example.com"}, "target unreachable"}, // TLS 1.3: the refusal arrives when the client already writes
		{"an authority that is not trusted", tlsconfig.Config{Cert: cert, Key: key, ServerName: "example.com"}, "certificate"},
		{"another name", tlsconfig.Config{CA: cert, Cert: cert, Key: key, ServerName: "example.org"}, "example.org"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := reserve(g)
			c.TLS = &test.tls
			d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
			if test.want != "" {
				if err == nil {
					d.Close()
				}
				if !errors.Is(err, drivers.ErrUnreachable) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if at := do(t, d, drivers.Op{}); at.Outcome != drivers.Acked {
				t.Errorf("%+v", at)
			}
		})
	}
}

// The attempt's deadline is sent, so that a target can give up calls that nobody waits for.
func TestDeadlineOnTheWire(t *testing.T) {
	g := start(t, "v1")
	if at := do(t, open(t, reserve(g)), drivers.Op{}); at.Outcome != drivers.Acked {
		t.Fatalf("%+v", at)
	}
	if !g.hurried.Load() {
		t.Error("the target was told no deadline")
	}
}
