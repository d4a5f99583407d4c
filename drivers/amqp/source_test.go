package amqp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// realPatience bounds each step with a real broker.
const realPatience = time.Minute

// names makes names of queues and exchanges that no other test has.
var names atomic.Int64

func freshName(what string) string {
	return fmt.Sprintf("wringer-test-%s-%d-%d", what, time.Now().UnixNano(), names.Add(1))
}

// realControl is a connection to a real broker, for what a test does beside the driver.
func realControl(t testing.TB, url string) *control {
	t.Helper()
	d, err := access{url: url}.dialer("")
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv(t)
	c := newControl(d, env.Direct, realPatience)
	t.Cleanup(c.close)
	return c
}

func (c *control) must(t testing.TB, do func(*library.Channel) error) {
	t.Helper()
	if err := c.do(do); err != nil {
		t.Fatal(err)
	}
}

func TestSourceConformance(t *testing.T) {
	url := rabbit.URL(t)
	for _, kind := range []string{"fanout", "topic", "direct", "headers"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			drivertest.RunSource(t, drivertest.SourceSubject{Queue: true, Start: func(t testing.TB) drivertest.Place { return startPlace(t, url, kind) }})
		})
	}
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		drivertest.RunSource(t, drivertest.SourceSubject{Start: func(t testing.TB) drivertest.Place { return startStream(t, url) }})
	})
}

// startPlace makes an exchange with a queue of the system's own behind it.
func startPlace(t testing.TB, url, kind string) drivertest.Place {
	c := realControl(t, url)
	exchange, queue, key := freshName("exchange"), freshName("queue"), ""
	if kind == "direct" {
		key = "key"
	}
	topology := &Topology{Exchanges: map[string]Exchange{exchange: {Type: kind}},
		Queues: map[string]Queue{queue: {Bind: []Binding{{Exchange: exchange, RoutingKey: map[string]string{"topic": "#", "direct": key}[kind]}}}}}
	made, err := c.declare(topology)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.remove(made); err != nil {
			t.Error(err)
		}
	})
	c.must(t, func(ch *library.Channel) error { return ch.Confirm(false) })
	return drivertest.Place{
		Config: &Effect{URL: url, Exchange: exchange, RoutingKey: key},
		Put:    func(id []byte) { putMessage(t, c, exchange, key, id) },
		Untaken: func() int {
			q, err := c.inspect(queue)
			if err != nil {
				t.Fatal(err)
			}
			return q.Messages
		},
		Close: func() {},
	}
}

// startStream makes a stream that the system publishes to.
func startStream(t testing.TB, url string) drivertest.Place {
	c := realControl(t, url)
	queue := freshName("stream")
	made, err := c.declare(&Topology{Queues: map[string]Queue{queue: {Type: typeStream}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.remove(made); err != nil {
			t.Error(err)
		}
	})
	c.must(t, func(ch *library.Channel) error { return ch.Confirm(false) })
	return drivertest.Place{Config: &Effect{URL: url, Queue: queue, Stream: true}, Put: func(id []byte) { putMessage(t, c, "", queue, id) }, Close: func() {}}
}

func putMessage(t testing.TB, c *control, exchange, key string, id []byte) {
	t.Helper()
	c.must(t, func(ch *library.Channel) error {
		confirm, err := ch.PublishWithDeferredConfirm(exchange, key, false, false, library.Publishing{Headers: library.Table{HeaderID: string(id)}})
		if err != nil {
			return err
		}
		if !confirm.Wait() {
			return fmt.Errorf("not confirmed")
		}
		return nil
	})
}

// sightings keeps the deliveries of a source.
type sightings struct {
	mu  sync.Mutex
	all []drivers.Delivery
}

func (s *sightings) deliver(d *drivers.Delivery) {
	one := *d
	one.ID, one.Key, one.Origin, one.Sequence = slices.Clone(d.ID), slices.Clone(d.Key), slices.Clone(d.Origin), slices.Clone(d.Sequence)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, one)
}

func (s *sightings) copy() []drivers.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// operations counts the deliveries of each operation of the stream.
func (s *sightings) operations(env drivers.Env) map[uint64]int {
	seen := make(map[uint64]int)
	for _, d := range s.copy() {
		seq, _ := env.Identity.Parse(d.ID)
		seen[seq]++
	}
	return seen
}

