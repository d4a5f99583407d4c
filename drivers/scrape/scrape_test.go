package scrape

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const text = "text/plain; version=0.0.4"

const prometheus = `# HELP jvm_memory_used_bytes used
# TYPE jvm_memory_used_bytes gauge
jvm_memory_used_bytes{area="heap",id="eden"} 1.5e+07
jvm_memory_used_bytes{area="heap",id="old"} 5e+06 1700000000000
jvm_memory_used_bytes{area="nonheap",id="meta"} 7
# TYPE errors_total counter
errors_total{code="500"} 3
errors_total{code="404"} 4
untyped_total 5
untyped 6
# TYPE took_seconds histogram
took_seconds_bucket{le="0.5"} 1
took_seconds_bucket{le="+Inf"} 2
took_seconds_sum 1.25
took_seconds_count 2
# TYPE odd_total gauge
odd_total 8
`

const openMetrics = `# TYPE errors counter
# HELP errors failed calls
errors_total{code="500"} 3 # {trace_id="abc"} 1 1700000000.5
errors_created{code="500"} 1700000000.25
# TYPE build info
build_info{version="1"} 1
# TYPE waiting gauge
# UNIT waiting 
waiting 2.5
# TYPE state stateset
state{state="up"} 1
# EOF
`

// read parses a body for the selectors.
func read(t *testing.T, body, contentType string, selectors map[string]string) (map[string]drivers.SeriesReading, error) {
	t.Helper()
	e := &endpoint{selectors: make(map[string]*selector)}
	for name, text := range selectors {
		s, err := parseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		e.selectors[name] = s
	}
	return e.parse([]byte(body), contentType)
}

func total(r drivers.SeriesReading) (sum float64) {
	for _, v := range r.Values {
		sum += v
	}
	return sum
}

func TestExpositions(t *testing.T) {
	for _, c := range []struct {
		body, contentType, selector string
		counter                     bool
		sum                         float64
		series                      int
	}{
		{prometheus, text, `jvm_memory_used_bytes{area="heap"}`, false, 2e7, 2},
		{prometheus, "", `jvm_memory_used_bytes{area!="heap"}`, false, 7, 1},
		{prometheus, text, ` jvm_memory_used_bytes { area =~ "heap|nonheap", id!~"e.*", } `, false, 5000007, 2},
		{prometheus, text, `errors_total`, true, 7, 2},
		{prometheus, text, `untyped_total`, true, 5, 1},
		{prometheus, text, `untyped`, false, 6, 1},
		{prometheus, text, `took_seconds_count`, true, 2, 1},
		{prometheus, text, `took_seconds_sum`, true, 1.25, 1},
		{prometheus, text, "took_seconds_bucket{le=`0.5`}", true, 1, 1},
		{prometheus, text, `odd_total`, false, 8, 1},
		{openMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8", `errors_total{code="500"}`, true, 3, 1},
		{openMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8", `waiting`, false, 2.5, 1},
		{openMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8", `build_info`, false, 1, 1},
	} {
		all, err := read(t, c.body, c.contentType, map[string]string{"x": c.selector})
		if r := all["x"]; err != nil || r.Missing != "" || r.Counter != c.counter || total(r) != c.sum || len(r.Values) != c.series {
			t.Errorf("%s: %+v, %v; want %v of %d series, counter %v", c.selector, r, err, c.sum, c.series, c.counter)
		}
	}
}

// What a target tells that is no value is a reading without one, and says why. It is never 0.
func TestSeriesWithoutAValue(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
		absent     bool
	}{
		"NaN":      {"x NaN\n", "no value", false},
		"infinite": {"x +Inf\n", "no value", false},
		"twice":    {"x{a=\"1\"} 1\nx{a=\"1\"} 2\n", "twice", false},
		"absent":   {"y 1\n", "nothing matches", true},
		"empty":    {"", "nothing matches", true},
	} {
		all, err := read(t, c.body, text, map[string]string{"x": "x"})
		if r := all["x"]; err != nil || !strings.Contains(r.Missing, c.want) || r.Absent != c.absent {
			t.Errorf("%s: %+v, %v; want %q", name, r, err, c.want)
		}
	}
	for name, c := range map[string][2]string{
		"a page":        {"<html>", "text/html"},
		"JSON":          {"{}", "application/json"},
		"protobuf":      {"\x01\x02", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"},
		"garbage":       {"x{a=\"1\" 1\n", text},
		"bytes":         {"\x00\xff\xfe\x7f", text},
		"no end":        {"x 1\n", "application/openmetrics-text; version=1.0.0"},
		"after the end": {"# EOF\nx 1\n", "application/openmetrics-text; version=1.0.0"},
	} {
		if all, err := read(t, c[0], c[1], map[string]string{"x": "x"}); err == nil {
			t.Errorf("%s: read as %+v", name, all)
		}
	}
}

func TestBadSelectors(t *testing.T) {
	for selector, want := range map[string]string{
		"":                         "column 1",
		"9x":                       "column 1",
		"rate(x_total[5m])":        "promql",
		"x[5m]":                    "promql",
		`x{a="1"`:                  `column 8: expects , or }, found the end`,
		`x{a}`:                     "expects = != =~ or !~",
		`x{a=1}`:                   "double quotes",
		`x{a='1'}`:                 "double quotes",
		`x{="1"}`:                  "a name of a label",
		`x{a=~"("}`:                "the expression of a cannot be read",
		`x{a="1"} 5`:               "expects the end",
		`{__name__="x"}`:           "column 1",
		`x{a="1" b="2"}`:           "expects , or }",
		`x{a="\q"}`:                "double quotes",
		"sum by (a) (x)":           "promql",
		`x{a="1"} offset 5m`:       "expects the end",
		`x == 1`:                   "expects the end",
		`x{a="1",,b="2"}`:          "a name of a label",
		`x{a="` + "\xff" + `"}`:    "",
		"x{" + `b="2"` + "} + y{}": "expects the end",
	} {
		if _, err := parseSelector(selector); want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", selector, err, want)
		}
	}
}

func FuzzSelector(f *testing.F) {
	f.Add(`x{a="1",b=~"c.*"}`)
	f.Add("x{")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseSelector(text); err == nil && s.name == "" {
			t.Errorf("%q has no name", text)
		}
	})
}

