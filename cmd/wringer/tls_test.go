package main

import (
	"context"
	"errors"
	"net"
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

// tlsByProtocol makes a stream's part with the given tls:, for every protocol that has one.
var tlsByProtocol = map[string]func(tlsconfig.Config) drivers.Config{
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
		return checkedPart{(&kafka.Effect{Brokers: "127.0.0.1:1", Topic: "t", ID: "$.id", TLS: &c}).Check}
	},
}

// checkedPart is a part that can be checked alone.
type checkedPart struct {
	check func(func(field, message string))
}

func (c checkedPart) Check(problem func(field, message string)) { c.check(problem) }
func (c checkedPart) Describe() drivers.Description             { return drivers.Description{} }
func (c checkedPart) Open(context.Context, drivers.Env) (drivers.Driver, error) {
	return nil, errors.ErrUnsupported
}

// TestTLSContradictions finds the same contradictions, at the same fields, in every protocol.
func TestTLSContradictions(t *testing.T) {
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
		for protocol, part := range tlsByProtocol {
			var got []string
			part(test.config).Check(func(field, message string) { got = append(got, field+": "+message) })
			if !slices.Equal(got, test.want) {
				t.Errorf("%s, %s: %q, want %q", protocol, name, got, test.want)
			}
		}
	}
}

// TestTLSFilesAtFault are told by the field that names them, in every protocol, before anything is dialled.
func TestTLSFilesAtFault(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "empty.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
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
		for protocol, part := range tlsByProtocol {
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
