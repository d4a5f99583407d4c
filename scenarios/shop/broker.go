package shop

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"wringer/faults"
)

// brokers is the shop's Kafka cluster. It freezes at its connections: incoming bytes are held back and handled on resume,
// as the kernel does for a stopped process. Outgoing answers are held back too.
type brokers struct {
	network    faults.Network
	cluster    *kfake.Cluster
	pausePoint pausePoint
	// open counts the listeners and connections.
	open sync.WaitGroup
}

// openBrokers starts the cluster and returns when it accepts connections.
func openBrokers(network faults.Network, first string, partitions int) (*brokers, error) {
	addresses, err := brokerAddresses(first)
	if err != nil {
		return nil, err
	}
	b := &brokers{network: network}
	next := 0
	b.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(brokerCount),
		kfake.GroupMinSessionTimeout(leastSession),
		kfake.SeedTopics(int32(partitions), shopTopics...),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			l, err := listen(network, "kafka", addresses[next])
			next++
			if err != nil {
				return nil, err
			}
			b.open.Add(1)
			return &pausableListener{Listener: l, brokers: b}, nil
		}),
	)
	if err != nil {
		return nil, err
	}
	if network.Virtual {
		if err := b.spread(partitions); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

// spread gives every partition a leader, the same in every run. The coordinator of the orders' reader leads no partition of
// the orders' events. The reason is sarama: it holds a broker's mutex from a request to its answer, and a fetch waits up to
// half a second for records. A commit to the same broker would wait for that mutex, and virtual time stands still while a
// goroutine waits for a mutex.
func (b *brokers) spread(partitions int) error {
	coordinator := b.cluster.CoordinatorFor(fulfilmentName)
	for _, topic := range shopTopics {
		var leaders []int32
		for node := range int32(brokerCount) {
			if topic != topicOrderEvents || node != coordinator {
				leaders = append(leaders, node)
			}
		}
		for partition := range partitions {
			if err := b.cluster.MoveTopicPartition(topic, int32(partition), leaders[partition%len(leaders)]); err != nil {
				return fmt.Errorf("shop: lead partition %d of %s: %w", partition, topic, err)
			}
		}
	}
	return nil
}

func (b *brokers) addresses() []string { return b.cluster.ListenAddrs() }

// close ends the cluster, frozen or not, and waits until every listener and connection is gone.
func (b *brokers) close() {
	b.cluster.Close()
	b.open.Wait()
}

// pausableListener makes connections that stop while the brokers are paused.
type pausableListener struct {
	net.Listener
	brokers *brokers
	ended   sync.Once
}

func (l *pausableListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		l.ended.Do(l.brokers.open.Done) // kfake stops accepting at the first error
		return nil, err
	}
	l.brokers.open.Add(1)
	conn := &pausableConn{Conn: c, brokers: l.brokers, gone: make(chan struct{})}
	conn.versionRequest.over.Store(!l.brokers.network.Virtual)
	return conn, nil
}

type pausableConn struct {
	net.Conn
	brokers *brokers
	closed  atomic.Bool
	gone    chan struct{}
	versionRequest
}

// versionRequest is the first request of a connection: it asks which versions the broker speaks. In virtual time frozen
// brokers answer it too: sarama holds the connection's mutex until then, see brokers.spread.
type versionRequest struct {
	over  atomic.Bool // a later request has begun
	head  [4]byte     // the length of the first request. Read alone uses the fields from here on
	taken int
}

// takes says whether p, just read, belongs to the version request. kfake never reads past the end of a request.
func (g *versionRequest) takes(p []byte) bool {
	if g.over.Load() {
		return false
	}
	if g.taken < len(g.head) {
		copy(g.head[g.taken:], p)
	}
	if g.taken >= len(g.head) && g.taken-len(g.head) >= int(binary.BigEndian.Uint32(g.head[:])) {
		g.over.Store(true)
		return false
	}
	g.taken += len(p)
	return true
}

// Read holds back the bytes that it read: the read may have begun before the freeze.
func (c *pausableConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.takes(p[:n]) && !c.brokers.pausePoint.wait(c.gone) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *pausableConn) Write(p []byte) (int, error) {
	if c.over.Load() && !c.brokers.pausePoint.wait(c.gone) {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

func (c *pausableConn) Close() error {
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

func (p brokersPart) Pause(context.Context) error  { p.brokers.pausePoint.pause(); return nil }
func (p brokersPart) Resume(context.Context) error { p.brokers.pausePoint.resume(); return nil }
func (p brokersPart) Met() int64                   { return p.brokers.pausePoint.held.Load() }

// Kill is not supported: kfake keeps its logs in memory. A Kafka that loses its logs would be another kind of fault.
func (p brokersPart) Kill(context.Context) error {
	return faults.ErrUnsupported{Part: partKafka, Verb: "kill"}
}

// Start is not supported, as Kill is not.
func (p brokersPart) Start(context.Context) error {
	return faults.ErrUnsupported{Part: partKafka, Verb: "start"}
}

// Ready asks every broker for its topics.
func (p brokersPart) Ready(ctx context.Context) error {
	return within(ctx, func() error {
		var problems []error
		for _, address := range p.brokers.addresses() {
			problems = append(problems, askBroker(p.brokers.network, address))
		}
		return errors.Join(problems...)
	})
}

func askBroker(network faults.Network, address string) error {
	config := clientConfig(network)
	config.Net.ReadTimeout = time.Second
	b := sarama.NewBroker(address)
	if err := b.Open(config); err != nil {
		return err
	}
	defer b.Close()
	_, err := b.GetMetadata(&sarama.MetadataRequest{Version: 1, Topics: []string{topicOrderEvents}})
	return err
}

// within runs f and waits for the result until ctx ends. f must end by itself.
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
