package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"wringer/drivers"
	"wringer/drivers/churn"
)

// eventLog keeps the events of a group.
type eventLog struct {
	mu     sync.Mutex
	events []drivers.GroupEvent
}

func (l *eventLog) add(e drivers.GroupEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// processed counts how often each record was processed. times counts those of member by; 0 counts all members.
func (l *eventLog) processed(by int) (records map[string]int, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	records = make(map[string]int)
	for _, e := range l.events {
		if e.Kind == drivers.Processed && (by == 0 || e.Member == by) {
			records[fmt.Sprintf("%d/%d", e.Position.Log, e.Position.At)]++
			times++
		}
	}
	return records, times
}

func (l *eventLog) count(kind drivers.GroupKind) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// testSession is how long the brokers of these tests wait for a heartbeat.
const testSession = time.Second

// testGroup is a group whose members a test controls.
type testGroup struct {
	*consumers
	*eventLog
	source *Source
}

func openTestGroup(t *testing.T, c *kfake.Cluster, env drivers.Env, config Group) *testGroup {
	t.Helper()
	config.Session = testSession
	consume := Consume{Brokers: brokers(c), Topic: topic, Group: &config}
	consume.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	return startTestGroup(t, &consume, env)
}

func startTestGroup(t *testing.T, consume *Consume, env drivers.Env) *testGroup {
	t.Helper()
	source, err := consume.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = receive(t, source)
	group, err := consume.OpenGroup(env)
	if err != nil {
		t.Fatal(err)
	}
	if err := group.Start(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { group.Close() })
	b := &testGroup{consumers: group.(*consumers), eventLog: &eventLog{}, source: source.(*Source)}
	b.consumers.emit = b.eventLog.add
	return b
}

// join lets a member join. The member leaves when the test ends.
func (b *testGroup) join(t *testing.T, n int) *consumer {
	c := b.consumers.join(n).(*consumer)
	t.Cleanup(c.Leave)
	return c
}

// awaitProcessed waits until all n records of one partition are processed.
func (b *testGroup) awaitProcessed(t *testing.T, n int) {
	t.Helper()
	eventually(t, "all records to be processed", func() bool {
		records, _ := b.processed(0)
		return len(records) == n
	})
}

func numbered(n int) []string {
	var values []string
	for i := range n {
		values = append(values, fmt.Sprintf(`{"n":%d}`, i))
	}
	return values
}

// The group ignores records from before its start. It processes each later record once while no member is struck.
func TestGroupProcessesEverythingOnce(t *testing.T) {
	for _, commit := range []string{"before", "after", "periodic"} {
		t.Run(commit, virtual(func(t *testing.T, c *virtualCluster) {
			cl := c.client(t)
			produce(t, cl, "before the run")
			config := Group{Members: 3, Commit: commit, Batch: 7}
			if commit == "periodic" {
				config.Every = 10 * time.Millisecond
			}
			b := openTestGroup(t, c.Cluster, c.env(), config)
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan error, 1)
			go func() { over <- b.Run(ctx, 0, b.eventLog.add) }()
			produce(t, cl, numbered(50)...)
			b.awaitProcessed(t, 50)
			cancel()
			if err := <-over; err != nil {
				t.Fatal(err)
			}
			if _, times := b.processed(0); times != 50 {
				t.Errorf("processed %d times, want 50", times)
			}
			committed, err := b.Settled(t.Context())
			if err != nil || committed[0] != 51 {
				t.Errorf("committed %v, %v", committed, err)
			}
			if n := b.count(drivers.Assigned); n == 0 {
				t.Error("no event has a generation")
			}
		}))
	}
}

// step lets a member process one record at a time. It freezes the member after each record, until more says how to go on. No
// time passes here while the member is frozen.
func (b *testGroup) step(t *testing.T, n int, more func(processed int) bool) *consumer {
	t.Helper()
	var frozen atomic.Pointer[consumer]
	processed := make(chan struct{}, 1)
	b.consumers.emit = func(e drivers.GroupEvent) {
		b.eventLog.add(e)
		if c := frozen.Load(); c != nil && e.Kind == drivers.Processed && e.Member == n {
			c.freezer.Freeze()
			processed <- struct{}{}
		}
	}
	c := b.prepare(n)
	frozen.Store(c)
	c.start()
	t.Cleanup(c.Leave)
	for i := 1; ; i++ {
		select {
		case <-processed:
		case <-time.After(testPatience):
			t.Fatal("waited in vain for one more record")
		}
		if !more(i) {
			frozen.Store(nil)
			return c
		}
		c.freezer.Thaw()
	}
}

// A member dies with records in hand. With commit: before, these records are lost; with commit: after, they are processed
// again.
func TestDeathWithRecordsInHand(t *testing.T) {
	for _, commit := range []string{"before", "after"} {
		t.Run(commit, virtual(func(t *testing.T, c *virtualCluster) {
			cl := c.client(t)
			deathInHand(t, openTestGroup(t, c.Cluster, c.env(), Group{Members: 2, Commit: commit}), func(n int) { produce(t, cl, numbered(n)...) })
		}))
	}
}

