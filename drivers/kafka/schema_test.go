package kafka

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
)

const (
	avroSchema    = `{"type":"record","name":"Payment","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"amount","type":"long"},{"name":"to","type":"shop.Account"}]}`
	accountSchema = `{"type":"record","name":"Account","namespace":"shop","fields":[{"name":"number","type":"long"}]}`
	protoFile     = `syntax = "proto3";
package shop;
message Other { string name = 1; }
message Payment {
  string id = 1;
  int64 amount = 2;
  message Note { string text = 1; }
  Note note = 3;
}
`
)

func registry(t *testing.T) *srfake.Registry {
	t.Helper()
	r := srfake.New()
	t.Cleanup(r.Close)
	return r
}

// produced sends one operation and returns its value as the topic holds it.
func produced(t *testing.T, config Config, env drivers.Env) []byte {
	t.Helper()
	c := newCluster(t, 1)
	d := openDriver(t, c, config, env)
	if at := sendOne(t, d, 7, testPatience); at.Outcome != drivers.Acked {
		t.Fatalf("%+v", at)
	}
	cl := client(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	fetches := cl.PollRecords(t.Context(), 1)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	return fetches.Records()[0].Value
}

// unframed removes the frame, by the library's own reader.
func unframed(t *testing.T, value []byte, indexed bool) (id int, index []int, rest []byte) {
	t.Helper()
	var header sr.ConfluentHeader
	id, rest, err := header.DecodeID(value)
	if err == nil && indexed {
		index, rest, err = header.DecodeIndex(rest, 10)
	}
	if err != nil {
		t.Fatalf("%x: %v", value, err)
	}
	return id, index, rest
}

// The registry's schema, and the schemas that it refers to.
func TestAvroByRegistry(t *testing.T) {
	r := registry(t)
	if _, _, err := r.RegisterSchema("accounts", sr.Schema{Schema: accountSchema}); err != nil {
		t.Fatal(err)
	}
	id, _, err := r.RegisterSchema(topic+"-value", sr.Schema{Schema: avroSchema, References: []sr.SchemaReference{{Name: "shop.Account", Subject: "accounts", Version: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	value := produced(t, Config{
		Schema:  &Schema{Registry: r.URL()},
		Message: map[string]any{"id": "{{id}}", "amount": "{{seq}}", "to": map[string]any{"number": uint64(12)}},
	}, newEnv())
	got, _, rest := unframed(t, value, false)
	var cache avro.SchemaCache
	if _, err := cache.Parse(accountSchema); err != nil {
		t.Fatal(err)
	}
	schema, err := cache.Parse(avroSchema)
	if err != nil {
		t.Fatal(err)
	}
	var payment struct {
		ID     string `avro:"id"`
		Amount int64  `avro:"amount"`
		To     struct {
			Number int64 `avro:"number"`
		} `avro:"to"`
	}
	left, err := schema.Decode(rest, &payment)
	if err != nil || len(left) > 0 || got != id || payment.ID != "r1.s.7" || payment.Amount != 7 || payment.To.Number != 12 {
		t.Errorf("id %d, want %d; %+v, %d bytes left, %v", got, id, payment, len(left), err)
	}
}

// write puts a file into the environment's folder.
func write(t *testing.T, env *drivers.Env, name, text string) {
	t.Helper()
	if env.Files == "" {
		env.Files = t.TempDir()
	}
	if err := os.WriteFile(filepath.Join(env.Files, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file's schema is looked up, and registered if the scenario says so. A Protobuf frame carries the message's index.
func TestProtobufOfAFile(t *testing.T) {
	env := newEnv()
	write(t, &env, "payment.proto", protoFile)
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{env.Files}}}
	files, err := compiler.Compile(t.Context(), "payment.proto")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		message any
		frame   []byte // after the id
		index   []int
		json    string
	}{
		{"", map[string]any{"name": "{{id}}"}, []byte{0}, []int{0}, `{"name":"r1.s.7"}`},
		{"shop.Payment", map[string]any{"id": "{{id}}", "amount": "{{seq}}", "note": map[string]any{"text": "x"}}, []byte{2, 2}, []int{1}, `{"id":"r1.s.7","amount":"7","note":{"text":"x"}}`},
		{"shop.Payment.Note", map[string]any{"text": "{{key}}"}, []byte{4, 2, 0}, []int{1, 0}, `{"text":"k0"}`},
	} {
		r := registry(t)
		config := Config{Schema: &Schema{Registry: r.URL(), Subject: "payments", Protobuf: "payment.proto", Type: tt.name, Register: true}, Message: tt.message}
		value := produced(t, config, env)
		id, index, rest := unframed(t, value, true)
		registered, ok := r.GetSchema("payments", 1)
		if !ok || registered.ID != id || registered.Type != sr.TypeProtobuf || registered.Schema.Schema != protoFile {
			t.Errorf("%s: id %d, registered %+v", tt.name, id, registered)
		}
		if !slices.Equal(index, tt.index) || !bytes.HasPrefix(value[5:], tt.frame) || value[0] != 0 {
			t.Errorf("%s: index %v in %x", tt.name, index, value)
		}
		desc, err := pickMessage(files[0], tt.name)
		if err != nil {
			t.Fatal(err)
		}
		m, want := dynamicpb.NewMessage(desc), dynamicpb.NewMessage(desc)
		if err := proto.Unmarshal(rest, m); err != nil {
			t.Fatal(err)
		}
		if err := protojson.Unmarshal([]byte(tt.json), want); err != nil || !proto.Equal(m, want) {
			t.Errorf("%s: %v, want %v, %v", tt.name, m, want, err)
		}
		// The second time the schema is registered.
		config.Schema.Register = false
		if again, _, _ := unframed(t, produced(t, config, env), true); again != id {
			t.Errorf("%s: id %d, then %d", tt.name, id, again)
		}
	}
}

func TestSchemaWithoutARegistry(t *testing.T) {
	env := newEnv()
	write(t, &env, "word.avsc", `"string"`)
	value := produced(t, Config{Schema: &Schema{Avro: "word.avsc", ID: 258}, Message: "{{id}}"}, env)
	if want := "\x00\x00\x00\x01\x02\x0cr1.s.7"; string(value) != want {
		t.Errorf("%q, want %q", value, want)
	}
}

// A value that does not match its field is not sent.
func TestMessageThatDoesNotFit(t *testing.T) {
	env := newEnv()
	write(t, &env, "number.avsc", `"int"`)
	d := openDriver(t, newCluster(t, 1), Config{Schema: &Schema{Avro: "number.avsc", ID: 1}, Message: "{{seq}}0000000"}, env)
	if at := sendOne(t, d, 1, testPatience); at.Outcome != drivers.Acked {
		t.Errorf("%+v", at)
	}
	if at := sendOne(t, d, 1000, testPatience); at.Outcome != drivers.Rejected || at.Code != drivers.CodeMessage || at.Wire || !strings.Contains(at.Detail, "10000000000") {
		t.Errorf("%+v", at)
	}
}

func TestSchemaProblems(t *testing.T) {
	r := registry(t)
	if _, _, err := r.RegisterSchema("json-value", sr.Schema{Schema: `{}`, Type: sr.TypeJSON}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.RegisterSchema("word-value", sr.Schema{Schema: `"string"`}); err != nil {
		t.Fatal(err)
	}
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user == "ann" && password == "secret" {
			r.Handler().ServeHTTP(w, req)
			return
		}
		http.Error(w, `{"error_code":401,"message":"who are you"}`, http.StatusUnauthorized)
	}))
	t.Cleanup(locked.Close)
	env := newEnv()
	write(t, &env, "word.avsc", `"string"`)
	write(t, &env, "bad.avsc", `{"type":"rekord"}`)
	write(t, &env, "bad.proto", `syntax = "proto3"; import "other.proto"; message A {}`)
	write(t, &env, "payment.proto", protoFile)
	for _, tt := range []struct {
		schema  Schema
		message any
		kind    error
		says    string
	}{
		{Schema{Registry: r.URL(), Subject: "nothing"}, "x", drivers.ErrConfig, "not registered: the subject nothing"},
		{Schema{Registry: r.URL(), Subject: "nothing", Avro: "word.avsc"}, "x", drivers.ErrConfig, "register: true"},
		{Schema{Registry: r.URL(), Subject: "json-value"}, "x", drivers.ErrConfig, "Avro and Protobuf are known"},
		{Schema{Registry: r.URL(), Subject: "word-value", Type: "a.B"}, "x", drivers.ErrConfig, "the schema is of Avro"},
		{Schema{Registry: r.URL(), Subject: "word-value"}, 5, drivers.ErrConfig, "message: 5 is no string"},
		{Schema{Registry: locked.URL, Subject: "word-value"}, "x", drivers.ErrConfig, "look at user and password"},
		{Schema{Registry: locked.URL, Subject: "word-value", User: "ann", Password: "secret"}, "x", nil, ""},
		{Schema{Registry: "http://127.0.0.1:1"}, "x", drivers.ErrUnreachable, "127.0.0.1:1"},
		{Schema{Avro: "absent.avsc", ID: 1}, "x", drivers.ErrConfig, "absent.avsc"},
		{Schema{Avro: "bad.avsc", ID: 1}, "x", drivers.ErrConfig, "rekord"},
		{Schema{Protobuf: "bad.proto", ID: 1}, nil, drivers.ErrConfig, "other.proto"},
		{Schema{Protobuf: "payment.proto", Type: "shop.Pay", ID: 1}, nil, drivers.ErrConfig, "there is no message shop.Pay; there are shop.Other, shop.Payment, shop.Payment.Note"},
		{Schema{Protobuf: "payment.proto", ID: 1}, map[string]any{"nme": "x"}, drivers.ErrConfig, "shop.Other has no such field"},
	} {
		m, err := (&Config{Topic: topic, Schema: &tt.schema, Message: tt.message}).framed(t.Context(), env, drivers.Dialect{})
		if tt.kind == nil && (err != nil || m == nil) || tt.kind != nil && (!errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%+v: %v, want %s", tt.schema, err, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("tells the password: %v", err)
		}
	}
}

func TestSchemaCheck(t *testing.T) {
	for _, tt := range []struct {
		config Config
		fields string
	}{
		{Config{Schema: &Schema{Registry: "http://a:8081"}}, ""},
		{Config{Schema: &Schema{Registry: "${env.REGISTRY}", Avro: "a", Register: true, User: "a", Password: "b"}}, ""},
		{Config{Schema: &Schema{Protobuf: "a", ID: 3, Type: "a.B"}}, ""},
		{Config{Message: "x"}, "message"},
		{Config{Message: map[string]any{"a": []any{"{{odd}}"}}, Schema: &Schema{Avro: "a", ID: 1}}, "message"},
		{Config{Value: "x", Size: 7, Schema: &Schema{Avro: "a", ID: 1}}, "value schema"},
		{Config{Schema: &Schema{}}, "schema"},
		{Config{Schema: &Schema{Avro: "a"}}, "schema.id"},
		{Config{Schema: &Schema{Avro: "a", Protobuf: "b", Type: "x", ID: -1}}, "schema.protobuf schema.type schema.id"},
		{Config{Schema: &Schema{Registry: "a:8081"}}, "schema.registry"},
		{Config{Schema: &Schema{Registry: "http://a", ID: 1}}, "schema.id"},
		{Config{Schema: &Schema{Registry: "http://a", Register: true}}, "schema.register"},
		{Config{Schema: &Schema{Registry: "http://a", User: "a"}}, "schema"},
		{Config{Schema: &Schema{Avro: "a", ID: 1, Subject: "s"}}, "schema"},
	} {
		tt.config.Brokers, tt.config.Topic = "a:1", "t"
		var fields []string
		tt.config.Check(func(field, _ string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.fields {
			t.Errorf("%+v: %q, want %q", tt.config.Schema, got, tt.fields)
		}
	}
}
