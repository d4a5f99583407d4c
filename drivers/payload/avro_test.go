package payload

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

const orderSchema = `{"type": "record", "name": "Order", "namespace": "shop", "fields": [
	{"name": "orderId", "type": "string"},
	{"name": "amount", "type": "long"},
	{"name": "weight", "type": "double", "default": 1.5},
	{"name": "small", "type": ["null", "int"], "default": null},
	{"name": "either", "type": ["null", "string", "long"]},
	{"name": "gift", "type": "boolean", "default": false},
	{"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["NEW", "OLD"]}, "default": "NEW"},
	{"name": "token", "type": "bytes", "default": ""},
	{"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}, "default": "\u0000"},
	{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
	{"name": "labels", "type": {"type": "map", "values": "string"}, "default": {}},
	{"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
		{"name": "item", "type": "string"}, {"name": "quantity", "type": "int"},
		{"name": "part", "type": ["null", "Line"], "default": null}]}}, "default": []},
	{"name": "again", "type": ["null", "Kind"], "default": null}
]}`

func compileAvro(t testing.TB, schema *avro.Schema, v any) Message {
	t.Helper()
	env := drivertest.NewEnv(t, time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC))
	r, err := (&Compiler{Env: &env}).Avro(schema, v, "message")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// decode decodes a record by the library.
func decode(t *testing.T, schema *avro.Schema, b []byte) map[string]any {
	t.Helper()
	var out any
	rest, err := schema.Decode(b, &out)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%d bytes left, %v", len(rest), err)
	}
	return out.(map[string]any)
}

func TestAvro(t *testing.T) {
	schema := avro.MustParse(orderSchema)
	for _, tt := range []struct {
		name string
		in   map[string]any
		want map[string]any
	}{
		{"defaults", nil, map[string]any{"weight": 1.5, "small": nil, "either": nil, "gift": false, "kind": "NEW", "again": nil}},
		{"fixed", map[string]any{"weight": 2, "small": 7, "gift": true, "kind": "OLD", "token": "AQI=", "at": uint64(1500)},
			map[string]any{"weight": 2.0, "small": int32(7), "gift": true, "kind": "OLD", "token": []byte{1, 2}, "at": time.UnixMilli(1500).UTC()}},
		{"rendered", map[string]any{"amount": "-{{seq}}", "weight": "{{int 2 2}}.5", "small": "{{seq}}", "gift": "{{choice true}}", "kind": "{{choice OLD}}", "again": "OLD", "token": "AQI{{choice =}}"},
			map[string]any{"amount": int64(-17), "weight": 2.5, "small": int32(17), "gift": true, "kind": "OLD", "again": "OLD", "token": []byte{1, 2}}},
		{"unions", map[string]any{"either": map[string]any{"long": "{{seq}}"}, "small": nil}, map[string]any{"either": int64(17), "small": nil}},
		{"union of text", map[string]any{"either": map[any]any{"string": "5"}}, map[string]any{"either": "5"}},
		{"time as text", map[string]any{"at": "{{timestamp}}"}, map[string]any{"at": time.Date(2026, 11, 24, 18, 0, 1, 0, time.UTC)}},
		{"nested", map[string]any{"labels": map[string]any{"a": "{{key}}", "b": "x", "c": ""}, "lines": []any{map[string]any{"item": "{{key}}", "quantity": 1, "part": map[string]any{"item": "b", "quantity": "{{seq}}"}}}},
			map[string]any{"labels": map[string]any{"a": "k3", "b": "x", "c": ""}, "lines": []any{map[string]any{"item": "k3", "quantity": int32(1), "part": map[string]any{"item": "b", "quantity": int32(17), "part": nil}}}}},
	} {
		in := map[string]any{"orderId": "{{id}}", "amount": 5}
		for name, v := range tt.in {
			in[name] = v
		}
		r := compileAvro(t, schema, in)
		b, err := r.Append([]byte("before"), &drivers.Op{Seq: 17, Key: 3, Planned: time.Second})
		if err != nil || !bytes.HasPrefix(b, []byte("before")) {
			t.Errorf("%s: %q, %v", tt.name, b, err)
			continue
		}
		got := decode(t, schema, b[len("before"):])
		if got["orderId"] != "r1.conformance.17" {
			t.Errorf("%s: the id is %v", tt.name, got["orderId"])
		}
		for name, want := range tt.want {
			if !reflect.DeepEqual(got[name], want) {
				t.Errorf("%s: %s is %#v, want %#v", tt.name, name, got[name], want)
			}
		}
	}
}

