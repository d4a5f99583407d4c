package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
)

// realPatience bounds each step with the real brokers.
const realPatience = 120 * time.Second

// realCluster is three nodes of Apache Kafka, each a broker and a controller.
type realCluster struct {
	script, dir, bootstrap string
}

// startReal starts a cluster that ends with the test. It skips the test if no brokers are installed.
func startReal(t testing.TB) *realCluster {
	home := os.Getenv("WRINGER_KAFKA_HOME")
	if home == "" {
		t.Skip("no real brokers: WRINGER_KAFKA_HOME does not name the folder of Apache Kafka's jars and its script `cluster`")
	}
	c := &realCluster{script: filepath.Join(home, "cluster"), dir: filepath.Join(t.TempDir(), "kafka")}
	t.Cleanup(func() { c.do(t, "stop", c.dir) })
	c.do(t, "start", c.dir, "--port", fmt.Sprint(freePorts(t)), "--heap", "384")
	b, err := os.ReadFile(filepath.Join(c.dir, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	c.bootstrap = strings.TrimSpace(string(b))
	return c
}

// freePorts finds free ports for the cluster, in a row. They lie below the ports that systems assign, so that no connection
// of another test takes one first.
func freePorts(t testing.TB) int {
	for range 100 {
		base := 12000 + rand.IntN(16000)
		free := true
		for _, beside := range []int{0, 1, 2, 100, 101, 102} {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+beside))
			if err != nil {
				free = false
				continue
			}
			l.Close()
		}
		if free {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func (c *realCluster) do(t testing.TB, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realPatience)
	defer cancel()
	command := exec.CommandContext(ctx, c.script, args...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	command.WaitDelay = time.Second // the nodes keep the output open
	if err := command.Run(); err != nil && ctx.Err() == nil && !strings.Contains(err.Error(), "WaitDelay") {
		t.Errorf("cluster %s: %v\n%s", strings.Join(args, " "), err, said.String())
	} else if ctx.Err() != nil {
		t.Errorf("cluster %s did not end in %v", args[0], realPatience)
	}
}

// ask calls do with an admin client of the cluster. A client sticks to the broker that it found, and that broker may have
// been killed. So each call has a client of its own.
func (c *realCluster) ask(do func(sarama.ClusterAdmin) error) error {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.MetricRegistry = noMetrics{}
	admin, err := sarama.NewClusterAdmin(strings.Split(c.bootstrap, ","), config)
	if err != nil {
		return err
	}
	defer admin.Close()
	return do(admin)
}

// eventually calls do until it succeeds.
func (c *realCluster) eventually(t *testing.T, what string, do func(sarama.ClusterAdmin) error) {
	t.Helper()
	var err error
	for end := time.Now().Add(realPatience); time.Now().Before(end); pause(t.Context(), backoff) {
		if err = c.ask(do); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// create creates a topic of one partition with these replicas. The first replica leads.
func (c *realCluster) create(t *testing.T, topic, minInsync, unclean string, replicas ...int32) {
	t.Helper()
	configs := map[string]*string{"min.insync.replicas": &minInsync, "unclean.leader.election.enable": &unclean}
	err := c.ask(func(admin sarama.ClusterAdmin) error {
		return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1,
			ReplicaAssignment: map[int32][]int32{0: replicas}, ConfigEntries: configs}, false)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// leader waits until one of these brokers leads the topic's partition.
func (c *realCluster) leader(t *testing.T, topic string, among ...int32) {
	t.Helper()
	c.eventually(t, fmt.Sprintf("one of %v leads %s", among, topic), func(admin sarama.ClusterAdmin) error {
		return leads(admin, topic, among...)
	})
}

func leads(admin sarama.ClusterAdmin, topic string, among ...int32) error {
	topics, err := admin.DescribeTopics([]string{topic})
	switch {
	case err != nil:
		return err
	case len(topics) == 0 || len(topics[0].Partitions) == 0:
		return errors.New("the topic is not known")
	case !slices.Contains(among, topics[0].Partitions[0].Leader):
		p := topics[0].Partitions[0]
		return fmt.Errorf("its leader is %d, in sync are %v: %w", p.Leader, p.Isr, p.Err)
	}
	return nil
}

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

// prefer makes the first of these replicas the leader of the topic's partition.
func (c *realCluster) prefer(t *testing.T, topic string, replicas []int32) {
	t.Helper()
	c.eventually(t, fmt.Sprintf("%d leads %s", replicas[0], topic), func(admin sarama.ClusterAdmin) error {
		if err := admin.AlterPartitionReassignments(topic, [][]int32{replicas}); err != nil {
			return err
		}
		// The replica may not be in sync yet, or may lead already.
		_, _ = admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: {0}})
		return leads(admin, topic, replicas[0])
	})
}

// groups strikes members as the tests with embedded brokers do, and expects the same.
func (c *realCluster) groups(t *testing.T) {
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
