package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

var (
	_ drivers.Cluster = (*Driver)(nil)
	_ drivers.Cluster = (*consumers)(nil)
)

// Peers implements drivers.Cluster.
func (d *Driver) Peers(ctx context.Context) (map[string]string, error) {
	return d.directory().peers(ctx, d.config.Topic)
}

// Leader implements drivers.Cluster.
func (d *Driver) Leader(ctx context.Context, topic string, partition int32) (string, error) {
	return d.directory().leader(ctx, topic, partition)
}

func (d *Driver) directory() directory {
	return directory{d.env, d.config.Brokers, d.config.access(), d.network.secure}
}

// Peers implements drivers.Cluster.
func (g *consumers) Peers(ctx context.Context) (map[string]string, error) {
	return g.directory().peers(ctx, g.topic)
}

// Leader implements drivers.Cluster.
func (g *consumers) Leader(ctx context.Context, topic string, partition int32) (string, error) {
	return g.directory().leader(ctx, topic, partition)
}

func (g *consumers) directory() directory {
	return directory{g.env, strings.Join(g.brokers, ","), g.access, g.secure}
}

// directory is where one asks who the brokers are.
type directory struct {
	env     drivers.Env
	brokers string
	access  access
	secure  *tls.Config
}

func (d directory) peers(ctx context.Context, topic string) (all map[string]string, err error) {
	err = d.ask(ctx, topic, func(client sarama.Client) error {
		all = make(map[string]string)
		for _, b := range client.Brokers() {
			all[peerName(b)] = b.Addr()
		}
		return nil
	})
	return all, err
}

func (d directory) leader(ctx context.Context, topic string, partition int32) (name string, err error) {
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
func (d directory) ask(ctx context.Context, topic string, look func(sarama.Client) error) error {
	if err := d.askBrokers(ctx, topic, look); err != nil {
		return fmt.Errorf("ask kafka %s who its brokers are: %w", d.brokers, errors.Join(ctx.Err(), err))
	}
	return nil
}

func (d directory) askBrokers(ctx context.Context, topic string, look func(sarama.Client) error) error {
	brokers, err := splitBrokers(d.brokers)
	if err != nil {
		return err
	}
	n := newNetwork(d.env.Direct, patience(d.env.Timeout))
	n.secure = d.secure
	defer n.close()
	defer context.AfterFunc(ctx, n.close)()
	config := clientConfig(d.env, n)
	d.access.sign(config)
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
