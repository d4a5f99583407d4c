package kafka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/reflect/protoreflect"

	"wringer/drivers"
	"wringer/drivers/payload"
)

// Schema says how the values of records are encoded. Values are framed for readers with a Schema Registry: a zero byte, the
// schema's id in four bytes, for Protobuf the message's index in its file, and the value.
type Schema struct {
	Registry string `yaml:"registry" jsonschema_description:"URL of the Schema Registry."`
	User     string `yaml:"user" jsonschema_description:"Name to log in to the registry with."`
	Password string `yaml:"password" jsonschema_description:"Password to log in to the registry with. Write ${env.NAME}: what comes from the environment is never recorded."`
	Subject  string `yaml:"subject" jsonschema_description:"Where the registry has the schema. Default: the topic's name and -value."`
	Avro     string `yaml:"avro" path:"file" jsonschema_description:"File of an Avro schema. Without a file the registry's latest schema of the subject is taken."`
	Protobuf string `yaml:"protobuf" path:"file" jsonschema_description:"File of a Protobuf schema, .proto."`
	Type     string `yaml:"type" jsonschema_description:"Of Protobuf: the message's name, as in shop.v1.Payment. Default: the first in the file."`
	Register bool   `yaml:"register" jsonschema_description:"Register the file's schema under the subject where it is absent. Default: that is an error."`
	ID       int    `yaml:"id" jsonschema_description:"The id that the file's schema has, where no registry is asked."`
}

// maxSchema bounds a schema file.
const maxSchema = 4 << 20

func (s *Schema) check(problem func(field, message string)) {
	file := s.Avro != "" || s.Protobuf != ""
	if s.Avro != "" && s.Protobuf != "" {
		problem("schema.protobuf", "stands beside avro; keep one of the two")
	}
	if s.Avro != "" && s.Type != "" {
		problem("schema.type", "goes with Protobuf; an Avro schema is one type")
	}
	if s.Registry == "" {
		s.checkAlone(file, problem)
		return
	}
	if u, err := url.Parse(s.Registry); !strings.Contains(s.Registry, "${") && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		problem("schema.registry", fmt.Sprintf("%q is no URL: write http://host:8081", s.Registry))
	}
	switch {
	case s.ID != 0:
		problem("schema.id", "stands beside registry, which knows it; keep one of the two")
	case s.Register && !file:
		problem("schema.register", "needs avro or protobuf: the file to register")
	case (s.User == "") != (s.Password == ""):
		problem("schema", "user and password go together")
	}
}

// checkAlone checks a schema without a registry.
func (s *Schema) checkAlone(file bool, problem func(field, message string)) {
	switch {
	case !file:
		problem("schema", "names no schema: give registry, or a file and its id")
	case s.ID <= 0:
		problem("schema.id", "is missing: give the id that the schema has, or the registry to ask")
	case s.Subject != "" || s.Register || s.User != "" || s.Password != "":
		problem("schema", "subject, register, user and password need registry")
	}
}

// checkMessage checks that message and schema are given together, and without the fields that they replace.
func (c *Config) checkMessage(problem func(field, message string)) {
	if c.Schema == nil {
		if c.Message != nil {
			problem("message", "needs schema to encode it; without a schema write value")
		}
		return
	}
	c.Schema.check(problem)
	if err := payload.CheckTemplates(c.Message, c.Data.Dialect(nil)); err != nil {
		problem("message", err.Error())
	}
	if c.Value != "" {
		problem("value", "stands beside schema; write message instead")
	}
	if c.ValueFile != "" {
		problem("value_file", "stands beside schema; write message instead")
	}
	if c.Size > 0 || len(c.Sizes) > 0 {
		problem("schema", "an encoded value cannot be padded; take size and sizes away")
	}
}

// framed compiles the stream's message with its frame. It returns nil without a schema.
func (c *Config) framed(ctx context.Context, env drivers.Env, in drivers.Dialect) (payload.Message, error) {
	if c.Schema == nil {
		return nil, nil
	}
	found, err := c.Schema.find(ctx, env, c.Topic+"-value")
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	kind, err := found.compile(ctx, c.Schema.Type)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", drivers.ErrConfig, err)
	}
	frame, err := new(sr.ConfluentHeader).AppendEncode(nil, found.id, kind.index)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", drivers.ErrConfig, err)
	}
	value := c.Message
	if value == nil {
		value = map[string]any{} // default settings only
	}
	m, err := kind.message(&payload.Compiler{Env: &env, Dialect: in}, value)
	if err == nil {
		err = kind.rehearse(env, in, value)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	return m.Behind(frame), nil
}

