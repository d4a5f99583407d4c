package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
)

// recreate deletes the topic, makes it anew with so many partitions, and loads n records that are not the run's.
func recreate(t testing.TB, cl *kgo.Client, name string, partitions int32, n int) {
	t.Helper()
	deleteTopic(t, cl, name)
	eventually(t, "the topic to be made anew", func() bool {
		c := kmsg.NewPtrCreateTopicsRequest()
		r := kmsg.NewCreateTopicsRequestTopic()
		r.Topic, r.NumPartitions, r.ReplicationFactor = name, partitions, 1
		c.Topics, c.TimeoutMillis = append(c.Topics, r), 5000
		answer, err := c.RequestWith(t.Context(), cl)
		return err == nil && answer.Topics[0].ErrorCode == 0
	})
	var restored []*kgo.Record
	for i := range n {
		restored = append(restored, &kgo.Record{Topic: name, Value: fmt.Appendf(nil, `{"restored":%d}`, i)})
	}
	fresh, err := kgo.NewClient(cl.Opts()...) // a producer sticks to the topic that it knows
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if err := fresh.ProduceSync(t.Context(), restored...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func deleteTopic(t testing.TB, cl *kgo.Client, name string) {
	t.Helper()
	d := kmsg.NewPtrDeleteTopicsRequest()
	one := kmsg.NewDeleteTopicsRequestTopic()
	one.Topic = &name
	d.TopicNames, d.Topics, d.TimeoutMillis = []string{name}, append(d.Topics, one), 5000
	if _, err := d.RequestWith(t.Context(), cl); err != nil {
		t.Fatal(err)
	}
}

// A topic is deleted, made anew and loaded with more records than it had. The source takes back what it delivered, and
// delivers what the new topic holds. It does so whether it looks while the topic is gone, or only afterwards.
func TestTopicMadeAnew(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	cl := client(t, c)
	s := openSource(t, c, Effect{ID: "$.id"})
	all, end := receive(t, s)
	produce(t, cl, `{"id":"a"}`, `{"id":"b"}`, `{"id":"c"}`)
	catchUp(t, s)
	recreate(t, cl, topic, 1, 50)
	fresh := client(t, c) // a producer that knows the new topic
	produce(t, fresh, `{"id":"d"}`, `{"id":"b"}`)
	catchUp(t, s)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range all.all {
		if d.ID != nil {
			got = append(got, fmt.Sprintf("%s@%d", d.ID, d.Position.At))
		}
	}
	if all.anew != 1 || strings.Join(got, " ") != "d@50 b@51" || len(all.all) != 52 {
		t.Errorf("taken back %d times, then %v of %d", all.anew, got, len(all.all))
	}
}

// Nobody knows what stood in partitions that are gone: that is said, and nothing else.
func TestTopicMadeAnewWithOtherPartitions(t *testing.T) {
	c := newCluster(t, 2)
	cl := client(t, c)
	s := openSource(t, c, Effect{ID: "$.id"})
	_, end := receive(t, s)
	recreate(t, cl, topic, 1, 1)
	err := s.CatchUp(t.Context())
	if err == nil || strings.Contains(err.Error(), "retention") {
		t.Errorf("catch up: %v", err)
	}
	eventually(t, "the source to give up", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.failed != nil })
	if err := end(); !errors.Is(err, errIncomplete) || !strings.Contains(err.Error(), "made anew, with 1 partitions in place of 2") {
		t.Errorf("receive: %v", err)
	}
}

// Brokers before 2.8 give topics no ids.
func TestBrokersWithoutTopicIDs(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, kfake.MaxVersions(kversion.V2_6_0()))
	d := openDriver(t, c, Config{Version: "2.6.0", Idempotent: true}, newEnv())
	s, err := d.Source()
	if err != nil {
		t.Fatal(err)
	}
	all, end := receive(t, s)
	send(t, d, 0, 100, testPatience, 0)
	c.ShufflePartitionLeaders()
	send(t, d, 100, 100, testPatience, 0)
	catchUp(t, s)
	if len(all.all) != 200 || all.anew != 0 {
		t.Errorf("%d seen, taken back %d times", len(all.all), all.anew)
	}
	deleteTopic(t, client(t, c), topic)
	eventually(t, "the source to give up", func() bool { s := s.(*Source); s.mu.Lock(); defer s.mu.Unlock(); return s.failed != nil })
	if err := end(); !errors.Is(err, errIncomplete) || !strings.Contains(err.Error(), "the topic was deleted") {
		t.Errorf("receive: %v", err)
	}
}

