package amqp

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// A node of three is killed with -9 under load on a quorum queue. The stream goes on at another node, and nothing that was
// confirmed is missing.
func TestRealCluster(t *testing.T) {
	tier.Slow(t, "starts three nodes of RabbitMQ")
	nodes := rabbit.Start(t, 3)
	hosts := hostsOf(nodes)
	queue := "orders"
	a := openAccount(t, Config{URL: clusterURL(hosts), Queue: queue, Connections: 3,
		Declare: &Topology{Queues: map[string]Queue{queue: {Type: typeQuorum, Arguments: map[string]any{"x-quorum-initial-group-size": 3}}}}})
	source, err := a.driver.Source()
	if err != nil {
		t.Fatal(err)
	}
	seen, end := receive(t, source)
	a.send(t, 500)
	for i, at := range a.attempts {
		if at.Outcome.String() != "acked" {
			t.Fatalf("%d, before anything is broken: %+v", i, at)
		}
	}
	var killing sync.WaitGroup
	killing.Go(nodes[0].Kill)
	for range 20 {
		a.send(t, 100)
	}
	killing.Wait()
	// A connection is opened anew at another node, and then the stream is as before.
	within(t, 2*realPatience, "acks by the other nodes alone", func() bool { return a.all(t, 30) })
	catchUp(t, source)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	got := a.compare(seen.copy())
	t.Logf("%+v", got)
	if got.lost > 0 || got.phantom > 0 || got.duplicates > 0 || got.redelivered > 0 {
		t.Errorf("%+v", got)
	}
}

// The reader's own queue outlives the node on which it was made: what is published over other nodes meanwhile is seen. Where one node alone
// holds it, as that of a reader that knows no other, what was published while it was away may be missing, and nothing is claimed.
func TestRealTapOfACluster(t *testing.T) {
	t.Parallel()
	tier.Slow(t, "starts three nodes of RabbitMQ")
	nodes := rabbit.Start(t, 3)
	hosts := hostsOf(nodes)
	other := realControl(t, nodes[2].URL())
	if _, err := other.declare(&Topology{Exchanges: map[string]Exchange{"events": {Type: "fanout"}}}); err != nil {
		t.Fatal(err)
	}
	env := testEnv(t)
	open := func(hosts []string, env drivers.Env) *Source {
		s, err := (&Effect{URL: clusterURL(hosts), Exchange: "events"}).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		return s.(*Source)
	}
	var killed atomic.Bool
	balanced := env // as behind a load balancer
	balanced.Direct = func(ctx context.Context, network, address string) (net.Conn, error) {
		if killed.Load() {
			address = hosts[2]
		}
		return env.Direct(ctx, network, address)
	}
	s, one := open(hosts, env), open(hosts[:1], balanced)
	all, end := receive(t, s)
	_, endOne := receive(t, one)
	put := func(from, to uint64) {
		for seq := from; seq < to; seq++ {
			// The broker nacks what the queue that dies has in hand, and a node that loses the others may end the connection.
			within(t, 2*realPatience, "a confirm", func() (acked bool) {
				_ = other.do(func(ch *library.Channel) error {
					if err := ch.Confirm(false); err != nil { // the channel may be a fresh one
						return err
					}
					confirm, err := ch.PublishWithDeferredConfirm("events", "", false, false, library.Publishing{DeliveryMode: library.Persistent, Headers: library.Table{HeaderID: env.Identity.Text(seq)}})
					acked = err == nil && confirm.Wait()
					return err
				})
				return acked
			})
		}
	}
	put(0, 50)
	killed.Store(true)
	nodes[0].Kill()
	put(50, 100)
	within(t, 2*realPatience, "a look at the queue that is away", func() bool { return one.failure() != nil })
	nodes[0].Start(t)
	nodes[0].Await(t)
	put(100, 150)
	catchUp(t, s)
	if err := end(); err != nil {
		t.Error(err)
	}
	seen := all.operations(env)
	if len(seen) != 150 {
		t.Errorf("%d of 150 messages were seen, in %d deliveries", len(seen), len(all.copy()))
	}
	ctx, cancel := context.WithTimeout(t.Context(), realPatience)
	defer cancel()
	if err := one.CatchUp(ctx); err == nil || !strings.Contains(err.Error(), "was away") {
		t.Errorf("the reader that knows one node: %v", err)
	}
	_ = endOne()
}

// hostsOf lists where nodes take connections.
func hostsOf(nodes []*rabbit.Node) (hosts []string) {
	for _, node := range nodes {
		_, host, _ := strings.Cut(strings.TrimSuffix(node.URL(), "/"), "@")
		hosts = append(hosts, host)
	}
	return hosts
}

func clusterURL(hosts []string) string {
	return "amqp://guest:guest@" + strings.Join(hosts, ",") + "/"
}
