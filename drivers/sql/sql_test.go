package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/drivertest/tier"
	"wringer/drivers/effect"
	"wringer/drivers/sql/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// base is a database of a test.
type base struct {
	url string
	db  *sql.DB // to write with
	arg func(n int) string
}

// bases open a database each: a file, and what a server of its own holds.
var bases = map[string]func(t *testing.T) base{
	"sqlite": sqlite,
	"postgres": func(t *testing.T) base {
		tier.Slow(t, "a database server starts")
		u := sqltest.Postgres(t)
		db, err := sql.Open("pgx", u)
		return opened(t, u, db, err, func(n int) string { return fmt.Sprintf("$%d", n) })
	},
	"mariadb": func(t *testing.T) base {
		tier.Slow(t, "a database server starts")
		text := sqltest.MariaDB(t)
		u, _ := url.Parse(text)
		db, err := openMySQL(u, nil)
		return opened(t, text, db, err, question)
	},
}

func sqlite(t *testing.T) base {
	path := filepath.Join(t.TempDir(), "shop.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)")
	return opened(t, path, db, err, question)
}

func question(int) string { return "?" }

func opened(t *testing.T, url string, db *sql.DB, err error, arg func(int) string) base {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(4)
	t.Cleanup(func() { db.Close() })
	return base{url, db, arg}
}

// create makes the table of orders, which holds nothing.
func (b base) create(t *testing.T) {
	t.Helper()
	b.exec(t, "DROP TABLE IF EXISTS orders")
	b.exec(t, "CREATE TABLE orders (id VARCHAR(100), customer VARCHAR(20), amount DECIMAL(10,2), times INT, at TIMESTAMP NULL)")
}

// server and file are the url and the file of a configuration.
func (b base) server() string {
	if strings.Contains(b.url, "://") {
		return b.url
	}
	return ""
}

func (b base) file() string {
	if b.server() == "" {
		return b.url
	}
	return ""
}

func (b base) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := b.db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func (b base) put(t *testing.T, id string, customer string, amount float64) {
	t.Helper()
	b.exec(t, fmt.Sprintf("INSERT INTO orders (id, customer, amount, times) VALUES (%s, %s, %s, 1)", b.arg(1), b.arg(2), b.arg(3)), id, customer, amount)
}

// reading is a source that receives.
type reading struct {
	source drivers.Source
	stop   func()
	mu     sync.Mutex
	all    []drivers.Delivery
}

func (r *reading) last() (ids []string, wrong []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.all {
		if !d.Provisional {
			ids = append(ids, string(d.ID))
			if d.Wrong != "" {
				wrong = append(wrong, d.Wrong)
			}
		}
	}
	return ids, wrong
}

func start(t *testing.T, c *Config, env drivers.Env) (*reading, error) {
	t.Helper()
	c.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
	source, err := c.Open(t.Context(), env)
	if err != nil {
		return nil, err
	}
	if err := source.Start(t.Context()); err != nil {
		return nil, errors.Join(err, source.Close())
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, done := &reading{source: source}, make(chan error, 1)
	go func() {
		done <- source.Receive(ctx, func(d *drivers.Delivery) {
			one := *d
			one.ID = append([]byte(nil), d.ID...)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.all = append(r.all, one)
		})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("receive: %v", err)
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r, nil
}

// TestDatabases opens each database once. Each test has a table of its own there.
func TestDatabases(t *testing.T) {
	for name, open := range bases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			for name, test := range map[string]func(*testing.T, base){
				"reads the whole": readsTheWhole, "wrong queries": wrongQueries, "reading changes nothing": readingChangesNothing,
				"columns of a fixed length": columnsOfAFixedLength,
			} {
				b.create(t)
				t.Run(name, func(t *testing.T) { test(t, b) })
			}
		})
	}
}

