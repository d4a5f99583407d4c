package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"wringer/drivers"
	"wringer/drivers/effect"
	"wringer/drivers/jsonpath"
	"wringer/drivers/tlsconfig"
)

// Effect is the `kafka:` part of `effects:`: a topic in which every operation must show up.
type Effect struct {
	Brokers       string            `yaml:"brokers" jsonschema:"required" jsonschema_description:"Brokers to begin with: host:port, separated by commas."`
	Topic         string            `yaml:"topic" jsonschema:"required" jsonschema_description:"The topic to read."`
	ID            string            `yaml:"id" jsonschema_description:"Where the identity stands: a JSON path into the value, as in $.orderId, or header NAME. Default: header wringer-id."`
	Key           string            `yaml:"key" jsonschema_description:"Where the key stands: a JSON path into the value. It is compared with {{key}}, as a field of match is. Default: the record's key, which is not compared."`
	Origin        string            `yaml:"origin" jsonschema_description:"JSON path to what identifies the message that this effect came from, which tells a redelivery upstream from a second effect."`
	Match         map[string]string `yaml:"match" jsonschema_description:"Fields of the value that must hold what was sent: {JSON PATH: TEMPLATE}. A template may hold {{id}}, {{seq}}, {{key}} and {{data.NAME}}. An effect that differs is corrupt."`
	ReadCommitted *bool             `yaml:"read_committed" jsonschema_description:"Do not see what transactions aborted or have not committed. Default true."`
	Schema        *Translation      `yaml:"schema" jsonschema_description:"Values are encoded by schemas of a Schema Registry."`
	TLS           *tlsconfig.Config `yaml:"tls" jsonschema_description:"Speak TLS with the brokers."`
	SASL          *SASL             `yaml:"sasl" jsonschema_description:"Log in to the brokers."`
}

// Check implements drivers.SourceConfig.
func (e *Effect) Check(problem func(field, message string)) {
	checkPlace(e.Brokers, e.Topic, problem)
	e.access().check(problem)
	e.fields().check(problem)
	(&effect.Fields{Match: e.Match}).Check(effect.CheckPath, problem)
	e.Schema.check(problem)
}

func (e *Effect) access() access { return access{e.TLS, e.SASL} }

func (e *Effect) fields() fieldConfig {
	return fieldConfig{id: e.ID, key: e.Key, origin: e.Origin}
}

// Open implements drivers.SourceConfig. It dials nothing.
func (e *Effect) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	s, err := e.source(env)
	if err != nil {
		return nil, err
	}
	s.autoCreate = true
	s.differs, err = e.matched().Comparer(env)
	return s, err
}

// matched are the fields that are compared with what was sent.
func (e *Effect) matched() *effect.Fields { return &effect.Fields{Key: e.Key, Match: e.Match} }

func (e *Effect) source(env drivers.Env) (*Source, error) {
	return newSource(env, e.Brokers, e.Topic, e.access(), e.fields(), e.Schema, e.ReadCommitted == nil || *e.ReadCommitted)
}

// fieldConfig says where in a record each field stands. Empty texts mean the defaults.
type fieldConfig struct{ id, key, origin, sequence string }

func (p fieldConfig) check(problem func(field, message string)) {
	if _, _, err := compileID(p.id); err != nil {
		problem("id", err.Error())
	}
	for _, at := range []struct{ field, text string }{{"key", p.key}, {"origin", p.origin}, {"sequence", p.sequence}} {
		if _, err := compilePath(at.text); err != nil {
			problem(at.field, err.Error())
		}
	}
}

func (p fieldConfig) compile() (l fieldPaths, err error) {
	if l.id, l.header, err = compileID(p.id); err != nil {
		return l, fmt.Errorf("id: %w", err)
	}
	for _, at := range []struct {
		field, text string
		to          **jsonpath.Path
	}{{"key", p.key, &l.key}, {"origin", p.origin, &l.origin}, {"sequence", p.sequence, &l.sequence}} {
		if *at.to, err = compilePath(at.text); err != nil {
			return l, fmt.Errorf("%s: %w", at.field, err)
		}
	}
	return l, nil
}

// compileID compiles a path, or `header NAME`; an empty text is the header wringer-id.
func compileID(text string) (p *jsonpath.Path, header string, err error) {
	if text == "" {
		return nil, HeaderID, nil
	}
	name, isHeader := strings.CutPrefix(text, "header ")
	if !isHeader {
		p, err = compilePath(text)
		return p, "", err
	}
	if name = strings.TrimSpace(name); name == "" {
		return nil, "", errors.New("header names no header: write header x-event-id")
	}
	return nil, name, nil
}

// compilePath compiles a path; an empty text is a nil path.
func compilePath(text string) (*jsonpath.Path, error) {
	if text == "" {
		return nil, nil
	}
	return jsonpath.Parse(text)
}
