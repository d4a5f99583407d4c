package amqp

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// account is one stream under test on a real broker: its driver, the outcomes of its operations, and what was read back.
type account struct {
	env      drivers.Env
	driver   *Driver
	attempts []drivers.Attempt
}

func openAccount(t testing.TB, config Config) *account {
	t.Helper()
	env := testEnv(t)
	env.Timeout = 20 * time.Second
	return &account{env: env, driver: openDriver(t, config, env)}
}

func (a *account) send(t testing.TB, n int) {
	t.Helper()
	a.attempts = append(a.attempts, outcomes(t, send(t, a.driver, uint64(len(a.attempts)), n, a.env.Timeout))...)
}

// counts is the number of operations by outcome, and what the deliveries show of them.
type counts struct{ acked, rejected, indeterminate, lost, duplicates, redelivered, phantom, foreign int }

func (a *account) compare(deliveries []drivers.Delivery) (c counts) {
	copies := make(map[uint64]int)
	for _, d := range deliveries {
		switch seq, whose := a.env.Identity.Parse(d.ID); {
		case whose != drivers.Ours:
			c.foreign++
		case d.Redelivered && copies[seq] > 0: // a broker that restarted marks everything as handed out before
			c.redelivered++
		default:
			copies[seq]++
		}
	}
	for i, at := range a.attempts {
		n := copies[uint64(i)]
		if n > 1 {
			c.duplicates++
		}
		switch at.Outcome {
		case drivers.Acked:
			c.acked++
			if n == 0 {
				c.lost++
			}
		case drivers.Rejected:
			c.rejected++
			if n > 0 {
				c.phantom++
			}
		default:
			c.indeterminate++
		}
	}
	return c
}

// Queues of every kind are declared, read back and removed.
func TestRealQueues(t *testing.T) {
	url := rabbit.URL(t)
	for _, kind := range []string{typeClassic, typeQuorum, typeStream} {
		for _, id := range []string{"", "message_id", "$.id"} {
			t.Run(kind+id, func(t *testing.T) {
				t.Parallel()
				queue := freshName("queue")
				a := openAccount(t, Config{URL: url, Queue: queue, ID: id, Declare: &Topology{Queues: map[string]Queue{queue: {Type: kind}}}})
				source, err := a.driver.Source()
				if err != nil {
					t.Fatal(err)
				}
				seen, end := receive(t, source)
				a.send(t, 300)
				again := &sending{op: drivers.Op{Seq: 7}, done: make(chan struct{})}
				again.at.Reset(2, a.env.Clock())
				a.driver.Send(t.Context(), &again.op, &again.at, func() { close(again.done) })
				isAcked.check(t, outcomes(t, []*sending{again})[0])
				catchUp(t, source)
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if got, want := a.compare(seen.copy()), (counts{acked: 300, duplicates: 1}); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				if err := a.driver.Close(); err != nil {
					t.Fatal(err)
				}
				if _, err := realControl(t, url).inspect(queue); !isAbsent(err) {
					t.Errorf("the queue is still there: %v", err)
				}
			})
		}
	}
}

