package amqp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// SASL is how the client names itself to the broker.
type SASL struct {
	Mechanism string `yaml:"mechanism" jsonschema:"enum=PLAIN,enum=EXTERNAL" jsonschema_description:"EXTERNAL: the certificate in tls names the client. Default PLAIN."`
	User      string `yaml:"user" jsonschema_description:"The user's name, in place of the URL's."`
	Password  string `yaml:"password" jsonschema_description:"The user's password. Write ${env.NAME}: what comes from the environment is never recorded."`
}

const (
	mechanismPlain    = "PLAIN"
	mechanismExternal = "EXTERNAL"
)

// access is how to reach a broker: its address, TLS and login.
type access struct {
	url  string
	tls  *tlsconfig.Config // nil: as the URL's scheme says
	sasl *SASL             // nil: as the URL says
}

func (a access) check(problem func(field, message string)) {
	address, err := parseAddress(a.url)
	known := !holdsVariable(a.url)
	if err != nil && known {
		problem("url", err.Error())
	}
	a.tls.Check(problem)
	s := a.sasl
	if s == nil {
		return
	}
	switch s.Mechanism {
	case "", mechanismPlain:
		if s.User == "" {
			problem("sasl.user", "is missing: PLAIN needs a user and a password")
		}
		if address.named && known {
			problem("sasl", "the url names a user too; keep one of the two")
		}
	case mechanismExternal:
		if s.User != "" || s.Password != "" {
			problem("sasl", "EXTERNAL takes no user and no password: the certificate names the client")
		}
		if a.tls == nil || a.tls.Cert == "" {
			problem("sasl.mechanism", "EXTERNAL needs a certificate: give tls.cert and tls.key")
		}
	default:
		problem("sasl.mechanism", fmt.Sprintf("%q is not one of PLAIN, EXTERNAL", s.Mechanism))
	}
}

// secrets are the passwords in the texts, with what stands around the URL's. The password of a new broker is none.
func (a access) secrets() (all []string) {
	all = urlSecret(a.url)
	if s := a.sasl; s != nil && len(s.Password) >= leastSecret && !holdsVariable(s.Password) {
		all = append(all, s.Password)
	}
	return all
}

// urlSecret is the password in a URL, with what stands around it.
func urlSecret(text string) []string {
	_, rest, _ := strings.Cut(text, "://")
	authority, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if _, password, has := strings.Cut(authority[:at], ":"); has && password != defaultUser && !holdsVariable(password) {
			return []string{":" + password + "@"}
		}
	}
	return nil
}

// leastSecret is the length from which a password is hidden wherever it occurs.
const leastSecret = 4

// Secrets implements drivers.Secretive.
func (c *Config) Secrets() []string {
	return append(c.access().secrets(), urlSecret(c.Management)...)
}

// Secrets implements drivers.Secretive.
func (e *Effect) Secrets() []string {
	return append(e.access().secrets(), urlSecret(e.Management)...)
}

// Secrets implements drivers.Secretive.
func (c *Consume) Secrets() []string {
	return append(c.access().secrets(), urlSecret(c.Management)...)
}

// dialer opens connections to one broker or cluster. Safe for concurrent use.
type dialer struct {
	address
	tlsConfig *tls.Config // nil: no TLS
	external  bool
}

// dialer reads the address and the files of TLS.
func (a access) dialer(files string) (*dialer, error) {
	d := &dialer{}
	var err error
	if d.address, err = parseAddress(a.url); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	if !d.named {
		d.user, d.password = defaultUser, defaultUser
	}
	if s := a.sasl; s != nil {
		d.external = s.Mechanism == mechanismExternal
		if !d.external {
			d.user, d.password = s.User, s.Password
		}
	}
	switch {
	case a.tls != nil:
		d.tlsConfig, err = a.tls.Load(files)
	case d.secure:
		d.tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return d, err
}

// login is the client's name in the library's terms. The library clears the password after use, so each connection has its own.
func (d *dialer) login() []library.Authentication {
	if d.external {
		return []library.Authentication{&library.ExternalAuth{}}
	}
	return []library.Authentication{&library.PlainAuth{Username: d.user, Password: d.password}}
}

// connect opens a connection to a node, below AMQP. ctx bounds it.
func (d *dialer) connect(ctx context.Context, dial drivers.DialFunc, node string) (net.Conn, error) {
	conn, err := dial(ctx, "tcp", node)
	if err != nil || d.tlsConfig == nil {
		return conn, err
	}
	return tlsconfig.Client(ctx, conn, node, d.tlsConfig)
}
