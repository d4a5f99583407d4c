package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wringer/drivers/drivertest/tier"
	"wringer/reports"
	"wringer/reports/recordtest"
)

// quickScenarios is how many scenarios of a folder run under -short.
const quickScenarios = 2

// defect describes the result of a scenario of scenarios/defects: the failing gate, the window with most of the defect, and the
// integrity count above 0 there. Without a count the defect is a timeout.
type defect struct {
	gate, window, count string
	counts              []between
}

// With 150 orders a second, three seconds of a fault meet 450.
var defectScenarios = map[string]defect{
	"no-dedupe": {"orders.effect_duplicates == 0", "lost-answers", "effect_duplicates", []between{
		{"orders", "effect_duplicates", 449, 451},
	}},
	"publish-twice": {"orders.effect_duplicates == 0", "baseline", "effect_duplicates", []between{
		{"orders", "acked", 900, 900}, {"orders", "max_copies", 2, 2},
	}},
	// All acked orders of this time are lost, except the queue of 64 and those in its reader's hand: one order, or two of one
	// instant.
	"ack-before-publish": {"orders.lost == 0", "frozen-broker", "lost", []between{
		{"orders", "acked", 1500, 1500}, {"orders", "lost", 384, 387},
	}},
	"unordered":    {"orders.order_violations == 0", "baseline", "order_violations", []between{{"orders", "acked", 900, 900}}},
	"commit-first": {"orders.lost == 0", "crashes", "lost", []between{{"orders", "acked", 1500, 1500}, {"orders", "effect_duplicates", 0, 0}}},
	"redeliver": {"orders.effect_duplicates == 0", "crashes", "redelivered", []between{
		{"orders", "acked", 1500, 1500}, {"orders", "lost", 0, 0},
	}},
	"hang": {"orders.errors < 1%", "baseline", "", nil},
	// An order service that calls for 2 s and waits 40 ms for each answer makes 50 calls.
	"retry-storm": {"orders.max_copies <= 6", "frozen-inventory", "extra_copies", []between{
		{"orders", "max_copies", 50, 50}, {"orders", "lost", 0, 0},
	}},
}

// TestDefectScenarios runs every scenario of scenarios/defects twice. As shipped it fails, for its own reason; without its
// defect it passes. With -short the honest shop runs in TestInnerScenarios alone.
func TestDefectScenarios(t *testing.T) {
	shipped(t, "defects", defectScenarios, func(t *testing.T, path string, src []byte, want defect) {
		t.Run("on", func(t *testing.T) { showsDefect(t, virtually(t, path, src), want) })
		t.Run("off", func(t *testing.T) {
			tier.Slow(t, "the scenario once more, without its defect")
			name := strings.TrimSuffix(filepath.Base(path), ".yaml")
			run := virtually(t, path, swapped(t, src, "{shop: {defects: ["+name+"]}}", "{shop: {}}")).Run
			if run.Exit != reports.ExitPass {
				t.Errorf("exit %d: %q", run.Exit, run.Why)
			}
		})
	})
}

func showsDefect(t *testing.T, rec *reports.Record, want defect) {
	t.Helper()
	if rec.Run.Exit != reports.ExitFail {
		t.Fatalf("exit %d, want fail: %q", rec.Run.Exit, rec.Run.Why)
	}
	if g := gateOf(t, rec.Run, want.gate); g.Verdict != reports.Fail {
		t.Errorf("%s: %s, want fail", g.Expr, g.Verdict)
	}
	exactly(t, rec.Run, want.counts)
	if want.count != "" {
		recordtest.MostIn(t, rec, "orders", want.window, want.count)
		return
	}
	// Each of an order's three attempts gets no answer.
	m := rec.Run.Streams["orders"].Windows[want.window]
	if m.Indeterminate == 0 || m.Errors["timeout"] != 3*m.Indeterminate {
		t.Errorf("%d orders without an answer, and %d timeouts", m.Indeterminate, m.Errors["timeout"])
	}
}

// weakness describes the result of a scenario of scenarios/inner.
type weakness struct {
	fails    string      // the gate that fails as shipped; empty: the scenario passes
	link     string      // what broke
	suffered []string    // the streams that must suffer
	well     []string    // the streams that must continue without errors
	sound    [][2]string // the replacement with which the scenario passes; none: it passes as shipped
	counts   []between
}

