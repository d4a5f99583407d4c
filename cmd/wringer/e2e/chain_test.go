package e2e

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"github.com/tsenart/vegeta/v12/lib/plot"

	"wringer/reports"
)

// readResults reads a file of --vegeta with vegeta's own decoder, and lets its plot look at it.
func readResults(t *testing.T, path string) []vegeta.Result {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := vegeta.DecoderFor(bytes.NewReader(raw))
	if next == nil {
		t.Fatalf("vegeta knows no decoder for %d bytes", len(raw))
	}
	p := plot.New()
	var all []vegeta.Result
	for {
		var r vegeta.Result
		if err := next(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := p.Add(&r); err != nil {
			t.Errorf("plot: %v", err)
		}
		all = append(all, r)
	}
	p.Close()
	return all
}

// A chain on the shop, with rows of a file, and its results for vegeta.
func TestChainOnTheShop(t *testing.T) {
	checkedScenario(t, usual)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("customers.csv", "name\nann\n\"b \"\"o\"\"\"\n")
	scenario := write("chain.yaml", `name: chain
seed: 3
target: {shop: {call_timeout: 10s}}   # a busy machine is no failing inventory
run: {warmup: 1s, duration: 2s, drain: 1s}
traffic:
  orders:
    rest:
      data: {file: customers.csv, order: shuffled}
      steps:
        - name: create
          request: POST ${shop.rest}/orders
          json: {orderId: "{{id}}", customerId: "{{data.name}}", items: [{id: item1, quantity: "{{int 1 2}}"}]}
          headers: {Idempotency-Key: "{{id}}"}
          capture: {order: $.orderId}
        - {name: read, request: "GET ${shop.rest}/orders/{{order}}", checks: [{json: {$.orderId: "{{id}}"}}]}
        - {name: absent, request: "GET ${shop.rest}/orders/none-{{seq}}", ok: [404]}
    rate: 50/s
expect: [orders.errors < 1%]
`)
	record, file := filepath.Join(dir, "record"), filepath.Join(dir, "results.bin")
	code, stdout, stderr := wringer(t, "run", "-q", "--out", record, "--vegeta", file, scenario)
	if code != reports.ExitPass && code != reports.ExitInconclusive {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	run := loadRecord(t, record).Run
	s := run.Streams["orders"]
	if len(s.Steps) != 3 || s.Steps[0].Name != "create" || s.Total.Acked == 0 {
		t.Fatalf("steps %+v of %+v", s.Steps, s.Total.Counts)
	}
	for _, step := range s.Steps {
		if step.Attempts != s.Total.Attempts || step.Acked != step.Attempts || step.Service.P50 == nil || step.Windows["baseline"] == nil {
			t.Errorf("step %+v of %+v", step, s.Total.Counts)
		}
	}
	if !strings.Contains(stdout, "create") || !strings.Contains(stdout, "service p99") {
		t.Errorf("the summary leaves the steps out:\n%s", stdout)
	}
	results := readResults(t, file)
	if int64(len(results)) != s.Total.Attempts {
		t.Errorf("%d results of %d attempts", len(results), s.Total.Attempts)
	}
	for _, r := range results {
		if r.Attack != "orders" || r.Code != 404 || r.BytesOut == 0 || r.Latency <= 0 {
			t.Fatalf("%+v", r)
		}
	}
}