// readsTheWhole reads duplicates, a corrupt row, what a late transaction commits, and leaves out what stood there before.
func readsTheWhole(t *testing.T, b base) {
	env := drivertest.NewEnv(t, time.Now())
	env.Keys = 10
	id := func(n uint64) string { return env.Identity.Text(n) }
	key := func(n uint64) string { return string(drivers.AppendKey(nil, drivers.KeyOf(env.Seed, n, 10))) }
	b.put(t, "from-before", "k1", 1)
	r, err := start(t, &Config{
		URL: b.server(), File: b.file(), Query: "SELECT id, customer, amount, times FROM orders",
		Fields:   effect.Fields{ID: "id", Key: "customer", Count: "times", Match: map[string]string{"amount": "{{seq}}.50"}},
		Readings: effect.Readings{Every: 20 * time.Millisecond},
	}, env)
	if err != nil {
		t.Fatal(err)
	}
	late, err := b.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if b.server() == "" { // one writer at a time
		late.Rollback()
		b.put(t, id(1), key(1), 1.5)
	} else if _, err := late.Exec(fmt.Sprintf("INSERT INTO orders VALUES ('%s', '%s', 1.5, 1, NULL)", id(1), key(1))); err != nil {
		t.Fatal(err)
	}
	b.put(t, id(2), key(2), 2.5)
	b.put(t, id(2), key(2), 2.5)
	b.put(t, id(3), key(3), 99)
	b.put(t, "other", "k1", 1)
	b.exec(t, fmt.Sprintf("INSERT INTO orders (id, customer, amount, times) VALUES ('%s', '%s', 4.5, 3)", id(4), key(4)))
	if b.server() != "" {
		if err := late.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.source.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	ids, wrong := r.last()
	counts := map[string]int{}
	for _, id := range ids {
		counts[id]++
	}
	for want, n := range map[string]int{id(1): 1, id(2): 2, id(3): 1, id(4): 3} {
		if counts[want] != n {
			t.Errorf("%s was delivered %d times, want %d", want, counts[want], n)
		}
	}
	if counts["other"]+counts["from-before"] != 1 {
		t.Errorf("%d foreign rows, want the one of this run", counts["other"]+counts["from-before"])
	}
	if len(wrong) != 1 || !strings.Contains(wrong[0], `and "3.50" was sent`) {
		t.Errorf("corrupt: %q", wrong)
	}
}

// wrongQueries: a query that cannot give what the scenario names is the scenario's error, before anything is sent.
func wrongQueries(t *testing.T, b base) {
	for query, want := range map[string]string{
		"SELECT id FROM orders":                              "the query gives no column nr; it gives id",
		"SELECT id AS nr, id AS nr FROM orders":              "2 columns named nr",
		"SELECT nothing AS nr FROM orders WHERE absent = 1 ": "nothing",
		"SELECT id AS nr FROM absent":                        "absent",
		"SELECT FROM WHERE nr":                               "query",
	} {
		_, err := start(t, &Config{URL: b.server(), File: b.file(), Query: query, Fields: effect.Fields{ID: "nr"}}, drivertest.NewEnv(t, time.Now()))
		if !errors.Is(err, drivers.ErrConfig) || !strings.Contains(strings.ToLower(err.Error()), want) {
			t.Errorf("%s: %v, want a scenario error with %q", query, err, want)
		}
	}
}

// readingChangesNothing: a reading cannot write, whatever the query is.
func readingChangesNothing(t *testing.T, b base) {
	b.put(t, "x", "k", 1)
	query := "WITH gone AS (DELETE FROM orders RETURNING id) SELECT id FROM gone"
	if _, err := start(t, &Config{URL: b.server(), File: b.file(), Query: query, Fields: effect.Fields{ID: "id"}}, drivertest.NewEnv(t, time.Now())); err == nil {
		t.Error("a query that deletes was read")
	}
	var n int
	if err := b.db.QueryRow("SELECT count(*) FROM orders").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows are left, %v", n, err)
	}
}

// A count that is none, and a last reading that fails, leave everything unknown.
func TestUnreadable(t *testing.T) {
	b := sqlite(t)
	b.create(t)
	env := drivertest.NewEnv(t, time.Now())
	r, err := start(t, &Config{URL: b.server(), File: b.file(), Query: "SELECT id, times FROM orders", Fields: effect.Fields{ID: "id", Count: "times"},
		Readings: effect.Readings{Timeout: time.Second}}, env)
	if err != nil {
		t.Fatal(err)
	}
	b.exec(t, "INSERT INTO orders (id, times) VALUES (?, 5000)", env.Identity.Text(1))
	if err := r.source.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "5000") {
		t.Errorf("a count of 5000: %v", err)
	}
	b.exec(t, "DROP TABLE orders")
	if err := r.source.CatchUp(t.Context()); err == nil {
		t.Error("the table is gone, and the last reading was whole")
	}
}

