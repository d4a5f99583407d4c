package kafka

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

func TestAckedAndSeen(t *testing.T) {
	t.Parallel()
	for _, config := range []Config{
		{}, {Idempotent: true}, {Acks: "leader"}, {Compression: "gzip"}, {Compression: "snappy"}, {Compression: "lz4"}, {Compression: "zstd"},
		{Headers: map[string]string{"a": "{{seq}}", "b": "x"}, Size: 300, Version: "3.7.0"}, {Version: "1.0.0"},
	} {
		name := fmt.Sprintf("%v%s%s%s", config.Idempotent, config.Compression, config.Acks, config.Version)
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 4)
			w := watch(c, nil)
			d := openDriver(t, c, config, newEnv())
			source, err := d.Source()
			if err != nil {
				t.Fatal(err)
			}
			all, end := receive(t, source)
			const n = 1000
			attempts := send(t, d, 0, n, testPatience, 50)
			places := make(map[[2]int64]bool)
			for seq, at := range attempts {
				if at.Outcome != drivers.Acked || at.Hidden != 0 || !at.Wire || !at.Position.Known || at.Sent < at.Begun {
					t.Fatalf("%d: %+v", seq, at)
				}
				if w.of(uint64(seq)) != 1 {
					t.Fatalf("%d arrived %d times", seq, w.of(uint64(seq)))
				}
				places[[2]int64{int64(at.Position.Log), at.Position.At}] = true
			}
			catchUp(t, source)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if len(all.all) != n || len(places) != n {
				t.Fatalf("%d of %d seen, at %d places", len(all.all), n, len(places))
			}
			for _, s := range all.all {
				seq, whose := d.env.Identity.Parse(s.ID)
				key, ok := drivers.ParseKey(s.Key)
				if whose != drivers.Ours || !ok || key != seq%50 {
					t.Fatalf("saw %q with key %q", s.ID, s.Key)
				}
				if at := attempts[seq]; at.Position != s.Position {
					t.Fatalf("%d: acked at %+v, seen at %+v", seq, at.Position, s.Position)
				}
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault    *kerr.Error
		outcome  drivers.Outcome
		code     string
		appended bool
	}{
		{kerr.NotLeaderForPartition, drivers.Rejected, "kafka_not_leader_or_follower", false},
		{kerr.NotEnoughReplicas, drivers.Rejected, "kafka_not_enough_replicas", false},
		{kerr.MessageTooLarge, drivers.Rejected, "kafka_message_too_large", false},
		{kerr.TopicAuthorizationFailed, drivers.Rejected, "kafka_topic_authorization_failed", false},
		{kerr.InvalidRecord, drivers.Rejected, "kafka_invalid_record", false},
		{kerr.RequestTimedOut, drivers.Indeterminate, "kafka_request_timed_out", true},
		{kerr.NotEnoughReplicasAfterAppend, drivers.Indeterminate, "kafka_not_enough_replicas_after_append", true},
		{kerr.KafkaStorageError, drivers.Indeterminate, "kafka_storage_error", false},
		{kerr.UnknownServerError, drivers.Indeterminate, "kafka_unknown_server_error", false},
	}
	c := newCluster(t, 1)
	d := openDriver(t, c, Config{}, newEnv())
	for i, test := range tests {
		t.Run(test.fault.Message, func(t *testing.T) {
			before := c.PartitionInfo(topic, 0).HighWatermark
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: test.fault})
			at := sendOne(t, d, uint64(i), testPatience)
			if at.Outcome != test.outcome || at.Code != test.code || !at.Answered || !at.Wire || at.Hidden != 0 {
				t.Errorf("%+v", at)
			}
			if appended := c.PartitionInfo(topic, 0).HighWatermark > before; appended != test.appended {
				t.Errorf("appended: %v", appended)
			}
			if again := sendOne(t, d, 100+uint64(i), testPatience); again.Outcome != drivers.Acked {
				t.Errorf("afterwards: %+v", again)
			}
		})
	}
}

func TestHiddenRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		faults  []*kerr.Error // one per transmission
		outcome drivers.Outcome
		code    string
	}{
		{"two refusals, then an ack", []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas}, drivers.Acked, ""},
		{"refused each time", []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotLeaderForPartition, kerr.NotLeaderForPartition, kerr.NotLeaderForPartition}, drivers.Rejected, "kafka_not_leader_or_follower"},
		{"appended once, then refused", []*kerr.Error{kerr.RequestTimedOut, kerr.NotEnoughReplicas, kerr.NotEnoughReplicas, kerr.NotEnoughReplicas}, drivers.Indeterminate, "kafka_not_enough_replicas"},
	}
	retries := 3
	for _, config := range []Config{{Retries: &retries}, {Idempotent: true}} {
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s/idempotent=%v", test.name, config.Idempotent), func(t *testing.T) {
				c := newCluster(t, 1)
				w := watch(c, nil)
				d := openDriver(t, c, config, newEnv())
				for _, f := range test.faults {
					c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: f})
				}
				at := sendOne(t, d, 1, testPatience)
				if at.Outcome != test.outcome || at.Code != test.code || at.Hidden != w.of(1)-1 {
					t.Errorf("%+v; %d arrived", at, w.of(1))
				}
				if w.of(1) != min(len(test.faults)+1, retries+1) {
					t.Errorf("%d transmissions arrived", w.of(1))
				}
			})
		}
	}
}

// The broker appended the record, and its answer was lost with the connection.
func TestLostAnswer(t *testing.T) {
	once := 1
	tests := []struct {
		name    string
		config  Config
		outcome drivers.Outcome
		copies  int64
	}{
		{"no retries", Config{}, drivers.Indeterminate, 1},
		{"plain retries", Config{Retries: &once}, drivers.Acked, 2},
		{"idempotent", Config{Idempotent: true}, drivers.Acked, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, 1)
			w := watch(c, nil)
			env := newEnv()
			var cut atomic.Int64
			env.Dial = cutting(&cut)
			d := openDriver(t, c, test.config, env)
			cut.Store(1)
			at := sendOne(t, d, 1, testPatience)
			if at.Outcome != test.outcome || at.Hidden != w.of(1)-1 {
				t.Errorf("%+v; %d arrived", at, w.of(1))
			}
			if test.outcome == drivers.Indeterminate && at.Code != drivers.CodeClosed {
				t.Errorf("code %q", at.Code)
			}
			if n := c.PartitionInfo(topic, 0).HighWatermark; n != test.copies {
				t.Errorf("%d copies in the log", n)
			}
		})
	}
}

// cutting dials connections that lose the next *cut answers to Produce: the connection ends instead.
func cutting(cut *atomic.Int64) drivers.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &cutConn{Conn: conn, cut: cut}, nil
	}
}

type cutConn struct {
	net.Conn
	cut   *atomic.Int64
	armed atomic.Bool
}

func (c *cutConn) Write(p []byte) (int, error) {
	if h, err := parseHead(p); err == nil && h.key == produceKey && c.cut.Add(-1) >= 0 {
		c.armed.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.armed.Load() {
		c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

// Under all kinds of faults at once, each attempt agrees with the brokers' counts and logs.
func TestCountsAreExact(t *testing.T) {
	t.Parallel()
	retries := 3
	for seed := range uint64(4) {
		for _, config := range []Config{{}, {Retries: &retries}, {Idempotent: true}, {Retries: &retries, Compression: "lz4"}} {
			t.Run(fmt.Sprintf("%d/%d/%v%s", seed, config.retries(), config.Idempotent, config.Compression), func(t *testing.T) {
				t.Parallel()
				exactCounts(t, seed, config)
			})
		}
	}
}

func exactCounts(t *testing.T, seed uint64, config Config) {
	c := newCluster(t, 3)
	random := rand.New(rand.NewPCG(seed, 1))
	faults := []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend}
	w := watch(c, nil)
	env := newEnv()
	var cut atomic.Int64
	env.Dial = cutting(&cut)
	d := openDriver(t, c, config, env)
	source, err := d.Source()
	if err != nil {
		t.Fatal(err)
	}
	all, end := receive(t, source)
	var attempts []drivers.Attempt
	const rounds, each = 12, 100
	for range rounds {
		switch random.IntN(4) {
		case 0:
			cut.Store(int64(random.IntN(4)))
		case 1:
			c.ShufflePartitionLeaders()
		default:
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: faults[random.IntN(len(faults))], Count: 1 + random.IntN(3)})
		}
		attempts = append(attempts, send(t, d, uint64(len(attempts)), each, testPatience, 10)...)
	}
	catchUp(t, source)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	copies := make(map[uint64]int)
	places := make(map[uint64][2]int64)
	for _, s := range all.all {
		seq, _ := d.env.Identity.Parse(s.ID)
		copies[seq]++
		places[seq] = [2]int64{int64(s.Position.Log), s.Position.At}
	}
	outcomes := make(map[drivers.Outcome]int)
	for i, at := range attempts {
		seq := uint64(i)
		outcomes[at.Outcome]++
		transmissions := 0
		if at.Wire {
			transmissions = 1 + at.Hidden
		}
		if w.of(seq) != transmissions {
			t.Errorf("%d: %d transmissions arrived: %+v", seq, w.of(seq), at)
		}
		switch {
		case at.Outcome == drivers.Acked && copies[seq] == 0, at.Outcome == drivers.Rejected && copies[seq] > 0,
			config.Idempotent && copies[seq] > 1:
			t.Errorf("%d: %d copies: %+v", seq, copies[seq], at)
		case at.Position.Known && copies[seq] == 1 && places[seq] != [2]int64{int64(at.Position.Log), at.Position.At}:
			t.Errorf("%d: seen at %v: %+v", seq, places[seq], at)
		}
	}
	t.Logf("%v", outcomes)
}

