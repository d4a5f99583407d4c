package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/scenarios"
)

func TestMain(m *testing.M) {
	// sarama sizes each fetch request against go-metrics' default registry, whatever its configuration says. The first
	// meter starts a ticker that runs until the process ends.
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(rabbit.Shared(m), goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// patience bounds every wait of a test. It is no expectation: a passing test never waits so long.
const patience = 2 * time.Minute

var (
	_ scenarios.TargetConfig = (*Config)(nil)
	_ scenarios.Target       = (*Shop)(nil)
)

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
