package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers/drivertest/rabbit"
	"wringer/scenarios"
)

// A leg that cannot work names the key, and the password is no part of a record.
func TestQueueConfig(t *testing.T) {
	for want, c := range map[string]Config{
		"amqp.url":                         {AMQP: &AMQP{}},
		"amqp.url ":                        {AMQP: &AMQP{URL: "amqps://a/"}},
		"amqp.url  ":                       {AMQP: &AMQP{URL: "http://a/"}},
		"amqp.orders amqp.worker":          {AMQP: &AMQP{URL: "amqp://a/", Orders: "x", Worker: "y"}},
		"amqp.work amqp.backlog amqp.wait": {AMQP: &AMQP{URL: "amqp://a/", Work: time.Hour, Backlog: -1, Wait: -1}},
		"defects":                          {Defects: []string{PoisonLoop}},
		"":                                 {AMQP: &AMQP{URL: "${env.X}", Worker: "${links.a}"}, Defects: []string{PoisonLoop}},
		"defects ":                         {AMQP: &AMQP{URL: "amqp://a/"}, Defects: []string{PoisonLoop, NoDeadLetter}},
	} {
		var got []string
		c.Check(func(field, _ string) { got = append(got, field) })
		if strings.Join(got, " ") != strings.TrimRight(want, " ") {
			t.Errorf("problems with %q, want %q", got, want)
		}
	}
	secret := Config{AMQP: &AMQP{URL: "amqp://shop:open-sesame@a:1/"}}
	if got := secret.Secrets(); !slices.Equal(got, []string{":open-sesame@"}) {
		t.Errorf("secrets %q", got)
	}
	for _, service := range ServiceNames() {
		if HasDefect(service, PoisonLoop) {
			t.Errorf("%s has a defect of the queues", service)
		}
	}
}

// openLeg opens a shop with the leg over RabbitMQ.
func openLeg(t *testing.T, change func(*AMQP), defects ...string) *bench {
	t.Helper()
	a := &AMQP{URL: rabbit.URL(t), Wait: patience}
	if change != nil {
		change(a)
	}
	return openBench(t, Config{AMQP: a, Defects: defects})
}

// status places an order, and returns its state.
func (b *bench) order(id string, quantity int) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got := b.do(ctx, http.MethodPost, "/orders", id, fmt.Sprintf(`{"orderId":%q,"customerId":"c","items":[{"id":"i","quantity":%d}]}`, id, quantity))
	var placed struct{ Status string }
	if got.err != nil || got.status != http.StatusCreated || json.Unmarshal([]byte(got.body), &placed) != nil {
		b.t.Fatalf("%d %s %v", got.status, got.body, got.err)
	}
	return placed.Status
}

// counts waits until the effects are those.
func (b *bench) counts(charges, reservations, refunds, releases int64) {
	b.t.Helper()
	var c Counts
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		c = b.Audit().Counts
		if c.Charges == charges && c.Reservations == reservations && c.Refunds == refunds && c.Releases == releases {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%d charges, %d reservations, %d refunds, %d releases; want %d, %d, %d, %d", c.Charges, c.Reservations, c.Refunds, c.Releases, charges, reservations, refunds, releases)
		}
	}
}

// An order that cannot be reserved is refunded, by all but a shop that does not compensate.
func TestCompensation(t *testing.T) {
	t.Parallel()
	for defect, refunds := range map[string]int64{"": 1, NoCompensation: 0} {
		t.Run(defect, func(t *testing.T) {
			t.Parallel()
			b := openLeg(t, nil, slices.DeleteFunc([]string{defect}, func(d string) bool { return d == "" })...)
			if got := b.order("a", 1); got != statusPlaced {
				t.Error(got)
			}
			if got := b.order("b", mostInStock+1); got != statusCancelled {
				t.Error(got)
			}
			if got := b.order("a", 1); got != statusPlaced { // its answer is known
				t.Error(got)
			}
			b.counts(2, 1, refunds, 0)
		})
	}
}

// An order that waited in vain is cancelled: what the worker reserves of it later is released, or is not reserved any more.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	b := openLeg(t, func(a *AMQP) { a.Wait = 50 * time.Millisecond })
	w := b.Parts()[partWorker].(*worker)
	if err := w.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.order("a", 1); got != statusCancelled {
		t.Error(got)
	}
	b.counts(1, 0, 1, 0)
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		c := b.Audit().Counts
		if b.queueDepth(t) == 0 && w.inHand.Load() == 0 && c.Reservations == c.Releases {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v: what was reserved is not released", c)
		}
	}
	if w.Met() == 0 {
		t.Error("the pause met nothing")
	}
}

// queueDepth is how many commands are ready.
func (b *bench) queueDepth(t *testing.T) int {
	conn, err := library.Dial(rabbit.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclarePassive(b.Vars()["commands"], true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q.Messages
}

// A worker that is killed with a command in hand gets it again, and reserves once.
func TestWorkerIsKilled(t *testing.T) {
	t.Parallel()
	b := openLeg(t, func(a *AMQP) { a.Work = 100 * time.Millisecond })
	w := b.Parts()[partWorker].(*worker)
	placed := make(chan string, 20)
	for n := range cap(placed) {
		go func() { placed <- b.order(fmt.Sprint("o", n), 1) }()
	}
	eventually(t, "the worker has a command in hand", func() bool { return w.inHand.Load() > 0 })
	for range 3 {
		if err := w.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.Ready(t.Context()) == nil {
			t.Error("a killed worker is ready")
		}
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range cap(placed) {
		if got := <-placed; got != statusPlaced {
			t.Error(got)
		}
	}
	b.counts(20, 20, 0, 0)
	if w.Met() == 0 {
		t.Error("the kills met nothing")
	}
}

// A command that nobody can read is answered by the handler of dead letters, where there is one.
func TestUnreadableCommand(t *testing.T) {
	t.Parallel()
	b := openLeg(t, nil)
	conn, err := library.Dial(rabbit.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	inbox, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	replies, err := ch.Consume(inbox.Name, "", true, true, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, m := range map[string]library.Publishing{
		"no JSON":  {Body: []byte("nonsense")},
		"no order": {Body: []byte("{}")},
		"digest":   {Body: []byte(`{"orderId":"x","quantity":1}`), Headers: library.Table{headerDigest: "1"}},
	} {
		m.CorrelationId, m.ReplyTo = id, inbox.Name
		if err := ch.PublishWithContext(t.Context(), "", b.Vars()["commands"], true, false, m); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-replies:
			if got.CorrelationId != id || !strings.Contains(string(got.Body), statusFailed) {
				t.Errorf("%s: %s", got.CorrelationId, got.Body)
			}
		case <-time.After(patience):
			t.Fatalf("%s is not answered", id)
		}
	}
	b.counts(0, 0, 0, 0)
}

// What the shop declared is gone with it.
func TestQueuesAreRemoved(t *testing.T) {
	t.Parallel()
	b := openLeg(t, nil)
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := library.Dial(rabbit.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, name := range []string{"commands", "letters"} {
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ch.QueueDeclarePassive(b.Vars()[name], true, false, false, false, nil); err == nil {
			t.Errorf("the queue %s is there still", name)
		}
	}
}

// A broker that refuses the login, or does not answer, ends the start with its name.
func TestNoBroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := Config{AMQP: &AMQP{URL: "amqp://guest:open-sesame@127.0.0.1:1/"}}
	_, err := c.Start(ctx, scenarios.TargetEnv{Seed: 1})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "sesame") {
		t.Error(err)
	}
}