// Between two looks a topic without an id is deleted, made anew and loaded, with more records than it had, or with fewer. What
// was delivered is taken back, and all that the new topic holds is delivered.
func TestTopicWithoutIDMadeAnew(t *testing.T) {
	for name, restored := range map[string]int{"with more": 50, "with fewer": 1} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1, kfake.MaxVersions(kversion.V2_6_0()))
			cl := client(t, c)
			produce(t, cl, `{"id":"before"}`, `{"id":"the"}`, `{"id":"run"}`)
			s := openSource(t, c, Effect{ID: "$.id"})
			all, end := receive(t, s)
			produce(t, cl, `{"id":"a"}`, `{"id":"b"}`, `{"id":"c"}`)
			catchUp(t, s)
			// The source sees nothing while it waits for an answer.
			var hidden atomic.Bool
			hold := make(chan struct{})
			c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if hidden.Load() {
					c.SleepControl(func() { <-hold })
				}
				return nil, nil, false
			})
			hidden.Store(true)
			recreate(t, cl, topic, 1, restored)
			produce(t, client(t, c), `{"id":"d"}`, `{"id":"b"}`)
			hidden.Store(false)
			close(hold)
			catchUp(t, s)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range all.all {
				if d.ID != nil {
					got = append(got, fmt.Sprintf("%s@%d", d.ID, d.Position.At))
				}
			}
			want := fmt.Sprintf("d@%d b@%d", restored, restored+1)
			if all.anew == 0 || strings.Join(got, " ") != want || len(all.all) != restored+2 {
				t.Errorf("taken back %d times, then %v of %d", all.anew, got, len(all.all))
			}
		})
	}
}

// fetched makes a position that has read to next: epochs from offsets on.
func fetched(start, next int64, epochs ...epochStart) *position {
	return &position{start: start, next: next, delivered: next, epochs: epochs}
}

func TestDiverged(t *testing.T) {
	s := &Source{moved: make(chan struct{}), id: [16]byte{1}}
	for _, c := range []struct {
		p          *position
		epoch      int32
		end        int64
		start      int64 // afterwards
		next       int64
		cut, known bool
	}{
		{fetched(100, 250, epochStart{3, 100}), 3, 200, 100, 250, true, true},
		{fetched(100, 250, epochStart{3, 100}), 3, 250, 100, 250, false, true},
		{fetched(100, 250, epochStart{3, 100}, epochStart{5, 240}), 4, 260, 100, 250, true, true}, // what epoch 5 wrote is gone
		{fetched(100, 250, epochStart{3, 100}), 2, 60, 60, 250, true, true},                       // below the start
		{&position{start: 100, next: 100, epochs: []epochStart{{3, 100}}}, 2, 60, 60, 60, false, true},
		{&position{start: 100, next: 103, delivered: 101, epochs: []epochStart{{3, 100}}}, 3, 101, 100, 101, false, true}, // markers alone
		{fetched(100, 250, epochStart{3, 100}), -1, -1, 100, 250, false, false},
	} {
		err := s.diverged(c.p, c.epoch, c.end)
		if errors.Is(err, errCut) != c.cut || errors.Is(err, errIncomplete) == c.known || c.p.start != c.start || c.p.next != c.next {
			t.Errorf("epoch %d, end %d: %v, %+v", c.epoch, c.end, err, c.p)
		}
		if last := c.p.lastEpoch(); c.known && last > c.epoch {
			t.Errorf("epoch %d, end %d: the next fetch names epoch %d", c.epoch, c.end, last)
		}
	}
}

