package compare

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

const shopScenario = `name: shop # a comment
about: words
seed: 7
target: {processes: {orders: {command: [./orders, --version, "1"]}}}
run: {warmup: 1s, duration: 10s}
traffic:
  orders:
    rest: {request: "POST ${url}/orders", headers: {X-A: b}}
    rate: ${load}
    timeout: 500ms
faults:
  - {name: slow, at: 3s, for: 2s, link: orders, latency: 80ms}
phases: {peak: {at: 1s, for: 1s}}
expect: [orders.p99 < 250ms]
`

func written(text string, settings map[string]string) *Run {
	r := oneRun(3*ms, 10*ms, func(r *reports.Run) { r.Settings = settings })
	r.Scenario = []byte(text)
	return r
}

// What makes two runs incomparable, what is told and no obstacle, and what is no difference at all.
func TestScenarioDifferences(t *testing.T) {
	settings := map[string]string{"url": "http://a:8080", "load": "100/s"}
	for name, c := range map[string]struct {
		old, new string
		settings map[string]string
		want     string
		matters  bool
	}{
		"rate":         {"rate: ${load}", "rate: 200/s", nil, "traffic.orders.rate: 100/s", true},
		"setting":      {"", "", map[string]string{"url": "http://a:8080", "load": "200/s"}, "traffic.orders.rate: 100/s", true},
		"timeout":      {"500ms", "600ms", nil, "traffic.orders.timeout", true},
		"path":         {"url}/orders", "url}/carts", nil, "traffic.orders.rest.request", true},
		"header":       {"X-A: b", "X-A: c", nil, "traffic.orders.rest.headers.X-A", true},
		"fault":        {"80ms", "90ms", nil, "faults[slow].latency", true},
		"another":      {"phases:", "  - {name: lost, at: 6s, for: 1s, link: orders, partition: both}\nphases:", nil, "faults[lost]", true},
		"warm-up":      {"warmup: 1s", "warmup: 2s", nil, "run.warmup", true},
		"drain":        {"duration: 10s", "duration: 10s, drain: 1s", nil, "run.drain", true},
		"address":      {"", "", map[string]string{"url": "http://b:9090", "load": "100/s"}, "http://a:8080/orders", false},
		"target":       {`"1"`, `"2"`, nil, "target.processes.orders.command[2]: 1", false},
		"phase":        {"at: 1s, for: 1s}}", "at: 2s, for: 1s}}", nil, "phases.peak.at", false},
		"comment":      {"# a comment", "# another", nil, "", false},
		"name":         {"name: shop", "name: store", nil, "", false},
		"words":        {"about: words", "about: others", nil, "", false},
		"limit":        {"250ms", "100ms", nil, "", false},
		"other quotes": {`"POST ${url}/orders"`, `POST ${url}/orders`, nil, "", false},
		"order":        {"    rate: ${load}\n    timeout: 500ms", "    timeout: 500ms\n    rate: ${load}", nil, "", false},
	} {
		text := strings.Replace(shopScenario, c.old, c.new, 1)
		if c.old == "" {
			text = shopScenario
		}
		if c.settings == nil {
			c.settings = settings
		}
		a := compared(t, []*Run{written(shopScenario, settings)}, []*Run{written(text, c.settings)})
		all := strings.Join(a.Differences, "\n")
		if a.Comparable == c.matters || !strings.Contains(all, c.want) || c.want == "" && all != "" {
			t.Errorf("%s: comparable %v, %q", name, a.Comparable, all)
		}
	}
}

// Without the scenario the record itself tells the load, the length and the faults.
func TestRecordDifferences(t *testing.T) {
	fault := func(r *reports.Run) {
		r.Faults = []reports.Fault{{Name: "slow", Link: new("orders"), Kind: "latency", Spec: "latency 80ms", StartNS: 3 * sec, EndNS: 5 * sec}}
	}
	for want, change := range map[string]func(*reports.Run){
		"load of stream orders: open, 100/s in": func(r *reports.Run) { r.Streams["orders"].Plan = "200/s" },
		"load of stream orders: open":           func(r *reports.Run) { r.Streams["orders"].Model = "closed" },
		"driver of stream orders":               func(r *reports.Run) { r.Streams["orders"].Driver = "grpc" },
		"keys of stream orders":                 func(r *reports.Run) { r.Streams["orders"].Keys = 9 },
		"effects of stream orders":              func(r *reports.Run) { r.Streams["orders"].Effects = "a topic" },
		"duration: 10s in":                      func(r *reports.Run) { r.PlannedNS++ },
		"warm-up":                               func(r *reports.Run) { r.WarmupNS = sec },
		"streams: orders in":                    func(r *reports.Run) { r.Streams["more"] = r.Streams["orders"] },
		"faults: slow in":                       func(r *reports.Run) { r.Faults = nil },
		"fault slow: link orders: latency 80ms": func(r *reports.Run) { r.Faults[0].Spec = "latency 90ms" },
		"fault slow: link orders":               func(r *reports.Run) { r.Faults[0].Link = new("stock") },
		"time of fault slow: 3 s – 5 s in":      func(r *reports.Run) { r.Faults[0].StartNS, r.Faults[0].EndNS = 6*sec, 8*sec },
	} {
		a := compared(t, []*Run{oneRun(ms, ms, fault)}, []*Run{oneRun(ms, ms, fault, change)})
		if a.Comparable || !strings.Contains(a.Why, want) {
			t.Errorf("%s: %s", want, a.Why)
		}
		// Runs of one side must agree too.
		if a := compared(t, []*Run{oneRun(ms, ms, fault), oneRun(ms, ms, fault, change)}, []*Run{oneRun(ms, ms, fault)}); a.Comparable {
			t.Errorf("%s: runs of one side differ", want)
		}
	}
	late := func(r *reports.Run) { r.Faults[0].StartNS += sec / 2 }
	other := func(r *reports.Run) { r.Version, r.Seed, r.Host.CPUs = "9", 9, 3 }
	a := compared(t, []*Run{oneRun(ms, ms, fault)}, []*Run{oneRun(ms, ms, fault, late, other)})
	if !a.Comparable || len(a.Differences) < 2 || a.Matters != 0 {
		t.Errorf("%q", a.Differences)
	}
}

