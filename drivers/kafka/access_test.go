package kafka

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// roundTrip sends a record and reads it back.
func roundTrip(t *testing.T, c *kfake.Cluster, config Config, env drivers.Env) {
	t.Helper()
	d := openDriver(t, c, config, env)
	source, err := d.Source()
	if err != nil {
		t.Fatal(err)
	}
	all, end := receive(t, source)
	if at := sendOne(t, d, 1, testPatience); at.Outcome != drivers.Acked || at.Hidden != 0 {
		t.Errorf("%+v", at)
	}
	catchUp(t, source)
	if err := end(); err != nil || all.len() != 1 {
		t.Errorf("%d seen, %v", all.len(), err)
	}
}

// certificate writes the certificate of a server on 127.0.0.1 into the environment's folder.
func certificate(t *testing.T, env *drivers.Env) tls.Certificate {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	env.Files = t.TempDir()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(env.Files, "ca.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.TLS.Certificates[0]
}

func TestTLS(t *testing.T) {
	t.Parallel()
	env := newEnv()
	c := newCluster(t, 1, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate(t, &env)}}))
	roundTrip(t, c, Config{TLS: &tlsconfig.Config{CA: "ca.pem"}}, env)
	roundTrip(t, c, Config{TLS: &tlsconfig.Config{Insecure: true}}, env)
	for name, access := range map[string]*tlsconfig.Config{"not trusted": {}, "another name": {CA: "ca.pem", ServerName: "elsewhere.test"}} {
		_, err := (&Config{Brokers: brokers(c), Topic: topic, TLS: access}).Open(t.Context(), env)
		if !errors.Is(err, drivers.ErrUnreachable) || !strings.Contains(err.Error(), "tls") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := (&Config{Brokers: brokers(c), Topic: topic, TLS: &tlsconfig.Config{CA: "absent.pem"}}).Open(t.Context(), env)
	if !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), "absent.pem") {
		t.Errorf("absent file: %v", err)
	}
}

func TestSASL(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			c := newCluster(t, 1, kfake.EnableSASL(), kfake.Superuser(mechanism, "ann", "secret"))
			roundTrip(t, c, Config{SASL: &SASL{Mechanism: mechanism, User: "ann", Password: "secret"}}, newEnv())
			// Some brokers close the connection, as these do; Apache's brokers answer with an error.
			wrong := func(err error, kind error) bool {
				return errors.Is(err, kind) && strings.Contains(err.Error(), "sasl") && !strings.Contains(err.Error(), "guess")
			}
			_, err := (&Config{Brokers: brokers(c), Topic: topic, SASL: &SASL{Mechanism: mechanism, User: "ann", Password: "guess"}}).Open(t.Context(), newEnv())
			if !wrong(err, drivers.ErrUnreachable) {
				t.Errorf("wrong password: %v", err)
			}
			effect := Effect{Brokers: brokers(c), Topic: topic, SASL: &SASL{Mechanism: mechanism, User: "bob", Password: "guess"}}
			c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				response.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return response, nil, true
			})
			source, err := effect.Open(t.Context(), newEnv())
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			if err := source.Start(t.Context()); !wrong(err, drivers.ErrConfig) {
				t.Errorf("unknown user: %v", err)
			}
		})
	}
}

func TestToken(t *testing.T) {
	config := sarama.NewConfig()
	access{sasl: &SASL{Mechanism: "OAUTHBEARER", Token: "abc"}}.setLogin(config)
	if err := config.Validate(); err != nil {
		t.Error(err)
	}
	if token, err := config.Net.SASL.TokenProvider.Token(); err != nil || token.Token != "abc" {
		t.Errorf("%v, %v", token, err)
	}
}

func TestAccessCheck(t *testing.T) {
	for _, test := range []struct {
		access access
		fields []string
	}{
		{access{}, nil},
		{access{&tlsconfig.Config{}, &SASL{User: "a", Password: "b"}}, nil},
		{access{&tlsconfig.Config{Cert: "c", Insecure: true, CA: "x"}, &SASL{}}, []string{"tls", "tls.insecure", "sasl"}},
		{access{nil, &SASL{User: "a", Password: "b", Token: "c"}}, []string{"sasl.token"}},
		{access{nil, &SASL{Mechanism: "OAUTHBEARER", User: "a"}}, []string{"sasl.token", "sasl"}},
		{access{nil, &SASL{Mechanism: "GSSAPI"}}, []string{"sasl.mechanism"}},
	} {
		var fields []string
		test.access.check(func(field, _ string) { fields = append(fields, field) })
		if !slices.Equal(fields, test.fields) {
			t.Errorf("%q, want %q", fields, test.fields)
		}
	}
}
