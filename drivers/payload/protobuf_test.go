package payload

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reserve is a message with all kinds of fields.
func reserve(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"../grpc/testdata"}})}
	files, err := compiler.Compile(t.Context(), "shop.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Services().ByName("Inventory").Methods().ByName("Reserve").Input()
}

func compile(t testing.TB, v any) Message {
	t.Helper()
	env := drivertest.NewEnv(t, time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC))
	m, err := (&Compiler{Env: &env}).Protobuf(reserve(t), v, "message")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// render renders a message and shows it as JSON.
func render(t *testing.T, v any, op drivers.Op) map[string]any {
	t.Helper()
	b, err := compile(t, v).Append(nil, &op)
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(reserve(t))
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatal(err)
	}
	text, err := protojson.MarshalOptions{EmitUnpopulated: false}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMessage(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, test := range []struct {
		name string
		in   any
		want string
	}{
		{"nothing", nil, `{}`},
		{"fixed", map[string]any{"order_id": "a", "quantity": 2, "gift": true, "weight": 1.5, "priority": "PRIORITY_HIGH", "token": "AQI=", "checksum": 7, "ratio": 0.5},
			`{"orderId":"a","quantity":2,"gift":true,"weight":1.5,"priority":"PRIORITY_HIGH","token":"AQI=","checksum":7,"ratio":0.5}`},
		{"rendered", map[string]any{"orderId": "{{id}}", "quantity": "{{int 3 3}}", "gift": "{{choice true}}", "weight": "{{int 2 2}}.5",
			"priority": "{{choice PRIORITY_HIGH}}", "token": "AQI{{choice =}}", "checksum": "{{seq}}", "ratio": "0.{{int 5 5}}", "bin": "{{seq}}"},
			`{"orderId":"r1.conformance.17","quantity":3,"gift":true,"weight":2.5,"priority":"PRIORITY_HIGH","token":"AQI=","checksum":17,"ratio":0.5,"bin":"17"}`},
		{"negative", map[string]any{"quantity": "-{{seq}}", "deltas": []any{-1, "-{{seq}}", 0, 1}}, `{"quantity":-17,"deltas":["-1","-17","0","1"]}`},
		{"enum by number", map[string]any{"priority": "{{int 1 1}}"}, `{"priority":"PRIORITY_HIGH"}`},
		{"list", map[string]any{"items": []any{map[string]any{"id": "{{key}}", "quantity": 1}, map[string]any{}, map[string]any{"id": "b"}}},
			`{"items":[{"id":"k3","quantity":1},{},{"id":"b"}]}`},
		{"maps", map[string]any{"labels": map[any]any{1: "a", 2: "{{seq}}"}, "parts": map[string]any{"p": map[string]any{"quantity": "{{seq}}"}}, "flags": map[any]any{true: 5}},
			`{"labels":{"1":"a","2":"17"},"parts":{"p":{"quantity":17}},"flags":{"true":"5"}}`},
		{"special", map[string]any{"at": "{{timestamp}}", "note": "{{seq}}"}, `{"at":"2026-11-24T18:00:01Z","note":"17"}`},
		{"fixed special", map[string]any{"at": "2026-11-24T18:00:00Z", "note": ""}, `{"at":"2026-11-24T18:00:00Z","note":""}`},
		{"nested deep", map[string]any{"before": map[string]any{"before": map[string]any{"orderId": "{{key}}" + long, "quantity": 1}}, "quantity": 5},
			`{"before":{"before":{"orderId":"k3` + long + `","quantity":1}},"quantity":5}`},
		{"null field", map[string]any{"orderId": nil, "quantity": 1}, `{"quantity":1}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := render(t, test.in, drivers.Op{Seq: 17, Key: 3, Planned: time.Second})
			var want map[string]any
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestPlacesDiffer(t *testing.T) {
	in := map[string]any{"orderId": "{{uuid}}", "shelf": "{{uuid}}"}
	first, again := render(t, in, drivers.Op{Seq: 1}), render(t, in, drivers.Op{Seq: 1})
	if first["orderId"] == first["shelf"] {
		t.Error("two places rendered the same")
	}
	if !reflect.DeepEqual(first, again) {
		t.Error("an operation's retry renders other bytes")
	}
}

func TestFixedMessageIsEncodedOnce(t *testing.T) {
	m := compile(t, map[string]any{"orderId": "a", "items": []any{map[string]any{"id": "b"}}, "at": "2026-11-24T18:00:00Z"})
	if !m.isFixed() {
		t.Errorf("%d parts", len(m))
	}
}

// FuzzScalar shows that a string field decodes to the rendered text, whatever its length and content.
func FuzzScalar(f *testing.F) {
	f.Add("a", uint64(1))
	f.Add(strings.Repeat("x", 200), uint64(1<<40))
	desc := reserve(f)
	f.Fuzz(func(t *testing.T, s string, n uint64) {
		field := desc.Fields().ByName("order_id")
		quantity := desc.Fields().ByName("quantity")
		b, err := appendScalar(nil, field, strings.ToValidUTF8(s, "?"))
		if err != nil {
			t.Fatal(err)
		}
		number, err := appendScalar(b, quantity, s)
		m := dynamicpb.NewMessage(desc)
		if e := proto.Unmarshal(number, m); e != nil {
			t.Fatal(e)
		}
		if got := m.Get(field).String(); got != strings.ToValidUTF8(s, "?") {
			t.Fatalf("%q became %q", s, got)
		}
		if err != nil && !bytes.Equal(number, b) {
			t.Fatal("a value that was refused left bytes behind")
		}
	})
}

// Base64 is taken as protobuf's JSON mapping takes it, so that drawn letters fit a field of bytes.
func TestBase64OfBytes(t *testing.T) {
	for text, want := range map[string]string{"-_-_": "\xfb\xff\xbf", "+/+/": "\xfb\xff\xbf", "YQ": "a", "YQ==": "a", "": ""} {
		if got, err := decodeBase64(text); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"Y", "Y===", "Y Q=", "é"} {
		if got, err := decodeBase64(text); err == nil {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
	draw, err := drivers.CompileTemplate("{{string 12}}")
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(200) {
		if _, err := decodeBase64(draw.Render(&drivers.Env{}, &drivers.Op{Seq: seq})); err != nil {
			t.Fatalf("operation %d: %v", seq, err)
		}
	}
}
