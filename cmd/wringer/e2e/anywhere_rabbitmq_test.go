package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/sql/sqltest"
	"wringer/reports"
)

// payments is a REST service whose orders end in a table, in a message and in a line of a log.
type payments struct {
	db    *sql.DB
	twice int // one order in so many is in the log twice; 0: none

	mu     sync.Mutex
	queue  *amqp.Channel
	log    *os.File
	n      int
	copied []string // the orders that are in the log twice
}

func (p *payments) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var order struct {
		ID, Customer string
		Cents        int
	}
	err := json.NewDecoder(r.Body).Decode(&order)
	if err == nil {
		_, err = p.db.ExecContext(r.Context(), "INSERT INTO ledger (id, customer, cents) VALUES ($1, $2, $3)", order.ID, order.Customer, order.Cents)
	}
	var confirm *amqp.DeferredConfirmation
	if err == nil {
		body := fmt.Appendf(nil, `{"id":%q,"customer":%q}`, order.ID, order.Customer)
		p.mu.Lock()
		confirm, err = p.queue.PublishWithDeferredConfirm("payments", "", false, false, amqp.Publishing{Body: body})
		p.mu.Unlock()
	}
	if err == nil {
		_, err = confirm.WaitContext(r.Context())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf("charged %s %d cents\n", order.ID, order.Cents)
	if p.n++; p.twice > 0 && p.n%p.twice == 0 {
		p.copied = append(p.copied, order.ID)
		line += line
	}
	_, _ = p.log.WriteString(line)
}

// TestAnywhereScenario runs the shipped scenario against PostgreSQL, RabbitMQ and a log file. A duplicate in the log alone is found, and
// the log is named; an honest service passes.
func TestAnywhereScenario(t *testing.T) {
	several(t)
	broker := rabbit.URL(t)
	database := sqltest.Postgres(t)
	raw, err := os.ReadFile("../../../scenarios/anywhere.yaml")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(8)
	if _, err := db.Exec("CREATE TABLE ledger (id text, customer text, cents bigint)"); err != nil {
		t.Fatal(err)
	}
	for name, twice := range map[string]int{"honest": 0, "twice in the log": 40} {
		t.Run(name, func(t *testing.T) {
			checkedScenario(t, light)
			dir := t.TempDir()
			log, err := os.Create(filepath.Join(dir, "payments.log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			service := &payments{db: db, queue: paymentsExchange(t, broker), log: log, twice: twice}
			server := httptest.NewServer(service)
			defer server.Close()
			src := string(raw)
			for from, to := range map[string]string{"http://127.0.0.1:8080": server.URL, "postgres://shop@127.0.0.1:5432/shop": database, "amqp://guest:guest@127.0.0.1:5672/": broker} {
				if !strings.Contains(src, from) {
					t.Fatalf("the scenario does not name %s", from)
				}
				src = strings.ReplaceAll(src, from, to)
			}
			judgePayments(t, loadRecord(t, runIn(t, dir, src)), service)
		})
	}
}

// paymentsExchange is a channel with confirms to a broker with the exchange payments.
func paymentsExchange(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	c, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	if err == nil {
		err = ch.ExchangeDeclare("payments", "fanout", true, false, false, false, nil)
	}
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func judgePayments(t *testing.T, rec *reports.Record, service *payments) {
	t.Helper()
	for _, g := range rec.Run.Gates {
		want := reports.Pass
		if service.twice > 0 && g.Expr == "orders.effect(log).duplicates == 0" {
			want = reports.Fail
		}
		if g.Verdict != want && g.Verdict != reports.Inconclusive { // a busy machine
			t.Errorf("%s: %s, %s; %v", g.Expr, g.Verdict, g.Why, rec.Run.Streams["orders"].Total.Details)
		}
	}
	s := rec.Run.Streams["orders"]
	if s.Total.Acked == 0 || len(s.Places) != 3 {
		t.Fatalf("%d acked, %d places", s.Total.Acked, len(s.Places))
	}
	for _, p := range s.Places {
		want := int64(0)
		if p.Name == "log" {
			want = int64(len(service.copied))
		}
		if i := p.Total.Integrity; *i.EffectDuplicates != want || *i.Lost != 0 || *i.Seen < s.Total.Acked {
			t.Errorf("%s: %d duplicates, want %d; %d lost; %d seen of %d acked", p.Name, *i.EffectDuplicates, want, *i.Lost, *i.Seen, s.Total.Acked)
		}
	}
	var found []string
	for _, v := range rec.Violations {
		if v.Kind != "effect_duplicate" || v.Place != "log" || len(v.Seen) != 2 {
			t.Errorf("%s in %s: %s", v.Kind, v.Place, v.Why)
			continue
		}
		found = append(found, v.ID)
	}
	slices.Sort(found)
	slices.Sort(service.copied)
	if !slices.Equal(found, service.copied) {
		t.Errorf("evidence of %q, want %q", found, service.copied)
	}
}