var innerScenarios = map[string]weakness{
	"exhausted": {
		fails: "lookups.errors < 1%", link: "orders->stock", suffered: []string{"lookups", "orders"}, well: []string{"stock"},
		sound:  [][2]string{{", capacity: 32, timeouts: false, retries: false, breaker: false", ""}},
		counts: []between{{"stock", "acked", 200, 200}, {"orders", "acked", 297, 303}},
	},
	"storm": {
		fails: "orders.max_copies <= 6", link: "orders->stock", suffered: []string{"orders"},
		sound: [][2]string{{", defects: [retry-storm]", ""}},
		// 50 calls within 2 s, apart from those at the fault's end.
		counts: []between{{"orders", "max_copies", 40, 50}, {"orders", "indeterminate", 73, 76}},
	},
	"breaker": {
		link: "orders->stock", suffered: []string{"orders"}, counts: []between{{"orders", "acked", 385, 388}},
	},
	"no-breaker": {
		fails: "orders.p50 < 100ms during slow-stock", link: "orders->stock", suffered: []string{"orders"},
		counts: []between{{"orders", "acked", 414, 417}, {"orders", "errors.http_503", 183, 186}},
	},
	"overload": {
		link: "orders", counts: []between{{"orders", "acked", 650, 650}, {"orders", "effect_duplicates", 0, 0}},
	},
	"lost-acks": {
		link: "orders->kafka", suffered: []string{"orders"},
		counts: []between{{"orders", "effect_duplicates", 0, 0}, {"orders", "lost", 0, 0}},
	},
	"call-twice": {
		fails: "link(orders->stock).arrived_twice == 0", link: "orders->stock", sound: [][2]string{{", defects: [call-twice]", ""}},
		counts: []between{{"orders", "acked", 300, 300}},
	},
	"chatty": {
		fails: "orders.link(orders->stock).calls_per_operation < 6", link: "orders->stock", sound: [][2]string{{", defects: [chatty]", ""}},
		counts: []between{{"orders", "acked", 120, 120}, {"lookups", "acked", 120, 120}},
	},
	"repeated": {
		fails: "orders.effect_duplicates == 0", link: "orders", sound: [][2]string{{"{defects: [redeliver]}", "{}"}},
		counts: []between{{"orders", "acked", 400, 400}, {"orders", "effect_duplicates", 5, 30}, {"orders", "lost", 0, 0}},
	},
	"long-timeout": {
		fails: "orders.recovered < 20", link: "orders->stock", suffered: []string{"orders"},
		sound: [][2]string{{", call_timeout: 2s", ""}},
		// A call that waits 500 ms does not meet the latency of 800 ms in the fault's last 500 ms: 3.5 s of 50 orders each.
		counts: []between{{"orders", "recovered", 174, 177}, {"orders", "errors.timeout", 174, 177}},
	},
}

// TestInnerScenarios runs every scenario of scenarios/inner as shipped, and also without its weakness if the weakness can be
// removed.
func TestInnerScenarios(t *testing.T) {
	shipped(t, "inner", innerScenarios, func(t *testing.T, path string, src []byte, want weakness) {
		t.Run("as shipped", func(t *testing.T) { weak(t, virtually(t, path, src).Run, want) })
		if len(want.sound) == 0 {
			return
		}
		t.Run("sound", func(t *testing.T) {
			for _, swap := range want.sound {
				src = swapped(t, src, swap[0], swap[1])
			}
			if run := virtually(t, path, src).Run; run.Verdict != reports.Pass {
				t.Errorf("verdict %s: %q", run.Verdict, run.Why)
			}
		})
	})
}

func weak(t *testing.T, run *reports.Run, want weakness) {
	t.Helper()
	verdict := reports.Pass
	if want.fails != "" {
		verdict = reports.Fail
		if g := gateOf(t, run, want.fails); g.Verdict != reports.Fail {
			t.Errorf("%s: %s, want fail", g.Expr, g.Verdict)
		}
	}
	if run.Verdict != verdict {
		t.Errorf("verdict %s, want %s: %q", run.Verdict, verdict, run.Why)
	}
	for _, g := range run.Gates {
		if strings.HasSuffix(g.Expr, "during baseline") && g.Verdict != reports.Pass {
			t.Errorf("%s: %s before anything was broken", g.Expr, g.Verdict)
		}
	}
	exactly(t, run, want.counts)
	tellsWhatBroke(t, run, want)
	for _, name := range want.well {
		if slices.Contains(run.Faults[0].Suffered(), name) {
			t.Errorf("%s is told to have suffered, and is on no path over %s", name, want.link)
		}
	}
}

