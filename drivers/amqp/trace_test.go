package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// copyOf is the copy that a broker's tracing makes of a message that was published into queues.
func copyOf(headers library.Table, id string, queues ...any) *library.Delivery {
	return &library.Delivery{RoutingKey: tracePublish, Headers: library.Table{"exchange_name": "", "routed_queues": queues,
		"properties": library.Table{"headers": headers, "message_id": id}}}
}

// What a copy stands for is found in it, and counts once for each of the queues. A probe that comes directly alone gives away that
// its node does not trace.
func TestTraceReads(t *testing.T) {
	tr := &trace{vhost: "/", nodes: []*tracedNode{{address: "a:1", sent: 2}, {address: "b:2", sent: 1}},
		of: map[string]*tracedQueue{"x": {}, "y": {}}}
	for _, test := range []struct {
		m      *library.Delivery
		copies int
		failed string
	}{
		{copyOf(nil, "1", "x"), 1, ""},
		{copyOf(nil, "2", "z", "x", "y"), 2, ""},
		{copyOf(nil, "3", "z"), 0, ""},
		{copyOf(nil, "4"), 0, ""},
		{&library.Delivery{RoutingKey: tracePublish}, 0, ""}, // a copy that holds nothing
		{&library.Delivery{RoutingKey: traceDeliver + "x", Headers: library.Table{"redelivered": int32(0)}}, 0, ""},
		{&library.Delivery{RoutingKey: traceDeliver + "x", Headers: library.Table{"redelivered": int32(1)}}, 0, ""},
		{copyOf(library.Table{headerProbe: "0 2"}, "", "tap"), 0, ""},
		{&library.Delivery{Headers: library.Table{headerProbe: "0 1"}}, 0, ""},
		{&library.Delivery{Headers: library.Table{headerProbe: "0 2"}}, 0, ""},
		{&library.Delivery{Headers: library.Table{headerProbe: "7 2"}}, 0, ""}, // another run's
		{&library.Delivery{Headers: library.Table{headerProbe: "1 1"}}, 0, "b:2 does not trace vhost /"},
	} {
		of, copies, err := tr.read(test.m)
		if copies != test.copies || (err != nil) != (test.failed != "") || err != nil && !strings.Contains(err.Error(), test.failed) {
			t.Errorf("%+v: %d copies, %v", test.m, copies, err)
		}
		if copies > 0 && of.MessageId != fmt.Sprint(copies) {
			t.Errorf("%+v stands for %+v", test.m, of)
		}
	}
	if x := *tr.of["x"]; x.published != 2 || x.handedOut != 1 || !tr.probed() {
		t.Errorf("%+v, probed %v", x, tr.probed())
	}
}