// What no queue gets is returned, and rejected; without mandatory it is confirmed and lost.
func TestRealUnroutable(t *testing.T) {
	url := rabbit.URL(t)
	for _, kind := range []string{"direct", "fanout", "topic", "headers"} {
		exchange, queue := freshName("exchange"), freshName("queue")
		bind := Binding{Exchange: exchange, RoutingKey: "yes"}
		if kind == "headers" {
			bind = Binding{Exchange: exchange, Arguments: map[string]any{"x-match": "all", "way": "yes"}}
		}
		declare := &Topology{Exchanges: map[string]Exchange{exchange: {Type: kind}}, Queues: map[string]Queue{queue: {Bind: []Binding{bind}}}}
		for _, way := range []string{"yes", "no"} {
			for _, mandatory := range []bool{true, false} {
				a := openAccount(t, Config{URL: url, Exchange: exchange, RoutingKey: way, Headers: map[string]string{"way": way}, Mandatory: &mandatory, Declare: declare})
				a.send(t, 50)
				want := isAcked
				if way == "no" && mandatory && kind != "fanout" {
					want = isReturned
				}
				for _, at := range a.attempts {
					want.check(t, at)
				}
				if err := a.driver.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// What the broker refuses is told in its own words, and blamed on the scenario. No message shows the password.
func TestRealRefusals(t *testing.T) {
	url := rabbit.URL(t)
	c := realControl(t, url)
	queue := freshName("queue")
	made, err := c.declare(&Topology{Queues: map[string]Queue{queue: {Arguments: map[string]any{"x-max-length": 10}}}})
	if err != nil {
		t.Fatal(err)
	}
	base, _, _ := strings.Cut(url[strings.Index(url, "@")+1:], "/")
	for name, test := range map[string]struct {
		config Config
		says   string
	}{
		"an absent queue":          {Config{URL: url, Queue: "none"}, "does not exist"},
		"an absent exchange":       {Config{URL: url, Exchange: "none"}, "does not exist"},
		"another kind of queue":    {Config{URL: url, Queue: queue, Declare: &Topology{Queues: map[string]Queue{queue: {Type: typeQuorum}}}}, "PRECONDITION_FAILED"},
		"other arguments":          {Config{URL: url, Queue: queue, Declare: &Topology{Queues: map[string]Queue{queue: {}}}}, "inequivalent arg 'x-max-length'"},
		"another vhost":            {Config{URL: url + "none", Queue: queue}, "vhost none not found"},
		"a wrong password":         {Config{URL: "amqp://guest:secret-word@" + base + "/", Queue: queue}, "refuses"},
		"a binding to no exchange": {Config{URL: url, Queue: "q", Declare: &Topology{Queues: map[string]Queue{"q": {Bind: []Binding{{Exchange: "none"}}}}}}, "no exchange 'none'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := test.config.Open(t.Context(), testEnv(t))
			if !refusedConfig(err) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret-word") {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
	t.Cleanup(func() {
		if err := c.remove(made); err != nil {
			t.Error(err)
		}
		if _, err := c.inspect("q"); !isAbsent(err) {
			t.Errorf("a queue of a run that failed is still there: %v", err)
		}
	})
}

// A queue that was there is neither removed nor read without being asked for. Where others consume, nothing is known.
func TestRealForeignQueue(t *testing.T) {
	url := rabbit.URL(t)
	c := realControl(t, url)
	queue := freshName("queue")
	declare := &Topology{Queues: map[string]Queue{queue: {}}}
	made, err := c.declare(declare)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.remove(made); err != nil {
			t.Error(err)
		}
	}()
	a := openAccount(t, Config{URL: url, Queue: queue, Declare: declare})
	if source, err := a.driver.Source(); source != nil || err != nil {
		t.Errorf("a queue that was there is read back: %v, %v", source, err)
	}
	a.send(t, 20)
	a.driver.Close()
	yes := true
	b := openAccount(t, Config{URL: url, Queue: queue, Verify: &yes})
	b.attempts = a.attempts
	source, err := b.driver.Source()
	if err != nil {
		t.Fatal(err)
	}
	seen, end := receive(t, source)
	b.send(t, 20)
	catchUp(t, source)
	if got, want := b.compare(seen.copy()), (counts{acked: 40}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.must(t, func(ch *library.Channel) error {
		_, err := ch.Consume(queue, "other", true, false, false, false, nil)
		return err
	})
	eventually(t, "the other consumer to be seen", func() bool { return source.(*Source).failure() != nil })
	if err := end(); err == nil || !strings.Contains(err.Error(), "others consume") {
		t.Errorf("Receive: %v", err)
	}
	if q, err := c.inspect(queue); err != nil || q.Messages > 0 {
		t.Errorf("%+v: %v", q, err)
	}
}

// cutter cuts connections.
type cutter struct {
	mu   sync.Mutex
	open []net.Conn
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.mu.Lock()
		c.open = append(c.open, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}

// A source that loses its connections, and a driver that loses its own: nothing is lost, nothing counts as repeated by the system.
func TestRealCuts(t *testing.T) {
	tier.Slow(t, "cuts connections many times")
	url := rabbit.URL(t)
	for _, kind := range []string{typeClassic, typeQuorum, typeStream} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			queue := freshName("queue")
			env := testEnv(t)
			env.Timeout = 20 * time.Second
			reading, writing := &cutter{}, &cutter{}
			env.Direct, env.Dial = reading.dial, writing.dial
			d := openDriver(t, Config{URL: url, Queue: queue, Channels: 2, Declare: &Topology{Queues: map[string]Queue{queue: {Type: kind}}}}, env)
			a := &account{env: env, driver: d}
			source, err := d.Source()
			if err != nil {
				t.Fatal(err)
			}
			seen, end := receive(t, source)
			for round := range 8 {
				all := send(t, d, uint64(len(a.attempts)), 500, env.Timeout)
				if round%2 == 0 {
					reading.cut()
				} else {
					writing.cut()
				}
				a.attempts = append(a.attempts, outcomes(t, all)...)
			}
			catchUp(t, source)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			got := a.compare(seen.copy())
			t.Logf("%+v", got)
			if got.lost > 0 || got.duplicates > 0 || got.redelivered > 0 || got.phantom > 0 || got.acked < 2000 {
				t.Errorf("%+v", got)
			}
		})
	}
}
