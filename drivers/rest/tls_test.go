package rest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

// sign makes a certificate; signed by itself if the authority is nil.
func sign(t *testing.T, by *authority, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: by == nil, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func (a *authority) keyPEM(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func TestPrivateAuthorityAndClientCertificate(t *testing.T) {
	ca := sign(t, nil, "private authority")
	served, client, stranger := sign(t, ca, "target.test"), sign(t, ca, "generator"), sign(t, nil, "stranger")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.PeerCertificates[0].Subject.CommonName != "generator" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	server.Config.ErrorLog = discardLog
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{served.cert.Raw}, PrivateKey: served.key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, content)
		return path
	}
	caFile, certFile, keyFile := file("ca.pem", ca.pem), file("cert.pem", client.pem), file("key.pem", client.keyPEM(t))
	otherCert, otherKey, otherCA := file("c2.pem", stranger.pem), file("k2.pem", stranger.keyPEM(t)), file("ca2.pem", stranger.pem)
	for name, test := range map[string]struct {
		tls   tlsconfig.Config
		acked bool
	}{
		"both":              {tlsconfig.Config{CA: caFile, Cert: certFile, Key: keyFile}, true},
		"by name":           {tlsconfig.Config{CA: caFile, Cert: certFile, Key: keyFile, ServerName: "target.test"}, true},
		"unverified":        {tlsconfig.Config{Insecure: true, Cert: certFile, Key: keyFile}, true},
		"another name":      {tlsconfig.Config{CA: caFile, Cert: certFile, Key: keyFile, ServerName: "other.test"}, false},
		"another authority": {tlsconfig.Config{CA: otherCA, Cert: certFile, Key: keyFile}, false},
		"the system's":      {tlsconfig.Config{Cert: certFile, Key: keyFile}, false},
		"no certificate":    {tlsconfig.Config{CA: caFile}, false},
		"a stranger":        {tlsconfig.Config{CA: caFile, Cert: otherCert, Key: otherKey}, false},
	} {
		t.Run(name, func(t *testing.T) {
			onBothVersions(t, func(t *testing.T, http2 bool) {
				at := do(t, sessionIn(t, &Config{Request: server.URL, TLS: test.tls, HTTP2: http2}, nil), 0)
				switch {
				case test.acked:
					expect(t, at, drivers.Acked, "")
				// With TLS 1.3 the client learns only after its request that the peer refused its certificate.
				case at.Outcome == drivers.Acked || at.Answered || at.Code != drivers.CodeTLS && at.Code != drivers.CodeReset && at.Code != drivers.CodeClosed:
					t.Errorf("%+v", at)
				}
			})
		})
	}
}
