package kafka

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"wringer/drivers"
)

// A batcher speaks the version of Produce that sarama's producer would.
func TestBatcherWritesAsSarama(t *testing.T) {
	once := 1
	for _, version := range []string{"", "0.11.0.0", "1.0.0", "2.0.0", "2.1.0", "2.4.0", "2.8.0", "3.7.0", "4.0.0"} {
		plain, theirs := Config{Version: version}, Config{Version: version, Retries: &once}
		if !plain.batchesItself() || theirs.batchesItself() {
			t.Fatal("nothing is compared")
		}
		if a, b := versions(t, plain), versions(t, theirs); len(a) != 1 || !slices.Equal(a, b) {
			t.Errorf("brokers of %q: %d and %d", version, a, b)
		}
	}
}

// versions returns the versions of a driver's Produce requests.
func versions(t *testing.T, config Config) (all []int16) {
	for _, frame := range requests(t, config, 20) {
		if head, err := parseHead(frame); err == nil && head.key == produceKey && !slices.Contains(all, head.version) {
			all = append(all, head.version)
		}
	}
	return all
}

// A record carries the time at which its attempt began.
func TestTimeOfRecords(t *testing.T) {
	c := newCluster(t, 2)
	env := newEnv()
	times := make(map[uint64]int64)
	watch(c, func(p *kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		for _, p := range p.Topics[0].Partitions {
			var batch kmsg.RecordBatch
			if err := batch.ReadFrom(p.Records); err != nil {
				t.Error(err)
			}
			records, err := kfake.BatchRecords(batch)
			if err != nil {
				t.Error(err)
			}
			var last int64
			for _, r := range records {
				seq, _ := env.Identity.Parse(r.Headers[0].Value)
				times[seq] = batch.FirstTimestamp + r.TimestampDelta64
				last = max(last, times[seq])
			}
			if batch.MaxTimestamp != last {
				t.Errorf("the last of a batch is at %d, which says %d", last, batch.MaxTimestamp)
			}
		}
		return nil, nil, false
	})
	d := openDriver(t, c, Config{}, env)
	for seq, at := range send(t, d, 0, 500, testPatience, 7) {
		began, said := env.Epoch().Add(at.Begun).UnixMilli(), times[uint64(seq)]
		if said < began-1 || said > began+1 {
			t.Errorf("%d began at %d, its record says %d", seq, began, said)
		}
	}
}

// Records behind a batch in flight leave only after the batch, and in order.
func TestOneBatchUnderWay(t *testing.T) {
	c := newCluster(t, 1)
	var holding atomic.Bool
	holding.Store(true)
	release := make(chan struct{})
	w := watch(c, func(*kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		if holding.Load() {
			<-release
		}
		return nil, nil, false
	})
	d := openDriver(t, c, Config{}, newEnv())
	const n = 200
	ops, attempts := make([]drivers.Op, n), make([]drivers.Attempt, n)
	ended := make(chan int, n)
	send := func(i int) {
		ops[i].Seq = uint64(i)
		attempts[i].Reset(1, d.env.Clock())
		d.Send(t.Context(), &ops[i], &attempts[i], func() { ended <- i })
	}
	send(0)
	eventually(t, "the first to arrive", func() bool { return w.of(0) == 1 })
	for i := 1; i < n; i++ {
		send(i)
	}
	b := d.producers[0].batcher
	b.mu.Lock()
	if queue := b.queues[0].records; len(queue) != n-1 {
		t.Errorf("%d wait", len(queue))
	}
	b.mu.Unlock()
	holding.Store(false)
	close(release)
	for range n {
		<-ended
	}
	for i := range attempts {
		if at := attempts[i]; at.Outcome != drivers.Acked || at.Position.At != int64(i) {
			t.Fatalf("%d: %+v", i, at)
		}
	}
}

// A record that fits no batch is refused at once; the next record is sent.
func TestTooLargeForABatch(t *testing.T) {
	c := newCluster(t, 1)
	d := openDriver(t, c, Config{Value: "{{string 1048576}}"}, newEnv())
	if at := sendOne(t, d, 1, testPatience); at.Outcome != drivers.Rejected || at.Code != codeClient || at.Wire {
		t.Errorf("%+v", at)
	}
	if waiting := d.pending.remaining(); len(waiting) != 0 {
		t.Errorf("%d still wait", len(waiting))
	}
}

