package kafka

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
)

// account is one stream under test: a driver, the outcomes of its operations, and the records in its topic.
type account struct {
	env      drivers.Env
	driver   *Driver
	source   drivers.Source
	seen     *seen
	end      func() error
	mu       sync.Mutex
	attempts []drivers.Attempt
}

func (c *realCluster) open(t *testing.T, config Config, topic string) *account {
	t.Helper()
	a := &account{env: newEnv()}
	a.env.Timeout = 4 * time.Second
	config.Brokers, config.Topic, config.Partitions = c.bootstrap, topic, 1 // the broker that is asked may not know the topic yet
	config.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	d, err := config.Open(t.Context(), a.env)
	if err != nil {
		t.Fatal(err)
	}
	a.driver = d.(*Driver)
	t.Cleanup(func() { a.driver.Close() })
	if a.source, err = a.driver.Source(); err != nil {
		t.Fatal(err)
	}
	a.seen, a.end = receive(t, a.source)
	return a
}

// send sends n operations and waits until they end.
func (a *account) send(t *testing.T, n uint64) []drivers.Attempt {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	sent := send(t, a.driver, uint64(len(a.attempts)), n, a.env.Timeout, 7)
	a.attempts = append(a.attempts, sent...)
	return sent
}

// until sends operations, a hundred at a time, until stop is closed.
func (a *account) until(t *testing.T, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			a.send(t, 100)
		}
	}
}

// counts is the number of operations by outcome and by finding.
type counts struct{ acked, rejected, indeterminate, lost, duplicates, phantom int }

// settle reads the topic to its end and compares.
func (a *account) settle(t *testing.T) counts {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realPatience)
	defer cancel()
	if err := a.source.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.end(); err != nil {
		t.Fatal(err)
	}
	copies := make(map[uint64]int)
	for _, s := range a.seen.all {
		if seq, whose := a.env.Identity.Parse(s.ID); whose == drivers.Ours {
			copies[seq]++
		}
	}
	var b counts
	for i, at := range a.attempts {
		n := copies[uint64(i)]
		if n > 1 {
			b.duplicates++
		}
		switch {
		case at.Outcome == drivers.Acked:
			b.acked++
			if n == 0 {
				b.lost++
			}
		case at.Outcome == drivers.Rejected:
			b.rejected++
			if n > 0 {
				b.phantom++
				t.Errorf("rejected and in the log: operation %d, %+v", i, at)
			}
		default:
			b.indeterminate++
		}
	}
	return b
}

// A follower hangs. The leader accepts records and is killed. The follower comes back and leads, so records that only the
// old leader had are gone. With acks=leader these records are acknowledged, and the test finds them lost. (Unclean election
// is on, in case the follower was found out of sync.) With acks=all and two in-sync replicas required, none was
// acknowledged. A third topic is under load all the time. Finally, a broker that no longer leads says so before it appends.
func TestRealBrokers(t *testing.T) {
	tier.Slow(t, "starts three nodes of Apache Kafka")
	c := startReal(t)
	c.create(t, "risky", "1", "true", 1, 2)
	c.create(t, "safe", "2", "false", 1, 2)
	c.create(t, "steady", "2", "false", 1, 3, 2)
	risky := c.open(t, Config{Acks: "leader"}, "risky")
	safe := c.open(t, Config{}, "safe")
	steady := c.open(t, Config{Idempotent: true}, "steady")
	t.Run("groups", func(t *testing.T) { c.groups(t) })
	t.Run("too large", func(t *testing.T) { c.tooLarge(t) })
	for _, a := range []*account{risky, safe, steady} {
		for _, at := range a.send(t, 500) {
			if at.Outcome != drivers.Acked {
				t.Fatalf("before anything is broken: %+v", at)
			}
		}
	}

	stop := make(chan struct{})
	var background sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); background.Wait() })
	defer end()
	background.Go(func() { steady.until(t, stop) })
	c.do(t, "pause", c.dir, "2")
	var bursts sync.WaitGroup
	bursts.Go(func() { safe.send(t, 500) })
	for _, at := range risky.send(t, 500) {
		if at.Outcome != drivers.Acked {
			t.Errorf("the leader alone must do with acks=leader: %+v", at)
		}
	}
	c.do(t, "kill", c.dir, "1")
	c.do(t, "resume", c.dir, "2")
	bursts.Wait()
	c.eventually(t, "2 leads risky", func(admin sarama.ClusterAdmin) error {
		// If only an out-of-sync replica is left, brokers elect it by themselves minutes later.
		_, _ = admin.ElectLeaders(sarama.UncleanElection, map[string][]int32{"risky": {0}})
		return leads(admin, "risky", 2)
	})
	c.do(t, "up", c.dir, "1")
	c.leader(t, "safe", 1, 2)
	for _, a := range []*account{risky, safe} {
		eventuallyAcked(t, a)
	}
	end()

	t.Run("not the leader", func(t *testing.T) { notLeader(t, c, risky) })
	got := map[string]counts{"risky": risky.settle(t), "safe": safe.settle(t), "steady": steady.settle(t)}
	t.Logf("%+v", got)
	if b := got["risky"]; b.lost == 0 {
		t.Error("acks=leader: no loss was shown")
	}
	for _, name := range []string{"safe", "steady"} {
		if b := got[name]; b.lost > 0 || b.phantom > 0 {
			t.Errorf("%s: %+v", name, b)
		}
	}
	if b := got["steady"]; b.duplicates > 0 || b.acked < 600 {
		t.Errorf("steady: %+v", b)
	}
}

