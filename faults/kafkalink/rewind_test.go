package kafkalink

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"wringer/faults/faulttest"
)

// groupClient consumes all records of the topic in the group, and commits, until the test ends.
type groupClient func(t *testing.T, r *rig, group string, seen *tally)

// tally counts how often each place of the log was consumed.
type tally struct {
	mu     sync.Mutex
	places map[string]int
}

func (t *tally) add(partition int32, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.places[fmt.Sprint(partition, "/", offset)]++
}

func (t *tally) counts() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.places)
}

func (t *tally) await(test *testing.T, what string, holds func() bool) {
	test.Helper()
	for bound := time.Now().Add(2 * patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(bound) {
			test.Fatalf("waited in vain until %s: %v", what, t.counts())
		}
	}
}

func saramaGroup(t *testing.T, r *rig, name string, seen *tally) {
	config := saramaConfig(&dialRecorder{})
	config.Consumer.Group.Heartbeat.Interval = 50 * time.Millisecond
	config.Consumer.Offsets.AutoCommit.Interval = 20 * time.Millisecond
	config.Consumer.Group.Rebalance.Retry.Backoff = 20 * time.Millisecond
	config.Metadata.Retry.Backoff = 20 * time.Millisecond
	group, err := sarama.NewConsumerGroup([]string{r.address}, name, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			_ = group.Consume(ctx, []string{"orders"}, tallying{seen})
		}
	})
	t.Cleanup(func() { cancel(); all.Wait(); group.Close() })
}

type tallying struct{ seen *tally }

func (tallying) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (tallying) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h tallying) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		h.seen.add(m.Partition, m.Offset)
		s.MarkMessage(m, "")
	}
	return nil
}

func franzGroup(t *testing.T, r *rig, name string, seen *tally) { franzMember(t, r, name, seen) }

// nextFranzGroup speaks the newer protocol of groups (KIP-848).
func nextFranzGroup(t *testing.T, r *rig, name string, seen *tally) {
	franzMember(t, r, name, seen, kgo.ServerSideBalancer())
}

func franzMember(t *testing.T, r *rig, name string, seen *tally, more ...kgo.Opt) {
	c := franz(t, r, &dialRecorder{}, append(append(more, fromStart...), kgo.ConsumerGroup(name), kgo.HeartbeatInterval(50*time.Millisecond), kgo.AutoCommitInterval(100*time.Millisecond))...)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			c.PollFetches(ctx).EachRecord(func(r *kgo.Record) { seen.add(r.Partition, r.Offset) })
		}
	})
	t.Cleanup(func() { cancel(); all.Wait() })
}

// committed are the group's offsets in the brokers, summed up; -1 while there is no coordinator.
func committed(t *testing.T, brokers []string, group string) (sum int64) {
	t.Helper()
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group = group
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = "orders", []int32{0, 1, 2, 3, 4, 5}
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(t.Context(), plainClient(t, brokers)) // the client fills Groups in every version
	if err != nil {
		return -1
	}
	for _, group := range answer.Groups {
		for _, topic := range group.Topics {
			for _, p := range topic.Partitions {
				sum += max(p.Offset, 0)
			}
		}
	}
	return sum
}

var groupClients = map[string]groupClient{"sarama": saramaGroup, "franz": franzGroup, "franz, newer groups": nextFranzGroup}

func TestRewind(t *testing.T) {
	for name, consume := range groupClients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			brokers := cluster(t).ListenAddrs()
			fill(t, brokers, 40, kgo.NoCompression(), jsonValue)
			rewinds(t, brokers, "g", consume)
		})
	}
}

// rewinds: a rewind delivers the records before the committed offsets again, once, and loses none. The topic holds 240 records.
func rewinds(t *testing.T, brokers []string, group string, consume groupClient) {
	r, a := newRig(t, brokers...), Act{Rewind: 15, Group: group}
	r.prepared(t, a)
	seen := &tally{places: make(map[string]int)}
	consume(t, r, group, seen)
	consume(t, r, group, seen)
	all := func() bool { return committed(t, brokers, group) == 240 }
	seen.await(t, "all is committed", all)
	before := seen.counts() // members that came one after the other may share some
	f := r.inject(t, a)
	seen.await(t, "the last 15 of each partition came again", func() bool {
		now := seen.counts()
		for partition := range 6 {
			for offset := 25; offset < 40; offset++ {
				if place := fmt.Sprint(partition, "/", offset); now[place] == before[place] {
					return false
				}
			}
		}
		return true
	})
	seen.await(t, "all is committed anew", all)
	if b := f.Bite(); b.Words != "90 records in 6 partitions" || !b.Bit {
		t.Errorf("%+v", b)
	}
	faulttest.Heal(t, f)
	if n := len(seen.counts()); n != 240 {
		t.Errorf("%d places came, want 240", n)
	}
}

