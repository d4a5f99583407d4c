package kafka

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

// Values with a registry's schema are read as JSON. Values without a frame, or with an unknown schema, are foreign.
func TestTranslation(t *testing.T) {
	r := registry(t)
	env := newEnv()
	write(t, &env, "payment.proto", protoFile)
	write(t, &env, "payment.avsc", `{"type":"record","name":"P","fields":[{"name":"orderId","type":["null","string"]},{"name":"n","type":"int"}]}`)
	c := newCluster(t, 1)
	effect := Effect{ID: "$.orderId", Key: "$.n", Schema: &Translation{Registry: r.URL()}}
	// The registry is away at first: no record is delivered until it answers, and then each once.
	var away atomic.Bool
	away.Store(true)
	asked := make(chan struct{}, 1)
	r.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasPrefix(req.URL.Path, "/schemas/ids/") || !away.Load() {
			return false
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		http.Error(w, `{"error_code":50301,"message":"away"}`, http.StatusServiceUnavailable)
		return true
	})
	s := openSource(t, c, effect)
	all, end := receive(t, s)
	cl := client(t, c)
	produce(t, cl, `{"orderId":"plain JSON, which no frame is around"}`, "\x00\x00\x00\x00\x63of a schema that nobody has")
	avroDriver := openDriver(t, c, Config{Schema: &Schema{Registry: r.URL(), Avro: "payment.avsc", Register: true}, Message: map[string]any{"orderId": "{{id}}", "n": "{{seq}}"}}, env)
	if at := sendOne(t, avroDriver, 7, testPatience); !at.Wire {
		t.Fatalf("%+v", at)
	}
	protoDriver := openDriver(t, c, Config{Schema: &Schema{Registry: r.URL(), Subject: "p", Protobuf: "payment.proto", Type: "shop.Payment.Note", Register: true}, Message: map[string]any{"text": "{{id}}"}}, env)
	if at := sendOne(t, protoDriver, 8, testPatience); !at.Wire {
		t.Fatalf("%+v", at)
	}
	<-asked
	if n := all.len(); n > 1 {
		t.Errorf("%d delivered while the registry is away", n)
	}
	away.Store(false)
	catchUp(t, s)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if len(all.all) != 4 {
		t.Fatalf("%d seen", len(all.all))
	}
	for i, want := range []struct{ id, key string }{{}, {}, {"r1.s.7", "7"}, {}} {
		if d := all.all[i]; string(d.ID) != want.id || string(d.Key) != want.key {
			t.Errorf("%d: %q, %q", i, d.ID, d.Key)
		}
	}
	fetched := client(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd().Relative(-1))).PollRecords(t.Context(), 1)
	if err := fetched.Err(); err != nil {
		t.Fatal(err)
	}
	if text, err := s.translator.json(fetched.Records()[0].Value); err != nil || !strings.Contains(string(text), `"r1.s.8"`) {
		t.Errorf("Protobuf: %s, %v", text, err)
	}
}

func TestTranslationOfOtherKinds(t *testing.T) {
	r := registry(t)
	id, _, err := r.RegisterSchema("json", sr.Schema{Schema: `{}`, Type: sr.TypeJSON})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := (&Translation{Registry: r.URL(), User: "a", Password: "b"}).open(newEnv())
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "\x00", "\x01\x00\x00\x00\x01x", string([]byte{0, 0, 0, 0, byte(id)}) + `{"a":1}`} {
		if text, err := tr.json([]byte(value)); text != nil || err != nil {
			t.Errorf("%q: %s, %v", value, text, err)
		}
	}
	down, err := (&Translation{Registry: "http://127.0.0.1:1"}).open(newEnv())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := down.json([]byte("\x00\x00\x00\x00\x01x")); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Error(err)
	}
}

func TestTranslationCheck(t *testing.T) {
	for _, tt := range []struct {
		in   *Translation
		want string
	}{
		{nil, ""}, {&Translation{Registry: "http://a:8081"}, ""}, {&Translation{Registry: "${shop.registry}"}, ""},
		{&Translation{Registry: "a:8081", User: "x"}, "schema.registry schema"},
	} {
		var fields []string
		tt.in.check(func(field, _ string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.want {
			t.Errorf("%+v: %q", tt.in, got)
		}
	}
}
