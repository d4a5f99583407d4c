package kafka

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/reply"
)

// replies is the topic of replies.
const replies = "replies"

// replier answers requests until the test ends. It returns what a reply holds, and how often it comes.
func replier(t testing.TB, c *kfake.Cluster, answer func(request *kgo.Record) (value string, times int)) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.RecordRetries(0), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				value, times := answer(r)
				for range times {
					cl.Produce(ctx, &kgo.Record{Topic: headerOf(r, defaultReplyTo), Value: []byte(value),
						Headers: []kgo.RecordHeader{{Key: defaultCorrelation, Value: []byte(headerOf(r, defaultCorrelation))}}}, nil)
				}
			})
		}
	}()
	t.Cleanup(func() { cancel(); <-done; cl.Close() })
}

func headerOf(r *kgo.Record, name string) string {
	at := slices.IndexFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == name })
	if at < 0 {
		return ""
	}
	return string(r.Headers[at].Value)
}

// The suite. While the brokers misbehave nobody replies: what goes wrong goes wrong with the request.
func TestReplyConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Subject{Start: func(t testing.TB) drivertest.Target {
		target, c, field := startBrokers(t)
		replier(t, c, func(*kgo.Record) (string, int) {
			if is := field.is(); is != "" && is != drivertest.Answer {
				return "", 0
			}
			return "{}", 1
		})
		target.Config.(*Config).Reply = &Reply{Topic: replies}
		return target
	}, Skip: map[drivertest.Behaviour]string{
		drivertest.Endless: "sarama bounds the length of an answer by its first four bytes, which Garbage tests",
	}})
}

// What each behaviour of those that reply comes to.
func TestReplies(t *testing.T) {
	t.Parallel()
	fields := reply.Fields{ID: "$.id", Match: map[string]string{"$.status": "ok"}}
	for name, test := range map[string]struct {
		value   string
		times   int
		outcome drivers.Outcome
		code    string
		gauge   string
	}{
		"in time":     {`{"id":"r1.s.3","status":"ok"}`, 1, drivers.Acked, "", ""},
		"twice":       {`{"id":"r1.s.3","status":"ok"}`, 2, drivers.Acked, "", "replies_twice"},
		"never":       {"", 0, drivers.Indeterminate, drivers.CodeTimeout, ""},
		"differing":   {`{"id":"r1.s.3","status":"failed"}`, 1, drivers.Indeterminate, drivers.CodeCheck, ""},
		"misdirected": {`{"id":"r1.s.4","status":"ok"}`, 1, drivers.Indeterminate, drivers.CodeCheck, "replies_misdirected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 1, kfake.SeedTopics(2, replies))
			replier(t, c, func(*kgo.Record) (string, int) { return test.value, test.times })
			config := Config{Brokers: brokers(c), Topic: topic, Reply: &Reply{Topic: replies, Fields: fields}}
			config.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
			opened, err := config.Open(t.Context(), newEnv())
			if err != nil {
				t.Fatal(err)
			}
			d := opened.(*reply.Driver)
			defer d.Close()
			limit := testPatience
			if test.code == drivers.CodeTimeout {
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			s, err := d.Session()
			if err != nil {
				t.Fatal(err)
			}
			var at drivers.Attempt
			at.Reset(1, 0)
			s.Do(ctx, &drivers.Op{Seq: 3}, &at)
			if at.Outcome != test.outcome || at.Code != test.code || at.Answered == (test.code == drivers.CodeTimeout) {
				t.Errorf("%v, code %q (%s), answered %v", at.Outcome, at.Code, at.Detail, at.Answered)
			}
			for _, g := range []string{"replies_foreign", "replies_late", "replies_misdirected", "replies_twice"} {
				want := 0.0
				if g == test.gauge {
					want = 1
				}
				eventually(t, g, func() bool {
					var got float64
					d.Gauges(func(name string, value float64) {
						if name == g {
							got = value
						}
					})
					return got == want
				})
			}
		})
	}
}

// Configurations that cannot work name the key.
func TestReplyConfig(t *testing.T) {
	for want, r := range map[string]Reply{
		"reply.topic":          {},
		"reply.reply_to":       {Topic: replies, ReplyTo: defaultCorrelation},
		"reply.correlation":    {Topic: replies, Correlation: HeaderID},
		"headers.reply-topic":  {Topic: replies},
		"reply.id reply.match": {Topic: replies, Fields: reply.Fields{ID: "x", Match: map[string]string{"y": "z"}}},
	} {
		c := Config{Brokers: "127.0.0.1:9092", Topic: topic, Reply: &r}
		if strings.HasPrefix(want, "headers") {
			c.Headers = map[string]string{defaultReplyTo: "x"}
		}
		var got []string
		c.Check(func(field, _ string) { got = append(got, field) })
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("problems with %v, want %s", got, want)
		}
	}
}
