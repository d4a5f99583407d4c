package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"wringer/reports"
	"wringer/reports/prometheus"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// scraped asks for the metrics, in Prometheus's text.
func scraped(t *testing.T, e *prometheus.Exporter) map[string]*dto.MetricFamily {
	t.Helper()
	answer := httptest.NewRecorder()
	e.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// valued is the value of the first metric of a family that has the label's value; ok is false if there is none.
func valued(f *dto.MetricFamily, name, value string) (v float64, ok bool) {
	for _, m := range f.GetMetric() {
		for _, l := range m.Label {
			if l.GetName() == name && l.GetValue() == value {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()), true
			}
		}
	}
	return 0, false
}

// nativeBuckets is the number of native buckets of the response times.
func nativeBuckets(t *testing.T, e *prometheus.Exporter) int {
	t.Helper()
	all, err := e.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "wringer_response_seconds" {
			return len(f.Metric[0].Histogram.PositiveDelta)
		}
	}
	return 0
}

// A run is scraped at each partial record: counters never fall, the fault is in force in its time, and at the end all is as the record
// has it.
func TestScrapesOfARun(t *testing.T) {
	sc, err := scenarios.Parse("shown.yaml", []byte(`
name: shown
seed: 1
target: {shop: {}}
run: {duration: 6s, drain: 3s}
traffic:
  orders:
    rest:
      request: POST ${shop.rest}/orders
      headers: {Idempotency-Key: "{{id}}", Content-Type: application/json}
      body: '{"orderId":"{{id}}","customerId":"{{key}}","items":[{"id":"item1","quantity":2}]}'
    rate: 20/s
    keys: 5
    effects:
      kafka: {brokers: "${shop.kafka}", topic: order-events, id: $.orderId, key: $.customerId}
faults:
  - {name: slow, at: 2s, for: 2s, link: orders, latency: 50ms}
expect: [orders.errors < 1%, orders.lost == 0]
`), language, scenarios.Options{})
	if err != nil {
		t.Fatal(err)
	}
	shown := telemetry{exporter: prometheus.New()}
	var before float64
	states, scrapes := make(map[float64]bool), 0
	rec := watchedVirtually(t, sc, func(run *reports.Run, p runner.Progress) {
		shown.show(run, p)
		got := scraped(t, shown.exporter)
		offered, ok := valued(got["wringer_operations_offered_total"], "stream", "orders")
		if !ok || offered < before {
			t.Errorf("%v operations were offered, and %v before", offered, before)
		}
		before = offered
		if is, ok := valued(got["wringer_fault_in_force"], "kind", "latency"); ok {
			states[is] = true
		}
		if _, ok := valued(got["wringer_integrity_operations"], "count", "unseen"); !ok {
			t.Error("nothing is told of effects")
		}
		scrapes++
	})
	if scrapes < 5 || !states[0] || !states[1] {
		t.Errorf("%d scrapes, the fault was %v", scrapes, states)
	}
	shown.final(rec.Run)
	got, total := scraped(t, shown.exporter), &rec.Run.Streams["orders"].Total
	for name, want := range map[string]int64{
		"wringer_operations_offered_total": total.Offered, "wringer_operations_acked_total": total.Acked, "wringer_attempts_total": total.Attempts,
		"wringer_retries_total": total.Retries, "wringer_response_seconds": total.Offered, "wringer_operations_in_flight": 0,
	} {
		if v, ok := valued(got[name], "stream", "orders"); !ok || v != float64(want) {
			t.Errorf("%s is %v, %v; the record has %d", name, v, ok, want)
		}
	}
	for _, b := range got["wringer_response_seconds"].Metric[0].Histogram.Bucket {
		if b.GetUpperBound() == 50 && int64(b.GetCumulativeCount()) != total.Offered-int64(*total.Response.Unanswered) {
			t.Errorf("%d operations were answered in time", b.GetCumulativeCount())
		}
	}
	if native := nativeBuckets(t, shown.exporter); native == 0 {
		t.Error("the record's histogram has no native buckets")
	}
	if v, ok := valued(got["wringer_integrity_operations"], "count", "lost"); !ok || v != float64(*total.Integrity.Lost) {
		t.Errorf("lost is %v, %v", v, ok)
	}
	if v, ok := valued(got["wringer_run_verdict"], "verdict", string(rec.Run.Verdict)); !ok || v != 1 {
		t.Errorf("the verdict is %v, %v", v, ok)
	}
	if v, ok := valued(got["wringer_fault_in_force"], "fault", "slow"); !ok || v != 0 {
		t.Errorf("the fault is %v, %v", v, ok)
	}
}

// firstLine passes on the first line that is written, and forgets the rest.
type firstLine struct {
	line chan string
	sent atomic.Bool
}

func (f *firstLine) Write(b []byte) (int, error) {
	if f.sent.CompareAndSwap(false, true) {
		f.line <- string(b)
	}
	return len(b), nil
}

// The address is printed before traffic begins, and answers while the run goes on. What is pushed at the end is the record.
func TestPrometheusFlags(t *testing.T) {
	talk := &firstLine{line: make(chan string, 1)}
	scraped := make(chan int, 1)
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case line := <-talk.line:
			if !strings.HasPrefix(line, "metrics: http://127.0.0.1:") {
				t.Errorf("it listens elsewhere: %s", line)
			}
			answer, err := http.Get(strings.TrimSpace(strings.TrimPrefix(line, "metrics:")))
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			scraped <- answer.StatusCode
		default:
		}
	}))
	t.Cleanup(target.Close)
	var pushes atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pushes.Add(1) }))
	t.Cleanup(receiver.Close)
	code := run(context.Background(), []string{
		"load", "-q", "--for", "300ms", "--rate", "20/s", "--out", filepath.Join(t.TempDir(), "record"),
		"--prometheus", ":0", "--prometheus-rw", receiver.URL, target.URL,
	}, streams{strings.NewReader(""), io.Discard, talk})
	if code == reports.ExitUsage || code == reports.ExitHarness {
		t.Fatalf("exit %d", code)
	}
	if status := <-scraped; status != http.StatusOK {
		t.Errorf("the scrape was answered %d", status)
	}
	if pushes.Load() < 2 { // the record, and the end of the command
		t.Errorf("%d pushes", pushes.Load())
	}
	for _, bad := range [][]string{
		{"--prometheus", "nowhere"}, {"--prometheus", "127.0.0.1:99999"}, {"--prometheus-rw", "127.0.0.1:9090"}, {"--prometheus-rw-every", "1ms"},
	} {
		code, _, stderr := wringer(t, append([]string{"load", "-q", "--out", filepath.Join(t.TempDir(), "r"), target.URL}, bad...)...)
		if code != reports.ExitUsage || !strings.Contains(stderr, bad[0]) {
			t.Errorf("%q: exit %d, %s", bad, code, stderr)
		}
	}
}

// A receiver that fails changes no verdict.
func TestAPushThatFailsIsTold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPost {
			http.Error(w, "full", http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	args := []string{"load", "-q", "--for", "100ms", "--rate", "20/s", "--out", filepath.Join(t.TempDir(), "r"), server.URL}
	code, _, stderr := wringer(t, append(args, "--prometheus-rw", server.URL)...)
	if code == reports.ExitUsage || code == reports.ExitHarness || !strings.Contains(stderr, "2 of 2 pushes to "+server.URL+" failed, the last of them: 400 Bad Request full") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
