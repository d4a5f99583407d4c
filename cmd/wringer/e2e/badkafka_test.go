package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/reports"
)

// runKafka runs a scenario of one Kafka stream for two seconds; more is added to its `kafka:`.
func runKafka(t *testing.T, addresses, topic, more string) (record string, code int, said string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "bad.yaml")
	src := fmt.Sprintf(`name: bad
run: {duration: 2s, drain: 1s}
traffic:
  payments: {kafka: {brokers: "%s", topic: %s, key: "{{key}}"%s}, rate: 100/s, timeout: 1s, keys: 5}
expect:
  - payments.errors == 0
  - payments.lost == 0
  - payments.unexpected == 0
`, addresses, topic, more)
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		record = filepath.Join(dir, fmt.Sprintf("record%d", try))
		code, stdout, stderr := wringer(t, "run", "-q", "--out", record, file)
		if code != reports.ExitInconclusive || !onceMore(t, try, loadRecord(t, record)) {
			return record, code, stdout + stderr
		}
	}
}

// ended reports whether a run ended with a code, or decided nothing because the machine was too busy for the load generator.
func ended(code, want int, said string) bool {
	return code == want || code == reports.ExitInconclusive && strings.Contains(strings.Join(strings.Fields(said), " "), "the load generator was saturated")
}

func newTopic(t *testing.T, config map[string]string, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.CreateTopic("payments", 1, config); err != nil {
		t.Fatal(err)
	}
	return c
}

// allow is an ACL of the topic.
func allow(on kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
	return kfake.ACL{Resource: on, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
}

const onTopic = kmsg.ACLResourceTypeTopic

// guarded is a cluster whose users may do different things.
func guarded(t *testing.T) *kfake.Cluster {
	return newTopic(t, nil, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "secret"),
		kfake.User("PLAIN", "nobody", "secret"),
		kfake.User("PLAIN", "reader", "secret", allow(onTopic, "payments", kmsg.ACLOperationRead)),
		kfake.User("PLAIN", "writer", "secret", allow(onTopic, "payments", kmsg.ACLOperationWrite)),
		kfake.User("PLAIN", "looker", "secret", allow(onTopic, "payments", kmsg.ACLOperationDescribe), allow(onTopic, "unmade", kmsg.ACLOperationDescribe)))
}

func login(user, password string) string {
	return fmt.Sprintf(", sasl: {user: %s, password: %s}", user, password)
}

func addresses(c *kfake.Cluster) string { return strings.Join(c.ListenAddrs(), ",") }

// An error of the cluster is named before anything is sent.
func TestKafkaThatCannotBeUsed(t *testing.T) {
	checkedScenario(t, light)
	plain, guarded := newTopic(t, nil), guarded(t)
	for name, tt := range map[string]struct {
		brokers, topic, more string
		exit                 int
		says                 string
	}{
		"no topic":        {addresses(plain), "absent", "", reports.ExitUsage, "topic absent: scenario error: the topic does not exist"},
		"wrong password":  {addresses(guarded), "payments", login("root", "guess"), reports.ExitInconclusive, "look at sasl"},
		"no login":        {addresses(guarded), "payments", "", reports.ExitInconclusive, "look at sasl and tls"},
		"nothing allowed": {addresses(guarded), "payments", login("nobody", "secret"), reports.ExitUsage, "the login is not allowed to see the topic (Describe)"},
		"no creating":     {addresses(guarded), "unmade", login("looker", "secret") + ", partitions: 3", reports.ExitUsage, "the login is not allowed to create the topic (Create)"},
		"no idempotence":  {addresses(guarded), "payments", login("looker", "secret") + ", idempotent: true", reports.ExitUsage, "the login is not allowed to be an idempotent producer"},
		"no transactions": {addresses(guarded), "payments", login("looker", "secret") + ", transactions: {records: 5}", reports.ExitUsage, "the login is not allowed to send in transactions"},
		"no such host":    {"nowhere.invalid:9092", "payments", "", reports.ExitUsage, "nowhere.invalid does not resolve"},
		"no broker":       {"", "payments", "", reports.ExitUsage, "brokers: \"\" is no broker"},
		"nobody there":    {"127.0.0.1:1", "payments", "", reports.ExitInconclusive, "127.0.0.1:1: connect: connection refused"},
	} {
		_, code, said := runKafka(t, tt.brokers, tt.topic, tt.more)
		if plain := strings.Join(strings.Fields(said), " "); code != tt.exit || !strings.Contains(plain, tt.says) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s", name, code, tt.exit, tt.says, said)
		}
	}
}

