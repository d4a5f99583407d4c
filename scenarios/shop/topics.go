package shop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"wringer/faults"
)

// topics are the shop's topics on brokers of their own.
type topics struct {
	network    faults.Network
	brokers    []string
	partitions int
	replicas   int // 0: as many as there are brokers, or are named, at most brokerCount
	log        *slog.Logger
}

// topicsPause stands between two tries to create the topics: brokers may start beside their clients.
const topicsPause = 250 * time.Millisecond

// ensure creates the topics that are missing and returns once each partition has a leader. It tries until ctx ends.
func (t topics) ensure(ctx context.Context) error {
	for waited := false; ; waited = true {
		var err error
		if gone := within(ctx, func() error { err = t.tryEnsure(); return nil }); gone == nil && err == nil {
			return nil
		} else if gone != nil {
			return fmt.Errorf("shop: kafka %s does not answer: %w", brokerList(t.brokers), gone)
		}
		if !waited {
			t.log.Info("waiting for kafka", "brokers", brokerList(t.brokers), "because", err)
		}
		if !sleep(ctx, topicsPause) {
			return fmt.Errorf("shop: create the topics on kafka %s: %w", brokerList(t.brokers), err)
		}
	}
}

func (t topics) tryEnsure() error {
	config := clientConfig(t.network)
	config.Metadata.Retry.Max = 0
	config.Net.DialTimeout, config.Net.ReadTimeout = 2*time.Second, 5*time.Second
	admin, err := sarama.NewClusterAdmin(t.brokers, config)
	if err != nil {
		return err
	}
	defer admin.Close()
	states, err := admin.DescribeTopics(shopTopics)
	if err != nil {
		return err
	}
	var problems []error
	for _, state := range states {
		if errors.Is(state.Err, sarama.ErrUnknownTopicOrPartition) {
			problems = append(problems, t.create(admin, state.Name))
			continue
		}
		problems = append(problems, leaders(state))
	}
	return errors.Join(problems...)
}

// errFresh says that a topic was created just now: whether it has leaders is not known yet.
var errFresh = errors.New("just created")

func (t topics) create(admin sarama.ClusterAdmin, name string) error {
	brokers, _, err := admin.DescribeCluster()
	if err != nil {
		return err
	}
	// A broker that is named and not up yet counts: a topic made too early would stay without its replicas.
	replicas := cmp.Or(t.replicas, min(max(len(brokers), len(t.brokers)), brokerCount))
	// One replica may fail without loss and without a halt, where there is one to spare.
	insync := strconv.Itoa(max(1, replicas-1))
	err = admin.CreateTopic(name, &sarama.TopicDetail{
		NumPartitions: int32(t.partitions), ReplicationFactor: int16(replicas),
		ConfigEntries: map[string]*string{"min.insync.replicas": &insync},
	}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) { // another service may have been quicker
		return fmt.Errorf("topic %s, %d replicas at %d brokers: %w", name, replicas, len(brokers), err)
	}
	return fmt.Errorf("topic %s: %w", name, errFresh)
}

func leaders(state *sarama.TopicMetadata) error {
	if state.Err != sarama.ErrNoError {
		return fmt.Errorf("topic %s: %w", state.Name, state.Err)
	}
	for _, p := range state.Partitions {
		if p.Leader < 0 {
			return fmt.Errorf("topic %s: partition %d has no leader", state.Name, p.ID)
		}
	}
	return nil
}