func TestAnyway(t *testing.T) {
	base, fresh := runsOf(10), runsOf(20)
	fresh[0].Record.PlannedNS++
	a := Compare(base, fresh, Options{Catalogue: catalogue, Effect: 0.05, Anyway: true})
	valid(t, a)
	found := false
	for _, v := range a.Shown {
		found = found || v.Name() == "orders.p99" && v.Window == nil && *v.Base == 10*ms && *v.New == 20*ms
	}
	if !found || a.Exit != ExitNotComparable || len(a.Changes) != 0 {
		t.Errorf("exit %d, %+v", a.Exit, a.Shown)
	}
	if a := compared(t, base, fresh); len(a.Shown) != 0 {
		t.Error("values are shown that nobody asked for")
	}
}

// A record that holds no more than the contract asks for can be compared.
func TestRecordsOfOtherPrograms(t *testing.T) {
	record := func(p99 float64, offered int64, seconds int) *Run {
		text := fmt.Sprintf(`{"schema": "wringer.run/v1", "name": "x", "seed": 1, "version": "1", "started": "2026-01-02T03:04:05Z", "duration_ns": %d000000000,
			"verdict": "pass", "exit": 0, "gates": [{"expr": "a.p99 < 1s", "verdict": "pass", "observed": %v, "limit": 1e9, "why": ""}], "windows": [], "faults": [],
			"validity": {"verdict": "valid", "why": []}, "streams": {"a": {"driver": "rest", "windows": {}, "seconds": [], "total": {"offered": %[3]d, "sent": %[3]d,
			"acked": %[3]d, "rejected": 0, "indeterminate": 0, "dropped": 0, "attempts": %[3]d, "retries": 0, "amplification": 1, "errors": {},
			"response_ns": {"min": 1, "mean": 2, "p50": 2, "p90": 3, "p95": 3, "p99": %[2]v, "p999": 1e9, "max": 1e9, "unanswered": 0}}}}}`, seconds, p99, offered)
		path := filepath.Join(t.TempDir(), "run.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var base, fresh []*Run
	for i := range 6 {
		base, fresh = append(base, record(1e7+float64(i), 1000, 10)), append(fresh, record(2e7+float64(i), 1000, 10))
	}
	a := compared(t, base, fresh)
	if v := find(t, a, "a.p99"); v.Verdict != Worse || v.Unit != "ns" || a.Runs != (Counts{6, 6}) {
		t.Errorf("%+v, %s", v, a.Why)
	}
	for want, other := range map[string]*Run{"load of stream a: 100/s": record(1e7, 2000, 10), "duration: 10s": record(1e7, 2000, 20)} {
		if a := compared(t, base, []*Run{other}); a.Comparable || !strings.Contains(a.Why, want) {
			t.Errorf("%s: %s", want, a.Why)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	rec := recordtest.Pass()
	if err := reports.Save(dir, rec.Run); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, reports.ScenarioFile), rec.Scenario, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, reports.RunFile)} {
		r, err := Load(path)
		if err != nil || r.Record.Name != "checkout" || len(r.Scenario) == 0 {
			t.Errorf("%s: %v, %v", path, r, err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, reports.RunFile))
	if err != nil {
		t.Fatal(err)
	}
	for want, bytes := range map[string][]byte{
		"is truncated":          data[:len(data)/2],
		"truncated":             nil,
		`"wringer.run/v2"`:      []byte(strings.Replace(string(data), "wringer.run/v1", "wringer.run/v2", 1)),
		"is no record of a run": []byte(`{"schema": 7}`),
		`schema is ""`:          []byte(`{}`),
	} {
		path := filepath.Join(t.TempDir(), "other.json")
		if err := os.WriteFile(path, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, path := range []string{filepath.Join(dir, "absent"), t.TempDir()} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "there is no") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A text with very many aliases ends, and is not compared.
func TestScenarioBomb(t *testing.T) {
	text := "a0: &a0 [x]\n"
	for i := 1; i < 40; i++ {
		n, before := string(rune('a'+i%26))+strings.Repeat("z", i), ""
		_ = before
		text += n + ": &" + n + " [*p, *p, *p]\n"
		text = strings.ReplaceAll(text, "*p", "*"+previous(i))
	}
	if _, err := scenarioTree([]byte(text), nil); err == nil {
		t.Error("a text of 3^39 values was read")
	}
	if a := compared(t, []*Run{written(text, nil)}, []*Run{written("}{", nil)}); !a.Comparable || !strings.Contains(strings.Join(a.Notes, " "), "cannot be read") {
		t.Errorf("%s, %q", a.Why, a.Notes)
	}
}

func previous(i int) string {
	if i == 1 {
		return "a0"
	}
	return string(rune('a'+(i-1)%26)) + strings.Repeat("z", i-1)
}

func FuzzScenarioTree(f *testing.F) {
	f.Add([]byte(shopScenario))
	f.Add([]byte("a: &a {<<: *a}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tree, err := scenarioTree(text, map[string]string{"a": "b"})
		if err == nil && len(scenarioDifferences(tree, tree)) != 0 {
			t.Error("a text differs from itself")
		}
	})
}
