package kafka

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

// A topic takes 20,000 bytes a batch. Records of 3 KiB fit, and are all acked in their order; only records that are too large
// by themselves are refused.
func TestBatchesAboveTheTopicsLimit(t *testing.T) {
	t.Parallel()
	const limit = 20_000
	for name, config := range map[string]Config{
		"own batches":      {},
		"own, compressed":  {Compression: "lz4"},
		"linger":           {Linger: time.Millisecond},
		"idempotent":       {Idempotent: true},
		"with large ones":  {Sizes: map[string]uint32{"3KiB": 9, "30KiB": 1}},
		"large and linger": {Sizes: map[string]uint32{"3KiB": 9, "30KiB": 1}, Linger: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			if config.Sizes == nil {
				config.Sizes = map[string]uint32{"3KiB": 1}
			}
			c, err := kfake.NewCluster(kfake.NumBrokers(1))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			if err := c.CreateTopic(topic, 1, map[string]string{"max.message.bytes": fmt.Sprint(limit)}); err != nil {
				t.Fatal(err)
			}
			c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				p := r.(*kmsg.ProduceRequest)
				if len(p.Topics[0].Partitions[0].Records) <= limit {
					return nil, nil, false
				}
				return refuse(p, kerr.MessageTooLarge.Code), nil, true
			})
			d := openDriver(t, c, config, newEnv())
			s, err := d.Source()
			if err != nil {
				t.Fatal(err)
			}
			all, end := receive(t, s)
			rejected := 0
			for i, at := range send(t, d, 0, 300, testPatience, 0) {
				large := d.template.sizes.of(d.template.sizeSeed, uint64(i)) > limit && config.Compression == ""
				switch {
				case large && (at.Outcome != drivers.Rejected || at.Code != "kafka_message_too_large"), !large && at.Outcome != drivers.Acked:
					t.Fatalf("operation %d, large %v: %+v", i, large, at)
				case large:
					rejected++
				}
			}
			catchUp(t, s)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			last := int64(-1)
			for _, seen := range all.all {
				seq, _ := d.env.Identity.Parse(seen.ID)
				if int64(seq) <= last {
					t.Fatalf("operation %d came after %d", seq, last)
				}
				last = int64(seq)
			}
			if len(all.all) != 300-rejected {
				t.Errorf("%d seen, %d rejected", len(all.all), rejected)
			}
		})
	}
}

// refuse answers with an error for every partition.
func refuse(p *kmsg.ProduceRequest, code int16) kmsg.Response {
	answer := p.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range p.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset, rp.LogStartOffset = p.Partition, code, -1, -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		answer.Topics = append(answer.Topics, rt)
	}
	return answer
}

// The brokers close connections that are idle. The next record is written on a new one.
func TestBrokersCloseIdleConnections(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]Config{"own batches": {}, "linger": {Linger: time.Millisecond}, "with a login": {SASL: &SASL{User: "u", Password: "p"}}} {
		t.Run(name, func(t *testing.T) {
			opts := []kfake.Opt(nil)
			if config.SASL != nil {
				opts = append(opts, kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "p"))
			}
			c := newCluster(t, 1, opts...)
			cut := newIdleCutter(t)
			env := newEnv()
			env.Dial = cut.dial
			d := openDriver(t, c, config, env)
			for seq := range uint64(6) {
				if at := send(t, d, seq, 1, testPatience, 0)[0]; at.Outcome != drivers.Acked || at.Hidden != 0 {
					t.Fatalf("operation %d: %+v", seq, at)
				}
				cut.closeAll()
			}
		})
	}
}

// idleCutter carries connections through itself, and closes the client's side of all of them on request, as a broker does.
type idleCutter struct {
	t    *testing.T
	mu   sync.Mutex
	ends []net.Conn
	over sync.WaitGroup
}

func newIdleCutter(t *testing.T) *idleCutter {
	c := &idleCutter{t: t}
	t.Cleanup(func() { c.closeAll(); c.over.Wait() })
	return c
}

func (c *idleCutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	broker, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	near, err := l.Accept()
	if err != nil {
		return nil, err
	}
	c.over.Go(func() { io.Copy(broker, near) })
	c.over.Go(func() { io.Copy(near, broker) })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, near, broker)
	return client, nil
}

func (c *idleCutter) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.ends {
		end.Close()
	}
	c.ends = nil
}