// An offset goes down to 0 at most, and a rewind beyond the beginning gives all records again.
func TestRewindsToTheBeginning(t *testing.T) {
	var r rewound
	r.begin()
	p := groupPartition{"g", partition{"orders", 1}}
	for _, test := range []struct{ offset, older, fresh int64 }{{-1, -1, 0}, {0, 0, 0}, {30, 0, 30}, {700, 200, 0}} {
		if older, fresh := r.older(p, test.offset, 500); older != test.older || fresh != test.fresh {
			t.Errorf("%d became %d with %d new, want %d with %d", test.offset, older, fresh, test.older, test.fresh)
		}
	}
	r.commits(&groupRequest{groups: []string{"g"}, committed: []partition{p.partition}})
	if older, _ := r.older(p, 700, 500); older != 700 {
		t.Errorf("a committed partition was rewound to %d", older)
	}
}

func TestConformanceOfRewind(t *testing.T) {
	a := Act{Rewind: 5}
	faulttest.Run(t, func(t *testing.T) faulttest.Rig {
		cl := cluster(t)
		c := plainClient(t, cl.ListenAddrs(), kgo.MaxVersions(kversion.V3_0_0())) // later versions give topics' ids
		commit := kmsg.NewPtrOffsetCommitRequest()
		commit.Group = "g"
		topic := kmsg.NewOffsetCommitRequestTopic()
		topic.Topic = "orders"
		part := kmsg.NewOffsetCommitRequestTopicPartition()
		part.Offset = 10
		topic.Partitions = append(topic.Partitions, part)
		commit.Topics = append(commit.Topics, topic)
		if answer, err := commit.RequestWith(t.Context(), c); err != nil || answer.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatal(answer, err)
		}
		r := newRig(t, cl.ListenAddrs()...)
		r.prepared(t, a)
		return faulttest.Rig{Config: &FaultConfig{Link: "l", Act: a}, Fault: r.open(t, a), Meet: func(ctx context.Context) error {
			over, err := kgo.NewClient(kgo.SeedBrokers(r.address), kgo.MaxVersions(kversion.V3_0_0()), kgo.RequestRetries(3), kgo.RetryTimeout(patience))
			if err != nil {
				return err
			}
			defer over.Close()
			request := kmsg.NewPtrOffsetFetchRequest()
			request.Group = "g"
			wanted := kmsg.NewOffsetFetchRequestTopic()
			wanted.Topic, wanted.Partitions = "orders", []int32{0}
			request.Topics = append(request.Topics, wanted)
			group := kmsg.NewOffsetFetchRequestGroup()
			group.Group = "g"
			group.Topics = append(group.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: "orders", Partitions: []int32{0}})
			request.Groups = append(request.Groups, group)
			answer, err := request.RequestWith(ctx, over)
			if err != nil {
				return err
			}
			if offset := answer.Groups[0].Topics[0].Partitions[0].Offset; offset != 10 {
				return fmt.Errorf("offset %d of %+v", offset, answer)
			}
			return nil
		}}
	})
}

// A member may be told to join anew while it joins with all that it had. It asks for no offsets then, and has to be told again.
func TestHolds(t *testing.T) {
	joining := func(topics ...string) *kmsg.JoinGroupRequest {
		m := kmsg.NewConsumerMemberMetadata()
		m.Version = 1
		for _, topic := range topics {
			m.OwnedPartitions = append(m.OwnedPartitions, kmsg.ConsumerMemberMetadataOwnedPartition{Topic: topic, Partitions: []int32{1}})
		}
		r := kmsg.NewPtrJoinGroupRequest()
		r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "cooperative-sticky", Metadata: m.AppendTo(nil)}}
		return r
	}
	if !holds(joining("orders")) || holds(joining()) || holds(kmsg.NewPtrJoinGroupRequest()) {
		t.Error("what a joining member keeps is not read")
	}
}