// What real brokers do when they lose records that a reader has seen: they delete a topic and make it anew, and they elect a
// replica that is out of sync. Exactly what is gone is missing afterwards.
func TestRealBrokersLoseWhatWasRead(t *testing.T) {
	tier.Slow(t, "starts three nodes of Apache Kafka")
	c := startReal(t)
	t.Run("made anew", func(t *testing.T) {
		c.create(t, "anew", "1", "false", 1)
		a := c.open(t, Config{}, "anew")
		gone := a.send(t, 400)
		catchUp(t, a.source)
		cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.bootstrap, ",")...))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		recreate(t, cl, "anew", 1, 600)
		eventuallyAcked(t, a)
		a.send(t, 100)
		lost := 0
		for _, at := range gone {
			if at.Outcome == drivers.Acked {
				lost++
			}
		}
		if b := a.settle(t); lost == 0 || b.lost != lost || b.duplicates > 0 || b.phantom > 0 || a.seen.anew == 0 {
			t.Errorf("%d were acked and are gone: %+v, taken back %d times", lost, b, a.seen.anew)
		}
	})
	t.Run("cut back", func(t *testing.T) { cutBack(t, c) })
}

// cutBack has 1 lead, with 3 out of sync, kills it, and lets 3 lead. Its log is the shorter one; new records then stand in
// the places of those that are gone.
func cutBack(t *testing.T, c *realCluster) {
	c.create(t, "cut", "1", "true", 1, 3)
	a := c.open(t, Config{Idempotent: true}, "cut")
	a.send(t, 200)
	c.do(t, "kill", c.dir, "3")
	c.eventually(t, "1 alone is in sync", func(admin sarama.ClusterAdmin) error {
		topics, err := admin.DescribeTopics([]string{"cut"})
		if err == nil && (len(topics) == 0 || len(topics[0].Partitions) == 0 || len(topics[0].Partitions[0].Isr) != 1) {
			err = fmt.Errorf("not yet: %+v", topics)
		}
		return err
	})
	gone := a.send(t, 300) // some or all only 1 has
	catchUp(t, a.source)
	c.do(t, "kill", c.dir, "1")
	c.do(t, "up", c.dir, "3")
	c.leader(t, "cut", 3)
	eventuallyAcked(t, a)
	a.send(t, 1000)
	want := acked(a.attempts) - len(a.inLog(t, c, "cut"))
	b := a.settle(t)
	if acked(gone) == 0 || b.lost == 0 || b.lost != want || b.duplicates > 0 || b.phantom > 0 || a.seen.anew == 0 {
		t.Errorf("%d are gone: %+v, taken back %d times", want, b, a.seen.anew)
	}
	c.do(t, "up", c.dir, "1")
}

func acked(all []drivers.Attempt) (n int) {
	for _, at := range all {
		if at.Outcome == drivers.Acked {
			n++
		}
	}
	return n
}

// inLog reads the topic from its beginning by another client, and returns the acked operations that it holds.
func (a *account) inLog(t *testing.T, c *realCluster, topic string) map[uint64]bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), realPatience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.bootstrap, ",")...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	last := a.attempts[len(a.attempts)-1].Position.At
	all := make(map[uint64]bool)
	for at := int64(-1); at < last; {
		for _, r := range cl.PollFetches(ctx).Records() {
			at = max(at, r.Offset)
			for _, h := range r.Headers {
				if h.Key != HeaderID {
					continue
				}
				if seq, _ := a.env.Identity.Parse(h.Value); a.attempts[seq].Outcome == drivers.Acked {
					all[seq] = true
				}
			}
		}
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
	}
	return all
}