// A login that may not write, or not read: all operations are rejected, or unknown, and none is lost.
func TestKafkaThatDenies(t *testing.T) {
	checkedScenario(t, light)
	c := guarded(t)
	record, code, said := runKafka(t, addresses(c), "payments", login("reader", "secret"))
	total := loadRecord(t, record).Run.Streams["payments"].Total
	if !ended(code, reports.ExitFail, said) || total.Offered == 0 || total.Rejected != total.Offered || total.Errors["kafka_topic_authorization_failed"] != total.Offered || *total.Integrity.Lost != 0 {
		t.Errorf("no writing: exit %d, %+v, %+v:\n%s", code, total.Counts, total.Errors, said)
	}
	record, code, said = runKafka(t, addresses(c), "payments", login("writer", "secret"))
	run := loadRecord(t, record).Run
	total = run.Streams["payments"].Total
	if why := strings.Join(run.Why, "\n"); code != reports.ExitInconclusive || total.Acked != total.Offered || total.Integrity.Lost != nil || !strings.Contains(why, "the login is not allowed to read the topic (Read)") {
		t.Errorf("no reading: exit %d, %+v, lost %v:\n%s", code, total.Counts, total.Integrity.Lost, said)
	}
}

// during calls a function once the run has put a record into the topic.
func during(t *testing.T, c *kfake.Cluster, do func()) (wait func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for c.PartitionInfo("payments", 0).HighWatermark < 20 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		do()
	}()
	return func() { cancel(); <-done }
}

// Foreign records, with an identity or without, are foreign: never unexpected, never lost, never copies.
func TestKafkaForeignRecords(t *testing.T) {
	checkedScenario(t, light)
	c := newTopic(t, nil)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("payments"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	identity := func(id string) *kgo.Record {
		return &kgo.Record{Value: []byte("{}"), Headers: []kgo.RecordHeader{{Key: "wringer-id", Value: []byte(id)}}}
	}
	foreign := []*kgo.Record{
		{Value: []byte("no identity")}, {}, {Key: []byte("k")},
		identity("otherrun.payments.1"), identity(""), identity("payments.1"), identity("18446744073709551616"),
	}
	wait := during(t, c, func() {
		if err := cl.ProduceSync(t.Context(), foreign...).FirstErr(); err != nil {
			t.Error(err)
		}
	})
	record, code, said := runKafka(t, addresses(c), "payments", "")
	wait()
	total := loadRecord(t, record).Run.Streams["payments"].Total
	i := total.Integrity
	if !ended(code, reports.ExitPass, said) || *i.Foreign != int64(len(foreign)) || *i.Seen != total.Acked || *i.Unexpected != 0 || *i.Lost != 0 || *i.LogDuplicates != 0 || *i.OrderViolations != 0 {
		t.Errorf("exit %d, foreign %d, seen %d of %d, unexpected %d, lost %d:\n%s", code, *i.Foreign, *i.Seen, total.Acked, *i.Unexpected, *i.Lost, said)
	}
}

// A record that was removed before it was read is unknown, not lost. The run's record names the cause.
func TestKafkaThatForgets(t *testing.T) {
	checkedScenario(t, light)
	for name, tt := range map[string]struct {
		config map[string]string
		forget func(c *kfake.Cluster) error
		says   string
	}{
		"retention":  {nil, func(c *kfake.Cluster) error { return c.DeleteRecords("payments", 0, -1) }, "overtook the reader"},
		"compaction": {map[string]string{"cleanup.policy": "compact"}, func(c *kfake.Cluster) error { c.Compact(); return nil }, "the topic is compacted"},
	} {
		c := newTopic(t, tt.config)
		// The reader gets nothing until the records are gone.
		held := make(chan struct{})
		c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			c.SleepControl(func() { <-held })
			return nil, nil, false
		})
		wait := during(t, c, func() {
			if err := tt.forget(c); err != nil {
				t.Error(err)
			}
			close(held)
		})
		record, code, said := runKafka(t, addresses(c), "payments", "")
		wait()
		run := loadRecord(t, record).Run
		if why := strings.Join(run.Why, "\n"); code != reports.ExitInconclusive || run.Streams["payments"].Total.Integrity.Lost != nil || !strings.Contains(why, tt.says) {
			t.Errorf("%s: exit %d, lost %v:\n%s", name, code, run.Streams["payments"].Total.Integrity.Lost, said)
		}
	}
}
