package kafkalink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers/drivertest/tier"
	"wringer/faults/faulttest"
)

// prepared lays the acts on the link before the first connection, as the runner does.
func (r *rig) prepared(t testing.TB, acts ...Act) {
	t.Helper()
	for _, a := range acts {
		if err := (&FaultConfig{Link: r.link.Name(), Act: a}).Prepare(r.link); err != nil {
			t.Fatal(err)
		}
	}
}

// plainClient is a client past the link.
func plainClient(t testing.TB, brokers []string, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("orders")}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var jsonValue = func(i int) string { return fmt.Sprintf(`{"orderId":"order-%05d","text":"some text"}`, i) }

// fill writes n values to each of the 6 partitions, packed by the codec.
func fill(t testing.TB, brokers []string, n int, codec kgo.CompressionCodec, value func(i int) string) {
	t.Helper()
	c := plainClient(t, brokers, kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []*kgo.Record
	for i := range n {
		for p := range int32(6) {
			all = append(all, &kgo.Record{Topic: "orders", Partition: p, Value: []byte(value(i)), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}})
		}
	}
	if err := c.ProduceSync(ctx, all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// read reads n records of the topic from its beginning, by place.
func read(t testing.TB, c *kgo.Client, n int) map[string]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all := make(map[string]*kgo.Record)
	for len(all) < n {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d: %v", len(all), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { all[fmt.Sprint(r.Partition, "/", r.Offset)] = r })
	}
	return all
}

func text(records map[string]*kgo.Record) map[string]string {
	out := make(map[string]string)
	for place, r := range records {
		out[place] = fmt.Sprintf("%q", r.Value)
		if r.Value == nil {
			out[place] = "null"
		}
	}
	return out
}

var fromStart = []kgo.Opt{kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50 * time.Millisecond)}

// Values change for consumers in every compression; a second consumer gets the same, and so does one of another library.
func TestChangedValues(t *testing.T) {
	five := 5
	for name, test := range map[string]struct {
		codec kgo.CompressionCodec
		act   Act
	}{
		"none": {kgo.NoCompression(), Act{Corrupt: 0.1}}, "gzip": {kgo.GzipCompression(), Act{Tombstone: 0.1}},
		"snappy": {kgo.SnappyCompression(), Act{Corrupt: 0.1}}, "lz4": {kgo.Lz4Compression(), Act{Truncate: &five, Share: 0.1}},
		"zstd": {kgo.ZstdCompression(), Act{Tombstone: 0.1}},
	} {
		t.Run(name+" "+(&FaultConfig{Act: test.act}).Kind(), func(t *testing.T) {
			if name == "none" || name == "gzip" {
				tier.Slow(t, "an action once more, with another codec")
			}
			t.Parallel()
			brokers := cluster(t).ListenAddrs()
			fill(t, brokers, 100, test.codec, jsonValue)
			changesValues(t, brokers, test.act)
		})
	}
}

// changesValues: the values change for consumers, for all of them alike, until the fault is healed. The topic holds 600 records.
func changesValues(t *testing.T, brokers []string, a Act) {
	const n = 600
	r := newRig(t, brokers...)
	r.prepared(t, a)
	f := r.inject(t, a)
	first := read(t, franz(t, r, &dialRecorder{}, fromStart...), n)
	counted := f.touched.count
	second := read(t, franz(t, r, &dialRecorder{}, fromStart...), n)
	if !maps.Equal(text(first), text(second)) {
		t.Error("a second consumer gets other values")
	}
	if got := bySarama(t, r, n); !maps.Equal(text(first), got) {
		t.Error("a consumer of another library gets other values")
	}
	changed := 0
	for place, record := range first {
		original := jsonValue(int(record.Offset))
		if string(record.Value) == original {
			continue
		}
		changed++
		if want, _ := a.value([]byte(original)); !bytes.Equal(want, record.Value) || (want == nil) != (record.Value == nil) {
			t.Errorf("%s: %q, want %q", place, record.Value, want)
		}
		if len(record.Headers) != 1 || string(record.Headers[0].Value) != "v" {
			t.Errorf("%s: headers %v", place, record.Headers)
		}
	}
	if changed < n/40 || changed > n/4 || int(counted) < changed {
		t.Errorf("%d of %d values changed, %d counted", changed, n, counted)
	}
	if b := f.Bite(); !b.Bit || b.Bytes <= 0 || b.Connections < 3 || !strings.Contains(b.Words, "values in 6 partitions") {
		t.Errorf("%+v", b)
	}
	faulttest.Heal(t, f)
	for place, record := range read(t, franz(t, r, &dialRecorder{}, fromStart...), n) {
		if string(record.Value) != jsonValue(int(record.Offset)) {
			t.Errorf("after heal, %s: %q", place, record.Value)
		}
	}
}

