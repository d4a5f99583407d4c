package main

import (
	"strings"
	"testing"

	"wringer/scenarios"
)

// A place that is read by the witness of a link needs a link whose witness can tell what it shows.
func TestOverheardLinks(t *testing.T) {
	const text = `name: x
run: {duration: 5s}
links:
  orders->rabbit: {upstream: "127.0.0.1:5672"WITNESS}
  orders->kafka: {kafka: {bootstrap: "127.0.0.1:9092"}, witness: {id: $.orderId}}
traffic:
  orders:
    rest: {request: "POST http://127.0.0.1:1/orders", body: '{"orderId":"{{id}}"}'}
    rate: 10/s
    effects: {witness: {link: LINK}}
faults: []
expect: [orders.lost == 0, GATE]
`
	for name, test := range map[string]struct{ link, witness, gate, want string }{
		"sound":               {"orders->rabbit", ", witness: {id: $.orderId}", "orders.effect.p99 < 2s", ""},
		"publishes alone":     {"orders->rabbit", ", witness: {id: $.orderId, methods: [publish]}", "orders.errors < 1%", ""},
		"no witness":          {"orders->rabbit", "", "orders.errors < 1%", "tells no identities"},
		"no identities":       {"orders->rabbit", ", witness: true", "orders.errors < 1%", "tells no identities"},
		"no publishes":        {"orders->rabbit", ", witness: {id: $.orderId, methods: [deliver]}", "orders.errors < 1%", "leaves publish out"},
		"no such link":        {"orders->rabit", ", witness: {id: $.orderId}", "orders.errors < 1%", "there is no link"},
		"a link to Kafka":     {"orders->kafka", ", witness: {id: $.orderId}", "orders.errors < 1%", "leads to kafka"},
		"order":               {"orders->rabbit", ", witness: {id: $.orderId}", "orders.order_violations == 0", "confirms messages in any order"},
		"redelivery":          {"orders->rabbit", ", witness: {id: $.orderId}", "orders.redelivered == 0", "is a new message to the broker"},
		"nothing is compared": {"orders->rabbit", ", witness: {id: $.orderId}", "orders.corrupt == 0", "nothing is compared"},
	} {
		src := strings.NewReplacer("WITNESS", test.witness, "LINK", test.link, "GATE", test.gate).Replace(text)
		_, err := scenarios.Parse("x.yaml", []byte(src), language, scenarios.Options{})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
