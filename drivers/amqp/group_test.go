package amqp

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/churn"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// groupLog keeps what happened in a group.
type groupLog struct {
	mu        sync.Mutex
	processed map[int64]int // by number
	kinds     map[drivers.GroupKind]int
}

func newGroupLog() *groupLog {
	return &groupLog{processed: make(map[int64]int), kinds: make(map[drivers.GroupKind]int)}
}

func (l *groupLog) add(e drivers.GroupEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds[e.Kind]++
	if e.Kind == drivers.Processed {
		l.processed[e.Position.At]++
	}
}

// count says how many messages were worked on, and how many of them more than once.
func (l *groupLog) count() (worked, again int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.processed {
		if n > 1 {
			again++
		}
	}
	return len(l.processed), again
}

func message(id string, redelivered bool) *library.Delivery {
	return &library.Delivery{Headers: library.Table{HeaderID: id}, Body: []byte("x"), Redelivered: redelivered}
}

// The reader numbers messages, and a group's work is told by these numbers: in any order of the two, and of equal messages too.
func TestLedger(t *testing.T) {
	l, log := newLedger(), newGroupLog()
	l.begin(log.add)
	work := func(m *library.Delivery) { l.processed(m, drivers.GroupEvent{Kind: drivers.Processed}) }
	work(message("early", false)) // the group is faster than the reader
	if worked, _ := log.count(); worked != 0 {
		t.Errorf("%d messages are told as worked on, and the reader found none", worked)
	}
	for i, id := range []string{"early", "a", "twin", "twin", "lost"} {
		if at := l.found(message(id, false)); at != drivers.PositionIn(0, int64(i)) {
			t.Errorf("%s has %+v", id, at)
		}
	}
	work(message("twin", false))
	work(message("a", true)) // handed out before, and never worked on
	work(message("a", true)) // worked on again
	work(message("twin", true))
	want := map[int64]int{0: 1, 1: 2, 2: 1, 3: 1}
	if fmt.Sprint(log.processed) != fmt.Sprint(want) {
		t.Errorf("worked on %v, want %v", log.processed, want)
	}
	if end, known := l.end(); end != 5 || !known {
		t.Errorf("end %d, %v", end, known)
	}
}

// groupRun is a group on a real broker, and its account.
type groupRun struct {
	log           *groupLog
	gauges        map[string]float64
	found         int
	worked, again int
	settled       bool
}

// runGroup publishes n messages to a group while do happens to it, and reads to the end.
func runGroup(t *testing.T, url string, group Group, n int, do func(*groupRun)) *groupRun {
	t.Helper()
	exchange := freshName("exchange")
	a := openAccount(t, Config{URL: url, Exchange: exchange, Declare: &Topology{Exchanges: map[string]Exchange{exchange: {Type: "fanout"}}}, Mandatory: new(bool)})
	config := &Consume{URL: url, Exchange: exchange, Group: &group}
	config.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	source, err := config.Open(t.Context(), a.env)
	if err != nil {
		t.Fatal(err)
	}
	seen, end := receive(t, source)
	opened, err := config.OpenGroup(a.env)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Start(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	r := &groupRun{log: newGroupLog(), gauges: make(map[string]float64)}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- opened.Run(ctx, a.env.Clock()+time.Minute, r.log.add) }()
	a.send(t, n)
	do(r)
	catchUp(t, source)
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	patient, cancel := context.WithTimeout(t.Context(), 2*realPatience)
	defer cancel()
	committed, err := opened.Settled(patient)
	if err != nil {
		t.Error(err)
	}
	r.settled = committed[0] == int64(n)
	source.(drivers.Gauger).Gauges(func(name string, v float64) { r.gauges[name] = v })
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	r.found = len(seen.copy())
	r.worked, r.again = r.log.count()
	t.Logf("found %d, worked on %d, again %d, settled %v, %v", r.found, r.worked, r.again, r.settled, r.gauges)
	return r
}

// A node dies for good, and the queue counts its consumers for ever. Of messages that the group gave up it is known all the same that
// none of them is left.
func TestRealGroupOfADeadNode(t *testing.T) {
	t.Parallel()
	tier.Slow(t, "starts three nodes of RabbitMQ")
	nodes := rabbit.Start(t, 3)
	const n = 400
	r := runGroup(t, clusterURL(hostsOf(nodes)), Group{Members: 3, Work: 2 * time.Millisecond, Prefetch: 50, Type: typeQuorum, Fail: 0.1, OnFailure: failReject}, n, func(r *groupRun) {
		until(t, n/4)(r)
		nodes[2].Kill()
		until(t, n*8/10)(r)
	})
	if r.found != n || !r.settled || r.worked == n {
		t.Errorf("found %d, worked on %d, settled %v", r.found, r.worked, r.settled)
	}
}

// until waits until so many messages were worked on.
func until(t *testing.T, n int) func(*groupRun) {
	return func(r *groupRun) {
		eventually(t, fmt.Sprintf("work on %d messages", n), func() bool { worked, _ := r.log.count(); return worked >= n })
	}
}

