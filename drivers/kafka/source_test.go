package kafka

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

// client is a Kafka client of another program.
func client(t testing.TB, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func produce(t testing.TB, cl *kgo.Client, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func openSource(t testing.TB, c *kfake.Cluster, effect Effect) *Source {
	t.Helper()
	effect.Brokers = brokers(c)
	if effect.Topic == "" {
		effect.Topic = topic
	}
	effect.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	s, err := effect.Open(t.Context(), newEnv())
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Source)
}

func TestEffect(t *testing.T) {
	c := newCluster(t, 1)
	cl := client(t, c)
	produce(t, cl, `{"order":{"id":"before"}}`)
	s := openSource(t, c, Effect{ID: "$.order.id", Key: "$.keys[1]", Origin: "$.from"})
	all, end := receive(t, s)
	produce(t, cl, `{"order":{"id":"r1.s.7"},"keys":["a","k\u0031"],"from":12}`, `{"order":{}}`, `no JSON`)
	catchUp(t, s)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if len(all.all) != 3 {
		t.Fatalf("%d seen", len(all.all))
	}
	first := all.all[0]
	if string(first.ID) != "r1.s.7" || string(first.Key) != "k1" || string(first.Origin) != "12" || first.Position.At != 1 || first.At <= 0 {
		t.Errorf("%+v", first)
	}
	if !strings.Contains(first.Wrong, `$.keys[1] is "k1", and `) { // the stream has no such key
		t.Errorf("wrong: %q", first.Wrong)
	}
	for _, d := range all.all[1:] {
		if d.ID != nil || d.Key != nil || d.Origin != nil {
			t.Errorf("%+v", d)
		}
	}
}

// Catching up compares positions: the log ends with records that are never delivered.
func TestTransactions(t *testing.T) {
	t.Parallel()
	for _, committed := range []bool{true, false} {
		c := newCluster(t, 1)
		s := openSource(t, c, Effect{ID: "$.id", ReadCommitted: &committed})
		all, end := receive(t, s)
		cl := client(t, c, kgo.TransactionalID("t"))
		transact := func(try kgo.TransactionEndTry, values ...string) {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			produce(t, cl, values...)
			if err := cl.EndTransaction(t.Context(), try); err != nil {
				t.Fatal(err)
			}
		}
		transact(kgo.TryCommit, `{"id":"a"}`, `{"id":"b"}`)
		transact(kgo.TryAbort, `{"id":"c"}`, `{"id":"d"}`)
		transact(kgo.TryCommit, `{"id":"e"}`)
		transact(kgo.TryAbort, `{"id":"f"}`)
		catchUp(t, s)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range all.all {
			got = append(got, string(d.ID))
		}
		want := []string{"a", "b", "e"}
		if !committed {
			want = []string{"a", "b", "c", "d", "e", "f"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("committed %v: %q", committed, got)
		}
	}
}

func TestLeadersMoveUnderTheReader(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4)
	d := openDriver(t, c, Config{Idempotent: true}, newEnv())
	s, err := d.Source()
	if err != nil {
		t.Fatal(err)
	}
	all, end := receive(t, s)
	const rounds, each = 5, 100
	for round := range uint64(rounds) {
		c.ShufflePartitionLeaders()
		send(t, d, round*each, each, testPatience, 11)
		catchUp(t, s)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if len(all.all) != rounds*each {
		t.Errorf("%d seen", len(all.all))
	}
}

// Records removed before they were read make the observation incomplete. The source must say so.
func TestRetentionOvertakes(t *testing.T) {
	c := newCluster(t, 1)
	cl := client(t, c)
	s := openSource(t, c, Effect{ID: "$.id"})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, `{"id":"a"}`, `{"id":"b"}`)
	if err := c.DeleteRecords(topic, 0, 1); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Receive(t.Context(), func(*drivers.Delivery) {}); !errors.Is(err, errIncomplete) || !strings.Contains(err.Error(), topic) || !strings.Contains(err.Error(), "the log begins at offset 1; retention, or a deletion of records, overtook the reader (cleanup.policy delete)") {
		t.Errorf("receive: %v", err)
	}
	if err := s.CatchUp(t.Context()); !errors.Is(err, errIncomplete) {
		t.Errorf("catch up: %v", err)
	}
}

func TestCompactionOvertakes(t *testing.T) {
	c := newCluster(t, 1)
	if err := c.CreateTopic("compacted", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	cl := client(t, c)
	s := openSource(t, c, Effect{Topic: "compacted"})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "compacted", Key: []byte("k"), Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c.Compact()
	defer s.Close()
	if err := s.Receive(t.Context(), func(*drivers.Delivery) {}); !errors.Is(err, errIncomplete) || !strings.Contains(err.Error(), "the topic is compacted (cleanup.policy compact)") {
		t.Errorf("receive: %v", err)
	}
}

func TestCatchUpEnds(t *testing.T) {
	virtual(func(t *testing.T, c *virtualCluster) {
		cl := c.client(t)
		effect := Effect{Brokers: brokers(c.Cluster), Topic: topic}
		s, err := effect.Open(t.Context(), c.env())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.CatchUp(t.Context()); err != nil {
			t.Errorf("nothing to read: %v", err)
		}
		produce(t, cl, "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.CatchUp(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "offset 0 of 1") {
			t.Errorf("nobody reads: %v", err)
		}
	})(t)
}

func TestStart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := openSource(t, c, Effect{Topic: "absent"})
	if err := s.Start(t.Context()); !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), "absent") {
		t.Errorf("absent topic: %v", err)
	}
	s.Close()
	auto := newCluster(t, 1, kfake.AllowAutoTopicCreation())
	s = openSource(t, auto, Effect{Topic: "made"})
	if err := s.Start(t.Context()); err != nil {
		t.Errorf("topic that the brokers create: %v", err)
	}
	s.Close()
	s = openSource(t, c, Effect{})
	s.brokers = []string{"127.0.0.1:1"}
	if err := s.Start(t.Context()); !errors.Is(err, drivers.ErrUnreachable) {
		t.Errorf("no broker: %v", err)
	}
	s.Close()
}

