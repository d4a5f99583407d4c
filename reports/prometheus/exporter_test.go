package prometheus

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"

	"wringer/reports"
	"wringer/reports/recordtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// over is the state of a run that is over.
func over(run *reports.Run) *State {
	s := &State{Run: run, At: time.Duration(run.DurationNS), Over: true}
	for i := range run.Faults {
		s.Faults = append(s.Faults, Fault{Name: run.Faults[i].Name, Kind: run.Faults[i].Kind})
	}
	return s
}

// gathered are the values of an exporter by their series, as in name{a="b"}, without the scenario. Of a histogram it is the count.
func gathered(t *testing.T, s *State) map[string]float64 {
	t.Helper()
	e := New()
	e.Take(s)
	all, err := e.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range all {
		for _, m := range f.Metric {
			values[f.GetName()+labelsOf(m)] = valueOf(m)
		}
	}
	return values
}

func labelsOf(m *dto.Metric) string {
	var all []string
	for _, p := range m.Label {
		if p.GetName() != "scenario" {
			all = append(all, fmt.Sprintf("%s=%q", p.GetName(), p.GetValue()))
		}
	}
	return "{" + strings.Join(all, ",") + "}"
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	}
	return float64(m.Histogram.GetSampleCount())
}

// What is shown of a record is what the record says.
func TestTheValuesAreTheRecords(t *testing.T) {
	run := recordtest.Fail().Run
	got := gathered(t, over(run))
	for name, s := range run.Streams {
		total := &s.Total
		want := map[string]int64{
			"operations_offered_total": total.Offered, "operations_sent_total": total.Sent, "operations_acked_total": total.Acked,
			"operations_rejected_total": total.Rejected, "operations_indeterminate_total": total.Indeterminate, "operations_dropped_total": total.Dropped,
			"attempts_total": total.Attempts, "retries_total": total.Retries, "response_seconds": total.Offered,
		}
		for metric, n := range want {
			if v, ok := got[fmt.Sprintf("wringer_%s{stream=%q}", metric, name)]; !ok || v != float64(n) {
				t.Errorf("%s of %s is %v, %v; the record has %d", metric, name, v, ok, n)
			}
		}
		for code, n := range total.Errors {
			if v := got[fmt.Sprintf("wringer_errors_total{code=%q,stream=%q}", code, name)]; v != float64(n) {
				t.Errorf("%s of %s: %v, the record has %d", code, name, v, n)
			}
		}
		for _, count := range reports.IntegrityNames() {
			n := total.Integrity.Count(count)
			v, ok := got[fmt.Sprintf("wringer_integrity_operations{count=%q,stream=%q}", count, name)]
			if ok != (n != nil) || ok && v != float64(*n) {
				t.Errorf("%s of %s: %v, %v", count, name, v, ok)
			}
		}
	}
	for i := range run.Gates {
		g := &run.Gates[i]
		if got[fmt.Sprintf("wringer_gate_verdict{gate=%q,verdict=%q}", g.Expr, g.Verdict)] != 1 {
			t.Errorf("gate %s is not %s", g.Expr, g.Verdict)
		}
	}
	if got[`wringer_run_verdict{verdict="fail"}`] != 1 || got[`wringer_run_verdict{verdict="pass"}`] != 0 || len(run.Faults) == 0 {
		t.Errorf("%v", got)
	}
}

// Every kind of record can be scraped, with names that Prometheus's own lint approves of.
func TestEveryRecordCanBeScraped(t *testing.T) {
	for name, rec := range recordtest.Samples() {
		t.Run(name, func(t *testing.T) {
			e := New()
			e.Take(over(rec.Run))
			all, err := e.Gather()
			if err != nil {
				t.Fatal(err)
			}
			problems, err := promlint.NewWithMetricFamilies(all).Lint()
			if err != nil || len(problems) > 0 {
				t.Errorf("%v, %v", problems, err)
			}
			answer := httptest.NewRecorder()
			e.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
			if answer.Code != 200 || !strings.Contains(answer.Body.String(), "wringer_run_info{") {
				t.Errorf("%d: %.200s", answer.Code, answer.Body)
			}
		})
	}
	e := New()
	if all, err := e.Gather(); len(all) > 0 || err != nil {
		t.Errorf("before the first run: %v, %v", all, err)
	}
}