func deathInHand(t *testing.T, b *testGroup, produce func(n int)) {
	commit := b.consumers.config.Commit
	produce(40)
	var ahead int64 // committed and not processed
	first := b.step(t, 1, func(processed int) bool {
		ahead = b.committedBy(t) - int64(processed)
		return processed < 30 && (commit == "before" && ahead <= 0 || commit == "after" && ahead >= 0)
	})
	go first.Die()
	<-first.death
	first.freezer.Thaw()
	<-first.ended
	b.join(t, 2)
	produce(5)
	eventually(t, "what came after", func() bool { records, _ := b.processed(2); return records["0/44"] == 1 })
	all, times := b.processed(0)
	if commit == "before" && (ahead <= 0 || int64(len(all)) != 45-ahead || times != len(all)) {
		t.Errorf("%d of 45 records processed %d times, and %d were committed ahead: want these lost, and nothing twice", len(all), times, ahead)
	}
	if commit == "after" && (ahead >= 0 || len(all) != 45 || int64(times) != 45-ahead) {
		t.Errorf("%d of 45 records processed %d times, %d not committed: want all, and those again", len(all), times, -ahead)
	}
	t.Logf("commit %s: %d of 45 processed, %d times", commit, len(all), times)
}

// committedBy is the group's committed offset in partition 0.
func (b *testGroup) committedBy(t *testing.T) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	at, err := b.Settled(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return at[0]
}

// A member frozen for longer than its session is given up, and its records go to another member. Once thawed, the member
// finishes its records in hand before it learns of that. Records are processed twice, and none is lost. Virtual time would
// stand still: a frozen write holds sarama's mutex, for which the heartbeat waits.
func TestFreezeRedelivers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, kfake.GroupMinSessionTimeout(testSession))
	cl := client(t, c)
	freezeRedelivers(t, openTestGroup(t, c, newEnv(), Group{Members: 2}), func(n int) { produce(t, cl, numbered(n)...) })
}

func freezeRedelivers(t *testing.T, b *testGroup, produce func(n int)) {
	produce(20)
	first := b.step(t, 1, func(processed int) bool { // until the member holds uncommitted records
		return b.committedBy(t) >= int64(processed) && processed < 15
	})
	b.join(t, 2)
	eventually(t, "the other member to get what was not committed", func() bool { records, _ := b.processed(2); return records["0/19"] > 0 })
	first.freezer.Thaw()
	first.Leave()
	all, times := b.processed(0)
	if len(all) != 20 || times <= 20 {
		t.Errorf("%d of 20 records processed %d times: want all, and some again", len(all), times)
	}
	t.Logf("%d of 20 processed, %d times", len(all), times)
}

// A graceful leave finishes and commits the records in hand: none is lost, and none comes again.
func TestLeaveLosesNothing(t *testing.T) {
	for _, commit := range []string{"before", "after", "periodic"} {
		t.Run(commit, virtual(func(t *testing.T, c *virtualCluster) {
			cl := c.client(t)
			b := openTestGroup(t, c.Cluster, c.env(), Group{Members: 2, Commit: commit, Batch: 5, Work: 2 * time.Millisecond})
			produce(t, cl, numbered(40)...)
			first := b.join(t, 1)
			eventually(t, "the first record", func() bool { _, times := b.processed(1); return times > 0 })
			first.Leave()
			b.join(t, 2)
			b.awaitProcessed(t, 40)
			if _, times := b.processed(0); times != 40 {
				t.Errorf("processed %d times, want 40", times)
			}
		}))
	}
}

// A group that cannot read says why.
func TestGroupThatCannotJoin(t *testing.T) {
	virtual(func(t *testing.T, c *virtualCluster) {
		b := openTestGroup(t, c.Cluster, c.env(), Group{Members: 1})
		b.brokers = []string{"127.0.0.1:1"}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- b.Run(ctx, 0, b.eventLog.add) }()
		eventually(t, "trouble", func() bool { return b.consumers.hasFailed() })
		cancel()
		if err := <-over; err == nil || !strings.Contains(err.Error(), "no member of group wringer-s-r1 was given anything to read") {
			t.Errorf("error %v", err)
		}
	})(t)
}

func TestGroupProblems(t *testing.T) {
	bad := Group{Members: 0, Commit: "never", Every: 1, Batch: 20_000, Work: time.Second, Session: 1, Strategy: "x", Churn: &churn.Config{Choose: []string{"explode"}}}
	var fields []string
	(&Consume{Brokers: "a:1", Topic: "t", Group: &bad}).Check(func(field, _ string) { fields = append(fields, strings.TrimPrefix(field, "group.")) })
	if got, want := strings.Join(fields, " "), "members commit every batch session work strategy churn churn.choose"; got != want {
		t.Errorf("problems of %s, want %s", got, want)
	}
	for _, text := range []string{"", "x", "1s..", "2s..1s", "9ms", "0s", "-1s", "1001h", "1s..1001h"} {
		if err := new(churn.Span).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for a time", text)
		}
	}
}

func (g *consumers) hasFailed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failure != nil
}

// Faults can break the members' connections to one broker.
func TestGroupKnowsItsBrokers(t *testing.T) {
	virtual(func(t *testing.T, c *virtualCluster) {
		b := openTestGroup(t, c.Cluster, c.env(), Group{Members: 1})
		peers, err := b.Peers(t.Context())
		if err != nil || len(peers) != 3 || peers["broker-0"] == "" {
			t.Errorf("%v, %v", peers, err)
		}
		leader, err := b.Resolve(t.Context(), "leader("+topic+",0)")
		if err != nil || peers[leader] == "" {
			t.Errorf("leader %q, %v", leader, err)
		}
		if none, err := b.Resolve(t.Context(), "leader(nowhere,0)"); !errors.Is(err, drivers.ErrNoPeer) {
			t.Errorf("leader %q, %v", none, err)
		}
	})(t)
}