// On a real broker: what is published into queues is seen by the tracing, and stays with those who consume it. The default exchange
// and a consistent-hash exchange, neither of which can be tapped, are read so. Where the tracing ends, or does not see all, nothing is claimed.
func TestRealTrace(t *testing.T) {
	tier.Slow(t, "starts a broker that traces")
	node := rabbit.StartWith(t, 1, rabbit.Settings{Plugins: []string{"rabbitmq_consistent_hash_exchange", "rabbitmq_management"}, Config: managementAt})[0]
	url := node.URL()
	c := realControl(t, url)
	_, err := c.declare(&Topology{
		Exchanges: map[string]Exchange{"shards": {Type: "x-consistent-hash"}},
		Queues: map[string]Queue{"a": {Bind: []Binding{{Exchange: "shards", RoutingKey: "1"}}}, "b": {Bind: []Binding{{Exchange: "shards", RoutingKey: "1"}}},
			"work": {Arguments: map[string]any{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}}, "dead": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, func(ch *library.Channel) error { return ch.Confirm(false) })
	env := testEnv(t)
	open := func(t *testing.T, queues ...string) *Source {
		s, err := (&Effect{URL: url, Trace: queues, Management: apiOf(node)}).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		return s.(*Source)
	}
	put := func(t *testing.T, exchange string, from, to uint64) {
		for seq := from; seq < to; seq++ {
			key := "work"
			if exchange != "" {
				key = fmt.Sprint(seq)
			}
			putMessage(t, c, exchange, key, env.Identity.Append(nil, seq))
		}
	}
	t.Run("off", func(t *testing.T) {
		s := open(t, "work")
		err := s.Start(t.Context())
		if !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), "rabbitmqctl trace_on -p /") {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	node.Do(t, "trace_on")
	for _, exchange := range []string{"", "shards"} {
		t.Run("exchange "+exchange, func(t *testing.T) {
			queues := []string{"work"}
			if exchange != "" {
				queues = []string{"a", "b"}
			}
			s := open(t, queues...)
			all, end := receive(t, s)
			put(t, exchange, 0, 100)
			put(t, exchange, 7, 8)
			catchUp(t, s)
			if err := end(); err != nil {
				t.Error(err)
			}
			seen := all.operations(env)
			if len(seen) != 100 || seen[7] != 2 || len(all.copy()) != 101 {
				t.Errorf("%d operations in %d deliveries", len(seen), len(all.copy()))
			}
			if n := taken(t, c, queues); n != 101 {
				t.Errorf("%d messages are left to those who consume, want 101", n)
			}
		})
	}
	t.Run("dead letters", func(t *testing.T) {
		s := open(t, "dead")
		_, end := receive(t, s)
		put(t, "", 0, 1)
		c.must(t, func(ch *library.Channel) error {
			m, ok, err := ch.Get("work", false)
			if err != nil || !ok {
				return errors.Join(err, errors.New("no message"))
			}
			return m.Reject(false)
		})
		awaitMessages(t, c, "dead", 1)
		ctx, cancel := context.WithTimeout(t.Context(), realPatience)
		defer cancel()
		if err := s.CatchUp(ctx); err == nil || !strings.Contains(err.Error(), "dead letters are not traced") {
			t.Error(err)
		}
		_ = end()
	})
	t.Run("ends", func(t *testing.T) {
		s := open(t, "work")
		_, end := receive(t, s)
		node.Do(t, "trace_off")
		ctx, cancel := context.WithTimeout(t.Context(), realPatience)
		defer cancel()
		if err := s.CatchUp(ctx); err == nil || !strings.Contains(err.Error(), "does not trace") {
			t.Errorf("caught up: %v", err)
		}
		if err := end(); err == nil || !strings.Contains(err.Error(), "does not trace") {
			t.Errorf("received: %v", err)
		}
	})
}

// taken takes all messages of queues, as a consumer of the system does, and returns how many there were.
func taken(t *testing.T, c *control, queues []string) (n int) {
	t.Helper()
	for _, queue := range queues {
		for more := true; more; {
			c.must(t, func(ch *library.Channel) (err error) {
				_, more, err = ch.Get(queue, true)
				return err
			})
			if more {
				n++
			}
		}
	}
	return n
}

// awaitMessages waits until so many messages are ready in a queue.
func awaitMessages(t *testing.T, c *control, queue string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), realPatience)
	defer cancel()
	for {
		q, err := c.inspect(queue)
		if err == nil && q.Messages == n {
			return
		}
		if !drivers.Pause(ctx, backoff) {
			t.Fatalf("%+v, %v, want %d messages", q, err, n)
		}
	}
}

// An effect whose body or key differs from what was sent is told, with both values.
func TestEffectMatches(t *testing.T) {
	env := testEnv(t)
	env.Keys = 3
	key := drivers.KeyOf(env.Seed, 5, env.Keys)
	open, err := (&Effect{URL: "amqp://127.0.0.1/", Exchange: "e", ID: "$.id", Key: "$.customer", Match: map[string]string{"$.cents": "{{seq}}"}}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	s := open.(*Source)
	defer s.Close()
	var wrong []string
	for _, body := range []string{`{"id":%q,"customer":"k%d","cents":5}`, `{"id":%q,"customer":"k%d","cents":6}`, `{"id":%q,"customer":"k%d"}`, `{"id":%q,"customer":"k9%d","cents":5}`} {
		m := &library.Delivery{Body: fmt.Appendf(nil, body, env.Identity.Text(5), key)}
		s.take(m, func(d *drivers.Delivery) { wrong = append(wrong, d.Wrong) })
	}
	if want := []string{"", `$.cents is "6", and "5" was sent`, `$.cents is not there, and "5" was sent`,
		fmt.Sprintf(`$.customer is "k9%d", and "k%d" was sent`, key, key)}; !slices.Equal(wrong, want) {
		t.Errorf("%q, want %q", wrong, want)
	}
}

// Each node of a cluster traces its own channels: one that does not is named before anything is sent. So is one that url does not name,
// where the management API tells it; where nothing does, nothing is claimed.
func TestRealTraceOfNodes(t *testing.T) {
	tier.Slow(t, "starts a cluster")
	nodes := rabbit.StartWith(t, 2, rabbit.Settings{Plugins: []string{"rabbitmq_management"}, Config: managementAt})
	nodes[0].Do(t, "trace_on")
	hosts := hostsOf(nodes)
	both := clusterURL(hosts)
	c := realControl(t, both)
	if _, err := c.declare(&Topology{Queues: map[string]Queue{"work": {}}}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		place Effect
		want  string
	}{
		{"one does not trace", Effect{URL: both}, hosts[1] + " does not trace"},
		{"one is not named", Effect{URL: nodes[0].URL(), Management: apiOf(nodes[0])}, "which url does not name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.place.Trace = []string{"work"}
			s, err := test.place.Open(t.Context(), testEnv(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Start(t.Context()); !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
	t.Run("nothing tells the nodes", func(t *testing.T) {
		s, err := (&Effect{URL: nodes[0].URL(), Trace: []string{"work"}}).Open(t.Context(), testEnv(t))
		if err != nil {
			t.Fatal(err)
		}
		_, end := receive(t, s.(*Source))
		if err := s.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "give management") {
			t.Error(err)
		}
		_ = end()
	})
	t.Run("all trace", func(t *testing.T) {
		nodes[1].Do(t, "trace_on")
		env := testEnv(t)
		s, err := (&Effect{URL: both, Trace: []string{"work"}, Management: apiOf(nodes[1])}).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		all, end := receive(t, s.(*Source))
		over := realControl(t, nodes[1].URL())
		over.must(t, func(ch *library.Channel) error { return ch.Confirm(false) })
		putMessage(t, over, "", "work", env.Identity.Append(nil, 3))
		catchUp(t, s.(*Source))
		if err := end(); err != nil || all.operations(env)[3] != 1 {
			t.Errorf("%v, %v", all.operations(env), err)
		}
	})
}
