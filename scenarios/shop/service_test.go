package shop

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"wringer/faults"
)

// bareKafka is a cluster of brokers without topics.
func bareKafka(t *testing.T, brokers int) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.GroupMinSessionTimeout(leastSession))
	must(t, err)
	t.Cleanup(c.Close)
	return brokerList(c.ListenAddrs())
}

// service opens a service, which closes with the test unless it was closed before.
func service(t *testing.T, c ServiceConfig) *Service {
	t.Helper()
	c.Listen, c.Within = defaultListen, patience
	c.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	s, err := OpenService(t.Context(), c, faults.Network{}, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { closeService(t, s) })
	return s
}

func closeService(t *testing.T, s *Service) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// ordersBench is a client of the order service, which stands before kafka and an inventory of its own.
func ordersBench(t *testing.T, kafka string, c Config) (b *bench, orders, inventory *Service) {
	t.Helper()
	if on(c.Timeouts) {
		c.CallTimeout = patience // a busy machine is no slow inventory
	}
	inventory = service(t, ServiceConfig{Name: partInventory, Kafka: kafka})
	orders = service(t, ServiceConfig{Name: partOrders, Kafka: kafka, Inventory: inventory.Address(), Config: c})
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	vars := map[string]string{"rest": "http://" + orders.Address(), "kafka": kafka}
	return &bench{&Shop{vars: vars, ledger: newLedger()}, t, &http.Client{Transport: transport}}, orders, inventory
}

func TestServicesKeepThePromisesOfTheShop(t *testing.T) {
	t.Parallel()
	kafka := bareKafka(t, brokerCount)
	b, orders, inventory := ordersBench(t, kafka, Config{})
	fulfilment := service(t, ServiceConfig{Name: partFulfilment, Kafka: kafka})
	const n = 100
	b.mustPlace(0, n)
	b.place(0) // again: the same answer, and no second effect
	eventually(t, "every event shipped", func() bool { return fulfilment.Audit().Counts.Shipments >= n })
	must(t, inventory.shop.Parts()[partInventory].Ready(t.Context())) // gRPC's health

	if a := b.do(t.Context(), "GET", "/healthz", "", ""); a.status != http.StatusOK {
		t.Errorf("health of orders: %+v", a)
	}
	b.vars["rest"] = "http://" + fulfilment.Address()
	if a := b.do(t.Context(), "GET", "/healthz", "", ""); a.status != http.StatusOK {
		t.Errorf("health of fulfilment: %+v", a)
	}
	for _, s := range []*Service{orders, inventory, fulfilment} { // what they hold back is sent
		closeService(t, s)
	}
	b.wantOnce(topicOrderEvents, 0, n)
	b.wantOnce(topicShipments, 0, n)
	if got := times(b.records(topicInventoryCalls)); len(got) != n {
		t.Errorf("calls for %d orders of %d", len(got), n)
	}
	if got := inventory.Audit().Counts.Reservations; got != n {
		t.Errorf("%d reservations for %d orders", got, n)
	}
}

// The services before the brokers of an embedded shop, whose own fulfilment ships.
func TestServicesBesideAnEmbeddedShop(t *testing.T) {
	t.Parallel()
	whole := openBench(t, Config{})
	b, _, _ := ordersBench(t, whole.Vars()["kafka"], Config{})
	b.mustPlace(0, 20)
	eventually(t, "every event shipped", func() bool { return whole.Audit().Counts.Shipments >= 20 })
	b.wantOnce(topicShipments, 0, 20)
}

// What a service did is committed when it ends in good order. The defect commits too rarely to do that by chance.
func TestFulfilmentEndsCommitted(t *testing.T) {
	t.Parallel()
	kafka := bareKafka(t, brokerCount)
	b, _, _ := ordersBench(t, kafka, Config{})
	config := ServiceConfig{Name: partFulfilment, Kafka: kafka, Config: Config{Defects: []string{Redeliver}}}
	first := service(t, config)
	b.mustPlace(0, 40)
	eventually(t, "every event shipped", func() bool { return first.Audit().Counts.Shipments >= 40 })
	closeService(t, first)
	second := service(t, config)
	b.mustPlace(40, 80)
	eventually(t, "every event shipped", func() bool {
		return times(b.records(topicShipments))[orderID(79)] > 0 && second.Audit().Counts.Shipments >= 40
	})
	closeService(t, second)
	b.wantOnce(topicShipments, 0, 80)
}