// file is the path of the schema's file; empty: the registry has it.
func (s *Schema) file() string { return s.Avro + s.Protobuf }

// foundSchema is a schema, its id in the registry, and the schemas that it refers to: by name, each after the schemas it
// needs.
type foundSchema struct {
	sr.Schema
	id       int
	referred []namedSchema
}

type namedSchema struct{ name, text string }

// find reads the file, asks the registry, or both.
func (s *Schema) find(ctx context.Context, env drivers.Env, subject string) (*foundSchema, error) {
	f := &foundSchema{id: s.ID}
	if err := s.read(env.Files, f); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	if s.Registry == "" {
		return f, nil
	}
	if s.Subject != "" {
		subject = s.Subject
	}
	transport := &http.Transport{DialContext: env.Direct}
	defer transport.CloseIdleConnections()
	options := []sr.ClientOpt{sr.URLs(s.Registry), sr.UserAgent("wringer"), sr.HTTPClient(&http.Client{Transport: transport})}
	if s.User != "" {
		options = append(options, sr.BasicAuth(s.User, s.Password))
	}
	client, err := sr.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("%w: registry: %w", drivers.ErrConfig, err)
	}
	if err := s.ask(ctx, client, subject, f); err != nil {
		return nil, refusal(s.Registry, err)
	}
	return f, nil
}

// read reads the file, if one is given.
func (s *Schema) read(folder string, f *foundSchema) error {
	path := s.file()
	if path == "" {
		return nil
	}
	path = drivers.ResolvePath(folder, path)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxSchema {
		return fmt.Errorf("%s is larger than %s", path, drivers.Bytes(maxSchema))
	}
	text, err := drivers.ReadFile(path)
	f.Schema.Schema = strings.TrimPrefix(text, "\ufeff")
	if s.Protobuf != "" {
		f.Type = sr.TypeProtobuf
	}
	return err
}

// errUnregistered says that the registry has no such schema.
var errUnregistered = errors.New("not registered")

// ask finds the schema's id, or the schema itself if no file gave it.
func (s *Schema) ask(ctx context.Context, client *sr.Client, subject string, f *foundSchema) error {
	if f.Schema.Schema == "" {
		latest, err := client.SchemaByVersion(ctx, subject, -1)
		if isNotFound(err) {
			return fmt.Errorf("%w: the subject %s; give its name as subject, or a file with register: true", errUnregistered, subject)
		}
		if err != nil {
			return err
		}
		f.Schema, f.id = latest.Schema, latest.ID
		return f.follow(ctx, client, f.References)
	}
	known, err := client.LookupSchema(ctx, subject, f.Schema)
	switch {
	case err == nil:
		f.id = known.ID
	case isNotFound(err) && s.Register:
		f.id, err = client.RegisterSchema(ctx, subject, f.Schema, -1, -1)
	case isNotFound(err):
		err = fmt.Errorf("%w: the file's schema under the subject %s; register: true does so", errUnregistered, subject)
	}
	return err
}

// maxReferences bounds the schemas that a schema refers to.
const maxReferences = 256

// follow fetches the referenced schemas, each after the schemas it needs.
func (f *foundSchema) follow(ctx context.Context, client *sr.Client, references []sr.SchemaReference) error {
	for _, r := range references {
		if slices.ContainsFunc(f.referred, func(n namedSchema) bool { return n.name == r.Name }) {
			continue
		}
		if len(f.referred) >= maxReferences {
			return fmt.Errorf("it refers to more than %d schemas", maxReferences)
		}
		schema, err := client.SchemaByVersion(ctx, r.Subject, r.Version)
		if err != nil {
			return fmt.Errorf("%s, which it refers to: %w", r.Name, err)
		}
		if err := f.follow(ctx, client, schema.References); err != nil {
			return err
		}
		f.referred = append(f.referred, namedSchema{r.Name, schema.Schema.Schema})
	}
	return nil
}

