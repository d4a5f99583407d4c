package kafka

import (
	"context"
	"crypto/tls"
	"fmt"

	"wringer/drivers/tlsconfig"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// SASL is how the client names itself to the brokers.
type SASL struct {
	Mechanism string `yaml:"mechanism" jsonschema:"enum=PLAIN,enum=SCRAM-SHA-256,enum=SCRAM-SHA-512,enum=OAUTHBEARER" jsonschema_description:"Default PLAIN."`
	User      string `yaml:"user" jsonschema_description:"The user's name, of every mechanism but OAUTHBEARER."`
	Password  string `yaml:"password" jsonschema_description:"The user's password. Write ${env.NAME}: what comes from the environment is never recorded."`
	Token     string `yaml:"token" jsonschema_description:"The access token of OAUTHBEARER."`
}

// access holds how to reach the brokers securely. Both fields may be nil.
type access struct {
	tls  *tlsconfig.Config
	sasl *SASL
}

func (a access) check(problem func(field, message string)) {
	a.tls.Check(problem)
	s := a.sasl
	if s == nil {
		return
	}
	switch s.Mechanism {
	case "", sarama.SASLTypePlaintext, sarama.SASLTypeSCRAMSHA256, sarama.SASLTypeSCRAMSHA512:
		if s.User == "" || s.Password == "" {
			problem("sasl", "needs user and password")
		}
		if s.Token != "" {
			problem("sasl.token", "belongs to OAUTHBEARER")
		}
	case sarama.SASLTypeOAuth:
		if s.Token == "" {
			problem("sasl.token", "OAUTHBEARER needs it")
		}
		if s.User != "" || s.Password != "" {
			problem("sasl", "OAUTHBEARER takes a token, and no user or password")
		}
	default:
		problem("sasl.mechanism", fmt.Sprintf("%q is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER", s.Mechanism))
	}
}

// loadTLS loads the TLS files. It returns nil without TLS.
func (a access) loadTLS(files string) (*tls.Config, error) {
	if a.tls == nil {
		return nil, nil
	}
	return a.tls.Load(files)
}

// setLogin sets sarama's SASL configuration.
func (a access) setLogin(config *sarama.Config) {
	s := a.sasl
	if s == nil {
		return
	}
	to := &config.Net.SASL
	to.Enable, to.Handshake, to.Version = true, true, sarama.SASLHandshakeV1
	to.User, to.Password = s.User, s.Password
	switch to.Mechanism = sarama.SASLMechanism(s.Mechanism); s.Mechanism {
	case "":
		to.Mechanism = sarama.SASLTypePlaintext
	case sarama.SASLTypeSCRAMSHA256:
		to.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{mechanism: scram.Auth.AsSha256Mechanism} }
	case sarama.SASLTypeSCRAMSHA512:
		to.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{mechanism: scram.Auth.AsSha512Mechanism} }
	case sarama.SASLTypeOAuth:
		to.TokenProvider = token(s.Token)
	}
}

// mechanism is the login in franz-go's terms; nil: none.
func (a access) mechanism() sasl.Mechanism {
	s := a.sasl
	if s == nil {
		return nil
	}
	switch s.Mechanism {
	case sarama.SASLTypeSCRAMSHA256:
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism()
	case sarama.SASLTypeSCRAMSHA512:
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism()
	case sarama.SASLTypeOAuth:
		return oauth.Auth{Token: s.Token}.AsMechanism()
	}
	return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism()
}

// token is a sarama.AccessTokenProvider of one token. The token is assumed to last for the whole run.
type token string

// Token implements sarama.AccessTokenProvider.
func (t token) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: string(t)}, nil
}

// scramClient adapts franz-go's SCRAM to sarama's interface.
type scramClient struct {
	mechanism func(scram.Auth) sasl.Mechanism
	session   sasl.Session
	first     []byte
	done      bool
}

// Begin implements sarama.SCRAMClient.
func (c *scramClient) Begin(user, password, authzID string) (err error) {
	c.done = false
	c.session, c.first, err = c.mechanism(scram.Auth{User: user, Pass: password, Zid: authzID}).Authenticate(context.Background(), "")
	return err
}

// Step implements sarama.SCRAMClient. The first step has no challenge.
func (c *scramClient) Step(challenge string) (string, error) {
	if first := c.first; first != nil {
		c.first = nil
		return string(first), nil
	}
	done, response, err := c.session.Challenge([]byte(challenge))
	c.done = done
	return string(response), err
}

// Done implements sarama.SCRAMClient.
func (c *scramClient) Done() bool { return c.done }
