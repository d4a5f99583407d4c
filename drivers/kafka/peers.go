package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

var (
	_ drivers.Peers    = (*Driver)(nil)
	_ drivers.Peers    = (*consumers)(nil)
	_ drivers.Branched = (*Config)(nil)
	_ drivers.Branched = (*Consume)(nil)
)

// Peers implements drivers.Peers.
func (d *Driver) Peers(ctx context.Context) (map[string]string, error) {
	return d.directory().peers(ctx, d.config.Topic)
}

// Resolve implements drivers.Peers.
func (d *Driver) Resolve(ctx context.Context, branch string) (string, error) {
	return d.directory().resolve(ctx, branch)
}

func (d *Driver) directory() directory {
	return directory{d.env, d.config.Brokers, d.config.access(), d.network.tlsConfig}
}

// Peers implements drivers.Peers.
func (g *consumers) Peers(ctx context.Context) (map[string]string, error) {
	return g.directory().peers(ctx, g.topic)
}

// Resolve implements drivers.Peers.
func (g *consumers) Resolve(ctx context.Context, branch string) (string, error) {
	return g.directory().resolve(ctx, branch)
}

func (g *consumers) directory() directory {
	return directory{g.env, strings.Join(g.brokers, ","), g.access, g.tlsConfig}
}

// directory asks the brokers for their names and addresses.
type directory struct {
	env       drivers.Env
	brokers   string
	access    access
	tlsConfig *tls.Config
}

func (d directory) peers(ctx context.Context, topic string) (all map[string]string, err error) {
	err = d.ask(ctx, topic, func(client sarama.Client) error {
		all = make(map[string]string)
		for _, b := range client.Brokers() {
			all[brokerName(b.ID())] = b.Addr()
		}
		return nil
	})
	return all, err
}

// leader returns the name of the broker that leads a partition. It returns an empty name if the topic or partition does not
// exist.
func (d directory) leader(ctx context.Context, topic string, partition int32) (name string, err error) {
	err = d.ask(ctx, topic, func(client sarama.Client) error {
		leader, err := client.Leader(topic, partition)
		if err == nil {
			name = brokerName(leader.ID())
		}
		return err
	})
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrInvalidTopic) {
		return "", nil
	}
	return name, err
}

// ask gets the metadata of a topic over a client of its own, outside the stream's link, and passes the client to look.
func (d directory) ask(ctx context.Context, topic string, look func(sarama.Client) error) error {
	if err := d.askBrokers(ctx, topic, look); err != nil {
		return fmt.Errorf("ask kafka %s for its brokers: %w", d.brokers, errors.Join(ctx.Err(), err))
	}
	return nil
}

func (d directory) askBrokers(ctx context.Context, topic string, look func(sarama.Client) error) error {
	brokers, err := splitBrokers(d.brokers)
	if err != nil {
		return err
	}
	n := newNetwork(d.env.Direct, patience(d.env.Timeout), brokers)
	n.tlsConfig = d.tlsConfig
	defer n.close()
	defer context.AfterFunc(ctx, n.close)()
	config := clientConfig(d.env, n)
	d.access.setLogin(config)
	client, err := sarama.NewClient(brokers, config)
	if err != nil {
		return err
	}
	defer client.Close()
	// A topic is known even if some partition has no leader.
	if err := client.RefreshMetadata(topic); err != nil && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
		return err
	}
	return look(client)
}
