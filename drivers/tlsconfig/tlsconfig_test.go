package tlsconfig_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wringer/drivers"
	"wringer/drivers/grpc"
	"wringer/drivers/kafka"
	"wringer/drivers/rest"
	"wringer/drivers/tlsconfig"
)

// byProtocol makes a stream's part with the given tls:, for every protocol that has one.
var byProtocol = map[string]func(tlsconfig.Config) drivers.Config{
	"rest": func(c tlsconfig.Config) drivers.Config {
		return &rest.Config{Request: "GET https://127.0.0.1:1/", TLS: c}
	},
	"grpc": func(c tlsconfig.Config) drivers.Config {
		return &grpc.Config{Target: "127.0.0.1:1", Method: "a.B/C", TLS: &c}
	},
	"kafka": func(c tlsconfig.Config) drivers.Config {
		return &kafka.Config{Brokers: "127.0.0.1:1", Topic: "t", TLS: &c}
	},
	"kafka effect": func(c tlsconfig.Config) drivers.Config {
		return checked{(&kafka.Effect{Brokers: "127.0.0.1:1", Topic: "t", ID: "$.id", TLS: &c}).Check}
	},
}

// checked is a part that can be checked alone.
type checked struct {
	check func(func(field, message string))
}

func (c checked) Check(problem func(field, message string)) { c.check(problem) }
func (c checked) Describe() drivers.Description             { return drivers.Description{} }
func (c checked) Open(context.Context, drivers.Env) (drivers.Driver, error) {
	return nil, errors.ErrUnsupported
}

// TestCheck finds the same contradictions, at the same fields, in every protocol.
func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		config tlsconfig.Config
		want   []string
	}{
		"nothing":             {tlsconfig.Config{}, nil},
		"everything":          {tlsconfig.Config{CA: "a", Cert: "b", Key: "c", ServerName: "d"}, nil},
		"unverified":          {tlsconfig.Config{Insecure: true}, nil},
		"no key":              {tlsconfig.Config{Cert: "x"}, []string{"tls: cert and key go together"}},
		"no certificate":      {tlsconfig.Config{Key: "x"}, []string{"tls: cert and key go together"}},
		"verified and not":    {tlsconfig.Config{CA: "x", Insecure: true}, []string{"tls.insecure: stands beside ca; keep one of the two"}},
		"both contradictions": {tlsconfig.Config{CA: "x", Insecure: true, Key: "y"}, []string{"tls: cert and key go together", "tls.insecure: stands beside ca; keep one of the two"}},
	} {
		for protocol, part := range byProtocol {
			var got []string
			part(test.config).Check(func(field, message string) { got = append(got, field+": "+message) })
			if !slices.Equal(got, test.want) {
				t.Errorf("%s, %s: %q, want %q", protocol, name, got, test.want)
			}
		}
	}
	var absent *tlsconfig.Config
	absent.Check(func(field, message string) { t.Errorf("an absent part: %s: %s", field, message) })
}

// TestFilesAtFault are told by the field that names them, in every protocol, before anything is dialled.
func TestFilesAtFault(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "empty.pem", nil)
	for name, test := range map[string]struct {
		config tlsconfig.Config
		want   string
	}{
		"no such authority":       {tlsconfig.Config{CA: "absent.pem"}, "tls.ca: open " + filepath.Join(folder, "absent.pem")},
		"an authority of nothing": {tlsconfig.Config{CA: "empty.pem"}, "tls.ca: no certificate in empty.pem"},
		"no such certificate":     {tlsconfig.Config{Cert: "absent.pem", Key: "empty.pem"}, "tls.cert: open " + filepath.Join(folder, "absent.pem")},
		"a certificate of nothing": {tlsconfig.Config{Cert: "empty.pem", Key: "empty.pem"},
			"tls.cert: tls: failed to find any PEM data"},
	} {
		for protocol, part := range byProtocol {
			env := drivers.Env{Stream: "s", Files: folder, Dial: func(context.Context, string, string) (net.Conn, error) {
				t.Errorf("%s, %s: dialled", protocol, name)
				return nil, errors.ErrUnsupported
			}}
			_, err := part(test.config).Open(t.Context(), env)
			if errors.Is(err, errors.ErrUnsupported) {
				continue
			}
			if !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, %s: %v, want ErrConfig and %q", protocol, name, err, test.want)
			}
		}
	}
}

// TestLoad makes configurations that a real server is trusted by, or is not.
func TestLoad(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	folder := t.TempDir()
	write(t, folder, "ca.pem", server.Certificate().Raw)
	for name, test := range map[string]struct {
		config tlsconfig.Config
		trusts bool
	}{
		"relative":     {tlsconfig.Config{CA: "ca.pem", ServerName: "example.com"}, true},
		"absolute":     {tlsconfig.Config{CA: filepath.Join(folder, "ca.pem"), ServerName: "example.com"}, true},
		"another name": {tlsconfig.Config{CA: "ca.pem", ServerName: "elsewhere.test"}, false},
		"the system's": {tlsconfig.Config{ServerName: "example.com"}, false},
		"unverified":   {tlsconfig.Config{Insecure: true}, true},
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

func write(t *testing.T, folder, name string, certificate []byte) {
	t.Helper()
	var text []byte
	if certificate != nil {
		text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	}
	if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
