package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"wringer/drivers/drivertest/rabbit"
	"wringer/reports"
)

// The shipped scenario, on a real RabbitMQ: faults lose confirms and break connections, and every message is accounted for.
func TestRabbitMQ(t *testing.T) {
	several(t)
	url := rabbit.URL(t)
	acquire(t, checkedShare(usual))
	raw, err := os.ReadFile("../../../scenarios/rabbitmq.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const shipped = "amqp://guest:guest@127.0.0.1:5672/"
	if !strings.Contains(string(raw), shipped) {
		t.Fatalf("the scenario does not name %s", shipped)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "rabbitmq.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(string(raw), shipped, url, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record")
	code, stdout, stderr := wringer(t, "run", "-q", "--out", record, file)
	if code != reports.ExitPass && code != reports.ExitInconclusive {
		t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
	}
	payments := loadRecord(t, record).Run.Streams["payments"].Total
	i := payments.Integrity
	for name, n := range map[string]*int64{"lost": i.Lost, "phantom": i.Phantom, "log_duplicates": i.LogDuplicates, "order_violations": i.OrderViolations, "unexpected": i.Unexpected, "redelivered": i.Redelivered} {
		if n == nil || *n != 0 {
			t.Errorf("%s is %v, want 0", name, n)
		}
	}
	if payments.Acked == 0 || payments.Indeterminate == 0 {
		t.Errorf("%d acked, %d indeterminate: the faults must leave some unconfirmed", payments.Acked, payments.Indeterminate)
	}
}

// The password of a URL enters neither the record nor what is printed.
func TestRabbitMQPassword(t *testing.T) {
	several(t)
	url := rabbit.URL(t)
	acquire(t, checkedShare(usual))
	_, host, _ := strings.Cut(url, "@")
	record := filepath.Join(t.TempDir(), "record")
	const secret = "open-sesame"
	written := filepath.Join(t.TempDir(), "written.yaml")
	scenario := "name: written\nrun: {duration: 1s}\ntraffic:\n  a:\n    amqp: {url: \"amqp://nobody:" + secret + "@" + host + "\", queue: q}\n    rate: 1/s\nexpect: [a.errors < 1%]\n"
	if err := os.WriteFile(written, []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, args := range [][]string{{"load", "amqp://nobody:" + secret + "@" + host, "--queue", "wringer-secret", "--for", "1s"}, {"run", written}} {
		code, stdout, stderr := wringer(t, append(args, "--out", filepath.Join(record, fmt.Sprint(i)))...)
		if code == reports.ExitPass || !strings.Contains(stdout+stderr, "refuses") {
			t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, secret) {
			t.Error("the password is printed")
		}
	}
	err := filepath.WalkDir(record, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(string(raw), secret) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
}

// A run is killed: cleanup removes the queue and the exchange that it made, and no other.
func TestRabbitMQCleanup(t *testing.T) {
	several(t)
	url := rabbit.URL(t)
	acquire(t, checkedShare(usual))
	c, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	there := func(queue string) bool {
		ch, err := c.Channel()
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		_, err = ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		return err == nil
	}
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	own, old := fmt.Sprintf("wringer-own-%d", os.Getpid()), fmt.Sprintf("wringer-old-%d", os.Getpid())
	if _, err := ch.QueueDeclare(old, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	defer ch.QueueDelete(old, false, false, false)
	dir := t.TempDir()
	scenario, record := filepath.Join(dir, "s.yaml"), filepath.Join(dir, "record")
	text := fmt.Sprintf("name: killed\nrun: {duration: 60s}\ntraffic:\n  a:\n    amqp: {url: %q, exchange: %s, declare: {exchanges: {%[2]s: {type: fanout}}, queues: {%[2]s: {bind: [{exchange: %[2]s}]}, %s: {}}}}\n    rate: 50/s\nfaults: []\nexpect: [a.errors < 1%%]\n", url, own, old)
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), string(built(t, checked)), "run", "-q", "--out", record, scenario)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !there(own) {
		select {
		case <-ctx.Done():
			t.Fatal("the run made no queue")
		case <-time.After(50 * time.Millisecond):
		}
	}
	_ = run.Process.Kill()
	_ = run.Wait()
	for {
		code, stdout, stderr := wringer(t, "cleanup", record)
		if code == reports.ExitPass {
			if !strings.Contains(stdout, "undone: queue "+own) || !strings.Contains(stdout, "undone: exchange "+own) || strings.Contains(stdout, old) {
				t.Errorf("cleanup says %s", stdout)
			}
			break
		}
		if !strings.Contains(stderr, "consume from it") || ctx.Err() != nil { // the broker notices soon that the run's own reader is gone
			t.Fatalf("cleanup: exit %d:\n%s%s", code, stdout, stderr)
		}
	}
	if there(own) || !there(old) {
		t.Errorf("the run's queue is there: %v, the other: %v", there(own), there(old))
	}
}

// Two queues are bound to one exchange, and one drops messages. The places of the effects name the queue from which they are missing.
func TestRabbitMQSeveralQueues(t *testing.T) {
	several(t)
	url := rabbit.URL(t)
	acquire(t, checkedShare(usual))
	dir := t.TempDir()
	scenario, record := filepath.Join(dir, "s.yaml"), filepath.Join(dir, "record")
	exchange := fmt.Sprintf("wringer-two-%d", os.Getpid())
	text := fmt.Sprintf(`name: two
run: {duration: 2s, drain: 5s}
traffic:
  a:
    amqp:
      url: %q
      exchange: %s
      declare:
        exchanges: {%[2]s: {type: fanout}}
        queues:
          %[2]s-whole: {bind: [{exchange: %[2]s}]}
          %[2]s-short: {arguments: {x-max-length: 1}, bind: [{exchange: %[2]s}]}
    rate: 200/s
    effects:
      - {name: whole, amqp: {url: %[1]q, queue: %[2]s-whole}}
      - {name: short, amqp: {url: %[1]q, queue: %[2]s-short}}
faults: []
expect:
  - a.errors < 1%%
  - a.effect(whole).lost == 0
  - a.effect(whole).duplicates == 0
`, url, exchange)
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := wringer(t, "run", "-q", "--out", record, scenario)
	if code != reports.ExitPass && code != reports.ExitInconclusive {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	for _, place := range loadRecord(t, record).Run.Streams["a"].Places {
		i := place.Total.Integrity
		if i == nil || i.Lost == nil || i.Seen == nil || *i.Seen == 0 || place.Name == "whole" && *i.Lost > 0 {
			t.Errorf("%s: %+v", place.Name, i)
		}
	}
}

// The broker stops, by rabbitmqctl stop_app, and then blocks publishers by its memory alarm. Nothing that it confirmed is missing, and the
// record says when and why it blocked the stream.
func TestRabbitMQStopped(t *testing.T) {
	several(t)
	node := rabbit.Start(t, 1)[0]
	acquire(t, checkedShare(usual))
	dir := t.TempDir()
	command := func(args ...string) string {
		raw, err := json.Marshal(node.Control(args...))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	text := fmt.Sprintf(`name: stopped
run: {duration: 44s, drain: 30s}
traffic:
  payments:
    amqp: {url: %q, queue: payments, declare: {queues: {payments: {type: quorum}}}}
    rate: 50/s
    timeout: 2s
faults:
  - {name: stopped, at: 6s, for: 2s, exec: %s, undo: %s}
  - {name: alarm, at: 30s, for: 4s, exec: %s, undo: %s}
expect:
  - payments.lost == 0
  - payments.phantom == 0
  - payments.log_duplicates == 0
`, node.URL(), command("stop_app"), command("start_app"),
		command("set_vm_memory_high_watermark", "0.00001"), command("set_vm_memory_high_watermark", "absolute", "400MB"))
	rec := loadRecord(t, runIn(t, dir, text))
	for _, f := range rec.Run.Faults {
		if f.Error != "" || !f.Healed {
			t.Errorf("fault %s: healed %v, %s", f.Name, f.Healed, f.Error)
		}
	}
	s := rec.Run.Streams["payments"]
	i := s.Total.Integrity
	for name, n := range map[string]*int64{"lost": i.Lost, "phantom": i.Phantom, "log_duplicates": i.LogDuplicates, "redelivered": i.Redelivered} {
		if n == nil || *n != 0 {
			t.Errorf("%s is %v, want 0", name, n)
		}
	}
	if len(s.Blocks) != 1 || !strings.Contains(s.Blocks[0].Why, "memory") || s.Blocks[0].EndNS == nil || s.Total.Errors["amqp_blocked"] == 0 {
		t.Errorf("blocks %+v, errors %v", s.Blocks, s.Total.Errors)
	}
	if s.Total.Acked == 0 || s.Total.Rejected == 0 {
		t.Errorf("%d acked, %d rejected", s.Total.Acked, s.Total.Rejected)
	}
}

// What a service publishes to the default exchange is seen on its link. Confirms that get lost make the service publish again: the place
// tells these orders as duplicates.
func TestRabbitMQWitnessed(t *testing.T) {
	several(t)
	url := rabbit.URL(t)
	acquire(t, checkedShare(usual))
	at, err := amqp.ParseURI(url)
	if err != nil {
		t.Fatal(err)
	}
	rec := loadRecord(t, runIn(t, t.TempDir(), fmt.Sprintf(`name: witnessed
seed: 3
run: {duration: 8s, drain: 8s}
target: {shop: {amqp: {url: %q, orders: "${links.orders->rabbit}"}}}
links:
  orders->rabbit: {upstream: "%s:%d", witness: {id: $.orderId}}
traffic:
  orders:
    rest: {request: "POST ${shop.rest}/orders", json: {orderId: "{{id}}", customerId: "{{key}}", items: [{id: item1, quantity: 2}]}}
    rate: 20/s
    keys: 100
    timeout: 8s
    effects:
      - {name: commands, witness: {link: orders->rabbit, queue: "${shop.commands}", match: {$.item: item1}}}
faults:
  - {name: lost-confirms, at: 3s, for: 3s, link: orders->rabbit, amqp: {lose_confirms: 50%%}}
expect:
  - orders.effect(commands).lost == 0
  - orders.effect(commands).corrupt == 0
`, url, at.Host, at.Port)))
	place := rec.Run.Streams["orders"].Places[0]
	i := place.Total.Integrity
	// A publish that is under way when the fault's connections are reset is never confirmed: the place says so, and nothing is lost.
	if place.Unread != "" && !strings.Contains(place.Unread, "never confirmed") {
		t.Error(place.Unread)
	}
	if i.Lost != nil && *i.Lost != 0 || i.Corrupt != nil && *i.Corrupt != 0 || *i.Seen == 0 {
		t.Errorf("%+v", i)
	}
	if i.EffectDuplicates == nil || *i.EffectDuplicates == 0 {
		t.Error("what was published again is not told")
	}
}
