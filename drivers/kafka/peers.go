package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

var (
	_ drivers.Peered  = (*Config)(nil)
	_ drivers.Cluster = (*Driver)(nil)
)

// Peered implements drivers.Peered.
func (*Config) Peered() {}

// Peers implements drivers.Cluster.
func (d *Driver) Peers(ctx context.Context) (all map[string]string, err error) {
	err = d.ask(ctx, d.config.Topic, func(client sarama.Client) error {
		all = make(map[string]string)
		for _, b := range client.Brokers() {
			all[peerName(b)] = b.Addr()
		}
		return nil
	})
	return all, err
}

// Leader implements drivers.Cluster.
func (d *Driver) Leader(ctx context.Context, topic string, partition int32) (name string, err error) {
	err = d.ask(ctx, topic, func(client sarama.Client) error {
		leader, err := client.Leader(topic, partition)
		if err == nil {
			name = peerName(leader)
		}
		return err
	})
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrInvalidTopic) {
		return "", nil
	}
	return name, err
}

func peerName(b *sarama.Broker) string { return "broker-" + strconv.Itoa(int(b.ID())) }

// ask gets the metadata of a topic by a client of its own, past the stream's link, and looks into it.
func (d *Driver) ask(ctx context.Context, topic string, look func(sarama.Client) error) error {
	if err := d.askBrokers(ctx, topic, look); err != nil {
		return fmt.Errorf("ask kafka %s who its brokers are: %w", d.config.Brokers, errors.Join(ctx.Err(), err))
	}
	return nil
}

func (d *Driver) askBrokers(ctx context.Context, topic string, look func(sarama.Client) error) error {
	brokers, err := splitBrokers(d.config.Brokers)
	if err != nil {
		return err
	}
	n := newNetwork(d.env.Direct, patience(d.env.Timeout))
	n.secure = d.network.secure
	defer n.close()
	defer context.AfterFunc(ctx, n.close)()
	config := clientConfig(d.env, n)
	d.config.access().sign(config)
	client, err := sarama.NewClient(brokers, config)
	if err != nil {
		return err
	}
	defer client.Close()
	// A topic of which some partition has no leader is known all the same.
	if err := client.RefreshMetadata(topic); err != nil && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
		return err
	}
	return look(client)
}