// An order in progress is answered although the service was asked to end.
func TestOrdersEndsWithItsAnswers(t *testing.T) {
	t.Parallel()
	off := false
	b, orders, inventory := ordersBench(t, bareKafka(t, 1), Config{Timeouts: &off})
	stock := inventory.shop.Parts()[partInventory]
	must(t, stock.Pause(t.Context()))
	got := make(chan answered, 1)
	go func() { got <- b.post(context.Background(), 1) }()
	eventually(t, "a call met the pause", func() bool { return stock.Met() > 0 })
	ended := make(chan struct{})
	go func() { defer close(ended); closeService(t, orders) }()
	eventually(t, "no further connection", func() bool {
		c, err := net.Dial("tcp", orders.Address())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	must(t, stock.Resume(t.Context()))
	if a := <-got; a.status != http.StatusCreated {
		t.Errorf("the order in progress: %+v", a)
	}
	<-ended
}

func TestServiceCreatesItsTopics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ brokers, replicas, want int }{{1, 0, 1}, {3, 0, 3}, {5, 0, 3}, {3, 2, 2}} {
		kafka := bareKafka(t, c.brokers)
		service(t, ServiceConfig{Name: partInventory, Kafka: kafka, Replicas: c.replicas, Config: Config{Partitions: 4}})
		admin, err := sarama.NewClusterAdmin(strings.Split(kafka, ","), clientConfig(faults.Network{}))
		must(t, err)
		states, err := admin.DescribeTopics(shopTopics)
		must(t, err)
		must(t, admin.Close())
		for _, state := range states {
			if state.Err != sarama.ErrNoError || len(state.Partitions) != 4 || len(state.Partitions[0].Replicas) != c.want {
				t.Errorf("%d brokers, replicas %d: topic %s: %v, %d partitions of %d replicas", c.brokers, c.replicas, state.Name,
					state.Err, len(state.Partitions), len(state.Partitions[0].Replicas))
			}
		}
	}
}

func TestServiceNamesBrokersThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", defaultListen)
	must(t, err)
	defer l.Close()
	go func() { // takes connections, and ends each
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	config := ServiceConfig{Name: partInventory, Kafka: l.Addr().String(), Listen: defaultListen, Within: leastSession}
	if _, err := OpenService(t.Context(), config, faults.Network{}, slog.New(slog.NewTextHandler(io.Discard, nil))); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("the error does not name the brokers: %v", err)
	}
}

// A topic waits for the brokers that are named, and is not made with fewer replicas meanwhile.
func TestTopicsWaitForTheirReplicas(t *testing.T) {
	t.Parallel()
	one := bareKafka(t, 1)
	for _, wait := range []topics{
		{brokers: []string{one}, partitions: 1, replicas: 3},
		{brokers: []string{one, "127.0.0.1:1"}, partitions: 1}, // the second is not up
	} {
		for range 2 { // a topic of the first try would have its leader by now
			if err := wait.tryEnsure(); err == nil || !strings.Contains(err.Error(), "replicas at 1 brokers") {
				t.Errorf("%q, replicas %d: %v", wait.brokers, wait.replicas, err)
			}
		}
	}
}

func TestServiceConfigProblems(t *testing.T) {
	off := false
	for want, c := range map[string]ServiceConfig{
		"name: unknown service":                      {Name: "basket", Kafka: "a:1"},
		"listen: listen address \"x\"":               {Name: partInventory, Kafka: "a:1", Listen: "x"},
		"kafka: no brokers are named":                {Name: partInventory},
		"kafka: address \"b\"":                       {Name: partInventory, Kafka: "a:1,b"},
		"inventory: the address of the inventory":    {Name: partOrders, Kafka: "a:1"},
		"inventory: address \"s\"":                   {Name: partOrders, Kafka: "a:1", Inventory: "s"},
		"replicas: -1 replicas":                      {Name: partInventory, Kafka: "a:1", Replicas: -1},
		"within: is negative":                        {Name: partInventory, Kafka: "a:1", Within: -1},
		"session: 1ns":                               {Name: partFulfilment, Kafka: "a:1", Session: 1},
		"defects: defect hang is not one of fulfilm": {Name: partFulfilment, Kafka: "a:1", Config: Config{Defects: []string{Hang}}},
		"defects: defect redeliver is not one of or": {Name: partOrders, Kafka: "a:1", Inventory: "s:1", Config: Config{Defects: []string{Redeliver}}},
		"defects: unknown defect":                    {Name: partOrders, Kafka: "a:1", Inventory: "s:1", Config: Config{Defects: []string{"hung"}}},
		"call_timeout: is given although":            {Name: partOrders, Kafka: "a:1", Inventory: "s:1", Config: Config{Timeouts: &off, CallTimeout: 1}},
	} {
		var got []string
		c.Check(func(field, message string) { got = append(got, field+": "+message) })
		if !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, want) }) || len(got) != 1 {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

// Each defect is one of exactly one service, but for those of the leg over RabbitMQ, which only the whole shop has.
func TestEachDefectHasAService(t *testing.T) {
	for _, d := range Defects() {
		of, want := 0, 1
		if queueDefects[d.Name] {
			want = 0
		}
		for _, name := range ServiceNames() {
			if HasDefect(name, d.Name) {
				of++
			}
		}
		if of != want {
			t.Errorf("defect %s is one of %d services, want %d", d.Name, of, want)
		}
	}
}
