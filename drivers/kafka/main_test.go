package kafka

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
)

// Two goroutines belong to libraries, and end late or never. sarama marks a global meter when it encodes a fetch (see
// noMetrics), and go-metrics never stops that meter's clock. And closing a producer while several records wait for a leader
// opens sarama's circuit breaker, whose timer runs for ten more seconds.
func TestMain(m *testing.M) {
	if os.Getenv(serveBrokers) != "" {
		os.Exit(serveBenchmarkBrokers())
	}
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"),
		goleak.IgnoreAnyFunction("github.com/eapache/go-resiliency/breaker.(*Breaker).timer"))
}

const (
	topic = "orders"
	// patience is how long a test waits before it reports a hang. Nothing is measured by it.
	testPatience = 60 * time.Second
)

// newCluster starts a cluster that ends with the test.
func newCluster(t testing.TB, partitions int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(partitions, topic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newEnv() drivers.Env {
	epoch := time.Now()
	return drivers.Env{
		Stream:   "s",
		Identity: drivers.Identity{Run: "r1", Stream: "s"},
		Seed:     7,
		Clock:    func() time.Duration { return time.Since(epoch) },
		Epoch:    func() time.Time { return epoch },
		Dial:     new(net.Dialer).DialContext,
		Direct:   new(net.Dialer).DialContext,
		Timeout:  2 * time.Second,
		Sessions: 8,
		Log:      slog.New(slog.DiscardHandler),
	}
}

func brokers(c *kfake.Cluster) string { return strings.Join(c.ListenAddrs(), ", ") }

// openDriver opens a driver on c. The driver closes before the cluster, when the test ends.
func openDriver(t testing.TB, c *kfake.Cluster, config Config, env drivers.Env) *Driver {
	t.Helper()
	config.Brokers, config.Topic = brokers(c), topic
	config.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	d, err := config.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d.(*Driver)
}

// send sends operations from..from+n-1, with keys if keys is above 0. It returns their attempts once all have ended.
func send(t testing.TB, d *Driver, from, n uint64, timeout time.Duration, keys uint64) []drivers.Attempt {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	ops, attempts := make([]drivers.Op, n), make([]drivers.Attempt, n)
	var over sync.WaitGroup
	over.Add(int(n))
	for i := range ops {
		ops[i] = drivers.Op{Seq: from + uint64(i)}
		if keys > 0 {
			ops[i].Keyed, ops[i].Key = true, ops[i].Seq%keys
		}
		attempts[i].Reset(1, d.env.Clock())
		d.Send(ctx, &ops[i], &attempts[i], over.Done)
	}
	over.Wait()
	return attempts
}

func sendOne(t testing.TB, d *Driver, seq uint64, timeout time.Duration) drivers.Attempt {
	t.Helper()
	return send(t, d, seq, 1, timeout, 0)[0]
}

// produceLog counts, on the brokers' side, the transmissions of each operation and the appended records.
type produceLog struct {
	mu       sync.Mutex
	identity drivers.Identity
	arrived  map[uint64]int
}

// watch counts every record of every Produce request that c receives. act, if not nil, may answer a request in place of the
// cluster.
func watch(c *kfake.Cluster, act func(*kmsg.ProduceRequest) (kmsg.Response, error, bool)) *produceLog {
	w := &produceLog{identity: newEnv().Identity, arrived: make(map[uint64]int)}
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		p := r.(*kmsg.ProduceRequest)
		w.note(p)
		if act == nil {
			return nil, nil, false
		}
		return act(p)
	})
	return w
}

func (w *produceLog) note(p *kmsg.ProduceRequest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range p.Topics {
		for _, p := range t.Partitions {
			var batch kmsg.RecordBatch
			if err := batch.ReadFrom(p.Records); err != nil {
				panic(err)
			}
			records, err := kfake.BatchRecords(batch)
			if err != nil {
				panic(err)
			}
			for _, r := range records {
				for _, h := range r.Headers {
					if h.Key == HeaderID {
						seq, _ := w.identity.Parse(h.Value)
						w.arrived[seq]++
					}
				}
			}
		}
	}
}

func (w *produceLog) of(seq uint64) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrived[seq]
}

// seen keeps the deliveries of a source. anew counts how often they were taken back.
type seen struct {
	mu   sync.Mutex
	all  []drivers.Delivery
	anew int
}

func (s *seen) deliver(d *drivers.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Anew {
		s.all = nil
		s.anew++
		return
	}
	c := *d
	c.ID, c.Key, c.Origin, c.Sequence = clone(d.ID), clone(d.Key), clone(d.Origin), clone(d.Sequence)
	s.all = append(s.all, c)
}

func (s *seen) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// receive starts a source and reads it until the returned function is called. That function returns the result of Receive.
func receive(t testing.TB, s drivers.Source) (*seen, func() error) {
	t.Helper()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan error, 1)
	all := &seen{}
	go func() { out <- s.Receive(ctx, all.deliver) }()
	var once sync.Once
	var err error
	end := func() error {
		once.Do(func() {
			cancel()
			err = <-out
			if cerr := s.Close(); cerr != nil {
				t.Errorf("close: %v", cerr)
			}
		})
		return err
	}
	t.Cleanup(func() { end() })
	return all, end
}

func catchUp(t testing.TB, s drivers.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	if err := s.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition that another goroutine makes true.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(testPatience); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
