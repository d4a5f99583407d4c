package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"wringer/drivers/drivertest/tier"

	"wringer/reports"
)

// orderService is the service in README.md's first scenario. It gives each order a number.
type orderService struct {
	honest bool // it honours Idempotency-Key
	mu     sync.Mutex
	last   int
	taken  map[string]taken
}

// taken holds accepted orders, by their key.
type taken struct{ body, answer string }

func (s *orderService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	before, known := s.taken[key]
	switch {
	case known && s.honest && before.body != string(body):
		http.Error(w, "the key belongs to another order", http.StatusUnprocessableEntity)
		return
	case !known || !s.honest:
		s.last++
		before = taken{string(body), fmt.Sprintf(`{"order":%d}`, s.last)}
		s.taken[key] = before
	}
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, before.answer)
}

// TestReadmeServiceHasABug runs the scenario of README.md against a service that ignores Idempotency-Key, and against one that
// honours it. The first fails, the second passes.
func TestReadmeServiceHasABug(t *testing.T) {
	tier.Slow(t, "two runs of 12 s")
	var scenario string
	for _, b := range readDocument(t, "README.md").blocks() {
		if b.lang == "yaml" && b.part == "" {
			scenario = b.text
		}
	}
	for name, want := range map[string]reports.Verdict{"ignores the key": reports.Fail, "honours the key": reports.Pass} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(&orderService{honest: want == reports.Pass, taken: make(map[string]taken)})
			defer server.Close()
			dir := t.TempDir()
			file, record := filepath.Join(dir, "my-service.yaml"), filepath.Join(dir, "record")
			if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := wringer(t, "run", "-q", "--out", record, "--set", "url="+server.URL, file)
			if code == reports.ExitUsage || code == reports.ExitHarness {
				t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
			}
			rec := loadRecord(t, record)
			for _, g := range rec.Run.Gates {
				if g.Expr == "orders.replay_violations == 0" && g.Verdict != want {
					t.Errorf("%s: %s, want %s:\n%s", g.Expr, g.Verdict, want, stdout)
				}
			}
			if want == reports.Fail && (code != reports.ExitFail || len(rec.Violations) == 0) {
				t.Errorf("exit %d with %d violations of evidence", code, len(rec.Violations))
			}
		})
	}
}