// open opens an entry that reads from a handler.
func open(t *testing.T, c *Config, handler http.HandlerFunc) drivers.SeriesSource {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	if c.PromQL != "" {
		c.PromQL = s.URL + "/prefix/"
	} else {
		c.Prometheus = s.URL + "/metrics?token=geheim"
	}
	c.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	dial := new(net.Dialer).DialContext
	source, err := c.Open(drivers.SeriesEnv{Direct: dial, Beside: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	return source
}

func TestRead(t *testing.T) {
	source := open(t, &Config{Series: map[string]string{"heap": `jvm_memory_used_bytes{area="heap"}`}, Headers: map[string]string{"X-Token": "1"}},
		func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Token") != "1" || !strings.Contains(r.Header.Get("Accept"), "openmetrics") {
				t.Errorf("headers %v", r.Header)
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, prometheus)
			z.Close()
		})
	for range 2 {
		if all, err := source.Read(t.Context()); err != nil || total(all["heap"]) != 2e7 {
			t.Errorf("%+v, %v", all, err)
		}
	}
}

// A target that lies, hangs or says too much costs a reading, which says why and holds no part of the URL's query.
func TestReadingsThatFail(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x 1\n") }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"hangs": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "within 50ms"},
		"a slow body": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "x 1\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "within 50ms"},
		"an error": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "503"},
		"leads away": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}, "302"},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "x 1\n")
		}, "broke off"},
	} {
		source := open(t, &Config{Series: map[string]string{"x": "x"}, Timeout: 50 * time.Millisecond}, c.handler)
		if name != "hangs" && name != "a slow body" {
			source.(*endpoint).get.timeout = time.Minute
		}
		if all, err := source.Read(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %+v, %v; want %q", name, all, err, c.want)
		}
	}
}

