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

// A press speaks the version of Produce that sarama's producer would.
func TestPressSpeaksAsSarama(t *testing.T) {
	once := 1
	for _, version := range []string{"", "0.11.0.0", "1.0.0", "2.0.0", "2.1.0", "2.4.0", "2.8.0", "3.7.0", "4.0.0"} {
		pressed, theirs := Config{Version: version}, Config{Version: version, Retries: &once}
		if !pressed.pressed() || theirs.pressed() {
			t.Fatal("nothing is compared")
		}
		if a, b := versions(t, pressed), versions(t, theirs); len(a) != 1 || !slices.Equal(a, b) {
			t.Errorf("brokers of %q: %d and %d", version, a, b)
		}
	}
}

// versions returns those of the Produce requests of a driver.
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

// What waits behind a batch under way leaves only after it, and in its order.
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
	landed := make(chan int, n)
	hand := func(i int) {
		ops[i].Seq = uint64(i)
		attempts[i].Reset(1, d.env.Clock())
		d.Send(t.Context(), &ops[i], &attempts[i], func() { landed <- i })
	}
	hand(0)
	eventually(t, "the first to arrive", func() bool { return w.of(0) == 1 })
	for i := 1; i < n; i++ {
		hand(i)
	}
	press := d.lines[0].press
	press.mu.Lock()
	if queue := press.lanes[0].queue; len(queue) != n-1 {
		t.Errorf("%d wait", len(queue))
	}
	press.mu.Unlock()
	holding.Store(false)
	close(release)
	for range n {
		<-landed
	}
	for i := range attempts {
		if at := attempts[i]; at.Outcome != drivers.Acked || at.Position.At != int64(i) {
			t.Fatalf("%d: %+v", i, at)
		}
	}
}

// A record that no batch can hold is refused at once, and the next is not.
func TestTooLargeForABatch(t *testing.T) {
	c := newCluster(t, 1)
	d := openDriver(t, c, Config{Value: "{{string 1048576}}"}, newEnv())
	if at := sendOne(t, d, 1, testPatience); at.Outcome != drivers.Rejected || at.Code != codeClient || at.Wire {
		t.Errorf("%+v", at)
	}
	if waiting := d.flights.remaining(); len(waiting) != 0 {
		t.Errorf("%d still wait", len(waiting))
	}
}

// Whatever was withdrawn is neither sent nor kept, the rest leaves in its order, no batch is too large, and bytes are told.
func TestLane(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &press{driver: &Driver{flights: newFlights()}}
		l := &lane{}
		var want []uint64
		for seq := range rapid.Uint64Range(0, 50).Draw(t, "records") {
			f := &flight{ref: ref{seq, 1}, size: rapid.IntRange(1, 300).Draw(t, "size")}
			p.driver.flights.enter(f)
			l.queue, l.bytes = append(l.queue, f), l.bytes+f.size
			if rapid.Bool().Draw(t, "withdrawn") {
				f.withdraw()
			} else {
				want = append(want, seq)
			}
		}
		if rapid.Bool().Draw(t, "swept") {
			if p.sweep(l); len(l.queue) != len(want) {
				t.Fatalf("%d of %d are left", len(l.queue), len(want))
			}
		}
		var got []uint64
		for len(l.queue) > 0 {
			const limit = 500
			taken, size := p.take(l, limit)
			if size >= limit && len(taken) > 1 {
				t.Fatalf("%d records of %d bytes", len(taken), size)
			}
			for _, f := range taken {
				got = append(got, f.ref.seq)
				p.driver.flights.leave(f)
			}
			l.spare = taken
		}
		if !slices.Equal(got, want) || l.bytes != 0 || len(p.driver.flights.remaining()) != 0 {
			t.Fatalf("got %d, want %d; %d bytes, %d known", got, want, l.bytes, len(p.driver.flights.remaining()))
		}
	})
}

// A topic may gain partitions, and what waits for one that it lost is given back.
func TestLanesFollowTheTopic(t *testing.T) {
	p := &press{}
	partitions := func() (all []int32) {
		for _, l := range p.lanes {
			all = append(all, l.partition)
		}
		return all
	}
	p.arrange([]int32{0, 1})
	p.lanes[0].queue = []*flight{{ref: ref{5, 1}}}
	kept := p.lanes[1]
	orphans := p.arrange([]int32{1, 2})
	if fmt.Sprint(partitions()) != "[1 2]" || p.lanes[0] != kept || len(orphans) != 1 || orphans[0].ref.seq != 5 {
		t.Errorf("%v, orphans %v", partitions(), orphans)
	}
}

// When a connection fails, what has waited for it can be withdrawn again.
func TestFailedDeskLetsGo(t *testing.T) {
	d := &desk{over: make(chan struct{})}
	l := &lane{desk: d, queue: []*flight{{}}}
	p := &press{lanes: []*lane{l}, led: []*lane{l}}
	f := l.queue[0]
	if !f.enlist() || f.withdraw() {
		t.Fatal("a record in a batch was withdrawn")
	}
	p.fail(d)
	p.fail(d)
	if !f.withdraw() || l.desk != nil || len(p.led) != 0 {
		t.Errorf("%+v", l)
	}
}

// A broker that is gone for a while is found again by what waits for it.
func TestPressFindsItsBroker(t *testing.T) {
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

// When another broker leads, what the old one refused is told, and the rest goes to the new one.
func TestPressFollowsTheLeader(t *testing.T) {
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

// Only what has no key goes around a partition without a leader.
func TestPressGoesAroundPartitionsWithoutLeaders(t *testing.T) {
	lanes := []*lane{{partition: 0}, {partition: 1, desk: &desk{}}, {partition: 2}}
	p := &press{lanes: lanes, partitioner: new(Config).partitioner(1)(topic).(sarama.DynamicConsistencyPartitioner)}
	p.tally()
	var keyed [3]int
	for seq := range uint64(300) {
		f := &flight{ref: ref{seq, 1}}
		f.message.Metadata = f
		if l, err := p.laneOf(f); err != nil || l != lanes[1] {
			t.Fatalf("%d went to partition %d (%v)", seq, l.partition, err)
		}
		f.message.Key = sarama.StringEncoder(fmt.Sprint("k", seq))
		l, err := p.laneOf(f)
		if err != nil {
			t.Fatal(err)
		}
		keyed[l.partition]++
	}
	if keyed[0] == 0 || keyed[1] == 0 || keyed[2] == 0 {
		t.Errorf("keys of partitions %v", keyed)
	}
}
