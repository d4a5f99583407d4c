package shop

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"wringer/faults"
)

// brokers is the shop's Kafka cluster. It freezes at its connections: what arrives is held back whole and handled when
// it is resumed, as the kernel would do for a stopped process; answers on their way out are held back too.
type brokers struct {
	cluster *kfake.Cluster
	gate    gate
	// open counts the listeners and connections.
	open sync.WaitGroup
}

// openBrokers starts the cluster and returns when it accepts connections.
func openBrokers(first string, partitions int) (*brokers, error) {
	addresses, err := brokerAddresses(first)
	if err != nil {
		return nil, err
	}
	b := &brokers{}
	next := 0
	b.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(brokerCount),
		kfake.GroupMinSessionTimeout(leastSession),
		kfake.SeedTopics(int32(partitions), topicPayments, topicOrderEvents, topicShipments, topicInventoryCalls),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			l, err := listen("kafka", addresses[next])
			next++
			if err != nil {
				return nil, err
			}
			b.open.Add(1)
			return &heldListener{Listener: l, brokers: b}, nil
		}),
	)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *brokers) addresses() []string { return b.cluster.ListenAddrs() }

// close ends the cluster, frozen or not, and waits until every listener and connection is gone.
func (b *brokers) close() {
	b.cluster.Close()
	b.open.Wait()
}

// heldListener makes the connections of a broker pass its gate.
type heldListener struct {
	net.Listener
	brokers *brokers
	ended   sync.Once
}

func (l *heldListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		l.ended.Do(l.brokers.open.Done) // kfake stops accepting at the first error
		return nil, err
	}
	l.brokers.open.Add(1)
	return &heldConn{Conn: c, brokers: l.brokers, gone: make(chan struct{})}, nil
}

type heldConn struct {
	net.Conn
	brokers *brokers
	closed  atomic.Bool
	gone    chan struct{}
}

// Read holds back what it read: the read may have begun before the freeze.
func (c *heldConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.brokers.gate.pass(c.gone) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *heldConn) Write(p []byte) (int, error) {
	if !c.brokers.gate.pass(c.gone) {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

func (c *heldConn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	defer c.brokers.open.Done()
	close(c.gone)
	return c.Conn.Close()
}

// brokersPart lets faults freeze the cluster.
type brokersPart struct{ brokers *brokers }

const partKafka = "kafka"

func (p brokersPart) Pause(context.Context) error  { p.brokers.gate.shut(); return nil }
func (p brokersPart) Resume(context.Context) error { p.brokers.gate.lift(); return nil }
func (p brokersPart) Met() int64                   { return p.brokers.gate.met.Load() }

// Kill is not supported: kfake keeps its logs in memory, and a Kafka that forgets them would be a fault of another kind.
func (p brokersPart) Kill(context.Context) error {
	return faults.ErrUnsupported{Part: partKafka, Verb: "kill"}
}

// Start is not supported, as Kill is not.
func (p brokersPart) Start(context.Context) error {
	return faults.ErrUnsupported{Part: partKafka, Verb: "start"}
}

// Ready asks every broker for the topics.
func (p brokersPart) Ready(ctx context.Context) error {
	return within(ctx, func() error {
		var problems []error
		for _, address := range p.brokers.addresses() {
			problems = append(problems, askBroker(address))
		}
		return errors.Join(problems...)
	})
}

func askBroker(address string) error {
	config := clientConfig()
	config.Net.ReadTimeout = time.Second
	b := sarama.NewBroker(address)
	if err := b.Open(config); err != nil {
		return err
	}
	defer b.Close()
	_, err := b.GetMetadata(&sarama.MetadataRequest{Version: 1, Topics: []string{topicOrderEvents}})
	return err
}

// within runs f and waits for it until ctx ends. f must be bounded by itself.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func brokerList(addresses []string) string { return strings.Join(addresses, ",") }
