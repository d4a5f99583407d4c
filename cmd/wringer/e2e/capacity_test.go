package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/reports"
	answers "wringer/scenarios/capacity"
)

// workers are four workers that take 20 ms for each request: 200/s, however late a goroutine wakes.
type workers struct {
	// stalls: none works in the first 400 ms of every 5 s. 184/s are left.
	stalls bool
	// reset is a file that brings the workers back; empty: they do not tip over. They do when half a second of work waits, and
	// are ten times as slow from then on.
	reset string

	mu     sync.Mutex
	begun  time.Time
	free   [4]time.Time
	tipped bool
}

// done is when a request is served that comes now.
func (w *workers) done(now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun.IsZero() {
		w.begun = now
	}
	if w.reset != "" && os.Remove(w.reset) == nil {
		w.tipped, w.free = false, [4]time.Time{}
	}
	next := &w.free[0]
	for i := range w.free {
		if w.free[i].Before(*next) {
			next = &w.free[i]
		}
	}
	start, takes := now, 20*time.Millisecond
	if next.After(now) {
		start = *next
	}
	if w.tipped = w.tipped || w.reset != "" && start.Sub(now) > 500*time.Millisecond; w.tipped {
		takes *= 10
	}
	if into := start.Sub(w.begun) % (5 * time.Second); w.stalls && into < 400*time.Millisecond {
		start = start.Add(400*time.Millisecond - into)
	}
	*next = start.Add(takes)
	return *next
}

func (w *workers) ServeHTTP(http.ResponseWriter, *http.Request) {
	time.Sleep(time.Until(w.done(time.Now())))
}

// serveWorkers serves workers in a process of its own, which the tests beside it do not hold up: workers STALLS RESET. It prints
// its URL.
func serveWorkers() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	panic(http.Serve(listener, &workers{stalls: os.Args[1] == "true", reset: os.Args[2]}))
}

// start starts serveWorkers, which ends with the test, and returns its URL.
func (w *workers) start(t *testing.T) string {
	t.Helper()
	service := exec.Command("workers", fmt.Sprint(w.stalls), w.reset)
	out, err := service.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = service.Process.Kill()
		_ = service.Wait() // it was killed
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// found is the answer of the command for workers. Its answer's first trial has a record.
func found(t *testing.T, of *workers, stream, gate string, flags ...string) (a answers.Answer, talk string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "answer")
	file := filepath.Join(t.TempDir(), "s.yaml")
	text := `{name: workers, run: {warmup: 500ms, duration: 5s, drain: 500ms}, traffic: {a: {rest: {request: "GET ` + of.start(t) +
		`"}, ` + stream + `, timeout: 1s}}, expect: [` + gate + `, a.errors < 1%]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// As users have it: what other programs take from the service leaves a trial undecided, in place of a bound too low.
	code, out, talk := built(t, beside).run(t, append([]string{"capacity", file, "--out", dir, "--width", "0.4"}, flags...)...)
	raw, err := os.ReadFile(filepath.Join(dir, "capacity.json"))
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, talk)
	}
	if err := json.Unmarshal(raw, &a); err != nil || a.Exit != code || len(a.Trials) == 0 {
		t.Fatalf("exit %d: %s, %v", code, raw, err)
	}
	if _, err := reports.Load(filepath.Join(dir, filepath.FromSlash(a.Trials[0].Record))); err != nil {
		t.Errorf("the record of a trial: %v", err)
	}
	return a, talk
}

// The capacity of the service is 200/s. Where other programs hold the machine, the answer is inconclusive, and never a bracket
// without the truth.
func TestCapacity(t *testing.T) {
	scenario(t, light)
	a, talk := found(t, &workers{}, "rate: 40/s", "a.p99 < 250ms", "--max", "2000/s", "--within", "60s")
	holds(t, &a, talk, 200)
}

// holds checks an answer against the truth: a busy machine takes away from the capacity, and adds nothing.
func holds(t *testing.T, a *answers.Answer, talk string, truth float64) {
	t.Helper()
	t.Log(a.Why)
	if a.Lower != nil && a.Lower.At > 1.05*truth || a.Upper != nil && a.Upper.At < 0.6*truth {
		t.Errorf("%s, the truth is %v/s\n%s", a.Why, truth, talk)
	}
	switch {
	case a.Answer == answers.Inconclusive && a.Exit == reports.ExitInconclusive:
		t.Logf("not decided here: %s", a.Why)
	case a.Answer != answers.Bracket:
		t.Errorf("%s\n%s", a.Why, talk)
	}
}

// The capacity of workers that stall is what the stalls leave, and stalls alone break no gate that allows for them.
func TestCapacityOfNoisyService(t *testing.T) {
	scenario(t, light)
	a, talk := found(t, &workers{stalls: true}, "rate: 40/s", "a.p99 < 600ms", "--max", "2000/s", "--within", "60s")
	holds(t, &a, talk, 184)
}

// A service that tips over, and stays so, is reset between trials; what it showed while it was bad moves no bound.
func TestCapacityOfTippingService(t *testing.T) {
	scenario(t, light)
	file := filepath.Join(t.TempDir(), "reset")
	a, talk := found(t, &workers{reset: file}, "rate: 40/s", "a.p99 < 250ms", "--max", "2000/s", "--within", "60s", "--reset", "touch "+file)
	holds(t, &a, talk, 200)
}

// With N users on four workers of 20 ms an answer takes N / 4 * 20 ms: 30 users are too many for a median of 150 ms. A busy machine takes
// longer, never less.
func TestCapacityOfUsers(t *testing.T) {
	scenario(t, light)
	a, talk := found(t, &workers{}, "users: 4", "a.p50 < 150ms", "--users", "--max", "200", "--within", "60s")
	t.Log(a.Why)
	if a.Axis != "users" || a.Unit != "count" || a.Lower != nil && (a.Lower.At > 31 || a.Lower.At != math.Trunc(a.Lower.At)) {
		t.Errorf("%s, %s: %s\n%s", a.Axis, a.Unit, a.Why, talk)
	}
	switch {
	case a.Answer == answers.Inconclusive && a.Exit == reports.ExitInconclusive:
		t.Logf("not decided here: %s", a.Why)
	case a.Answer != answers.Bracket || a.Upper.At < 12:
		t.Errorf("%s\n%s", a.Why, talk)
	}
}
