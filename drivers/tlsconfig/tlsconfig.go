// Package tlsconfig is the `tls:` part of a stream, the same for every protocol.
package tlsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"wringer/drivers"
)

// Config is how the target is trusted, and how the driver proves itself. Paths are relative to the scenario.
type Config struct {
	CA         string `yaml:"ca" path:"file" jsonschema_description:"PEM file of the authorities to trust. Default: the system's."`
	Cert       string `yaml:"cert" path:"file" jsonschema_description:"PEM file of the client's certificate."`
	Key        string `yaml:"key" path:"file" jsonschema_description:"PEM file of the client's key."`
	ServerName string `yaml:"server_name" jsonschema_description:"The name to ask for and to verify. Default: the target's host; in gRPC the authority's, in Kafka each broker's."`
	Insecure   bool   `yaml:"insecure" jsonschema_description:"Do not verify the target's certificate."`
}

// Check reports settings that contradict each other, by the field's name below the stream's part. A nil Config has none.
func (c *Config) Check(problem func(field, message string)) {
	if c == nil {
		return
	}
	if (c.Cert == "") != (c.Key == "") {
		problem("tls", "cert and key go together")
	}
	if c.Insecure && c.CA != "" {
		problem("tls.insecure", "stands beside ca; keep one of the two")
	}
}

// CheckFiles is the part of drivers.FileChecker for these settings.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	if c == nil {
		return
	}
	if c.CA != "" && ready(c.CA) == nil {
		if _, err := c.authorities(folder); err != nil {
			problem("tls.ca", err.Error())
		}
	}
	if c.Cert != "" && ready(c.Cert) == nil && ready(c.Key) == nil {
		if _, err := c.certificate(folder); err != nil {
			problem("tls.cert", err.Error())
		}
	}
}

// Load reads the files, which are relative to folder. TLS 1.2 is the least version. The result has no ServerName where the
// scenario names none: the caller sets its protocol's default, and the protocols to agree on (ALPN). An error names the field
// at fault.
func (c *Config) Load(folder string) (*tls.Config, error) {
	out := &tls.Config{ServerName: c.ServerName, InsecureSkipVerify: c.Insecure, MinVersion: tls.VersionTLS12}
	var err error
	if c.CA != "" {
		if out.RootCAs, err = c.authorities(folder); err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
	}
	if c.Cert != "" {
		pair, err := c.certificate(folder)
		if err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

func (c *Config) authorities(folder string) (*x509.CertPool, error) {
	pem, err := drivers.ReadFile(drivers.ResolvePath(folder, c.CA))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("no certificate in " + c.CA)
	}
	return pool, nil
}

func (c *Config) certificate(folder string) (tls.Certificate, error) {
	cert, err := drivers.ReadFile(drivers.ResolvePath(folder, c.Cert))
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := drivers.ReadFile(drivers.ResolvePath(folder, c.Key))
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair([]byte(cert), []byte(key))
}

// Trusting is c with another authority to trust, a PEM file. Who verifies nothing goes on so. c may be nil.
func (c *Config) Trusting(authority string) *Config {
	out := Config{}
	if c != nil {
		out = *c
	}
	if !out.Insecure {
		out.CA = authority
	}
	return &out
}
