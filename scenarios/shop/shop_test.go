package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/scenarios"
)

func TestMain(m *testing.M) {
	// sarama sizes each fetch request against go-metrics' default registry, whatever its configuration says. The first
	// meter starts a ticker that runs until the process ends.
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// patience bounds every wait of a test. It is no expectation: a passing test never waits so long.
const patience = 30 * time.Second

var (
	_ scenarios.TargetConfig = (*Config)(nil)
	_ scenarios.Target       = (*Shop)(nil)
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

func TestOrderTakesEffectOnceEverywhere(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	const orders = 200
	b.mustPlace(0, orders)
	b.settled()
	b.wantOnce(topicOrderEvents, 0, orders)
	b.wantOnce(topicShipments, 0, orders)
	calls := b.Audit().Counts.InventoryCalls
	eventually(t, "every inventory call on record", func() bool { return int64(len(b.records(topicInventoryCalls))) == calls })
	if got := times(b.records(topicInventoryCalls)); len(got) != orders {
		t.Errorf("calls for %d orders", len(got))
	}
	for _, r := range b.records(topicShipments) {
		if r.key != r.CustomerID || r.Origin == "" {
			t.Fatalf("shipment %+v", r)
		}
	}
	want := Counts{OrdersPlaced: orders, EventsPublished: orders, Reservations: orders, Shipments: orders, InventoryCalls: calls}
	if got := b.Audit(); got.Counts != want || len(got.Effects) != 4*orders || got.Truncated {
		t.Fatalf("audit: %+v, %d effects", got.Counts, len(got.Effects))
	}
}

func TestSameKeyGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	ctx := context.Background()
	first := b.place(1)
	again := b.post(ctx, 1)
	if again != first {
		t.Fatalf("first %+v, again %+v", first, again)
	}
	other := b.do(ctx, "POST", "/orders", orderID(1), orderBody("o2", "c2"))
	if other.status != http.StatusUnprocessableEntity {
		t.Fatalf("same key, other body: %+v", other)
	}
	b.settled()
	b.wantOnce(topicOrderEvents, 1, 2)
}

func TestConcurrentDuplicatesExecuteOnce(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	must(t, b.part("inventory").Pause(t.Context())) // so that the orders overlap
	answers := make(chan answered, 20)
	for range cap(answers) {
		go func() { answers <- b.place(1) }()
	}
	eventually(t, "a call met the pause", func() bool { return b.part("inventory").Met() > 0 })
	must(t, b.part("inventory").Resume(t.Context()))
	first := <-answers
	for range cap(answers) - 1 {
		if a := <-answers; a != first {
			t.Errorf("answers %+v and %+v", first, a)
		}
	}
	b.settled()
	b.wantOnce(topicOrderEvents, 1, 2)
	b.wantOnce(topicShipments, 1, 2)
}

func TestWithoutKeyNothingIsDeduplicated(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	for range 2 {
		b.accepted(func() answered { return b.do(context.Background(), "POST", "/orders", "", orderBody("o1", "c1")) })
	}
	if n := times(b.records(topicOrderEvents))["o1"]; n != 2 {
		t.Fatalf("%d events", n)
	}
}

func TestCustomersKeepTheirOrder(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	const orders = 60
	for n := range orders {
		b.place(n) // each acknowledged before the next is sent
	}
	b.settled()
	for _, topic := range []string{topicOrderEvents, topicShipments} {
		if n := inversions(b.records(topic)); n != 0 {
			t.Errorf("%s: %d inversions", topic, n)
		}
	}
}

// inversions counts the records that come after a later order of their customer.
func inversions(records []logged) (n int) {
	highest := make(map[string]int)
	for _, r := range records {
		var seq int
		fmt.Sscanf(r.OrderID, "o%d", &seq)
		if seq < highest[r.CustomerID] {
			n++
		}
		highest[r.CustomerID] = max(highest[r.CustomerID], seq)
	}
	return n
}

func TestReading(t *testing.T) {
	b := openBench(t, Config{})
	b.mustPlace(1, 2)
	ctx := context.Background()
	for path, want := range map[string]int{"/orders/o1": 200, "/orders/o2": 404, "/healthz": 200, "/audit": 200, "/nowhere": 404} {
		if a := b.do(ctx, "GET", path, "", ""); a.status != want {
			t.Errorf("GET %s: %+v", path, a)
		}
	}
	var audit Audit
	if err := json.Unmarshal([]byte(b.do(ctx, "GET", "/audit", "", "").body), &audit); err != nil || audit.Counts.OrdersPlaced != 1 {
		t.Errorf("audit: %v, %+v", err, audit)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	for _, body := range []string{
		``, `{`, `[]`, `{}`, `{"orderId":1}`,
		`{"orderId":"o","customerId":"c","items":[]}`,
		`{"orderId":"","customerId":"c","items":[{"id":"i","quantity":1}]}`,
		`{"orderId":"o","customerId":"","items":[{"id":"i","quantity":1}]}`,
		`{"orderId":"o","customerId":"c","items":[{"id":"i","quantity":0}]}`,
		`{"orderId":"o","customerId":"c","items":[{"id":"","quantity":1}]}`,
		`{"orderId":"o","customerId":"c","items":[{"id":"i","quantity":1}]} trailing`,
		strings.Repeat("x", maxBody+1),
	} {
		if a := b.do(context.Background(), "POST", "/orders", "k", body); a.status != http.StatusBadRequest || !strings.Contains(a.body, "bad_request") {
			t.Errorf("%.60s: %+v", body, a)
		}
	}
	if c := b.Audit().Counts; c != (Counts{}) {
		t.Errorf("effects of bad input: %+v", c)
	}
}

func TestPortInUseNamesAddressAndRemedy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	address := taken.Addr().String()
	for _, c := range []Config{{Rest: address}, {GRPC: address}, {Kafka: address}} {
		s, err := c.Start(context.Background(), scenarios.TargetEnv{})
		if err == nil || s != nil {
			t.Fatalf("%+v started", c)
		}
		if !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "free it") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestFixedAddressesAreServed(t *testing.T) {
	first := openBench(t, Config{})
	rest, grpc := first.Vars()["rest"], first.Vars()["grpc"]
	must(t, first.Close(context.Background()))
	second := openBench(t, Config{Rest: strings.TrimPrefix(rest, "http://"), GRPC: grpc})
	if second.Vars()["rest"] != rest || second.Vars()["grpc"] != grpc {
		t.Fatalf("vars: %v", second.Vars())
	}
	second.mustPlace(1, 2)
}

func TestCloseUnderLoadAndFaults(t *testing.T) {
	b := openBench(t, Config{Defects: []string{Hang}})
	must(t, b.part("kafka").Pause(t.Context()))
	must(t, b.part("fulfilment").Pause(t.Context()))
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() { b.post(context.Background(), n) })
	}
	eventually(t, "requests met the frozen brokers", func() bool { return b.part("kafka").Met() > 0 })
	must(t, b.Close(t.Context()))
	all.Wait()
}

func TestUnsupportedVerbs(t *testing.T) {
	b := openBench(t, Config{})
	var unsupported faults.ErrUnsupported
	for _, verb := range []func(context.Context) error{b.part("kafka").Kill, b.part("kafka").Start} {
		if err := verb(t.Context()); !errors.As(err, &unsupported) || unsupported.Part != "kafka" {
			t.Errorf("got %v", err)
		}
	}
}

func BenchmarkOrder(b *testing.B) {
	shop := openBench(b, Config{})
	next := make(chan int)
	go func() {
		defer close(next)
		for n := range b.N {
			next <- n
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			for n := range next {
				shop.place(n)
			}
		})
	}
	clients.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}
