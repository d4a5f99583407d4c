package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/reports"
)

// From an order to its shipment: a part that freezes for three seconds delays the effects due meanwhile, the median by half of
// that. Every order is answered as before.
func TestEffectsOfAFrozenPart(t *testing.T) {
	checkedScenario(t, usual)
	src, err := os.ReadFile("../../../scenarios/effects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run := decided(t, built(t, checked), "effects", string(src))
	if run.Verdict != reports.Pass {
		t.Fatalf("verdict %s: %q", run.Verdict, run.Why)
	}
	s := run.Streams["orders"]
	calm, frozen := s.Windows["baseline"].Effect, s.Windows["frozen-fulfilment"].Effect
	if *frozen.P50 < 1e9 || *frozen.Max < 2.5e9 || *frozen.P50 < *calm.P50 {
		t.Errorf("p50 %s, max %s while frozen, p50 %s before", reports.Duration(*frozen.P50), reports.Duration(*frozen.Max), reports.Duration(*calm.P50))
	}
	if answered := s.Windows["frozen-fulfilment"].Response.P50; *answered > *frozen.P50 {
		t.Errorf("orders were answered after %s", reports.Duration(*answered))
	}
	if s.Total.Effect.Count != s.Total.Acked {
		t.Errorf("%d effects of %d acked", s.Total.Effect.Count, s.Total.Acked)
	}
}

// late is a REST service that answers at once, and publishes later.
type late struct {
	client *kgo.Client
	delay  time.Duration
	forget uint64 // one in so many is never published; 0: none
	n      atomic.Uint64
	open   sync.WaitGroup
}

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var order struct{ ID string }
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if n := l.n.Add(1); l.forget == 0 || n%l.forget != 0 {
		l.open.Add(1)
		time.AfterFunc(l.delay, func() {
			defer l.open.Done()
			l.client.ProduceSync(context.Background(), &kgo.Record{Topic: "payments", Value: fmt.Appendf(nil, `{"id":%q}`, order.ID)})
		})
	}
	w.WriteHeader(http.StatusCreated)
}

// A REST operation against a Kafka topic. An effect that the service publishes 150 ms late takes at least that time, although
// its answers do not. An effect that the service forgets misses every limit.
func TestEffectsAcrossProtocols(t *testing.T) {
	several(t)
	for name, c := range map[string]struct {
		forget uint64
		want   map[string]reports.Verdict
	}{
		"late": {0, map[string]reports.Verdict{
			"orders.effect.p50 >= 149ms": reports.Pass, "orders.effect.p99 < 149ms": reports.Fail,
			"orders.effect.mean >= 149ms": reports.Pass, "orders.effect.max < 30s": reports.Pass,
		}},
		"late and forgetful": {20, map[string]reports.Verdict{
			"orders.effect.p50 >= 149ms": reports.Pass, "orders.effect.p99 < 1h": reports.Fail,
			"orders.effect.mean < 1h": reports.Fail, "orders.effect.max < 1h": reports.Fail,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			checkedScenario(t, light)
			cluster := newTopic(t, nil)
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			service := &late{client: client, delay: 150 * time.Millisecond, forget: c.forget}
			server := httptest.NewServer(service)
			defer service.open.Wait()
			defer server.Close()
			rec := loadRecord(t, runLate(t, server.URL, strings.Join(cluster.ListenAddrs(), ","), c.want))
			for _, g := range rec.Run.Gates {
				if g.Verdict != c.want[g.Expr] && !strings.Contains(g.Why, "the load generator was saturated") {
					t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
				}
			}
			s := rec.Run.Streams["orders"]
			if e := s.Total.Effect; e.Min == nil || *e.Min < 149e6 || e.Count != s.Total.Acked || (e.Unseen() > 0) != (c.forget > 0) {
				t.Errorf("%+v of %d acked", e, s.Total.Acked)
			}
		})
	}
}

// runLate runs three seconds of orders and returns the record's folder.
func runLate(t *testing.T, url, brokers string, gates map[string]reports.Verdict) string {
	t.Helper()
	src := fmt.Sprintf(`name: late
run: {duration: 3s, drain: 2s}
traffic:
  orders:
    rest: {request: "POST %s/orders", body: '{"id":"{{id}}"}'}
    rate: 50/s
    effects:
      kafka: {brokers: "%s", topic: payments, id: $.id}
expect:
`, url, brokers)
	for expr := range gates {
		src += "  - " + expr + "\n"
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "late.yaml")
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record")
	if code, stdout, stderr := wringer(t, "run", "-q", "--out", record, file); code == reports.ExitUsage || code == reports.ExitHarness {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	return record
}