func TestAvroDecimal(t *testing.T) {
	schema := avro.MustParse(orderSchema)
	b, err := compileAvro(t, schema, map[string]any{"orderId": "a", "amount": 1, "price": "12.{{int 50 50}}"}).Append(nil, new(drivers.Op))
	if err != nil {
		t.Fatal(err)
	}
	if price := decode(t, schema, b)["price"].(interface{ FloatString(int) string }).FloatString(2); price != "12.50" {
		t.Errorf("%s", price)
	}
}

func TestAvroThatDoesNotFit(t *testing.T) {
	schema := avro.MustParse(orderSchema)
	env := drivertest.NewEnv(t, time.Now())
	for want, in := range map[string]any{
		"message: 5 is no mapping: it is a shop.Order":                                    5,
		"message: the field amount is missing, and has no default":                        map[string]any{"orderId": "a"},
		"message.orderId: 5 is no string; put it in quotes":                               map[string]any{"orderId": 5, "amount": 1},
		"message.amount: \"x\" is no long":                                                map[string]any{"orderId": "a", "amount": "x"},
		"message.amount: is null, and the schema does not allow that":                     map[string]any{"orderId": "a", "amount": nil},
		"message.kind: \"ODD\" is none of NEW, OLD":                                       map[string]any{"orderId": "a", "amount": 1, "kind": "ODD"},
		"message.gift: \"yes\" is no boolean":                                             map[string]any{"orderId": "a", "amount": 1, "gift": "yes"},
		"message.token: \"!\" is no base64":                                               map[string]any{"orderId": "a", "amount": 1, "token": "!"},
		"message.either: may be one of null, string, long; say which: {string: ...}":      map[string]any{"orderId": "a", "amount": 1, "either": "a"},
		"message.lines: is a list; write [...]":                                           map[string]any{"orderId": "a", "amount": 1, "lines": "a"},
		"message.lines[0].colour: shop.Line has no such field; it has item, part, quanti": map[string]any{"orderId": "a", "amount": 1, "lines": []any{map[string]any{"item": "a", "quantity": 1, "colour": 1}}},
		"message.small": map[string]any{"orderId": "a", "amount": 1, "small": 1 << 40},
	} {
		if _, err := (&Compiler{Env: &env}).Avro(schema, in, "message"); err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), strings.TrimPrefix(want, "message.")) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	r := compileAvro(t, schema, map[string]any{"orderId": "a", "amount": "{{key}}"})
	if _, err := r.Append(nil, new(drivers.Op)); err == nil || !strings.Contains(err.Error(), `message.amount: "k0" is no long`) {
		t.Errorf("rendered: %v", err)
	}
}

// A fixed message is encoded once. A message with templates has the same bytes for every attempt of an operation.
func TestAvroIsAPureFunction(t *testing.T) {
	schema := avro.MustParse(orderSchema)
	if r := compileAvro(t, schema, map[string]any{"orderId": "a", "amount": 1}); !r.isFixed() {
		t.Error("a value without {{...}} is encoded each time")
	}
	r := compileAvro(t, schema, map[string]any{"orderId": "{{uuid}}", "amount": "{{int 1 1000000}}", "lines": []any{map[string]any{"item": "{{uuid}}", "quantity": 1}}})
	first, err := r.Append(nil, &drivers.Op{Seq: 5})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, _ := r.Append(nil, &drivers.Op{Seq: 5}); !bytes.Equal(first, again) {
			t.Fatal("an operation's retry carries other bytes")
		}
	}
	if other, _ := r.Append(nil, &drivers.Op{Seq: 6}); bytes.Equal(first, other) {
		t.Error("another operation carries the same bytes")
	}
	got := decode(t, schema, first)
	if got["orderId"] == got["lines"].([]any)[0].(map[string]any)["item"] {
		t.Error("two places rendered the same")
	}
}
