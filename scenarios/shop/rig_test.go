package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"wringer/faults"
	"wringer/scenarios"
)

// bench is a shop under test and its client.
type bench struct {
	*Shop
	t      testing.TB
	client *http.Client
}

func openBench(t testing.TB, c Config) *bench {
	t.Helper()
	c.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := Open(ctx, c, scenarios.TargetEnv{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return &bench{s, t, &http.Client{Transport: transport}}
}

// answered is an answer of the REST server. err is set if there was none.
type answered struct {
	status int
	body   string
	err    error
}

func (b *bench) do(ctx context.Context, method, path, key, body string) answered {
	r, err := http.NewRequestWithContext(ctx, method, b.Vars()["rest"]+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if key != "" {
		// By default net/http would resend a request with this header by itself.
		r.Header["Idempotency-Key"] = []string{key}
		r.GetBody = nil
	}
	answer, err := b.client.Do(r)
	if err != nil {
		return answered{err: err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answered{answer.StatusCode, string(text), err}
}

func orderBody(id, customer string) string {
	return fmt.Sprintf(`{"orderId":%q,"customerId":%q,"items":[{"id":"item1","quantity":2}]}`, id, customer)
}

// post places an order under its own id as the key.
func (b *bench) post(ctx context.Context, n int) answered {
	return b.do(ctx, "POST", "/orders", orderID(n), orderBody(orderID(n), customer(n)))
}

func orderID(n int) string  { return fmt.Sprintf("o%d", n) }
func customer(n int) string { return fmt.Sprintf("c%d", n%20) }

// accepted repeats a request until the answer is 201. An honest shop on an overloaded machine answers 503, and accepts the
// same key again.
func (b *bench) accepted(request func() answered) answered {
	for deadline := time.Now().Add(patience); ; {
		a := request()
		if a.status == http.StatusCreated {
			return a
		}
		if time.Now().After(deadline) {
			b.t.Errorf("never accepted: %+v", a)
			return a
		}
		time.Sleep(10 * time.Millisecond) // an open circuit breaker answers at once: callers that never rest keep the shop from its work
	}
}

func (b *bench) place(n int) answered {
	return b.accepted(func() answered { return b.post(context.Background(), n) })
}

// mustPlace places orders first to last-1, some at once.
func (b *bench) mustPlace(first, last int) {
	b.t.Helper()
	var all sync.WaitGroup
	slots := make(chan struct{}, 32)
	for n := first; n < last; n++ {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			b.place(n)
		})
	}
	all.Wait()
}

// logged is a record of a topic.
type logged struct {
	OrderID, CustomerID, Origin string
	key                         string
	partition                   int32
	offset                      int64
}

// records returns the records that the topic holds now.
func (b *bench) records(topic string) []logged {
	b.t.Helper()
	config := clientConfig(faults.Network{})
	config.Consumer.MaxWaitTime = 10 * time.Millisecond // closing waits for the fetch in progress
	client, err := sarama.NewClient(strings.Split(b.Vars()["kafka"], ","), config)
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		b.t.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := client.Partitions(topic)
	if err != nil {
		b.t.Fatal(err)
	}
	// In parallel: sarama takes 100 ms to start each.
	found, problems := make([][]logged, len(partitions)), make([]error, len(partitions))
	var readers sync.WaitGroup
	for i, p := range partitions {
		end, err := client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			b.t.Fatal(err)
		}
		readers.Go(func() { found[i], problems[i] = readTo(consumer, topic, p, end) })
	}
	readers.Wait()
	if err := errors.Join(problems...); err != nil {
		b.t.Fatal(err)
	}
	return slices.Concat(found...)
}

func readTo(consumer sarama.Consumer, topic string, partition int32, end int64) (all []logged, err error) {
	if end == 0 {
		return nil, nil
	}
	claim, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer claim.Close()
	for int64(len(all)) < end {
		select {
		case m := <-claim.Messages():
			r := logged{key: string(m.Key), partition: m.Partition, offset: m.Offset}
			if err := json.Unmarshal(m.Value, &r); err != nil {
				return nil, fmt.Errorf("%s %d/%d: %w", topic, partition, m.Offset, err)
			}
			all = append(all, r)
		case <-time.After(patience):
			return nil, fmt.Errorf("%s %d: %d of %d records", topic, partition, len(all), end)
		}
	}
	return all, nil
}

// times counts the records by order.
func times(records []logged) map[string]int {
	n := make(map[string]int)
	for _, r := range records {
		n[r.OrderID]++
	}
	return n
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never came: %s", what)
		}
	}
}

// settled waits until fulfilment has processed all events.
func (b *bench) settled() {
	b.t.Helper()
	eventually(b.t, "every event shipped", func() bool { c := b.Audit().Counts; return c.Shipments >= c.OrdersPlaced })
}

// wantOnce fails unless the topic holds each order first to last-1 exactly once, and nothing else.
func (b *bench) wantOnce(topic string, first, last int) {
	b.t.Helper()
	got := times(b.records(topic))
	for n := first; n < last; n++ {
		if got[orderID(n)] != 1 {
			b.t.Errorf("%s: order %d stands there %d times", topic, n, got[orderID(n)])
		}
		delete(got, orderID(n))
	}
	for id, n := range got {
		b.t.Errorf("%s: unexpected %s, %d times", topic, id, n)
	}
}

func (b *bench) part(name string) faults.Part { return b.Parts()[name] }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
