package shop

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"wringer/faults"
)

// publisher publishes records: idempotent, confirmed by all replicas, in order per key. It never gives up while the
// shop runs: sarama keeps a batch's sequence number over its resends, so that the brokers know them again, but would
// draw a new one if the shop handed over the record a second time. A caller that is tired of waiting leaves; the record
// stays under way. Safe for concurrent use.
type publisher struct {
	producer sarama.AsyncProducer
	readers  sync.WaitGroup
}

// receipt is a record under way.
type receipt struct {
	done chan struct{}
	// err is why the record may be missing in the log. Valid after done. It is set only when the brokers were gone for
	// minutes, or the shop closed.
	err  error
	then func(error)
}

// publishRetries lasts for minutes of refused connections; a frozen broker costs one for each read timeout.
const publishRetries = 1000

// clientConfig is what all Kafka clients of the shop have in common.
func clientConfig(network faults.Network) *sarama.Config {
	c := sarama.NewConfig()
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, dialer{network, c.Net.DialTimeout}
	c.ClientID = "shop"
	c.Version = sarama.V2_8_0_0
	c.MetricRegistry = noMetrics{metrics.NewRegistry()}
	c.Metadata.Retry.Max = 20
	return c
}

// dialer dials for sarama, which applies no timeout to a dialer that is not its own.
type dialer struct {
	network faults.Network
	timeout time.Duration
}

// Dial implements proxy.Dialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.timeout)
	defer cancel()
	return d.network.Dial(ctx, network, address)
}

func producerConfig(network faults.Network, linger time.Duration) *sarama.Config {
	c := clientConfig(network)
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1 // Idempotent demands it
	c.Producer.Retry.Max = publishRetries
	c.Producer.Retry.Backoff = 100 * time.Millisecond
	c.Producer.Return.Successes = true
	c.Producer.Flush.Frequency = linger
	return c
}

// openPublisher connects to the brokers. linger is how long a record may wait for others.
func openPublisher(network faults.Network, addresses []string, linger time.Duration) (*publisher, error) {
	producer, err := sarama.NewAsyncProducer(addresses, producerConfig(network, linger))
	if err != nil {
		return nil, fmt.Errorf("shop: open a kafka producer for %s: %w", brokerList(addresses), err)
	}
	p := &publisher{producer: producer}
	p.readers.Go(func() {
		for m := range producer.Successes() {
			m.Metadata.(*receipt).settle(nil)
		}
	})
	p.readers.Go(func() {
		for e := range producer.Errors() {
			e.Msg.Metadata.(*receipt).settle(e.Err)
		}
	})
	return p, nil
}

func (r *receipt) settle(err error) {
	r.err = err
	if r.then != nil {
		r.then(err)
	}
	close(r.done)
}

// publish hands a record over. It blocks while the producer is full, until gone is closed, and then returns nil: the
// record was not handed over. then, if not nil, is called once the outcome is known; it must not block.
func (p *publisher) publish(gone <-chan struct{}, topic, key string, value []byte, then func(error)) *receipt {
	r := &receipt{done: make(chan struct{}), then: then}
	m := &sarama.ProducerMessage{
		Topic: topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(value), Metadata: r,
	}
	select {
	case p.producer.Input() <- m:
		return r
	case <-gone:
		return nil
	}
}

// close sends what was handed over and waits for it. Nobody publishes any more.
func (p *publisher) close() {
	p.producer.AsyncClose()
	p.readers.Wait()
}

// silence is a metrics registry that measures nothing: the shop needs no metrics, and they cost time at each request.
type noMetrics struct{ metrics.Registry }

func (noMetrics) GetOrRegister(_ string, create any) any {
	switch create.(type) {
	case func() metrics.Meter:
		return metrics.NilMeter{}
	case func() metrics.Histogram:
		return metrics.NilHistogram{}
	default:
		return metrics.NilCounter{}
	}
}
