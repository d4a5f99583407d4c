package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/drivers/sql/sqltest"
	"wringer/reports"
)

// anywhere is a REST service whose orders end in a table, in a topic, and in a log file.
type anywhere struct {
	db     *sql.DB
	client *kgo.Client
	twice  uint64 // one order in so many is written to the log twice; 0: none
	n      atomic.Uint64
	mu     sync.Mutex
	log    *os.File
	copied []string // the orders that are in the log twice
}

// charged is the amount of the event. A service that writes twice to its log also gets the amount of the eighth order wrong.
func (a *anywhere) charged(cents int) int {
	if a.twice > 0 && cents == 8 {
		return 9
	}
	return cents
}

func (a *anywhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var order struct {
		ID, Customer string
		Cents        int
	}
	err := json.NewDecoder(r.Body).Decode(&order)
	if err == nil {
		_, err = a.db.ExecContext(r.Context(), "INSERT INTO ledger (id, customer, cents) VALUES ($1, $2, $3)", order.ID, order.Customer, order.Cents)
	}
	if err == nil {
		err = a.client.ProduceSync(r.Context(), &kgo.Record{Topic: "payments", Value: fmt.Appendf(nil, `{"id":%q,"cents":%d}`, order.ID, a.charged(order.Cents))}).FirstErr()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(a.log, "charged %s %d cents\n", order.ID, order.Cents)
	if a.twice > 0 && a.n.Add(1)%a.twice == 0 {
		fmt.Fprintf(a.log, "charged %s %d cents\n", order.ID, order.Cents)
		a.copied = append(a.copied, order.ID)
	}
}

const anywhereScenario = `name: anywhere
seed: 3
run: {duration: 3s, drain: 1s}
traffic:
  orders:
    rest:
      request: "POST %s/orders"
      body: '{"id":"{{id}}","customer":"{{key}}","cents":{{seq}}}'
    rate: 50/s
    keys: 20
    effects:
      - name: ledger
        sql: {url: "%s", query: "SELECT id, customer, cents FROM ledger", id: id, key: customer, match: {cents: "{{seq}}"}, every: 200ms}
      - name: events
        kafka: {brokers: "%s", topic: payments, id: $.id, match: {$.cents: "{{seq}}"}}
      - name: log
        file: {path: charges.log, line: 'charged (?P<id>\S+) (?P<cents>\d+) cents', id: id, match: {cents: "{{seq}}"}}
expect:
  - orders.lost == 0
  - orders.corrupt == 0
  - orders.effect_duplicates == 0
  - orders.effect.p50 < 30s
  - orders.effect(ledger).lost == 0
  - orders.effect(ledger).duplicates == 0
  - orders.effect(ledger).p99 < 30s
  - orders.effect(events).duplicates == 0
  - orders.effect(log).duplicates == 0
  - orders.effect(log).order_violations == 0
`

// TestEffectsAnywhere: orders end in a table of PostgreSQL, a topic and a log file at once. A duplicate in the log alone is found
// and named; an honest service passes. The password of the database is nowhere in the record.
func TestEffectsAnywhere(t *testing.T) {
	slow(t)
	database := sqltest.Postgres(t)
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) // after the parallel tests
	db.SetMaxOpenConns(4)            // with -race a connection's SCRAM takes longer than a request may
	db.SetMaxIdleConns(4)
	if _, err := db.Exec("CREATE TABLE ledger (id text, customer text, cents bigint)"); err != nil {
		t.Fatal(err)
	}
	for name, twice := range map[string]uint64{"honest": 0, "twice in the log": 40} {
		t.Run(name, func(t *testing.T) {
			checkedScenario(t, light)
			cluster := newTopic(t, nil)
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			dir := t.TempDir()
			log, err := os.Create(filepath.Join(dir, "charges.log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			service := &anywhere{db: db, client: client, log: log, twice: twice}
			server := httptest.NewServer(service)
			defer server.Close()
			src := fmt.Sprintf(anywhereScenario, server.URL, database, strings.Join(cluster.ListenAddrs(), ","))
			record := runIn(t, dir, src)
			rec := loadRecord(t, record)
			judgeAnywhere(t, rec, service)
			keepsSecret(t, record, "s3cret-pw")
		})
	}
}

func judgeAnywhere(t *testing.T, rec *reports.Record, service *anywhere) {
	t.Helper()
	n := int64(len(service.copied))
	for _, g := range rec.Run.Gates {
		want := reports.Pass
		if n > 0 && (g.Expr == "orders.corrupt == 0" || g.Expr == "orders.effect_duplicates == 0" || g.Expr == "orders.effect(log).duplicates == 0") {
			want = reports.Fail
			if !strings.Contains(g.Why, "log") && g.Metric == "effect_duplicates" {
				t.Errorf("%s does not name the place: %s", g.Expr, g.Why)
			}
		}
		if g.Verdict != want && !strings.Contains(g.Why, "the load generator was saturated") {
			t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
		}
	}
	s := rec.Run.Streams["orders"]
	if len(s.Places) != 3 {
		t.Fatalf("%d places", len(s.Places))
	}
	for i, p := range s.Places {
		want := int64(0)
		if p.Name == "log" {
			want = n
		}
		// An operation that was not answered in time may have its effect too.
		in := p.Total.Integrity
		if got := *in.EffectDuplicates; got != want || *in.Seen-*in.Recovered != s.Total.Acked {
			t.Errorf("%s (place %d): %d duplicates, want %d; %d seen, %d of them not answered, %d acked", p.Name, i, got, want, *in.Seen, *in.Recovered, s.Total.Acked)
		}
	}
	if p := s.Places[0]; p.Unmeasured["order_violations"] == "" || p.Total.Integrity.OrderViolations != nil || p.Total.Integrity.Redelivered != nil {
		t.Errorf("a table told an order: %+v", p)
	}
	var found []string
	for _, v := range rec.Violations {
		if v.Kind == "corrupt" && (v.Place != "events" || v.Why != `$.cents is "9", and "8" was sent`) {
			t.Errorf("corrupt in %s: %s", v.Place, v.Why)
		}
		if v.Kind == "effect_duplicate" && v.Place == "log" && len(v.Seen) == 2 {
			found = append(found, v.ID)
		}
	}
	slices.Sort(found)
	slices.Sort(service.copied)
	if !slices.Equal(found, service.copied) {
		t.Errorf("evidence of %q, want %q", found, service.copied)
	}
}

// keepsSecret checks that no file of a record holds a text.
func keepsSecret(t *testing.T, dir, secret string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// runIn runs a scenario that lies in dir, and returns the record's folder.
func runIn(t *testing.T, dir, src string) string {
	t.Helper()
	file := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record")
	if code, stdout, stderr := wringer(t, "run", "-q", "--out", record, file); code == reports.ExitUsage || code == reports.ExitHarness {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	return record
}

const sagaScenario = `name: saga
seed: 3
run: {duration: 3s, drain: 1s}
traffic:
  orders:
    rest: {request: "POST %s/orders", body: '{"id":"{{id}}"}'}
    rate: 50/s
    saga: {ledger: refund, stock: release}
    effects:
      - {name: ledger, file: {path: ledger.log, line: '^(?P<id>\S+)$', id: id}}
      - {name: stock, file: {path: stock.log, line: '^(?P<id>\S+)$', id: id}}
      - {name: refund, file: {path: refund.log, line: '^(?P<id>\S+)$', id: id}}
      - {name: release, file: {path: release.log, line: '^(?P<id>\S+)$', id: id}}
expect:
  - orders.saga_violations == 0
  - orders.saga.max < 30s
`

// TestSaga: of ten orders, one is refunded because there is no stock. A service that forgets some refunds is found, with the whole
// story of each order.
func TestSaga(t *testing.T) {
	slow(t)
	for name, forgets := range map[string]bool{"honest": false, "forgets refunds": true} {
		t.Run(name, func(t *testing.T) {
			checkedScenario(t, light)
			dir := t.TempDir()
			logs := make(map[string]*os.File)
			for _, name := range []string{"ledger", "stock", "refund", "release"} {
				f, err := os.Create(filepath.Join(dir, name+".log"))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				logs[name] = f
			}
			var mu sync.Mutex
			var forgotten []string
			n := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var order struct{ ID string }
				if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				n++
				fmt.Fprintln(logs["ledger"], order.ID)
				switch {
				case n%10 != 0:
					fmt.Fprintln(logs["stock"], order.ID)
				case forgets && n%20 == 0:
					forgotten = append(forgotten, order.ID)
				default:
					fmt.Fprintln(logs["refund"], order.ID)
				}
			}))
			defer server.Close()
			rec := loadRecord(t, runIn(t, dir, fmt.Sprintf(sagaScenario, server.URL)))
			want := reports.Pass
			if forgets {
				want = reports.Fail
			}
			if g := rec.Run.Gates[0]; g.Verdict != want {
				t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
			}
			saga := rec.Run.Streams["orders"].Total.Saga
			if *saga.Violations != int64(len(forgotten)) || *saga.Compensated == 0 {
				t.Errorf("%d violations, want %d; %d compensated", *saga.Violations, len(forgotten), *saga.Compensated)
			}
			var told []string
			for _, v := range rec.Violations {
				if v.Kind != "saga_violation" {
					continue
				}
				told = append(told, v.ID)
				if len(v.Attempts) != 1 || len(v.Seen) != 1 || v.Seen[0].Place != "ledger" || v.Why != "acked; has ledger; lacks stock; no compensation" {
					t.Errorf("%s: %+v %q", v.ID, v.Seen, v.Why)
				}
			}
			slices.Sort(told)
			slices.Sort(forgotten)
			if !slices.Equal(told, forgotten) {
				t.Errorf("told %q, want %q", told, forgotten)
			}
		})
	}
}

const webhookScenario = `name: notices
seed: 3
run: {duration: 3s, drain: 1s}
traffic:
  orders:
    rest: {request: "POST %s/orders", body: '{"id":"{{id}}","callback":"${effects.notices}"}'}
    rate: 40/s
    effects:
      - {name: notices, webhook: {path: /paid, id: $.id, fail: 20%%}}
expect:
  - orders.effect(notices).lost == 0
  - orders.effect(notices).duplicates == 0
`

// TestWebhook: a service that calls back, and tries again what was refused, loses nothing. One that does not loses the refused share.
func TestWebhook(t *testing.T) {
	slow(t)
	for name, tries := range map[string]int{"tries again": 3, "tries once": 1} {
		t.Run(name, func(t *testing.T) {
			checkedScenario(t, light)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var order struct{ ID, Callback string }
				if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				for range tries {
					answer, err := http.Post(order.Callback, "application/json", strings.NewReader(fmt.Sprintf(`{"id":%q}`, order.ID)))
					if err != nil {
						http.Error(w, err.Error(), http.StatusBadGateway)
						return
					}
					answer.Body.Close()
					if answer.StatusCode == http.StatusOK {
						return
					}
				}
			}))
			defer server.Close()
			defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			rec := loadRecord(t, runIn(t, t.TempDir(), fmt.Sprintf(webhookScenario, server.URL)))
			want := []reports.Verdict{reports.Pass, reports.Pass}
			if tries == 1 {
				want[0] = reports.Fail
			}
			for i, g := range rec.Run.Gates {
				if g.Verdict != want[i] {
					t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
				}
			}
			calls := rec.Run.Streams["orders"].Gauges["webhook_failed"]
			if len(calls) == 0 || calls[len(calls)-1].Value == 0 {
				t.Errorf("no call was refused: %+v", calls)
			}
		})
	}
}