func TestGauges(t *testing.T) {
	c := newCluster(t, 1)
	cl := client(t, c)
	s := openSource(t, c, Effect{})
	gauges := func() map[string]float64 {
		m := make(map[string]float64)
		s.Gauges(func(name string, v float64) { m[name] = v })
		return m
	}
	if _, known := gauges()["lag"]; known {
		t.Error("a lag before the start")
	}
	all, end := receive(t, s)
	produce(t, cl, "x")
	eventually(t, "the record", func() bool { return all.len() == 1 })
	eventually(t, "no lag", func() bool { lag, known := gauges()["lag"]; return known && lag == 0 })
	end()
}

func TestPartitionsAdded(t *testing.T) {
	c := newCluster(t, 1)
	s := openSource(t, c, Effect{})
	_, end := receive(t, s)
	cl := client(t, c)
	addPartitions(t, cl, 3)
	if err := s.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "3 partitions, and had 1") {
		t.Errorf("%v", err)
	}
	end()
}

func addPartitions(t testing.TB, cl *kgo.Client, total int32) {
	t.Helper()
	r := kmsg.NewPtrCreatePartitionsRequest()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, total
	r.Topics, r.TimeoutMillis = append(r.Topics, rt), 1000
	resp, err := r.RequestWith(t.Context(), cl)
	if err != nil || resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("%v, %+v", err, resp)
	}
}

// One broker may not know a topic yet that exists.
func TestTopicThatIsNotKnownEverywhereYet(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	asked := 0
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if q := r.(*kmsg.MetadataRequest); len(q.Topics) == 0 || asked >= 3 {
			return nil, nil, false
		}
		asked++
		return unknownTopic(c, r), nil, true
	})
	env := newEnv()
	s, err := newSource(env, brokers(c), topic, access{}, fieldConfig{}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Start(t.Context()); err != nil || asked < 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// unknownTopic is the answer of a broker that knows its cluster, but not the topic.
func unknownTopic(c *kfake.Cluster, r kmsg.Request) kmsg.Response {
	answer := r.ResponseKind().(*kmsg.MetadataResponse)
	for id, address := range c.ListenAddrs() {
		b := kmsg.NewMetadataResponseBroker()
		host, port, _ := net.SplitHostPort(address)
		n, _ := strconv.Atoi(port)
		b.NodeID, b.Host, b.Port = int32(id), host, int32(n)
		answer.Brokers = append(answer.Brokers, b)
	}
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.ErrorCode = kmsg.StringPtr(topic), kerr.UnknownTopicOrPartition.Code
	answer.Topics = append(answer.Topics, t)
	return answer
}
