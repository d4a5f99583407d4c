package amqp

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/drivers/tlsconfig"
)

// Connections speak TLS where the scenario says so, and log in by user and password or by their certificate.
func TestLogins(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // its certificate is for 127.0.0.1 and example.com
	defer server.Close()
	pair := server.TLS.Certificates[0]
	env := testEnv(t)
	block := func(name, kind string, bytes []byte) string {
		path := filepath.Join(env.Files, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	cert := block("cert.pem", "CERTIFICATE", pair.Certificate[0])
	raw, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := block("key.pem", "PRIVATE KEY", raw)
	secure := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	for name, test := range map[string]struct {
		change func(*Config)
		login  string // empty: the driver must not open
	}{
		"url": {func(c *Config) { c.TLS = &tlsconfig.Config{CA: cert} }, "PLAIN \x00guest\x00secret-word"},
		"sasl": {func(c *Config) {
			c.TLS, c.SASL = &tlsconfig.Config{CA: cert}, &SASL{User: "u", Password: "p"}
			c.URL = withoutUser(c.URL)
		}, "PLAIN \x00u\x00p"},
		"default user": {func(c *Config) { c.TLS = &tlsconfig.Config{CA: cert}; c.URL = withoutUser(c.URL) }, "PLAIN \x00guest\x00guest"},
		"external": {func(c *Config) {
			c.TLS, c.SASL = &tlsconfig.Config{CA: cert, Cert: cert, Key: key}, &SASL{Mechanism: "EXTERNAL"}
			c.URL = withoutUser(c.URL)
		}, "EXTERNAL \x00*\x00*"},
		"not verified":   {func(c *Config) { c.TLS = &tlsconfig.Config{Insecure: true} }, "PLAIN \x00guest\x00secret-word"},
		"not trusted":    {func(c *Config) { c.URL = strings.Replace(c.URL, "amqp:", "amqps:", 1) }, ""},
		"without TLS":    {func(*Config) {}, ""},
		"another's name": {func(c *Config) { c.TLS = &tlsconfig.Config{CA: cert, ServerName: "broker.test"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startFakeTLS(t, secure)
			config := Config{URL: b.url(), Queue: testQueue}
			test.change(&config)
			config.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
			dialer, err := config.access().dialer(env.Files)
			if err != nil {
				t.Fatal(err)
			}
			if test.login == "" {
				c := newControl(dialer, env.Direct, leastPatience)
				defer c.close()
				if err := c.do(nil); err == nil || refusedConfig(err) || strings.Contains(err.Error(), "secret-word") {
					t.Errorf("%v", err)
				}
				return
			}
			d := openDriver(t, config, env)
			isAcked.check(t, outcomes(t, send(t, d, 0, 1, testPatience))[0])
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, login := range b.logins {
				if login != test.login {
					t.Errorf("logged in as %q, want %q", login, test.login)
				}
			}
		})
	}
}

func withoutUser(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	_, host, _ := strings.Cut(rest, "@")
	return scheme + "://" + host
}
