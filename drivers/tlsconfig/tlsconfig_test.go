package tlsconfig

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestLoad makes configurations that a real server is trusted by, or is not.
func TestLoad(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	folder := t.TempDir()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(folder, "ca.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config Config
		trusts bool
	}{
		"relative":     {Config{CA: "ca.pem", ServerName: "example.com"}, true},
		"absolute":     {Config{CA: filepath.Join(folder, "ca.pem"), ServerName: "example.com"}, true},
		"another name": {Config{CA: "ca.pem", ServerName: "elsewhere.test"}, false},
		"the system's": {Config{ServerName: "example.com"}, false},
		"unverified":   {Config{Insecure: true}, true},
	} {
		config, err := test.config.Load(folder)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		conn, err := tls.Dial("tcp", server.Listener.Addr().String(), config)
		if (err == nil) != test.trusts {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			conn.Close()
		}
		if config.MinVersion != tls.VersionTLS12 || config.ServerName != test.config.ServerName {
			t.Errorf("%s: version %#x, name %q", name, config.MinVersion, config.ServerName)
		}
	}
}

// TestAbsent: a stream without tls: has nothing to check.
func TestAbsent(t *testing.T) {
	var absent *Config
	absent.Check(func(field, message string) { t.Errorf("an absent part: %s: %s", field, message) })
}
