package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers/drivertest"
	"wringer/reports"
)

// serviceLog is a service that counts the requests that it gets, by identity.
type serviceLog struct {
	mu   sync.Mutex
	seen map[string]int64
}

func (l *serviceLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.seen[r.Header.Get("X-Request-Id")]++
	l.mu.Unlock()
	io.WriteString(w, "ok")
}

const nginxConfig = `daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  upstream stock {
    server %[3]s max_fails=0;
    server %[3]s max_fails=0;
  }
  server {
    listen %[2]s;
    location / {
      proxy_pass http://stock;
      proxy_read_timeout 400ms;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries 2;
    }
  }
}
`

const nginxScenario = `name: retried
about: The gateway sends a GET to its second upstream when the first does not answer in time.
seed: 1
links:
  gateway->stock: {listen: %[1]s, upstream: "%[2]s", witness: {id: header X-Request-Id}}
run: {duration: 5s, drain: 100ms}
traffic:
  reads:
    rest: {request: "GET http://%[3]s/stock/item{{int 1 9}}", headers: {X-Request-Id: "{{id}}"}}
    rate: 7/s
    timeout: 3s
faults:
  - {name: lost-answers, at: 2s, for: 1s, link: gateway->stock, partition: from-target}
expect:
  - link(gateway->stock).arrived_twice == 0 during baseline
  - link(gateway->stock).arrived_twice == 0
  - link(gateway->stock).max_arrivals <= 2
  - reads.amplification <= 1
  - link(gateway->stock).amplification <= 1
`

// A real nginx sends GETs to its second upstream, which no client can see. The witness between nginx and the service counts and names
// each, to the unit as the service's own log has them.
func TestNginxRetriesAreSeen(t *testing.T) {
	slow(t)
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	checkedScenario(t, light)
	log := &serviceLog{seen: make(map[string]int64)}
	service := httptest.NewServer(log)
	defer service.Close()
	dir, link, front := t.TempDir(), freeAddress(t), freeAddress(t)
	startNginx(t, nginx, dir, fmt.Sprintf(nginxConfig, dir, front, link), front)

	file, record := filepath.Join(dir, "retried.yaml"), filepath.Join(dir, "record")
	text := fmt.Sprintf(nginxScenario, link, strings.TrimPrefix(service.URL, "http://"), front)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := wringer(t, "run", "--quiet", "--out", record, file); code != reports.ExitFail {
		t.Errorf("exit %d, want fail:\n%s%s", code, stdout, stderr)
	}
	service.Close()
	log.agrees(t, loadRecord(t, record))
}

// agrees compares the link's counts and evidence with the service's own log.
func (l *serviceLog) agrees(t *testing.T, rec *reports.Record) {
	t.Helper()
	total := rec.Run.Links["gateway->stock"].Total
	var requests, twice, most int64
	repeated := make(map[string]bool)
	for id, n := range l.seen {
		requests, most = requests+n, max(most, n)
		if n > 1 {
			twice++
			repeated[id] = true
		}
	}
	for _, c := range []struct {
		name string
		got  *int64
		want int64
	}{{"requests", total.Requests, requests}, {"arrived_twice", total.ArrivedTwice, twice}, {"max_arrivals", total.MaxArrivals, most}, {"unidentified", total.Unidentified, 0}} {
		if c.got == nil || *c.got != c.want {
			t.Errorf("%s is %s, the service counted %d", c.name, reports.Measured(c.got, reports.Count), c.want)
		}
	}
	for _, v := range rec.Violations {
		if v.Kind == "arrived_twice" && !repeated[v.ID] {
			t.Errorf("%s is told to have arrived twice: %s", v.ID, v.Why)
		}
		delete(repeated, v.ID)
	}
	if twice == 0 || len(repeated) > 0 {
		t.Errorf("%d requests arrived twice, and the evidence lacks %v", twice, repeated)
	}
	if met := rec.Run.Faults[0].Requests; met == nil || *met < twice {
		t.Errorf("the fault met %s requests, and %d were sent twice", reports.Measured(met, reports.Count), twice)
	}
	for _, g := range rec.Run.Gates[:1] {
		if g.Verdict != reports.Pass {
			t.Errorf("%s: %s before anything was broken: %s", g.Expr, g.Verdict, g.Why)
		}
	}
	if reads := rec.Run.Streams["reads"].Total; *reads.Amplification != 1 {
		t.Errorf("the client itself sent %g requests for each operation", *reads.Amplification)
	}
	t.Logf("%d requests, %d of them twice", requests, twice)
}

// startNginx starts nginx and waits until it listens. It ends with the test.
func startNginx(t *testing.T, program, dir, config, address string) {
	t.Helper()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-p", dir, "-c", file, "-e", filepath.Join(dir, "start.log"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // its worker ends with it
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { stop(); <-ended })
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			text, _ := os.ReadFile(filepath.Join(dir, "start.log"))
			t.Fatalf("nginx ended: %v\n%s", err, text)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

const blindLinkScenario = `name: blind
seed: 1
links:
  front->back: {listen: %[1]s, upstream: "%[2]s", witness: {id: header X-Request-Id}}
run: {duration: 1s, drain: 100ms}
traffic:
  a:
    rest: {request: "GET http://%[1]s/x", headers: {X-Request-Id: "{{id}}"}}
    rate: 20/s
    timeout: 200ms
expect:
  - link(front->back).arrived_twice == 0
  - link(front->back).requests < 1000
  - link(front->back).amplification < 3
  - link(front->back).max_arrivals <= 1
`

// A link whose requests cannot be read to the end decides nothing.
func TestBlindLinkIsInconclusive(t *testing.T) {
	checkedScenario(t, light)
	back := drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
		c.Some()
		c.Say("HTTP/1.1 101 Switching Protocols\r\n\r\n")
		c.Hang()
	}).Address()
	dir := t.TempDir()
	file, record := filepath.Join(dir, "blind.yaml"), filepath.Join(dir, "record")
	if err := os.WriteFile(file, fmt.Appendf(nil, blindLinkScenario, freeAddress(t), back), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := wringer(t, "run", "--quiet", "--out", record, file); code != reports.ExitInconclusive {
		t.Errorf("exit %d, want inconclusive:\n%s%s", code, stdout, stderr)
	}
	run := loadRecord(t, record).Run
	for i := range run.Gates {
		if g := &run.Gates[i]; g.Verdict != reports.Inconclusive {
			t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
		}
	}
	if l := run.Links["front->back"]; !strings.Contains(l.Unknown, "101 Switching Protocols") {
		t.Errorf("the link tells %q", l.Unknown)
	}
}