// tellsWhatBroke: the record names the link that broke and the streams that suffered.
func tellsWhatBroke(t *testing.T, run *reports.Run, want weakness) {
	t.Helper()
	f := run.Faults[0]
	if f.Link == nil || *f.Link != want.link || !f.Bit || !f.Healed {
		t.Errorf("the fault is told as %+v, on %s", f, f.Place())
	}
	suffered := f.Suffered()
	for _, name := range want.suffered {
		if !slices.Contains(suffered, name) {
			t.Errorf("%s did not suffer: %v", name, suffered)
		}
	}
	for _, name := range want.well {
		// In real time the machine may cause a bad second, but no errors.
		if m := run.Streams[name].Windows[f.Name]; m.Offered == 0 || m.Acked*100 < m.Offered*99 {
			t.Errorf("%s has %d of %d acked, and is on no path over %s", name, m.Acked, m.Offered, want.link)
		}
	}
}

// TestShippedScenariosInVirtualTime runs scenarios that pass, each for its own features: chains, times of effects,
// links in front of every protocol, what the target says of itself. Others have phases, steps, a consumed topic, the witness, a slow Kafka link.
func TestShippedScenariosInVirtualTime(t *testing.T) {
	if testing.Short() {
		t.Skip("scenarios that fail run in virtual time with -short, scenarios that pass without it")
	}
	for _, c := range []struct {
		name  string
		swaps [][2]string
	}{
		{"chain", nil}, {"effects", nil}, {"links", nil}, {"observe", nil}, {"phases", nil}, {"published", nil}, {"witness", nil},
		// Virtual time is not free in runs with much traffic.
		{"checkout", [][2]string{{"rate: 100/s", "rate: 40/s"}, {"rate: 50/s", "rate: 20/s"}, {"rate: 200/s", "rate: 100/s"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("../../scenarios", c.name+".yaml")
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, swap := range c.swaps {
				src = swapped(t, src, swap[0], swap[1])
			}
			if run := virtually(t, path, src).Run; run.Verdict != reports.Pass {
				t.Errorf("verdict %s: %q", run.Verdict, run.Why)
			}
		})
	}
}

// TestClosedModelInVirtualTime: five users with a think time of a millisecond get 5,000 answers a second. Without a think time
// they would never end: virtual time passes only while every goroutine waits.
func TestClosedModelInVirtualTime(t *testing.T) {
	src := []byte(`name: closed
target: {shop: {}}
run: {duration: 1s}
traffic:
  lookups: {rest: {request: "GET ${shop.rest}/orders/none", ok: [404]}, users: 5, think: 1ms}
expect:
  - lookups.errors == 0
`)
	run := virtually(t, "closed.yaml", src).Run
	if total := run.Streams["lookups"].Total; run.Verdict != reports.Pass || total.Offered != 5000 || total.Acked != 5000 {
		t.Errorf("verdict %s, offered %d, acked %d: %q", run.Verdict, total.Offered, total.Acked, run.Why)
	}
}

// TestSameSeedSameRecord runs scenarios twice. The fault is moved to an instant at which nothing else is due. The records'
// facts about the streams are the same, times included. Ports, which an error may name, differ.
func TestSameSeedSameRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("with -short each scenario runs once")
	}
	port := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	for _, file := range []string{
		"defects/unordered.yaml", "defects/hang.yaml", "defects/no-dedupe.yaml", "defects/ack-before-publish.yaml", "inner/long-timeout.yaml",
	} {
		t.Run(file, func(t *testing.T) {
			path := filepath.Join("../../scenarios", file)
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			src = bytes.Replace(src, []byte("at: 3s"), []byte("at: 3003ms"), 1)
			var first []string
			for range 2 {
				text, err := json.MarshalIndent(virtually(t, path, src).Run.Streams, "", " ")
				if err != nil {
					t.Fatal(err)
				}
				lines := strings.Split(port.ReplaceAllString(string(text), "127.0.0.1:0"), "\n")
				if first == nil {
					first = lines
				}
				for i := range max(len(lines), len(first)) {
					if i >= len(lines) || i >= len(first) || lines[i] != first[i] {
						t.Fatalf("the records differ from line %d on: %q, %q", i+1, first[min(i, len(first)-1)], lines[min(i, len(lines)-1)])
					}
				}
			}
		})
	}
}
