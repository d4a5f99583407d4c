package kafka

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
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
				large := d.template.sizes.Of(d.template.sizeSeed, uint64(i)) > limit && config.Compression == ""
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

// noise is a template of values that no codec makes much smaller: most of 3 KB, and some of 40 KB. Some are as long, and of one letter.
func noise() string {
	random, words := rand.New(rand.NewPCG(7, 1)), []string{strings.Repeat("z", 40_000), strings.Repeat("y", 40_000)}
	for n := range 24 {
		word := make([]byte, 3000)
		if n < 3 {
			word = make([]byte, 40_000)
		}
		for i := range word {
			word[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[random.IntN(62)]
		}
		words = append(words, string(word))
	}
	return "{{choice " + strings.Join(words, " ") + "}}"
}

// tooMuchNoise says whether an operation's value is too large by itself.
func tooMuchNoise(d *Driver, seq uint64) bool {
	r, _ := d.template.record(&drivers.Op{Seq: seq}, &drivers.Attempt{Number: 1}, nil)
	return len(r.value) > 20_000 && r.value[0] != r.value[1]
}

// sendNoise sends noise, and looks at what came of it: only what is too large by itself was refused, and all else came once and in
// its order.
func sendNoise(t *testing.T, d *Driver, n uint64) {
	t.Helper()
	s, err := d.Source()
	if err != nil {
		t.Fatal(err)
	}
	all, end := receive(t, s)
	want := []uint64{}
	for seq, at := range send(t, d, 0, n, testPatience, 0) {
		large := tooMuchNoise(d, uint64(seq))
		if large && (at.Outcome != drivers.Rejected || at.Code != "kafka_message_too_large") || !large && (at.Outcome != drivers.Acked || at.Hidden > 0 && !d.config.batchesItself()) {
			t.Fatalf("operation %d: %+v", seq, at)
		}
		if !large {
			want = append(want, uint64(seq))
		}
	}
	catchUp(t, s)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	got := []uint64{}
	for _, seen := range all.all {
		seq, _ := d.env.Identity.Parse(seen.ID)
		got = append(got, seq)
	}
	if !slices.Equal(got, want) {
		t.Errorf("came %v", got)
	}
}

// With each codec, batches of sarama's producer stay below what the topic takes, and records that no codec makes small enough
// are refused alone.
func TestCompressedBatchesAboveTheTopicsLimit(t *testing.T) {
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		for name, config := range map[string]Config{"linger": {Linger: time.Millisecond}, "idempotent": {Idempotent: true}, "retries": {Retries: new(3)}} {
			t.Run(codec+", "+name, func(t *testing.T) {
				if codec != "lz4" {
					tier.Slow(t, "the test once more, with another codec")
				}
				t.Parallel()
				c, err := kfake.NewCluster(kfake.NumBrokers(1))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				if err := c.CreateTopic(topic, 1, map[string]string{"max.message.bytes": "20000"}); err != nil {
					t.Fatal(err)
				}
				config.Compression, config.Value = codec, noise()
				sendNoise(t, openDriver(t, c, config, newEnv()), 200)
			})
		}
	}
}

// Where the limit is not told, a refused batch halves the next ones, until all fit.
func TestLimitThatIsNotTold(t *testing.T) {
	c := newCluster(t, 1)
	watch(c, func(p *kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		if len(p.Topics[0].Partitions[0].Records) <= 20_000 {
			return nil, nil, false
		}
		return refuse(p, kerr.MessageTooLarge.Code), nil, true
	})
	d := openDriver(t, c, Config{Idempotent: true, Sizes: map[string]uint32{"3KiB": 1}}, newEnv())
	for seq := uint64(0); seq < 3000; seq += 300 {
		_ = send(t, d, seq, 300, testPatience, 0)
	}
	for seq, at := range send(t, d, 3000, 300, testPatience, 0) {
		if at.Outcome != drivers.Acked {
			t.Fatalf("operation %d: %+v", seq, at)
		}
	}
	if limit := d.producers[0].limit.now.Load(); limit < 10_000 || limit > 20_000 {
		t.Errorf("the limit is %d", limit)
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
	for name, config := range map[string]Config{"own batches": {}, "linger": {Linger: time.Millisecond}, "without acks": {Acks: "none"}, "with a login": {SASL: &SASL{User: "u", Password: "p"}},
		"linger, with a login": {Linger: time.Millisecond, SASL: &SASL{User: "u", Password: "p"}}, "without acks, with a login": {Acks: "none", SASL: &SASL{User: "u", Password: "p"}}} {
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