// receive starts a source and reads it until the returned function is called, which gives the result of Receive.
func receive(t testing.TB, s drivers.Source) (*sightings, func() error) {
	t.Helper()
	all := &sightings{}
	return all, receiveWith(t, s, all.deliver)
}

// receiveWith is receive with a function of the test's own.
func receiveWith(t testing.TB, s drivers.Source, deliver func(*drivers.Delivery)) func() error {
	t.Helper()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan error, 1)
	go func() { out <- s.Receive(ctx, deliver) }()
	end := sync.OnceValue(func() error {
		cancel()
		err := <-out
		if closed := s.Close(); closed != nil {
			t.Errorf("close: %v", closed)
		}
		return err
	})
	t.Cleanup(func() { end() })
	return end
}

func catchUp(t testing.TB, s drivers.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realPatience)
	defer cancel()
	if err := s.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
}

// A message with a time to live may end in the reader's own queue before it is read. The system may have got it: nothing is claimed.
func TestRealExpiredCopies(t *testing.T) {
	url := rabbit.URL(t)
	c := realControl(t, url)
	exchange := freshName("exchange")
	made, err := c.declare(&Topology{Exchanges: map[string]Exchange{exchange: {Type: "fanout"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.remove(made) }()
	env := testEnv(t)
	open, err := (&Effect{URL: url, Exchange: exchange}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	s := open.(*Source)
	defer s.Close()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.must(t, func(ch *library.Channel) error {
		return ch.PublishWithContext(t.Context(), exchange, "", false, false, library.Publishing{Expiration: "1", Headers: library.Table{HeaderID: env.Identity.Text(1)}})
	})
	awaitMessages(t, c, droppedFrom(s.queue), 1)
	ctx, cancel := context.WithTimeout(t.Context(), realPatience)
	defer cancel()
	received := make(chan error, 1)
	go func() { received <- s.Receive(ctx, func(*drivers.Delivery) {}) }()
	if err := s.CatchUp(ctx); err == nil || !strings.Contains(err.Error(), "dropped messages") {
		t.Errorf("caught up: %v", err)
	}
	cancel()
	if err := <-received; err == nil || !strings.Contains(err.Error(), "dropped messages") {
		t.Errorf("received: %v", err)
	}
}

// An exchange that is deleted takes the binding of the tap with it. What is published from then on is unknown, and not lost.
func TestRealTapWhoseExchangeIsDeleted(t *testing.T) {
	url := rabbit.URL(t)
	other := realControl(t, url)
	if _, err := other.declare(&Topology{Exchanges: map[string]Exchange{"short-lived": {Type: "fanout"}}}); err != nil {
		t.Fatal(err)
	}
	source, err := (&Effect{URL: url, Exchange: "short-lived"}).Open(t.Context(), testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	s := source.(*Source)
	_, end := receive(t, s)
	other.must(t, func(ch *library.Channel) error { return ch.ExchangeDelete("short-lived", false, false) })
	within(t, realPatience, "a look at the exchange that is gone", func() bool { return s.failure() != nil })
	if err := end(); err == nil || !strings.Contains(err.Error(), "exchange short-lived was deleted") {
		t.Errorf("%v", err)
	}
}

// AMQP has no question for a binding. The management API tells that one is gone although its exchange is there again.
func TestRealTapWhoseExchangeIsMadeAnew(t *testing.T) {
	tier.Slow(t, "starts a broker with its management API")
	node := startManaged(t)
	other := realControl(t, node.URL())
	topology := &Topology{Exchanges: map[string]Exchange{"made-anew": {Type: "fanout"}}}
	if _, err := other.declare(topology); err != nil {
		t.Fatal(err)
	}
	source, err := (&Effect{URL: node.URL(), Exchange: "made-anew", Management: apiOf(node)}).Open(t.Context(), testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	s := source.(*Source)
	_, end := receive(t, s)
	if err := s.checkExchange(t.Context()); err != nil {
		t.Fatal("while it is bound:", err)
	}
	other.must(t, func(ch *library.Channel) error {
		if err := ch.ExchangeDelete("made-anew", false, false); err != nil {
			return err
		}
		return ch.ExchangeDeclare("made-anew", "fanout", true, false, false, false, nil)
	})
	within(t, realPatience, "a look at the binding that is gone", func() bool { return s.failure() != nil })
	if err := end(); err == nil || !strings.Contains(err.Error(), "bound to the exchange made-anew no more") {
		t.Errorf("%v", err)
	}
}
