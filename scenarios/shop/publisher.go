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

// publisher publishes records: idempotent, confirmed by all replicas, in order per key. It never gives up while the shop
// runs. sarama keeps a batch's sequence number across its resends, so the brokers recognise them. If the shop handed over
// the record again, sarama would assign a new number. A caller may stop waiting; the record is still published. Safe for
// concurrent use.
type publisher struct {
	producer sarama.AsyncProducer
	readers  sync.WaitGroup
}

// receipt is a record that is being published.
type receipt struct {
	done chan struct{}
	// err says why the record may be missing in the log. Valid after done. It is set only if the brokers were gone for
	// minutes, or the shop closed.
	err  error
	then func(error)
}

// publishRetries suffices for minutes of refused connections. A frozen broker uses up one retry per read timeout.
const publishRetries = 1000

// clientConfig is the configuration that all Kafka clients of the shop share.
func clientConfig(network faults.Network) *sarama.Config {
	c := sarama.NewConfig()
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, dialer{network, c.Net.DialTimeout}
	c.ClientID = "shop"
	c.Version = sarama.V2_8_0_0
	c.MetricRegistry = noMetrics{metrics.NewRegistry()}
	c.Metadata.Retry.Max = 20
	return c
}

// dialer dials for sarama, which applies no timeout to a custom dialer.
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
	c.Net.MaxOpenRequests = 1 // required by Idempotent
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

// publish hands over a record. It blocks while the producer is full. If gone is closed meanwhile, it returns nil: the
// record was not handed over. then, if not nil, is called once the outcome is known; then must not block.
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

// close sends the records that were handed over and waits for them. publish must not be called any more.
func (p *publisher) close() {
	p.producer.AsyncClose()
	p.readers.Wait()
}

// noMetrics is a metrics registry that measures nothing. The shop needs no metrics, and they cost time in each request.
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