func TestHugeBody(t *testing.T) {
	source := open(t, &Config{Series: map[string]string{"x": "x"}, Timeout: time.Minute}, func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat("# nothing\n", 10_000))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	if all, err := source.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	source := open(t, &Config{Series: map[string]string{"x": "x"}, Timeout: time.Minute}, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := source.Read(ctx); err == nil {
		t.Error("a reading that was cut off told something")
	}
}

func TestPromQL(t *testing.T) {
	answers := map[string]string{
		"vector":    `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"1"},"value":[1700000000.1,"1.5"]},{"metric":{},"value":[1,"2"]}]}}`,
		"scalar":    `{"status":"success","data":{"resultType":"scalar","result":[1700000000,"4"]}}`,
		"nothing":   `{"status":"success","data":{"resultType":"vector","result":[]}}`,
		"not":       `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}`,
		"matrix":    `{"status":"success","data":{"resultType":"matrix","result":[]}}`,
		"histogram": `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}`,
		"bad":       `{"status":"error","errorType":"bad_data","error":"parse error"}`,
	}
	series := make(map[string]string)
	for name := range answers {
		series[name] = name
	}
	source := open(t, &Config{PromQL: "http://x", Series: series}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/prefix/api/v1/query" {
			t.Errorf("asked %s", r.URL.Path)
		}
		query := r.URL.Query().Get("query")
		if query == "bad" {
			w.WriteHeader(http.StatusBadRequest)
		}
		io.WriteString(w, answers[query])
	})
	all, err := source.Read(t.Context())
	if err != nil || len(all) != len(answers) {
		t.Fatalf("%+v, %v", all, err)
	}
	if total(all["vector"]) != 3.5 || total(all["scalar"]) != 4 || !all["nothing"].Absent {
		t.Errorf("%+v", all)
	}
	for name, want := range map[string]string{"nothing": "nothing", "not": "no value", "matrix": "matrix", "histogram": "histogram", "bad": "parse error"} {
		if !strings.Contains(all[name].Missing, want) {
			t.Errorf("%s: %+v, want %q", name, all[name], want)
		}
	}
	broken := open(t, &Config{PromQL: "http://x", Series: map[string]string{"x": "up"}}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })
	if all, err := broken.Read(t.Context()); err == nil {
		t.Errorf("a page was read as %+v", all)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := parseAnswer(body); err == nil && r.Missing == "" && len(r.Values) == 0 {
			t.Errorf("%q is a value", body)
		}
	})
}

func FuzzExposition(f *testing.F) {
	f.Add([]byte(prometheus), text)
	f.Add([]byte(openMetrics), "application/openmetrics-text; version=1.0.0")
	s, err := parseSelector(`errors_total{code="500"}`)
	if err != nil {
		f.Fatal(err)
	}
	e := &endpoint{selectors: map[string]*selector{"x": s}}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		all, err := e.parse(body, contentType)
		if r := all["x"]; err == nil && r.Missing == "" && len(r.Values) == 0 {
			t.Errorf("%q: a value without a time series", body)
		}
	})
}

func TestCheck(t *testing.T) {
	good := map[string]string{"x": "x"}
	for want, c := range map[string]Config{
		"says not where":     {Series: good},
		"one of the two":     {Prometheus: "http://a/", PromQL: "http://b/", Series: good},
		"is no URL":          {Prometheus: "127.0.0.1:80", Series: good},
		"holds no series":    {Prometheus: "http://a/"},
		"is no selector":     {Prometheus: "http://a/", Series: map[string]string{"x": "rate(x[1m])"}},
		"is empty":           {PromQL: "http://a/", Series: map[string]string{"x": " "}},
		"100ms is too short": {Prometheus: "http://a/", Series: good, Every: 100 * time.Millisecond},
		"2m0s is more than":  {Prometheus: "http://a/", Series: good, Timeout: 2 * time.Minute},
		"":                   {Prometheus: "http://${orders.8080}/", Series: map[string]string{"x": `x{a="${b.c}"}`}, Every: time.Second},
	} {
		var found []string
		c.Check(func(field, message string) { found = append(found, field+": "+message) })
		if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || !strings.Contains(found[0], want)) {
			t.Errorf("want %q, got %q", want, found)
		}
	}
	c := Config{PromQL: "http://user:geheim@a:9090/x?y=geheim", Series: map[string]string{"b": "b", "a": "a"}}
	d := c.Describe()
	if strings.Contains(d.Place, "geheim") || !slices.Equal(d.Series, slices.Sorted(maps.Keys(c.Series))) || d.Every != time.Second || d.NoCounters == "" {
		t.Errorf("described as %s", fmt.Sprintf("%+v", d))
	}
}