// The URL of PostgreSQL alone says where the database is and who asks. The files that it names are known before they are read.
func TestPostgresURL(t *testing.T) {
	t.Setenv("PGPASSWORD", "hunter2")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, parameter := range []string{"host=/var/run/postgresql", "HOST=/tmp", "password=x", "passfile=/etc/x", "service=x", "servicefile=/etc/x"} {
		c := &Config{URL: "postgres://me@127.0.0.1/shop?" + parameter, Query: "SELECT id FROM orders", Fields: effect.Fields{ID: "id"}}
		var told []string
		c.Check(func(field, message string) { told = append(told, field+": "+message) })
		if len(told) != 1 || !strings.HasPrefix(told[0], "url: has the parameter") {
			t.Errorf("%s: %q", parameter, told)
		}
	}
	c := &Config{URL: "postgres://me@${db.host}/shop?sslmode=verify-full&sslrootcert=ca.pem&sslcert=/x/c.pem"}
	if got := strings.Join(c.Imports("/f"), " "); got != "/x/c.pem /f/ca.pem" {
		t.Errorf("reads %s", got)
	}
	u, err := url.Parse("postgres://me@" + l.Addr().String() + "/shop?sslmode=disable&sslrootcert=/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := postgres(u, "", nil); err != nil || c.Password != "" { // a check reads no file
		t.Errorf("%v: the environment's password is sent", err)
	}
}

// A database that is away is the target's doing, and no password is told.
func TestDatabaseAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, scheme := range []string{"postgres", "mysql"} {
		c := &Config{URL: scheme + "://me:hunter2@" + address + "/shop", Query: "SELECT id FROM orders", Fields: effect.Fields{ID: "id"}}
		_, err := start(t, c, drivertest.NewEnv(t, time.Now()))
		if !errors.Is(err, drivers.ErrUnreachable) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", scheme, err)
		}
		if place := c.Describe().Place; strings.Contains(place, "hunter2") || strings.Contains(place, "me") {
			t.Errorf("the place is %q", place)
		}
		if got := c.Secrets(); len(got) != 1 || got[0] != ":hunter2@" {
			t.Errorf("secrets %q", got)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{URL: "oracle://x/y"}, "url: names no known database"},
		{Config{}, "takes one of url and file"},
		{Config{URL: "postgres://h/x", File: "x"}, "takes one of url and file"},
		{Config{URL: "postgres://u:p%zz@h/x"}, "url: is no URL"},
		{Config{URL: "mysql://u:p@h:1/x?tls=odd"}, "url: is no URL of MySQL"},
		{Config{File: "x", Query: "DELETE FROM orders"}, "query: must be one SELECT"},
		{Config{File: "x", Query: "SELECT 1; SELECT 2"}, "query: must be one SELECT"},
		{Config{File: "x", Query: "SELECT 1", Fields: effect.Fields{ID: "$.id"}}, "id: \"$.id\" is no column"},
		{Config{File: "x", Query: "SELECT 1", Fields: effect.Fields{ID: "id", Match: map[string]string{"a": "{{int 1 2}}"}}}, "match.a: {{int}} is not known"},
		{Config{File: "x", Query: "SELECT 1", Fields: effect.Fields{ID: "id"}, Readings: effect.Readings{Every: 1}}, "every: 1ns is too often"},
	} {
		var all []string
		c.config.Check(func(field, message string) { all = append(all, field+": "+message) })
		if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) || strings.Contains(text, "u:p") {
			t.Errorf("%+v: %q, want %q", c.config, text, c.want)
		}
	}
}

// A column of a fixed length holds the identity, and blanks behind it in PostgreSQL.
func columnsOfAFixedLength(t *testing.T, b base) {
	env := drivertest.NewEnv(t, time.Now())
	r, err := start(t, &Config{
		URL: b.server(), File: b.file(), Query: "SELECT CAST(id AS CHAR(60)) AS id, CAST(customer AS CHAR(9)) AS customer FROM orders",
		Fields: effect.Fields{ID: "id", Match: map[string]string{"customer": "c{{seq}}"}},
	}, env)
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, env.Identity.Text(1), "c1", 1)
	if err := r.source.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if ids, wrong := r.last(); len(ids) != 1 || ids[0] != env.Identity.Text(1) || len(wrong) > 0 {
		t.Errorf("read %q, %q", ids, wrong)
	}
}