// bySarama reads n records with sarama.
func bySarama(t *testing.T, r *rig, n int) map[string]string {
	t.Helper()
	c, err := sarama.NewConsumer([]string{r.address}, saramaConfig(&dialRecorder{}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all := make(map[string]string)
	for p := range int32(6) {
		pc, err := c.ConsumePartition("orders", p, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		for range n / 6 {
			select {
			case m := <-pc.Messages():
				all[fmt.Sprint(m.Partition, "/", m.Offset)] = fmt.Sprintf("%q", m.Value)
				if m.Value == nil {
					all[fmt.Sprint(m.Partition, "/", m.Offset)] = "null"
				}
			case <-time.After(patience):
				t.Fatal("no message")
			}
		}
		if err := pc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestSchemaID(t *testing.T) {
	brokers := cluster(t).ListenAddrs()
	framed := func(i int) string { return "\x00\x00\x00\x00\x07" + jsonValue(i) }
	fill(t, brokers, 20, kgo.ZstdCompression(), framed)
	r, a := newRig(t, brokers...), Act{SchemaID: 999999, Topic: "orders"}
	r.prepared(t, a)
	f := r.inject(t, a)
	for place, record := range read(t, franz(t, r, &dialRecorder{}, fromStart...), 120) {
		if want := "\x00\x00\x0f\x42\x3f" + jsonValue(int(record.Offset)); string(record.Value) != want {
			t.Errorf("%s: %q", place, record.Value)
		}
	}
	faulttest.Heal(t, f)
}

// Replicas and transaction markers get what the log holds.
func TestLeavesReplicasAndMarkersAlone(t *testing.T) {
	cl := cluster(t)
	brokers := cl.ListenAddrs()
	tx := plainClient(t, brokers, kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		err := errors.Join(tx.BeginTransaction(), tx.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte(jsonValue(i))}).FirstErr(), tx.EndTransaction(ctx, end))
		if err != nil {
			t.Fatal(err)
		}
	}
	r, a := newRig(t, brokers...), Act{Tombstone: 1}
	r.prepared(t, a)
	f := r.inject(t, a)
	got := read(t, franz(t, r, &dialRecorder{}, append(fromStart, kgo.FetchIsolationLevel(kgo.ReadCommitted()))...), 2)
	if want := map[string]string{"0/0": "null", "0/4": "null"}; !maps.Equal(text(got), want) {
		t.Errorf("%v, want %v", text(got), want)
	}
	before := f.Matched()
	for replica, want := range map[int32]bool{2: true, -1: false} {
		same := bytes.Equal(fetchRaw(t, r, cl, replica), fetchRaw(t, newRig(t, brokers...), cl, replica))
		if same != want {
			t.Errorf("replica %d: the same %v, want %v", replica, same, want)
		}
	}
	if f.Matched() != before+1 {
		t.Errorf("%d answers counted, want %d", f.Matched(), before+1)
	}
	faulttest.Heal(t, f)
}

// fetchRaw fetches partition 0 over the link, as a replica or a consumer (-1).
func fetchRaw(t *testing.T, r *rig, cl *kfake.Cluster, replica int32) []byte {
	t.Helper()
	request := kmsg.NewPtrFetchRequest()
	request.SetVersion(4)
	request.ReplicaID, request.MaxBytes = replica, 1<<20
	request.Topics = []kmsg.FetchRequestTopic{{Topic: "orders", Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 1 << 20}}}}
	c := r.dial(t)
	send(t, c, kmsg.NewRequestFormatter().AppendRequest(nil, request, 3))
	frame, err := readFrame(c)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// A held partition waits while others flow, without a loop of empty answers. All comes after healing.
func TestHold(t *testing.T) {
	brokers := cluster(t).ListenAddrs()
	fill(t, brokers, 20, kgo.NoCompression(), jsonValue)
	held := int32(4)
	r, a := newRig(t, brokers...), Act{Hold: true, Topic: "orders", Partition: &held}
	r.prepared(t, a)
	f := r.inject(t, a)
	c := franz(t, r, &dialRecorder{}, fromStart...)
	for place := range read(t, c, 100) {
		if strings.HasPrefix(place, "4/") {
			t.Fatalf("%s was not held", place)
		}
	}
	fill(t, brokers, 1, kgo.NoCompression(), jsonValue) // others still flow
	f.awaitHeld(t, 21)
	for place := range read(t, c, 5) {
		if strings.HasPrefix(place, "4/") {
			t.Fatalf("%s was not held", place)
		}
	}
	if b := f.Bite(); b.Words != "21 records in 1 partition" {
		t.Errorf("%+v", b)
	}
	faulttest.Heal(t, f)
	read(t, c, 21)
}

func (f *Fault) awaitHeld(t *testing.T, want int64) {
	t.Helper()
	for bound := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		f.touched.mu.Lock()
		n := f.touched.count
		f.touched.mu.Unlock()
		if n >= want {
			return
		}
		if time.Now().After(bound) {
			t.Fatalf("%d of %d records held", n, want)
		}
	}
}

// What consumers get passes the suite that every fault passes.
func TestConformanceOnConsumers(t *testing.T) {
	zero := 0
	partition := int32(0)
	for _, a := range []Act{
		{Corrupt: 1}, {Tombstone: 1}, {Truncate: &zero}, {SchemaID: 999}, {Hold: true, Topic: "orders", Partition: &partition},
	} {
		t.Run((&FaultConfig{Act: a}).words(), func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				cl := cluster(t)
				fill(t, cl.ListenAddrs(), 2, kgo.Lz4Compression(), func(i int) string { return "\x00\x00\x00\x00\x07" + jsonValue(i) })
				r := newRig(t, cl.ListenAddrs()...)
				r.prepared(t, a)
				want := fetchRaw(t, r, cl, 2)
				return faulttest.Rig{Config: &FaultConfig{Link: "l", Act: a}, Fault: r.open(t, a), Meet: func(ctx context.Context) error {
					if got := fetchRaw(t, r, cl, -1); !bytes.Equal(got, want) {
						return errors.New("another answer came")
					}
					return nil
				}}
			})
		})
	}
}
