package null

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Authority signs the certificates of null targets, for whatever name a client asks. Its key is in memory alone. It is safe for
// concurrent use.
type Authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	signed map[string]*tls.Certificate // by name
}

// certified is how long a certificate is valid, before and after now: clocks of one machine hardly differ.
const certified = 24 * time.Hour

// NewAuthority makes an authority. Its certificate is written to a file in dir, in PEM, for clients to trust.
func NewAuthority(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{file: filepath.Join(dir, "null-authority.pem"), key: key, signed: make(map[string]*tls.Certificate)}
	form := certificate("null targets")
	form.IsCA, form.BasicConstraintsValid, form.KeyUsage = true, true, x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		return nil, err
	}
	return a, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600)
}

// File is the path of the authority's certificate.
func (a *Authority) File() string { return a.file }

func certificate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // rand.Reader never fails
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-certified), NotAfter: now.Add(certified)}
}

// of is the certificate for a name, or for an IP address.
func (a *Authority) of(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.signed[name]; c != nil {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	form := certificate("null target")
	form.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if ip := net.ParseIP(name); ip != nil {
		form.IPAddresses = []net.IP{ip}
	} else {
		form.DNSNames = []string{name}
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("a certificate for %s: %w", name, err)
	}
	c := &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
	a.signed[name] = c
	return c, nil
}

// secure is how a null target speaks TLS; nil without an authority. A client that has a certificate proves itself, as it does to the
// real target, and is not verified. One that asks for no name gets the certificate of the address that it dialled.
func (t *Target) secure(a *Authority) *tls.Config {
	if a == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName != "" {
				return a.of(hello.ServerName)
			}
			v, ok := t.upstream.Load(hello.Conn.RemoteAddr().String())
			if !ok {
				return nil, fmt.Errorf("a client that was led here by nobody asks for no name")
			}
			host, _, err := net.SplitHostPort(v.(upstream).address)
			if err != nil {
				return nil, err
			}
			return a.of(host)
		},
	}
}
