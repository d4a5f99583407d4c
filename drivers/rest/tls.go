package rest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"wringer/drivers"
)

// TLS is how the target is trusted, and how the driver proves itself. Paths are relative to the scenario.
type TLS struct {
	CA         string `yaml:"ca" jsonschema_description:"PEM file of the authorities to trust. Default: the system's."`
	Cert       string `yaml:"cert" jsonschema_description:"PEM file of the client's certificate."`
	Key        string `yaml:"key" jsonschema_description:"PEM file of the client's key."`
	ServerName string `yaml:"server_name" jsonschema_description:"The name to ask for and to verify. Default: the host."`
	Insecure   bool   `yaml:"insecure" jsonschema_description:"Do not verify the target's certificate."`
}

func (c TLS) check(problem func(field, message string)) {
	if (c.Cert == "") != (c.Key == "") {
		problem("tls", "cert and key go together")
	}
	if c.Insecure && c.CA != "" {
		problem("tls.insecure", "stands beside ca; keep one of the two")
	}
}

// open loads the files. protocol is the one that the target must agree to (ALPN).
func (c TLS) open(env *drivers.Env, host, protocol string) (*tls.Config, error) {
	out := &tls.Config{
		ServerName:         host,
		NextProtos:         []string{protocol},
		InsecureSkipVerify: c.Insecure,
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	if c.ServerName != "" {
		out.ServerName = c.ServerName
	}
	if c.CA != "" {
		pem, err := os.ReadFile(resolve(env.Files, c.CA))
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("tls.ca: no certificate in " + c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(resolve(env.Files, c.Cert), resolve(env.Files, c.Key))
		if err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
