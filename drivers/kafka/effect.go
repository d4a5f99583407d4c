package kafka

import (
	"context"
	"fmt"

	"wringer/drivers"
)

// Effect is the `kafka:` part of `effects:`: a topic in which every operation must show up.
type Effect struct {
	Brokers       string `yaml:"brokers" jsonschema:"required" jsonschema_description:"Brokers to begin with: host:port, separated by commas."`
	Topic         string `yaml:"topic" jsonschema:"required" jsonschema_description:"The topic to read."`
	ID            string `yaml:"id" jsonschema_description:"Where the identity stands: a JSON path into the value, as in $.orderId. Default: the record header wringer-id."`
	Key           string `yaml:"key" jsonschema_description:"Where the key stands: a JSON path into the value. Default: the record's key."`
	Origin        string `yaml:"origin" jsonschema_description:"JSON path to what identifies the message that this effect came from, which tells a redelivery upstream from a second effect."`
	ReadCommitted *bool  `yaml:"read_committed" jsonschema_description:"Do not see what transactions aborted or have not committed. Default true."`
	TLS           *TLS   `yaml:"tls" jsonschema_description:"Speak TLS with the brokers."`
	SASL          *SASL  `yaml:"sasl" jsonschema_description:"Log in to the brokers."`
}

// Check implements drivers.SourceConfig.
func (e *Effect) Check(problem func(field, message string)) {
	checkPlace(e.Brokers, e.Topic, problem)
	e.access().check(problem)
	for _, p := range []struct{ field, text string }{{"id", e.ID}, {"key", e.Key}, {"origin", e.Origin}} {
		if _, err := compilePath(p.text); err != nil {
			problem(p.field, err.Error())
		}
	}
}

func (e *Effect) access() access { return access{e.TLS, e.SASL} }

// Open implements drivers.SourceConfig. It dials nothing.
func (e *Effect) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	s, err := e.source(env)
	if err != nil {
		return nil, err
	}
	s.autoCreate = true
	return s, nil
}

func (e *Effect) source(env drivers.Env) (*Source, error) {
	s := &Source{name: fmt.Sprintf("kafka %s, topic %s", e.Brokers, e.Topic), topic: e.Topic, env: env, access: e.access(),
		committed: e.ReadCommitted == nil || *e.ReadCommitted, moved: make(chan struct{})}
	var err error
	if s.brokers, err = splitBrokers(e.Brokers); err != nil {
		return nil, fmt.Errorf("%w: %s: brokers: %w", drivers.ErrConfig, s.name, err)
	}
	if s.secure, err = s.access.secure(env.Files); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", drivers.ErrConfig, s.name, err)
	}
	for _, p := range []struct {
		field, text string
		to          **path
	}{{"id", e.ID, &s.look.id}, {"key", e.Key, &s.look.key}, {"origin", e.Origin, &s.look.origin}} {
		if *p.to, err = compilePath(p.text); err != nil {
			return nil, fmt.Errorf("%w: %s: %s: %w", drivers.ErrConfig, s.name, p.field, err)
		}
	}
	return s, nil
}

// GaugeNames implements drivers.Declarer: how many records the source is behind.
func (e *Effect) GaugeNames() []string { return []string{"lag"} }

// String tells where operations are looked for, for `wringer check`.
func (e *Effect) String() string { return e.Brokers + " " + e.Topic }
