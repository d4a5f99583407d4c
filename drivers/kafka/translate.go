package kafka

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/bufbuild/protocompile"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
)

// Translation says that values are framed with a schema's id, and which registry has the schemas. JSON paths then look into
// the value as JSON.
type Translation struct {
	Registry string `yaml:"registry" jsonschema:"required" jsonschema_description:"URL of the Schema Registry that has the schemas of the values, Avro or Protobuf. JSON paths then look into the value as JSON shows it; Protobuf fields have their JSON names, as in orderId."`
	User     string `yaml:"user" jsonschema_description:"Name to log in to the registry with."`
	Password string `yaml:"password" jsonschema_description:"Password to log in to the registry with. Write ${env.NAME}: what comes from the environment is never recorded."`
}

func (t *Translation) check(problem func(field, message string)) {
	if t == nil {
		return
	}
	if u, err := url.Parse(t.Registry); !strings.Contains(t.Registry, "${") && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		problem("schema.registry", fmt.Sprintf("%q is no URL: write http://host:8081", t.Registry))
	}
	if (t.User == "") != (t.Password == "") {
		problem("schema", "user and password go together")
	}
}

// translator shows framed values as JSON. Safe for concurrent use.
type translator struct {
	client *sr.Client

	mu    sync.Mutex
	known map[int]*schemaReader // by id; nil: the schema cannot be used
}

// schemaReader shows the values of one schema as JSON.
type schemaReader struct {
	avro  *avro.Schema
	proto protoreflect.FileDescriptor
}

// open makes the translator. It returns nil without a translation. It sends no request yet.
func (t *Translation) open(env drivers.Env) (*translator, error) {
	if t == nil {
		return nil, nil
	}
	options := []sr.ClientOpt{sr.URLs(t.Registry), sr.UserAgent("wringer"), sr.HTTPClient(&http.Client{
		Transport: &http.Transport{DialContext: env.Direct, DisableKeepAlives: true}, // only a few requests are made
	})}
	if t.User != "" {
		options = append(options, sr.BasicAuth(t.User, t.Password))
	}
	client, err := sr.NewClient(options...)
	return &translator{client: client, known: make(map[int]*schemaReader)}, err
}

// json returns a value as JSON. It returns nil if the value is not framed, or does not match the schema that it names. An
// error means that the registry gave no answer, and may answer later.
func (t *translator) json(value []byte) ([]byte, error) {
	var header sr.ConfluentHeader
	id, rest, err := header.DecodeID(value)
	if err != nil {
		return nil, nil
	}
	r, err := t.schema(id)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the schema %d of a value: %w", id, err)
	case r == nil:
		return nil, nil
	case r.avro != nil:
		return r.ofAvro(rest), nil
	}
	index, rest, err := header.DecodeIndex(rest, maxNesting)
	if err != nil {
		return nil, nil
	}
	return r.ofProtobuf(rest, index), nil
}

// registryPatience bounds one request to the registry. The reader waits for it.
const registryPatience = 2 * time.Second

// maxNesting bounds the index path of a Protobuf message.
const maxNesting = 64

// schema finds a schema by its id.
func (t *translator) schema(id int) (*schemaReader, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.known[id]; ok {
		return r, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), registryPatience)
	defer cancel()
	schema, err := t.client.SchemaByID(ctx, id)
	if isNotFound(err) {
		t.known[id] = nil
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := &foundSchema{Schema: schema, id: id}
	if err := f.follow(ctx, t.client, schema.References); err != nil {
		return nil, err
	}
	t.known[id] = f.reader(ctx)
	return t.known[id], nil
}

// reader returns nil for a schema that cannot be used: of another kind, or broken.
func (f *foundSchema) reader(ctx context.Context) *schemaReader {
	switch f.Type {
	case sr.TypeAvro:
		if schema, err := f.parseAvro(); err == nil {
			return &schemaReader{avro: schema}
		}
	case sr.TypeProtobuf:
		if file, err := f.parseProtobuf(ctx); err == nil {
			return &schemaReader{proto: file}
		}
	}
	return nil
}

func (r *schemaReader) ofAvro(b []byte) []byte {
	var v any
	if rest, err := r.avro.Decode(b, &v); err != nil || len(rest) > 0 {
		return nil
	}
	text, err := r.avro.EncodeJSON(v)
	if err != nil {
		return nil
	}
	return text
}

func (r *schemaReader) ofProtobuf(b []byte, index []int) []byte {
	var desc protoreflect.MessageDescriptor
	all := r.proto.Messages()
	for _, i := range index {
		if i < 0 || i >= all.Len() {
			return nil
		}
		desc = all.Get(i)
		all = desc.Messages()
	}
	if desc == nil {
		return nil
	}
	m := dynamicpb.NewMessage(desc)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil
	}
	return text
}

// parseAvro parses the schema and the schemas that it refers to.
func (f *foundSchema) parseAvro() (*avro.Schema, error) {
	var cache avro.SchemaCache
	for _, r := range f.referred {
		if _, err := cache.Parse(r.text); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return cache.Parse(f.Schema.Schema)
}

// parseProtobuf compiles the file and the files that it imports.
func (f *foundSchema) parseProtobuf(ctx context.Context) (protoreflect.FileDescriptor, error) {
	const file = "the schema.proto" // a name that no import has
	sources := map[string]string{file: f.Schema.Schema}
	for _, r := range f.referred {
		sources[r.name] = r.text
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)})}
	files, err := compiler.Compile(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("%w (imports of a .proto file come from the registry; without a registry it can import only the files that come with Protobuf)", err)
	}
	return files[0], nil
}

// translated returns the values that paths look into, by a record's number in the batch: the value itself, or the value as
// JSON. With an error no value is translated, so that no record is delivered twice when the registry is asked again.
func (d *decoder) translated(batch *sarama.RecordBatch) (value func(i int) []byte, err error) {
	if d.translator == nil {
		return func(i int) []byte { return batch.Records[i].Value }, nil
	}
	texts := make([][]byte, len(batch.Records))
	for i, r := range batch.Records {
		if texts[i], err = d.translator.json(r.Value); err != nil {
			return nil, err
		}
	}
	return func(i int) []byte { return texts[i] }, nil
}