// A cancelled record is neither sent nor kept. The rest leaves in order, no batch is too large, and the byte count is
// exact.
func TestPartitionQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &batcher{driver: &Driver{pending: newPendingRecords()}}
		q := &partitionQueue{}
		var want []uint64
		for seq := range rapid.Uint64Range(0, 50).Draw(t, "records") {
			r := &pendingRecord{ref: ref{seq, 1}, size: rapid.IntRange(1, 300).Draw(t, "size")}
			b.driver.pending.add(r)
			q.records, q.bytes = append(q.records, r), q.bytes+r.size
			if rapid.Bool().Draw(t, "cancelled") {
				r.cancel()
			} else {
				want = append(want, seq)
			}
		}
		if rapid.Bool().Draw(t, "swept") {
			if b.sweep(q); len(q.records) != len(want) {
				t.Fatalf("%d of %d are left", len(q.records), len(want))
			}
		}
		var got []uint64
		for len(q.records) > 0 {
			const limit = 500
			taken, size := b.take(q, limit)
			if size >= limit && len(taken) > 1 {
				t.Fatalf("%d records of %d bytes", len(taken), size)
			}
			for _, r := range taken {
				got = append(got, r.ref.seq)
				b.driver.pending.remove(r)
			}
			q.spare = taken
		}
		if !slices.Equal(got, want) || q.bytes != 0 || len(b.driver.pending.remaining()) != 0 {
			t.Fatalf("got %d, want %d; %d bytes, %d known", got, want, q.bytes, len(b.driver.pending.remaining()))
		}
	})
}

// A topic may gain partitions. Records that wait for a removed partition are given back.
func TestQueuesFollowTheTopic(t *testing.T) {
	b := &batcher{}
	partitions := func() (all []int32) {
		for _, q := range b.queues {
			all = append(all, q.partition)
		}
		return all
	}
	b.updateQueues([]int32{0, 1})
	b.queues[0].records = []*pendingRecord{{ref: ref{5, 1}}}
	kept := b.queues[1]
	orphans := b.updateQueues([]int32{1, 2})
	if fmt.Sprint(partitions()) != "[1 2]" || b.queues[0] != kept || len(orphans) != 1 || orphans[0].ref.seq != 5 {
		t.Errorf("%v, orphans %v", partitions(), orphans)
	}
}

// When a connection fails, the records that wait for it can be cancelled again.
func TestFailedSenderReleasesItsQueues(t *testing.T) {
	s := &brokerSender{closed: make(chan struct{})}
	q := &partitionQueue{sender: s, records: []*pendingRecord{{}}}
	b := &batcher{queues: []*partitionQueue{q}, led: []*partitionQueue{q}}
	r := q.records[0]
	if !r.claim() || r.cancel() {
		t.Fatal("a record in a batch was cancelled")
	}
	b.failSender(s)
	b.failSender(s)
	if !r.cancel() || q.sender != nil || len(b.led) != 0 {
		t.Errorf("%+v", q)
	}
}

// The waiting records find a broker that was gone for a while.
func TestBatcherFindsItsBroker(t *testing.T) {
	c := newCluster(t, 3)
	env := newEnv()
	n := &outage{}
	env.Dial = n.dial
	d := openDriver(t, c, Config{}, env)
	send(t, d, 0, 50, testPatience, 10)
	n.begin()
	n.end()
	var lost int
	for seq := uint64(100); ; seq += 100 {
		attempts := send(t, d, seq, 100, testPatience, 10)
		bad := slices.DeleteFunc(attempts, func(at drivers.Attempt) bool { return at.Outcome == drivers.Acked })
		if lost += len(bad); len(bad) == 0 {
			break
		}
		if lost > 1000 {
			t.Fatalf("it stays away: %+v", bad[0])
		}
	}
}

// When the leader changes, records that the old leader refused end as refused; the others go to the new leader.
func TestBatcherFollowsTheLeader(t *testing.T) {
	c := newCluster(t, 1)
	d := openDriver(t, c, Config{}, newEnv())
	send(t, d, 0, 10, testPatience, 10)
	if err := c.MoveTopicPartition(topic, 0, (c.LeaderFor(topic, 0)+1)%3); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(100); ; seq++ {
		at := sendOne(t, d, seq, testPatience)
		if at.Outcome == drivers.Acked {
			break
		}
		if at.Outcome != drivers.Rejected || at.Code != "kafka_not_leader_or_follower" {
			t.Errorf("%d: %+v", seq, at)
		}
		if seq > 150 {
			t.Fatal("the new leader is not found")
		}
	}
}

// Only records without a key avoid a partition without a leader.
func TestBatcherAvoidsPartitionsWithoutLeaders(t *testing.T) {
	queues := []*partitionQueue{{partition: 0}, {partition: 1, sender: &brokerSender{}}, {partition: 2}}
	b := &batcher{queues: queues, partitioner: new(Config).partitioner(1)(topic).(sarama.DynamicConsistencyPartitioner)}
	b.listLed()
	var keyed [3]int
	for seq := range uint64(300) {
		r := &pendingRecord{ref: ref{seq, 1}}
		r.message.Metadata = r
		if q, err := b.queueOf(r); err != nil || q != queues[1] {
			t.Fatalf("%d went to partition %d (%v)", seq, q.partition, err)
		}
		r.message.Key = sarama.StringEncoder(fmt.Sprint("k", seq))
		q, err := b.queueOf(r)
		if err != nil {
			t.Fatal(err)
		}
		keyed[q.partition]++
	}
	if keyed[0] == 0 || keyed[1] == 0 || keyed[2] == 0 {
		t.Errorf("keys of partitions %v", keyed)
	}
}