// An idempotent producer keeps the order of a key's records, whatever happens to leaders and connections.
func TestOrderOfKeys(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4)
	env := newEnv()
	var cut atomic.Int64
	env.Dial = cutting(&cut)
	d := openDriver(t, c, Config{Idempotent: true}, env)
	source, err := d.Source()
	if err != nil {
		t.Fatal(err)
	}
	all, end := receive(t, source)
	for round := range uint64(5) {
		cut.Store(2)
		c.ShufflePartitionLeaders()
		send(t, d, 200*round, 200, testPatience, 7)
	}
	catchUp(t, source)
	end()
	last, home := make(map[string]uint64), make(map[string]int32)
	for _, s := range all.all {
		seq, _ := env.Identity.Parse(s.ID)
		key := string(s.Key)
		if p, ok := home[key]; ok && p != s.Position.Log {
			t.Fatalf("key %s in partitions %d and %d", key, p, s.Position.Log)
		}
		if seq < last[key] {
			t.Fatalf("key %s: %d after %d", key, seq, last[key])
		}
		last[key], home[key] = seq, s.Position.Log
	}
}

func TestNoAcks(t *testing.T) {
	c := newCluster(t, 1)
	w := watch(c, nil)
	d := openDriver(t, c, Config{Acks: "none"}, newEnv())
	for _, at := range send(t, d, 0, 100, testPatience, 0) {
		if at.Outcome != drivers.Acked || at.Position.Known || !at.Wire || at.Hidden != 0 {
			t.Fatalf("%+v", at)
		}
	}
	eventually(t, "the last record", func() bool { return w.of(99) == 1 })
}

// A retry by the stream's policy is not confused with a resend by the client library. The first attempt has ended while the
// library still resends it. The second attempt counts only its own transmissions.
func TestSecondAttempt(t *testing.T) {
	t.Parallel()
	once := 1
	c := newCluster(t, 1)
	var silent atomic.Bool
	silent.Store(true)
	w := watch(c, func(*kmsg.ProduceRequest) (kmsg.Response, error, bool) { return nil, nil, silent.Swap(false) })
	d := openDriver(t, c, Config{Retries: &once}, newEnv())
	op := drivers.Op{Seq: 5}
	do := func(number int, timeout time.Duration) drivers.Attempt {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		var at drivers.Attempt
		at.Reset(number, d.env.Clock())
		s, _ := d.Session()
		s.Do(ctx, &op, &at)
		return at
	}
	if at := do(1, 50*time.Millisecond); at.Outcome != drivers.Indeterminate || at.Hidden != 0 {
		t.Errorf("%+v", at)
	}
	if at := do(2, testPatience); at.Outcome != drivers.Acked || at.Hidden != 0 {
		t.Errorf("%+v", at)
	}
	if w.of(5) != 3 {
		t.Errorf("%d arrived", w.of(5))
	}
	gauges := make(map[string]float64)
	d.Gauges(func(name string, value float64) { gauges[name] = value })
	if gauges["transmissions"] != 2 || gauges["retransmissions"] != 1 {
		t.Errorf("%v", gauges)
	}
}
