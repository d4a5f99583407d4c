package kafka

import (
	"slices"
	"testing"
	"time"

	"wringer/drivers"
)

func TestCheck(t *testing.T) {
	ok := Config{Brokers: "a:1", Topic: "t"}
	with := func(change func(*Config)) Config {
		c := ok
		change(&c)
		return c
	}
	for _, test := range []struct {
		config Config
		fields []string
	}{
		{ok, nil},
		{with(func(c *Config) { c.Brokers = "${shop.kafka}" }), nil},
		{Config{}, []string{"brokers", "topic"}},
		{with(func(c *Config) { c.Brokers = "a:1,b" }), []string{"brokers"}},
		{with(func(c *Config) { c.Acks, c.Compression, c.Version = "one", "rar", "x" }), []string{"acks", "compression", "version"}},
		{with(func(c *Config) { c.Version = "0.10.2.0" }), []string{"version"}},
		{with(func(c *Config) { c.Idempotent, c.Acks, c.Retries = true, "leader", new(int) }), []string{"acks", "retries"}},
		{with(func(c *Config) { c.Partitioner, c.Requests, c.Backoff, c.Producers = "x", -1, time.Second, -1 }),
			[]string{"partitioner", "requests", "backoff", "producers"}},
		{with(func(c *Config) {
			c.Requests, c.Transactions = 2, &Transactions{Records: -1, Every: time.Hour, Abort: 2}
		}),
			[]string{"requests", "transactions.records", "transactions.every", "transactions.abort"}},
		{with(func(c *Config) { c.Size, c.Sizes = 1, map[string]uint32{"x": 1} }), []string{"sizes", "sizes"}},
		{with(func(c *Config) { c.Linger, c.Size = time.Hour, 1<<40 }), []string{"linger", "size"}},
		{with(func(c *Config) { c.Batch, c.Replication, c.MinInsync = 1, 3, 4 }), []string{"batch", "replication", "min_insync", "min_insync"}},
		{with(func(c *Config) { c.Partitions, c.Replication = -1, -1 }), []string{"partitions", "replication"}},
		{with(func(c *Config) {
			c.Key, c.Value, c.Headers = "{{k}}", "{{", map[string]string{HeaderID: "x", "h": "{{int}}"}
		}), []string{"headers." + HeaderID, "headers.h", "key", "value"}},
	} {
		var fields []string
		test.config.Check(func(field, message string) {
			if message == "" {
				t.Errorf("%s: no message", field)
			}
			fields = append(fields, field)
		})
		slices.Sort(fields)
		slices.Sort(test.fields)
		if !slices.Equal(fields, test.fields) {
			t.Errorf("%+v: %q, want %q", test.config, fields, test.fields)
		}
	}
}

func TestEffectCheck(t *testing.T) {
	var fields []string
	(&Effect{Brokers: "x", ID: "a", Key: "$.", Origin: "$.ok"}).Check(func(field, _ string) { fields = append(fields, field) })
	if !slices.Equal(fields, []string{"brokers", "topic", "id", "key"}) {
		t.Errorf("%q", fields)
	}
}

// All attempts of an operation carry the same bytes, except the attempt's number. Templates draw independently.
func TestRecordTemplate(t *testing.T) {
	env := newEnv()
	c := Config{Topic: topic, Key: "{{int 1 1000000}}", Value: "{{int 1 1000000}}", Size: 20, Headers: map[string]string{"h": "{{seq}}"}}
	template, err := c.recordTemplate(env, drivers.Dialect{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	op := &drivers.Op{Seq: 3}
	first, _ := template.record(op, &drivers.Attempt{Number: 1}, nil)
	second, _ := template.record(op, &drivers.Attempt{Number: 2}, nil)
	if string(first.value) != string(second.value) || string(first.key) != string(second.key) || len(first.value) != 20 {
		t.Errorf("%q %q, then %q %q", first.key, first.value, second.key, second.value)
	}
	if string(first.value[:len(first.key)]) == string(first.key) {
		t.Errorf("key and value both drew %q", first.key)
	}
	headers := func(record *pendingRecord) (all []string) {
		for _, h := range record.message.Headers {
			all = append(all, string(h.Key)+"="+string(h.Value))
		}
		return all
	}
	if got := headers(first); !slices.Equal(got, []string{"wringer-id=r1.s.3", "h=3"}) {
		t.Errorf("%q", got)
	}
	if got := headers(second); !slices.Equal(got, []string{"wringer-id=r1.s.3", "h=3", "wringer-attempt=2"}) {
		t.Errorf("%q", got)
	}
}

// A record carries its operation's trace in headers beside the scenario's own.
func TestRecordCarriesItsTrace(t *testing.T) {
	env := newEnv()
	env.Trace = drivers.NewTrace(1, drivers.TraceHeaderNames()...)
	template, err := (&Config{Topic: "t", Headers: map[string]string{"own": "{{id}}"}}).recordTemplate(env, drivers.Dialect{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	record, err := template.record(&drivers.Op{Seq: 7}, &drivers.Attempt{Number: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	headers := make(map[string]string)
	for _, h := range record.message.Headers {
		headers[string(h.Key)] = string(h.Value)
	}
	parent, _ := drivers.ParseTraceparent([]byte(headers[drivers.HeaderTraceparent]))
	single, _ := drivers.ParseB3([]byte(headers[drivers.HeaderB3]))
	amazon, _ := drivers.ParseAmazon([]byte(headers[drivers.HeaderAmazon]))
	if want := env.Identity.Trace(7); parent != want || single != want || amazon != want || headers["own"] != env.Identity.Text(7) {
		t.Errorf("headers %q", headers)
	}
}
