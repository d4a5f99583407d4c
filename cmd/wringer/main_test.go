package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// wringer runs the command in this process.
func wringer(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(""), &out, &err})
	return code, out.String(), err.String()
}

// loadRecord reads a record and checks it against the schema and its sums.
func loadRecord(t *testing.T, dir string) *reports.Record {
	t.Helper()
	rec, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	recordtest.Valid(t, rec.Run)
	return rec
}

const wholeScenario = `name: whole
seed: 1
target: {shop: {}}
run: {duration: 2s, drain: 1s}
traffic:
  orders:
    rest:
      request: POST ${shop.rest}/orders
      headers: {Idempotency-Key: "{{id}}", Content-Type: application/json}
      body: '{"orderId":"{{id}}","customerId":"{{key}}","items":[{"id":"item1","quantity":2}]}'
    rate: 20/s
    keys: 5
    timeout: 400ms
    retry: {attempts: 3, backoff: 20ms}
    witness: true
    effects:
      kafka: {brokers: "${shop.kafka}", topic: order-events, id: $.orderId}
  stock:
    grpc: {target: "${shop.grpc}", method: shop.v1.Inventory/Reserve, message: {orderId: "{{id}}", itemId: item1, quantity: 1}}
    rate: 20/s
  payments:
    kafka: {brokers: "${shop.kafka}", topic: payments, key: "{{key}}"}
    rate: 20/s
    keys: 5
faults:
  - {name: lost-answers, at: 500ms, for: 500ms, link: orders, partition: from-target}
  - {name: frozen, at: 1200ms, for: 300ms, pause: fulfilment}
expect:
  - orders.lost == 0
`

// A run in this process, with a target, links, faults, a witness and effects: TestMain finds leaks of the run.
func TestRunLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "whole.yaml")
	if err := os.WriteFile(file, []byte(wholeScenario), 0o600); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record")
	code, stdout, stderr := wringer(t, "run", "-q", "--out", record, file)
	if code == reports.ExitUsage || code == reports.ExitHarness {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	// A busy machine may answer few in time; every driver must have had work.
	for name, s := range loadRecord(t, record).Run.Streams {
		if s.Total.Sent == 0 {
			t.Errorf("%s: nothing was sent of %+v", name, s.Total.Counts)
		}
	}
}
