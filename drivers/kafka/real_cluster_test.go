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
	"testing"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// realPatience bounds each step with the real brokers.
const realPatience = 5 * time.Minute

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
	for end := time.Now().Add(realPatience); time.Now().Before(end); drivers.Pause(t.Context(), backoff) {
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