// While the run goes on, the record has no integrity yet.
func TestARunThatGoesOn(t *testing.T) {
	run := &reports.Run{Name: "r", Streams: map[string]*reports.Stream{"a": {Model: "open"}}, Gates: []reports.Gate{{Expr: "a.p99 < 1s"}, {Expr: "a.p99 < 1s"}}}
	got := gathered(t, &State{
		Run: run, At: -time.Second, Window: "warmup",
		Faults:  []Fault{{Name: "cut", Kind: "partition", InForce: true}, {Name: "slow", Kind: "latency"}, {Name: "cut", Kind: "partition"}},
		Streams: []Stream{{Name: "a", InFlight: 3, Observed: true, Live: reports.Live{Unseen: 4, Duplicates: 2}, Lag: map[float64]time.Duration{.99: 20 * time.Millisecond}}, {Name: "gone"}},
	})
	for series, want := range map[string]float64{
		`wringer_fault_in_force{fault="cut",kind="partition"}`: 1, `wringer_fault_in_force{fault="slow",kind="latency"}`: 0,
		`wringer_operations_in_flight{stream="a"}`: 3, `wringer_schedule_lag_seconds{quantile="0.99",stream="a"}`: .02,
		`wringer_integrity_operations{count="unseen",stream="a"}`: 4, `wringer_integrity_operations{count="duplicates",stream="a"}`: 2,
		`wringer_run_time_seconds{}`: -1, `wringer_run_window{window="warmup"}`: 1,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v, %v; want %v", series, v, ok, want)
		}
	}
	if _, ok := got[`wringer_run_verdict{verdict="pass"}`]; ok {
		t.Error("a verdict before the end")
	}
}

