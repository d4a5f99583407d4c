package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wringer/reports"
	answers "wringer/scenarios/capacity"
	"wringer/scenarios/envelope"
)

// A service that answers in 20 ms tolerates a latency of 180 ms where 200 ms are allowed. On a busy machine it may tolerate less, or the
// answer is inconclusive; never more.
func TestEnvelope(t *testing.T) {
	scenario(t, usual)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }))
	defer server.Close()
	dir := filepath.Join(t.TempDir(), "answer")
	file := filepath.Join(t.TempDir(), "s.yaml")
	text := `{name: late, run: {warmup: 500ms, duration: 4s, drain: 500ms}, traffic: {a: {rest: {request: "GET ` + server.URL +
		`"}, rate: 40/s, timeout: 2s}}, faults: [{name: slow, at: 1s, for: 2s, link: a, latency: 20ms}], expect: [a.p50 < 200ms during slow, a.errors < 1%]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, talk := wringer(t, "envelope", file, "--out", dir, "--load", "40/s", "--from", "50ms", "--max", "800ms", "--width", "1", "--within", "90s")
	raw, err := os.ReadFile(filepath.Join(dir, "envelope.json"))
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, talk)
	}
	var a envelope.Answer
	if err := json.Unmarshal(raw, &a); err != nil || a.Exit != code || len(a.Trials) == 0 || len(a.Frontier) != 1 {
		t.Fatalf("exit %d: %s, %v", code, raw, err)
	}
	t.Log(a.Why, len(a.Trials))
	for _, r := range a.Frontier {
		if r.Lower != nil && *r.Lower > float64(180*time.Millisecond) {
			t.Errorf("at %v: %s\n%s", r.Load, r.Why, talk)
		}
	}
	if a.Answer == answers.AtLeast {
		t.Errorf("%s\n%s", a.Why, talk)
	}
	if _, err := reports.Load(filepath.Join(dir, filepath.FromSlash(a.Trials[0].Record))); err != nil {
		t.Errorf("the record of a trial: %v", err)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "envelope.html")); err != nil || len(page) == 0 {
		t.Errorf("the map: %v", err)
	}
}
