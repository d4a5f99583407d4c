package kafkalink

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/faults"
	"wringer/faults/faulttest"
)

// dialRecorder records the addresses that a client dialled.
type dialRecorder struct {
	mu  sync.Mutex
	all map[string]bool
}

func (d *dialRecorder) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	if d.all == nil {
		d.all = make(map[string]bool)
	}
	d.all[address] = true
	d.mu.Unlock()
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}

// Dial implements sarama's proxy dialer.
func (d *dialRecorder) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// onLink checks that every broker was dialled, and none at its own address.
func (d *dialRecorder) onLink(t *testing.T, brokers []string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for address := range d.all {
		if slices.Contains(brokers, address) {
			t.Errorf("the client dialled the broker itself, %s", address)
		}
	}
	if len(d.all) < 1+len(brokers) {
		t.Errorf("the client dialled %d addresses, not one for each of %d brokers and the bootstrap", len(d.all), len(brokers))
	}
}

func saramaConfig(d *dialRecorder) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, d
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewRoundRobinPartitioner
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	return c
}

func TestSaramaStaysOnTheLink(t *testing.T) {
	brokers := cluster(t).ListenAddrs()
	r, d := newRig(t, brokers...), &dialRecorder{}
	p, err := sarama.NewSyncProducer([]string{r.address}, saramaConfig(d))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const n = 60
	for i := range n {
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: "orders", Value: sarama.StringEncoder(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	group, err := sarama.NewConsumerGroup([]string{r.address}, "g", saramaConfig(d))
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := &countingHandler{want: n, enough: cancel}
	if err := group.Consume(ctx, []string{"orders"}, seen); err != nil {
		t.Fatal(err)
	}
	if got := seen.count(); got != n {
		t.Errorf("consumed %d of %d", got, n)
	}
	d.onLink(t, brokers)
}

// countingHandler is a group's handler that counts messages until it has enough.
type countingHandler struct {
	want   int
	enough func()
	mu     sync.Mutex
	seen   int
}

func (*countingHandler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*countingHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c *countingHandler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for range claim.Messages() {
		c.mu.Lock()
		if c.seen++; c.seen == c.want {
			c.enough()
		}
		c.mu.Unlock()
	}
	return nil
}

func (c *countingHandler) count() int { c.mu.Lock(); defer c.mu.Unlock(); return c.seen }

func franz(t *testing.T, r *rig, d *dialRecorder, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(r.address), kgo.Dialer(d.DialContext), kgo.DefaultProduceTopic("orders"),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.RetryTimeout(patience), kgo.RequestTimeoutOverhead(time.Second),
		kgo.MetadataMinAge(50 * time.Millisecond),         // how long the client waits before it asks for the leader again
		kgo.ProduceRequestTimeout(100 * time.Millisecond), // with the overhead, the time after which an answer counts as lost
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestFranzStaysOnTheLink(t *testing.T) {
	brokers := cluster(t).ListenAddrs()
	r, d := newRig(t, brokers...), &dialRecorder{}
	c := franz(t, r, d, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const n = 60
	for i := range n {
		if err := c.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for seen := 0; seen < n; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d: %v", seen, n, err)
		}
		seen += fetches.NumRecords()
	}
	d.onLink(t, brokers)
}

// A Produce answer names the new leader of a moved partition (KIP-951). The client must not learn the leader's own address
// there.
func TestMovedLeader(t *testing.T) {
	cl := cluster(t)
	brokers := cl.ListenAddrs()
	r, d := newRig(t, brokers...), &dialRecorder{}
	c := franz(t, r, d, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumeTopics("orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const n = 12
	for i := range n {
		if err := c.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: int32(i % 6), Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		for p := range int32(6) {
			if err := cl.MoveTopicPartition("orders", p, (cl.LeaderFor("orders", p)+1)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	for seen := 0; seen < n; {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("after %d of %d: %v", seen, n, fetches.Err())
		}
		seen += fetches.NumRecords()
	}
	d.onLink(t, brokers)
}

// Whatever a fault does to Produce, an idempotent client ends up with each record once.
func TestClientsOutliveFaults(t *testing.T) {
	for _, a := range []Act{
		{API: "produce", Drop: "answers", First: 1},
		{API: "produce", Drop: "requests", First: 1},
		{API: "produce", Error: "NOT_LEADER_OR_FOLLOWER", First: 2},
		{API: "produce", Delay: 50 * time.Millisecond},
	} {
		t.Run((&FaultConfig{Act: a}).words(), func(t *testing.T) {
			t.Parallel()
			cl := cluster(t)
			r := newRig(t, cl.ListenAddrs()...)
			c := franz(t, r, &dialRecorder{})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.ProduceSync(ctx, kgo.StringRecord("before")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			f := r.inject(t, a)
			for i := range 6 {
				if err := c.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			if b := f.Bite(); b == (faults.Bite{}) {
				t.Error("it touched no traffic")
			}
			faulttest.Heal(t, f)
			var stored int64
			for p := range int32(6) {
				stored += cl.PartitionInfo("orders", p).HighWatermark
			}
			if stored != 7 {
				t.Errorf("%d records are in the log, want 7", stored)
			}
		})
	}
}
