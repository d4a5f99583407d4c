package payload

import (
	"testing"

	"github.com/twmb/avro"

	"wringer/drivers"
)

// BenchmarkProtobuf renders a message of some size.
func BenchmarkProtobuf(b *testing.B) {
	m := compile(b, map[string]any{"orderId": "{{id}}", "quantity": 2, "items": []any{map[string]any{"id": "{{key}}", "quantity": "{{int 1 9}}"}}})
	var dst []byte
	var op drivers.Op
	b.ReportAllocs()
	for b.Loop() {
		op.Seq++
		var err error
		if dst, err = m.Append(dst[:0], &op); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAvro renders a record of some size.
func BenchmarkAvro(b *testing.B) {
	r := compileAvro(b, avro.MustParse(orderSchema), map[string]any{
		"orderId": "{{id}}", "amount": "{{int 1 9}}", "lines": []any{map[string]any{"item": "{{key}}", "quantity": "{{int 1 9}}"}},
	})
	var dst []byte
	var op drivers.Op
	b.ReportAllocs()
	for b.Loop() {
		op.Seq++
		var err error
		if dst, err = r.Append(dst[:0], &op); err != nil {
			b.Fatal(err)
		}
	}
}
