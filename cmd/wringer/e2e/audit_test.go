package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/shop"
)

const auditScenario = `name: audited
seed: 3
run: {duration: 8s, drain: 10s}
traffic:
  orders:
    rest:
      request: POST ${rest}/orders
      headers: {Idempotency-Key: "{{id}}", Content-Type: application/json}
      body: '{"orderId":"{{id}}","customerId":"{{key}}","items":[{"id":"item1","quantity":2}]}'
    rate: 100/s
    keys: 50
    timeout: 400ms
    retry: {attempts: 3, backoff: 20ms}
    effects:
      kafka: {brokers: "${kafka}", topic: order-events, id: $.orderId}
faults:
  - {name: lost-answers, at: 3s, for: 2s, link: orders, partition: from-target}
expect:
  - orders.lost == 0
`

// TestRecordAgreesWithTheShopsAudit runs against a shop that counts for itself. The record's counts of seen, repeated and acked
// operations are exactly the shop's.
func TestRecordAgreesWithTheShopsAudit(t *testing.T) {
	several(t)
	for _, defects := range [][]string{nil, {shop.NoDedupe}, {shop.PublishTwice}} {
		t.Run(strings.Join(append([]string{"shop"}, defects...), " "), func(t *testing.T) {
			checkedScenario(t, usual)
			target, err := shop.Open(t.Context(), shop.Config{Defects: defects}, scenarios.TargetEnv{Seed: 3})
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close(context.WithoutCancel(t.Context()))
			dir := t.TempDir()
			file := filepath.Join(dir, "audited.yaml")
			if err := os.WriteFile(file, []byte(auditScenario), 0o644); err != nil {
				t.Fatal(err)
			}
			record := filepath.Join(dir, "record")
			vars := target.Vars()
			code, stdout, stderr := wringer(t, "run", "-q", "--set", "rest="+vars["rest"], "--set", "kafka="+vars["kafka"], "--out", record, file)
			if code != reports.ExitPass && code != reports.ExitInconclusive {
				t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
			}
			agree(t, loadRecord(t, record), target.Audit())
		})
	}
}

// agree compares the record of a run without warm-up with the shop's own account.
func agree(t *testing.T, rec *reports.Record, audit shop.Audit) {
	t.Helper()
	published, most := make(map[string]int), 0
	var extra int64
	for _, e := range audit.Effects {
		if e.Kind == shop.EventPublished {
			published[e.OrderID] = e.Times
			most = max(most, e.Times)
		}
	}
	var repeated int64
	for _, n := range published {
		if n > 1 {
			repeated++
			extra += int64(n - 1)
		}
	}
	total := rec.Run.Streams["orders"].Total
	i := total.Integrity
	for _, c := range []struct {
		what      string
		got, want int64
	}{
		{"seen", *i.Seen, int64(len(published))},
		{"effect duplicates", *i.EffectDuplicates, repeated},
		{"extra copies", *i.ExtraCopies, extra},
		{"max copies", *i.MaxCopies, int64(most)},
		{"lost", *i.Lost, 0},
		{"unexpected", *i.Unexpected, 0},
		{"foreign", *i.Foreign, 0},
		{"acked and recovered and phantom", *i.Acked + *i.Recovered + *i.Phantom, int64(len(published))},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, the shop counted %d", c.what, c.got, c.want)
		}
	}
	if total.Offered != 800 || total.Retries == 0 {
		t.Errorf("offered %d, retries %d: want 800 and some", total.Offered, total.Retries)
	}
}
