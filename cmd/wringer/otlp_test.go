package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"wringer/drivers"
	"wringer/reports"
)

// spanned is a collector that notes the spans of attempts, and counts the exports of metrics.
type spanned struct {
	mu      sync.Mutex
	ids     map[string]bool // trace and span
	metrics int
	keys    map[string]bool
}

func (s *spanned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[r.Header.Get("X-Key")] = true
	if r.URL.Path == "/v1/metrics" {
		s.metrics++
		return
	}
	var m traces.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, span := range m.ResourceSpans[0].ScopeSpans[0].Spans {
		s.ids[hex.EncodeToString(span.TraceId)+"-"+hex.EncodeToString(span.SpanId)] = true
	}
}

const spannedScenario = `name: spanned
run: {duration: 1s, drain: 1s}
trace_url: "http://127.0.0.1:16686/trace/{trace_id}"
traffic:
  orders:
    rest: {request: "GET URL"}
    rate: 20/s
  quiet:
    rest: {request: "GET URL"}
    rate: 5/s
    trace: false
expect: [orders.errors < 1%, quiet.errors < 1%]
`

// Where OTEL_ variables name a collector, each attempt carries the ids of its span, but for a stream that wants none. Nothing of the
// collector's headers is in the record.
func TestSpansOfARun(t *testing.T) {
	var mu sync.Mutex
	sent, untraced := make(map[string]bool), 0
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if parent := r.Header.Get(drivers.HeaderTraceparent); len(parent) == 55 && strings.HasSuffix(parent, "-01") {
			sent[parent[3:52]] = true
			return
		}
		untraced++
	}))
	defer target.Close()
	c := &spanned{ids: make(map[string]bool), keys: make(map[string]bool)}
	server := httptest.NewServer(c)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=topsecret")
	dir, _ := ranSpanned(t, target.URL)

	if len(sent) == 0 || untraced == 0 || c.metrics == 0 || !c.keys["topsecret"] || len(c.keys) != 1 {
		t.Errorf("%d requests with a trace, %d without; %d exports of metrics; keys %v", len(sent), untraced, c.metrics, c.keys)
	}
	for id := range sent {
		if !c.ids[id] {
			t.Errorf("%s was sent, and has no span", id)
		}
	}
	if len(c.ids) != len(sent)+1 { // and the run's
		t.Errorf("%d spans of %d requests", len(c.ids), len(sent))
	}
	text, err := os.ReadFile(filepath.Join(dir, reports.RunFile))
	if err != nil || strings.Contains(string(text), "topsecret") {
		t.Fatalf("the record holds the collector's header, or %v", err)
	}
	var run reports.Run
	if err := json.Unmarshal(text, &run); err != nil {
		t.Fatal(err)
	}
	slowest := run.Streams["orders"].Slowest
	if len(slowest) == 0 || slowest[0].TraceURL != "http://127.0.0.1:16686/trace/"+slowest[0].TraceID || run.Streams["quiet"].Slowest != nil {
		t.Errorf("%+v", slowest)
	}
}

// A collector that is away changes no verdict. What is missing is told.
func TestACollectorThatIsAway(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	server := httptest.NewServer(nil)
	server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	_, told := ranSpanned(t, target.URL)
	for _, text := range []string{"requests carry traceparent", "spans were not exported to " + server.URL, "exports of metrics were not exported to "} {
		if !strings.Contains(told, text) {
			t.Errorf("%q is not in %s", text, told)
		}
	}
}

// ranSpanned runs the scenario. It returns the record's folder, and what was told.
func ranSpanned(t *testing.T, url string) (dir, told string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "spanned.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(spannedScenario, "URL", url)), 0o600); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "record")
	code, _, told := wringer(t, "run", file, "-q", "--out", dir)
	if code != reports.ExitPass && code != reports.ExitInconclusive { // a busy machine
		t.Fatalf("exit code %d: %s", code, told)
	}
	return dir, told
}