// Operations without an answer are beyond every bucket, classic and native.
func TestQuantilesCoverEveryOperation(t *testing.T) {
	s := &reports.Stream{Histogram: []reports.Bucket{{UpToNS: 1e6, Count: 60}, {UpToNS: 2e9, Count: 30}}}
	mean := 5e8
	s.Total.Offered, s.Total.Response = 100, &reports.Latency{Mean: &mean}
	var m dto.Metric
	if err := newHistogram(response.desc, time.Time{}, s, map[int]int64{-80: 60, 8: 30}, []string{"r", "a"}).Write(&m); err != nil {
		t.Fatal(err)
	}
	h := m.Histogram
	below := make(map[float64]uint64)
	for _, b := range h.Bucket {
		below[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	if h.GetSampleCount() != 100 || h.GetSampleSum() != 45 || below[.0005] != 0 || below[.001] != 60 || below[1] != 60 || below[2] != 90 || below[50] != 90 || len(below) != len(bounds) {
		t.Errorf("%v", h)
	}
	native := make(map[int]int64)
	index, count, at := 0, int64(0), 0
	for _, span := range h.PositiveSpan {
		index += int(span.GetOffset())
		for range span.GetLength() {
			count += h.PositiveDelta[at]
			if count > 0 {
				native[index] = count
			}
			index, at = index+1, at+1
		}
	}
	if want := map[int]int64{-80: 60, 8: 30, nativeBeyond: 10}; !maps.Equal(native, want) {
		t.Errorf("native buckets %v, want %v", native, want)
	}
	// Native buckets of other operations are none.
	var plain dto.Metric
	if err := newHistogram(response.desc, time.Time{}, s, map[int]int64{-80: 61}, []string{"r", "a"}).Write(&plain); err != nil || plain.Histogram.Schema != nil || plain.Histogram.GetSampleCount() != 100 {
		t.Errorf("%v, %v", err, plain.Histogram)
	}
}

// A scrape that asks for Protobuf gets native buckets beside the classic ones.
func TestNativeBucketsAreServed(t *testing.T) {
	e, state := New(), over(recordtest.Pass().Run)
	for _, name := range state.Run.StreamNames() {
		var answered int64
		for _, b := range state.Run.Streams[name].Histogram {
			answered += b.Count
		}
		state.Streams = append(state.Streams, Stream{Name: name, Response: map[int]int64{0: answered}})
	}
	e.Take(state)
	ask := httptest.NewRequest("GET", "/metrics", nil)
	ask.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	answer := httptest.NewRecorder()
	e.Handler().ServeHTTP(answer, ask)
	all := expfmt.NewDecoder(answer.Body, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		var f dto.MetricFamily
		if err := all.Decode(&f); err != nil {
			t.Fatalf("no histogram: %v", err)
		}
		if f.GetName() != response.name {
			continue
		}
		if h := f.Metric[0].Histogram; h.GetSchema() != nativeSchema || len(h.PositiveSpan) == 0 || len(h.Bucket) != len(bounds) {
			t.Errorf("%v", h)
		}
		return
	}
}

// The document lists every metric, in order, with its kind, its labels and its help.
func TestTheDocumentListsTheMetrics(t *testing.T) {
	text, err := os.ReadFile("../../docs/prometheus.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, written [][]string
	for _, row := range regexp.MustCompile("(?m)^\\| `(wringer_\\w+)` \\| (\\w+) \\| ([\\w, ]*?) ?\\| (.+) \\|$").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, row[1:])
	}
	for _, f := range families {
		kind := []string{"", "counter", "gauge", "histogram"}[f.kind]
		written = append(written, []string{f.name, kind, strings.Join(f.labels[1:], ", "), f.help})
	}
	slices.SortFunc(written, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	slices.SortFunc(documented, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	var config struct {
		ScrapeConfigs []struct {
			JobName string `yaml:"job_name"`
		} `yaml:"scrape_configs"`
	}
	block := regexp.MustCompile("(?s)```yml\n(.*?)```").FindSubmatch(text)
	if err := yaml.Unmarshal(block[1], &config); err != nil || config.ScrapeConfigs[0].JobName != job {
		t.Errorf("the configuration of Prometheus: %v, %+v", err, config)
	}
	if !reflect.DeepEqual(documented, written) {
		t.Errorf("documented\n%q\nserved\n%q", documented, written)
	}
}

// The dashboard asks for nothing that is not served.
func TestTheDashboardAsksForWhatIsServed(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana/wringer.json")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) {
		t.Fatal("the dashboard is no JSON")
	}
	served := make(map[string]bool)
	for _, f := range families {
		served[f.name] = true
		if f == response {
			served[f.name+"_bucket"], served[f.name+"_sum"], served[f.name+"_count"] = true, true, true
		}
	}
	asked := regexp.MustCompile(`wringer_\w+`).FindAllString(string(text), -1)
	if len(asked) < 10 {
		t.Fatalf("%d metrics are asked for", len(asked))
	}
	for _, name := range asked {
		if !served[name] {
			t.Errorf("the dashboard asks for %s", name)
		}
	}
}

// A bucket leads to the trace of the slowest operation in it.
func TestTheSlowestAreExemplars(t *testing.T) {
	run := recordtest.Probed().Run
	e := New()
	e.Take(over(run))
	request, answer := httptest.NewRequest("GET", "/metrics", nil), httptest.NewRecorder()
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	e.Handler().ServeHTTP(answer, request)
	slowest, second := run.Streams["orders"].Slowest[0], run.Streams["orders"].Slowest[1]
	line := regexp.MustCompile(`(?m)^wringer_response_seconds_bucket\{.*le="0\.1".*\} \d+ # \{trace_id="` + slowest.TraceID + `"\} 0\.09 `)
	if body := answer.Body.String(); !line.MatchString(body) || strings.Contains(body, second.TraceID) {
		t.Errorf("no line such as %s", line)
	}
}