// What a group loses and repeats, by its ack policy.
func TestRealGroups(t *testing.T) {
	tier.Slow(t, "runs groups of consumers")
	url := rabbit.URL(t)
	const n = 600
	die := &churn.Config{Choose: []string{churn.Die}}
	for field, text := range map[*churn.Span]string{&die.Every: "300ms", &die.For: "100ms..200ms"} {
		if err := field.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("nobody dies", func(t *testing.T) {
		t.Parallel()
		r := runGroup(t, url, Group{Members: 3}, n, until(t, n))
		if r.found != n || r.worked != n || r.again != 0 || !r.settled || r.gauges["delivered_again"] != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("single active", func(t *testing.T) {
		t.Parallel()
		r := runGroup(t, url, Group{Members: 3, Single: true, Type: typeQuorum}, n, until(t, n))
		if r.worked != n || r.again != 0 || !r.settled {
			t.Errorf("%+v", r)
		}
	})
	t.Run("members die", func(t *testing.T) {
		t.Parallel()
		r := runGroup(t, url, Group{Members: 3, Work: 2 * time.Millisecond, Prefetch: 50, Churn: die}, n, until(t, n))
		if r.worked != n || !r.settled || r.log.kinds[drivers.Died] == 0 || r.gauges["delivered_again"] == 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("members die, and the broker took all as acked", func(t *testing.T) {
		t.Parallel()
		r := runGroup(t, url, Group{Members: 3, Work: 20 * time.Millisecond, Ack: ackAuto, Churn: die}, n, func(r *groupRun) {
			// The work takes longer than the messages take to come, on a slow machine too: whoever dies has some in hand.
			eventually(t, "deaths", func() bool { r.log.mu.Lock(); defer r.log.mu.Unlock(); return r.log.kinds[drivers.Died] >= 5 })
		})
		if r.found != n || r.worked >= n || !r.settled {
			t.Errorf("%+v: what died in hand must be missing", r)
		}
	})
	t.Run("work fails, dead letters", func(t *testing.T) {
		t.Parallel()
		r := runGroup(t, url, Group{Members: 2, Fail: 0.1, OnFailure: failReject, DeadLetter: true}, n, until(t, n))
		if r.worked != n || r.again != 0 || !r.settled || r.gauges["dead_lettered"] < n/20 || r.gauges["expired"] != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("work fails, dropped", func(t *testing.T) {
		t.Parallel()
		r := runGroup(t, url, Group{Members: 2, Fail: 0.1, OnFailure: failNack}, n, until(t, n*8/10))
		if r.worked >= n || !r.settled {
			t.Errorf("%+v: what was dropped must be missing", r)
		}
	})
	t.Run("poison", func(t *testing.T) {
		t.Parallel()
		r := runGroup(t, url, Group{Members: 2, Fail: 0.01, Poison: 3, Type: typeQuorum, DeadLetter: true, Arguments: map[string]any{"x-delivery-limit": 6}}, n, until(t, n))
		if r.worked != n || r.gauges["poison"] == 0 || r.gauges["poison"] != r.gauges["dead_lettered"] || r.gauges["requeued"] < 6*r.gauges["poison"] {
			t.Errorf("%+v", r)
		}
	})
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		r := runGroup(t, url, Group{Members: 1, Prefetch: 1, Work: 20 * time.Millisecond, DeadLetter: true, Arguments: map[string]any{"x-message-ttl": 100}}, 100, until(t, 100))
		if r.worked != 100 || r.gauges["expired"] == 0 || r.gauges["expired"] != r.gauges["dead_lettered"] {
			t.Errorf("%+v", r)
		}
	})
}

// A member's connection is lost, and the broker has not noticed it. What it handed to the member is in no count of the queue: a group
// with such a member has not settled, unless all messages were worked on: a quorum queue counts the consumer of a dead node for ever.
func TestRealGroupHalfOpen(t *testing.T) {
	url := rabbit.URL(t)
	c := realControl(t, url)
	g := &consumers{config: &Group{Members: 1}, source: &Source{control: c, ledger: newLedger()}, queue: freshName("queue")}
	made, err := c.declare(&Topology{Queues: map[string]Queue{g.queue: {}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.remove(made); err != nil {
			t.Error(err)
		}
	})
	takes := func() (member *control, m library.Delivery) {
		member = realControl(t, url)
		handed := make(chan (<-chan library.Delivery), 1)
		member.must(t, func(ch *library.Channel) error {
			deliveries, err := ch.Consume(g.queue, "", false, false, false, false, nil)
			handed <- deliveries
			return err
		})
		return member, <-<-handed
	}
	putMessage(t, realConfirming(t, url), "", g.queue, []byte("a"))
	member, m := takes()
	ledger := g.source.ledger
	ledger.begin(func(drivers.GroupEvent) {})
	ledger.found(&m)
	bounded, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if end, err := g.Settled(bounded); err == nil {
		t.Errorf("the group has settled at %v, and the broker holds a message for a member", end)
	}
	member.close()
	eventually(t, "the message to be back", func() bool {
		end, err := g.Settled(t.Context())
		return err == nil && len(end) == 0
	})
	_, m = takes()
	ledger.processed(&m, drivers.GroupEvent{Kind: drivers.Processed})
	if end, err := g.Settled(t.Context()); err != nil || end[0] != 1 {
		t.Errorf("settled at %v, %v, and all was worked on", end, err)
	}
}

// realConfirming is a connection to a real broker that confirms what is published.
func realConfirming(t testing.TB, url string) *control {
	c := realControl(t, url)
	c.must(t, func(ch *library.Channel) error { return ch.Confirm(false) })
	return c
}
