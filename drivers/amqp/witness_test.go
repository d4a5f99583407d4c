package amqp

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/witness"
)

// exchanged counts what a witness sees on a link, by kind and answer.
type exchanged struct {
	mu    sync.Mutex
	seen  map[string]int
	ids   map[string]int // how often each identity came, in a publish or a delivery
	blind []string
}

func (e *exchanged) Arrived(r *drivers.Request) { r.To = e }
func (e *exchanged) Identified(r *drivers.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(r.ID) > 0 {
		e.ids[string(r.ID)]++
	}
}
func (e *exchanged) Blind(why string) { e.mu.Lock(); e.blind = append(e.blind, why); e.mu.Unlock() }
func (e *exchanged) Over(r *drivers.Request) {
	text := r.Kind
	if r.Answered {
		text += " " + r.Status
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[text]++
}

// A witness on a link counts what the library and a real broker say to each other, to the unit.
func TestWitnessOfARealBroker(t *testing.T) {
	url := rabbit.URL(t)
	account := &exchanged{seen: make(map[string]int), ids: make(map[string]int)}
	place, err := witness.ParsePlace("header x-id")
	if err != nil {
		t.Fatal(err)
	}
	dial := witness.OnLink(place, func() drivers.Requests { return account }).Watch(new(net.Dialer).DialContext)
	conn, err := library.DialConfig(url, library.Config{Dial: func(network, address string) (net.Conn, error) {
		return dial(context.Background(), network, address)
	}})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ch, err := conn.Channel()
	must(err)
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	must(err)
	must(ch.Confirm(false))
	const n = 50
	for i := range n {
		headers := library.Table{"a": int64(1), "b": []any{"x", true}, "c": library.Table{"x-id": "no"}, "d": time.Now(), "e": nil, "x-id": fmt.Sprint("m-", i/2)}
		c, err := ch.PublishWithDeferredConfirm("", q.Name, false, false, library.Publishing{Body: []byte("x"), MessageId: "m", Priority: 1, Headers: headers})
		must(err)
		if !c.Wait() {
			t.Fatal("a publish was not confirmed")
		}
	}
	deliveries, err := ch.Consume(q.Name, "", false, false, false, false, nil)
	must(err)
	for i := range n {
		d := <-deliveries
		switch {
		case i == n-1:
			must(d.Nack(false, false))
		case i%10 == 9 || i == n-2:
			must(d.Ack(true))
		}
	}
	_, _, err = ch.Get(q.Name, true)
	must(err)
	closed := ch.NotifyClose(make(chan *library.Error, 1))
	must(ch.PublishWithContext(t.Context(), "no such exchange", "x", false, false, library.Publishing{}))
	<-closed
	must(conn.Close())
	want := map[string]int{
		"channel.open ok": 1, "queue.declare ok": 1, "confirm.select ok": 1, "publish confirmed": n, "basic.consume ok": 1,
		"deliver ack": n - 1, "deliver nack": 1, "basic.get ok, no message": 1, "publish amqp_404": 1,
	}
	deadline := time.After(10 * time.Second)
	for {
		account.mu.Lock()
		over := 0
		for _, n := range account.seen {
			over += n
		}
		account.mu.Unlock()
		if over >= 2*n+6 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("only %d requests are over: %v", over, account.seen)
		case <-time.After(10 * time.Millisecond):
		}
	}
	for kind, n := range want {
		if account.seen[kind] != n {
			t.Errorf("%s: %d, want %d", kind, account.seen[kind], n)
		}
	}
	for id, times := range account.ids {
		if times != 4 { // two publishes, and their deliveries
			t.Errorf("%s came %d times", id, times)
		}
	}
	if len(account.ids) != n/2 {
		t.Errorf("%d identities, want %d", len(account.ids), n/2)
	}
	if len(account.seen) != len(want) || len(account.blind) > 0 {
		t.Errorf("seen %v, blind %q", account.seen, account.blind)
	}
}