func isNotFound(err error) bool {
	var response *sr.ResponseError
	return errors.As(err, &response) && response.StatusCode == http.StatusNotFound
}

// refusal distinguishes two errors: the registry refuses, so the scenario must be fixed; or the registry does not answer.
func refusal(registry string, err error) error {
	var response *sr.ResponseError
	switch {
	case errors.As(err, &response) && (response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%w: registry %s refuses the login; look at user and password: %w", drivers.ErrConfig, registry, err)
	case errors.Is(err, errUnregistered), errors.As(err, &response) && response.StatusCode < http.StatusInternalServerError:
		return fmt.Errorf("%w: registry %s: %w", drivers.ErrConfig, registry, err)
	}
	return fmt.Errorf("%w: registry %s: %w", drivers.ErrUnreachable, registry, err)
}

// encoding compiles messages of one schema, and decodes what they render.
type encoding struct {
	message func(*payload.Compiler, any) (payload.Message, error)
	decodes func([]byte) error
	index   []int // of a Protobuf message in its file
}

func (f *foundSchema) compile(ctx context.Context, name string) (*encoding, error) {
	switch f.Type {
	case sr.TypeAvro:
		if name != "" {
			return nil, errors.New("type goes with Protobuf, and the schema is of Avro")
		}
		return f.avro()
	case sr.TypeProtobuf:
		return f.protobuf(ctx, name)
	}
	return nil, fmt.Errorf("the schema is of %s; Avro and Protobuf are known", f.Type)
}

func (f *foundSchema) avro() (*encoding, error) {
	schema, err := f.parseAvro()
	if err != nil {
		return nil, err
	}
	return &encoding{
		message: func(c *payload.Compiler, v any) (payload.Message, error) { return c.Avro(schema, v, "message") },
		decodes: func(b []byte) error {
			var v any
			rest, err := schema.Decode(b, &v)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("%d bytes too many", len(rest))
			}
			return err
		},
	}, nil
}

func (f *foundSchema) protobuf(ctx context.Context, name string) (*encoding, error) {
	file, err := f.parseProtobuf(ctx)
	if err != nil {
		return nil, err
	}
	desc, err := pickMessage(file, name)
	if err != nil {
		return nil, err
	}
	return &encoding{
		message: func(c *payload.Compiler, v any) (payload.Message, error) { return c.Protobuf(desc, v, "message") },
		decodes: func(b []byte) error { return payload.Decodes(b, desc) },
		index:   indexOf(desc),
	}, nil
}

// pickMessage returns the message with the given name, or the first message of the file.
func pickMessage(file protoreflect.FileDescriptor, name string) (protoreflect.MessageDescriptor, error) {
	var names []string
	var walk func(all protoreflect.MessageDescriptors) protoreflect.MessageDescriptor
	walk = func(all protoreflect.MessageDescriptors) protoreflect.MessageDescriptor {
		for i := range all.Len() {
			if m := all.Get(i); !m.IsMapEntry() {
				names = append(names, string(m.FullName()))
				if name == "" || string(m.FullName()) == name {
					return m
				}
				if inner := walk(m.Messages()); inner != nil {
					return inner
				}
			}
		}
		return nil
	}
	if m := walk(file.Messages()); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("type: there is no message %s; there are %s", name, strings.Join(names, ", "))
}

// indexOf is the index path of a message: its number in the file or in the enclosing message, outermost first.
func indexOf(m protoreflect.MessageDescriptor) []int {
	if parent, ok := m.Parent().(protoreflect.MessageDescriptor); ok {
		return append(indexOf(parent), m.Index())
	}
	return []int{m.Index()}
}

// rehearse renders a message and decodes the result. The clock's zero is not known before traffic, so it uses any time.
func (e *encoding) rehearse(env drivers.Env, in drivers.Dialect, v any) error {
	now := time.Now()
	env.Epoch = func() time.Time { return now }
	m, err := e.message(&payload.Compiler{Env: &env, Dialect: in}, v)
	if err != nil {
		return err
	}
	b, err := m.Append(nil, new(drivers.Op))
	if err != nil {
		return err
	}
	if err := e.decodes(b); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return nil
}
