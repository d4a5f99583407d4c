package otlp

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	pb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"wringer/reports/prometheus"
	"wringer/reports/recordtest"
)

// gauged is a collector of metrics. It keeps the last export.
type gauged struct {
	mu   sync.Mutex
	last map[string]*pb.Metric
}

func (g *gauged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m metrics.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &m); err != nil || r.URL.Path != "/v1/metrics" || r.Header.Get("X-Key") != "secret" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = make(map[string]*pb.Metric)
	for _, one := range m.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		g.last[one.Name] = one
	}
}

func openMetrics(t *testing.T, e *prometheus.Exporter) *Metrics {
	t.Helper()
	s, err := FromEnv(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMetrics(t.Context(), Config{Signal: s.Metrics}, e.Gather)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The metrics are those that Prometheus is shown. Operations without an answer are beyond all bounds, and exemplars lead to traces.
func TestMetricsAreTheRecords(t *testing.T) {
	g := new(gauged)
	server := httptest.NewServer(g)
	defer server.Close()
	named(t, protocolHTTP, server.URL)
	e := prometheus.New()
	m := openMetrics(t, e)
	m.Flush(t.Context()) // before the first run: nothing
	if g.last != nil {
		t.Errorf("before the first run: %v", g.last)
	}
	run := recordtest.Probed().Run
	e.Take(&prometheus.State{Run: run, Over: true})
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	orders := run.Streams["orders"]
	for _, p := range g.last["wringer_attempts_total"].GetSum().GetDataPoints() {
		if strings.Contains(p.String(), `"orders"`) && p.GetAsDouble() != float64(orders.Total.Attempts) {
			t.Errorf("%v attempts; the record has %d", p.GetAsDouble(), orders.Total.Attempts)
		}
	}
	found := false
	for _, p := range g.last["wringer_response_seconds"].GetHistogram().GetDataPoints() {
		if !strings.Contains(p.String(), `"orders"`) {
			continue
		}
		found = true
		answered := int64(0)
		for _, b := range orders.Histogram {
			answered += b.Count
		}
		beyond := p.BucketCounts[len(p.BucketCounts)-1]
		if p.Count != uint64(orders.Total.Offered) || beyond < uint64(orders.Total.Offered-answered) || len(p.Exemplars) != 1 || hex.EncodeToString(p.Exemplars[0].TraceId) != orders.Slowest[0].TraceID {
			t.Errorf("%v", p)
		}
	}
	if !found {
		t.Errorf("no histogram of orders: %v", g.last["wringer_response_seconds"])
	}
}

// A collector that takes no metrics holds up nobody, and what failed is told.
func TestCollectorsThatLieAboutMetrics(t *testing.T) {
	for _, name := range []string{"503", "400", "hangs", "resets"} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(lies[name])
			defer server.Close()
			named(t, protocolHTTP, server.URL)
			e := prometheus.New()
			e.Take(&prometheus.State{Run: recordtest.Pass().Run})
			m := openMetrics(t, e)
			end, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			m.Flush(end)
			if err := m.Close(end); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v", err)
			}
		})
	}
}
