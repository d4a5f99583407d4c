package shop

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"wringer/faults"
	"wringer/faults/memnet"
	"wringer/scenarios"
)

// virtually runs test with a shop in a synctest bubble, on a network in memory.
func virtually(t *testing.T, c Config, test func(b *bench)) {
	t.Helper()
	metrics.NewMeter().Stop() // go-metrics' goroutine never ends, and must not belong to a bubble
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		s, err := Open(t.Context(), c, scenarios.TargetEnv{
			Seed: 1, Network: faults.Network{ListenFunc: network.Listen, DialFunc: network.Dial, Virtual: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{DialContext: network.Dial, MaxIdleConnsPerHost: 256}
		test(&bench{s, t, &http.Client{Transport: transport}})
		transport.CloseIdleConnections()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // sarama's consumers sleep before they end
	})
}

// An order takes as long as the linger of its event, and no longer.
func TestOrderInVirtualTime(t *testing.T) {
	virtually(t, Config{}, func(b *bench) {
		for n := range 20 {
			began := time.Now()
			if a := b.post(b.t.Context(), n); a.status != http.StatusCreated || time.Since(began) != eventLinger {
				b.t.Errorf("order %d: %+v after %s", n, a, time.Since(began))
			}
		}
		time.Sleep(time.Second)
		if got := b.Audit().Counts; got.OrdersPlaced != 20 || got.EventsPublished != 20 || got.Reservations != 20 || got.Shipments != 20 {
			b.t.Errorf("20 orders are told as %+v", got)
		}
	})
}

// Frozen parts delay orders for as long as they are frozen, and lose none.
func TestFrozenPartsInVirtualTime(t *testing.T) {
	for _, part := range []string{partKafka, partInventory} {
		virtually(t, Config{Timeouts: new(bool)}, func(b *bench) {
			if a := b.post(b.t.Context(), 1); a.status != http.StatusCreated {
				b.t.Fatalf("first order: %+v", a)
			}
			time.Sleep(time.Second)
			must(b.t, b.part(part).Pause(b.t.Context()))
			time.AfterFunc(time.Minute/4, func() { must(b.t, b.part(part).Resume(b.t.Context())) })
			began := time.Now()
			a := b.post(b.t.Context(), 2)
			if took := time.Since(began).Truncate(time.Second); a.status != http.StatusCreated || took != time.Minute/4 {
				b.t.Errorf("%s is frozen: %+v after %s", part, a, took)
			}
			if b.part(part).Met() == 0 {
				b.t.Errorf("%s met nothing", part)
			}
		})
	}
}

// Several brokers lead each topic's partitions, the same in every run. The coordinator of the orders' reader leads none of
// the orders' events.
func TestLeadersInVirtualTime(t *testing.T) {
	virtually(t, Config{}, func(b *bench) {
		cluster := b.part(partKafka).(brokersPart).brokers.cluster
		coordinator := cluster.CoordinatorFor(fulfilmentName)
		for _, topic := range []string{topicPayments, topicOrderEvents, topicShipments, topicInventoryCalls} {
			led := make(map[int32]int)
			for p := range int32(defaultPartitions) {
				led[cluster.LeaderFor(topic, p)]++
			}
			if len(led) < 2 || topic == topicOrderEvents && led[coordinator] > 0 {
				b.t.Errorf("%s is led by %v, the coordinator is %d", topic, led, coordinator)
			}
		}
	})
}

// Frozen brokers answer the first request of a connection, so that sarama lets go of its mutex, and hold up the second.
func TestFrozenBrokersGreetInVirtualTime(t *testing.T) {
	virtually(t, Config{}, func(b *bench) {
		part := b.part(partKafka).(brokersPart)
		time.Sleep(time.Second) // fulfilment's consumers ask for their first offsets, each holding its broker's mutex
		must(b.t, part.Pause(b.t.Context()))
		time.AfterFunc(10*time.Second, func() { must(b.t, part.Resume(b.t.Context())) })
		began := time.Now()
		broker := sarama.NewBroker(part.brokers.addresses()[0])
		must(b.t, broker.Open(clientConfig(b.network)))
		defer broker.Close()
		if connected, err := broker.Connected(); !connected || err != nil || time.Since(began) != 0 {
			b.t.Errorf("connected %v, %v after %s", connected, err, time.Since(began))
		}
		_, err := broker.GetMetadata(&sarama.MetadataRequest{Version: 1, Topics: []string{topicOrderEvents}})
		if took := time.Since(began); err != nil || took != 10*time.Second {
			b.t.Errorf("answered: %v after %s", err, took)
		}
	})
}
