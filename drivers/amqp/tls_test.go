package amqp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
	"wringer/drivers/tlsconfig"
)

// authority signs the certificates of a test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", nil)
	return a
}

// issue makes NAME.pem and NAME.key. The first one is the authority's own.
func (a *authority) issue(t testing.TB, name string, hosts []net.IP) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	number, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: hosts, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer, signing := a.cert, a.key
	if signer == nil {
		form.IsCA, form.BasicConstraintsValid, form.KeyUsage = true, true, x509.KeyUsageCertSign
		signer, signing = form, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, signer, &key.PublicKey, signing)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{a.file(name + ".pem"): {Type: "CERTIFICATE", Bytes: raw}, a.file(name + ".key"): {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// A real broker that demands certificates: it takes a client by its certificate alone (EXTERNAL), or by its password beside it. A
// client without a certificate, with one that names no user, or with one of another authority, is refused.
func TestRealTLS(t *testing.T) {
	tier.Slow(t, "starts a broker with TLS")
	ca, others := newAuthority(t), newAuthority(t)
	ca.issue(t, "server", []net.IP{net.IPv4(127, 0, 0, 1)})
	ca.issue(t, "wringer-client", nil)
	ca.issue(t, "nobody", nil)
	others.issue(t, "wringer-client", nil)
	node := rabbit.StartWith(t, 1, rabbit.Settings{Plugins: []string{"rabbitmq_auth_mechanism_ssl"}, Config: func(port int) string {
		return fmt.Sprintf("listeners.ssl.default = %d\nssl_options.cacertfile = %s\nssl_options.certfile = %s\nssl_options.keyfile = %s\n"+
			"ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\nauth_mechanisms.1 = EXTERNAL\nauth_mechanisms.2 = PLAIN\nssl_cert_login_from = common_name\n",
			port, ca.file("ca.pem"), ca.file("server.pem"), ca.file("server.key"))
	}})[0]
	node.Do(t, "add_user", "wringer-client", "unused-password")
	node.Do(t, "set_permissions", "-p", "/", "wringer-client", ".*", ".*", ".*")
	plain := fmt.Sprintf("amqps://127.0.0.1:%d/", node.Extra)
	client := func(a *authority, name string) *tlsconfig.Config {
		return &tlsconfig.Config{CA: ca.file("ca.pem"), Cert: a.file(name + ".pem"), Key: a.file(name + ".key")}
	}
	external := &SASL{Mechanism: mechanismExternal}
	for name, test := range map[string]struct {
		tls  *tlsconfig.Config
		sasl *SASL
		url  string
		bad  string // in the error; empty: it works
	}{
		"external":                 {client(ca, "wringer-client"), external, plain, ""},
		"password":                 {client(ca, "nobody"), nil, strings.Replace(plain, "//", "//guest:guest@", 1), ""},
		"external, no such user":   {client(ca, "nobody"), external, plain, "refuses"},
		"external, other issuer":   {client(others, "wringer-client"), external, plain, "tls"},
		"without a certificate":    {&tlsconfig.Config{CA: ca.file("ca.pem")}, nil, plain, "tls"},
		"a server of other issuer": {&tlsconfig.Config{CA: others.file("ca.pem")}, nil, plain, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := freshName("queue")
			config := Config{URL: test.url, Queue: queue, TLS: test.tls, SASL: test.sasl, Declare: &Topology{Queues: map[string]Queue{queue: {}}}}
			if test.bad != "" {
				_, err := config.Open(t.Context(), testEnv(t))
				if err == nil || !strings.Contains(err.Error(), test.bad) {
					t.Errorf("%v, want %q", err, test.bad)
				}
				return
			}
			a := openAccount(t, config)
			source, err := a.driver.Source()
			if err != nil {
				t.Fatal(err)
			}
			seen, end := receive(t, source)
			a.send(t, 100)
			catchUp(t, source)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if got, want := a.compare(seen.copy()), (counts{acked: 100}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}
