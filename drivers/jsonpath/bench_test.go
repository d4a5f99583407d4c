package jsonpath

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/buger/jsonparser"
)

// order is a message as a stream of effects reads it: the identity first, the rest behind it, or the other way round.
var order = []byte(`{"orderId":"wr-orders-000000012345","customerId":"customer-17","items":[{"id":"item1","quantity":2,"note":"a \"gift\""},` +
	`{"id":"item2","quantity":1,"note":null}],"total":{"amount":129.5,"currency":"EUR"},"version":12,"origin":"wr-orders-000000012344"}`)

// BenchmarkFind measures a path beside jsonparser's search and a decoded document.
func BenchmarkFind(b *testing.B) {
	for _, c := range []struct {
		path string
		keys []string
	}{
		{"$.orderId", []string{"orderId"}},
		{"$.origin", []string{"origin"}},
		{"$.items[1].id", []string{"items", "[1]", "id"}},
		{"$.items[0].note", []string{"items", "[0]", "note"}},
	} {
		p, err := Parse(c.path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.path+"/find", func(b *testing.B) {
			b.ReportAllocs()
			var scratch []byte
			for b.Loop() {
				if p.Find(order, &scratch) == nil {
					b.Fatal("absent")
				}
			}
		})
		b.Run(c.path+"/jsonparser", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				value, kind, _, err := jsonparser.Get(order, c.keys...)
				if err != nil || kind == jsonparser.String && bytes.IndexByte(value, '\\') == 0 {
					b.Fatal("absent")
				}
			}
		})
		b.Run(c.path+"/decoded", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var tree any
				if err := json.Unmarshal(order, &tree); err != nil {
					b.Fatal(err)
				}
				if _, found := p.In(tree); !found {
					b.Fatal("absent")
				}
			}
		})
	}
}