// tooLarge sends noise to a topic of a low limit, as the tests with embedded brokers do, and expects the same.
func (c *realCluster) tooLarge(t *testing.T) {
	for name, config := range map[string]Config{
		"own-lz4": {Compression: "lz4"}, "linger-gzip": {Compression: "gzip", Linger: time.Millisecond},
		"idempotent-snappy": {Compression: "snappy", Idempotent: true}, "idempotent-zstd": {Compression: "zstd", Idempotent: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.create(t, name, "2", "false", 1, 2, 3)
			limit := "20000"
			c.eventually(t, "the limit of "+name, func(admin sarama.ClusterAdmin) error {
				return admin.IncrementalAlterConfig(sarama.TopicResource, name,
					map[string]sarama.IncrementalAlterConfigsEntry{"max.message.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &limit}}, false)
			})
			c.leader(t, name, 1)
			config.Brokers, config.Topic, config.Partitions, config.Value = c.bootstrap, name, 1, noise()
			env := newEnv()
			env.Timeout = realPatience
			d, err := config.Open(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			sendNoise(t, d.(*Driver), 200)
		})
	}
}

// eventuallyAcked sends until the stream is served again.
func eventuallyAcked(t *testing.T, a *account) {
	t.Helper()
	for end := time.Now().Add(realPatience); time.Now().Before(end); {
		if a.send(t, 1)[0].Outcome == drivers.Acked {
			return
		}
	}
	t.Fatal("the stream was not served again")
}

// notLeader moves the leader without the client's knowledge, so that its next record is refused before the append. A client
// that refreshed its metadata just then knows the new leader; the leader is moved once more.
func notLeader(t *testing.T, c *realCluster, a *account) {
	for move := range 50 {
		order := []int32{1, 2}
		if move%2 == 1 {
			order = []int32{2, 1}
		}
		c.prefer(t, "risky", order)
		switch at := a.send(t, 1)[0]; {
		case at.Outcome == drivers.Acked:
			continue
		case at.Outcome != drivers.Rejected || at.Code != "kafka_not_leader_or_follower" || !at.Answered || !at.Wire:
			t.Errorf("%+v", at)
		}
		eventuallyAcked(t, a)
		return
	}
	t.Error("the client always knew the new leader: nothing was tested")
}

// groups strikes members as the tests with embedded brokers do, and expects the same.
func (c *realCluster) groups(t *testing.T) {
	c.eventually(t, "the topic of the coordinators", func(admin sarama.ClusterAdmin) error {
		answer, err := admin.ListConsumerGroupOffsets("first", nil)
		if err == nil && answer.Err != sarama.ErrNoError {
			err = answer.Err
		}
		return err
	})
	for name, config := range map[string]Group{"before": {Commit: "before"}, "after": {Commit: "after"}, "frozen": {}} {
		t.Run(name, func(t *testing.T) {
			c.create(t, "group-"+name, "2", "false", 1, 2, 3)
			c.leader(t, "group-"+name, 1)
			config.Members, config.Session = 2, testSession
			b := startTestGroup(t, &Consume{Brokers: c.bootstrap, Topic: "group-" + name, Group: &config}, newEnv())
			cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.bootstrap, ",")...), kgo.DefaultProduceTopic("group-"+name))
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			strike := deathInHand
			if name == "frozen" {
				strike = freezeRedelivers
			}
			strike(t, b, func(n int) { produce(t, cl, numbered(n)...) })
		})
	}
}
