package shop

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// both runs a test on the honest shop, and on a shop with the defect.
func both(t *testing.T, defect string, test func(t *testing.T, b *bench, broken bool)) {
	t.Run("honest", func(t *testing.T) { test(t, openBench(t, Config{}), false) })
	t.Run(defect, func(t *testing.T) { test(t, openBench(t, Config{Defects: []string{defect}}), true) })
}

// copies counts the records of each order beyond the first.
func copies(records []logged) int { return len(records) - len(times(records)) }

func TestNoDedupe(t *testing.T) {
	t.Parallel()
	both(t, NoDedupe, func(t *testing.T, b *bench, broken bool) {
		for range 2 {
			b.mustPlace(0, 10)
		}
		want := 0
		if broken {
			want = 10
		}
		if got := copies(b.records(topicOrderEvents)); got != want {
			t.Errorf("%d copies of 10 orders tried twice, want %d", got, want)
		}
		if got := b.Audit().Counts.OrdersPlaced; got != int64(10+want) {
			t.Errorf("%d executions, want %d", got, 10+want)
		}
	})
}

func TestPublishTwice(t *testing.T) {
	t.Parallel()
	both(t, PublishTwice, func(t *testing.T, b *bench, broken bool) {
		const orders = 200
		b.mustPlace(0, orders)
		want := 0
		for n := range orders {
			if broken && b.chosen(PublishTwice, n) {
				want++
			}
		}
		if got := copies(b.records(topicOrderEvents)); got != want || broken && want == 0 {
			t.Errorf("%d copies, want %d", got, want)
		}
	})
}

// chosen says whether the defect picks this order.
func (b *bench) chosen(defect string, n int) bool {
	d := defectSet([]string{defect})
	return d.publishesTwice(orderID(n)) || d.hangs(orderID(n))
}

func TestAckBeforePublish(t *testing.T) {
	t.Parallel()
	both(t, AckBeforePublish, func(t *testing.T, b *bench, broken bool) {
		b.mustPlace(0, 10)
		must(t, b.part("kafka").Pause(t.Context()))
		const orders = 600
		acked := make(chan struct{})
		go func() { b.mustPlace(10, orders); close(acked) }()
		eventually(t, "requests met the pause", func() bool { return b.part("kafka").Met() > 0 })
		if broken {
			<-acked // without the brokers
		}
		must(t, b.part("kafka").Resume(t.Context()))
		<-acked
		// The first ten may have been in the queue when the brokers froze.
		eventually(t, "the queue drained", func() bool { return b.Audit().Counts.EventsPublished >= leakyQueue })
		lost := orders - len(times(b.records(topicOrderEvents)))
		if broken != (lost > 0) {
			t.Errorf("%d of %d acknowledged orders lost", lost, orders)
		}
	})
}

func TestAckBeforePublishLosesNothingInPeace(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{Defects: []string{AckBeforePublish}})
	const orders, atOnce = 192, leakyQueue / 2 // more than the queue holds would be lost on a slow machine
	for n := 0; n < orders; n += atOnce {
		b.mustPlace(n, n+atOnce)
		b.settled()
	}
	b.wantOnce(topicOrderEvents, 0, orders)
}

func TestUnordered(t *testing.T) {
	t.Parallel()
	both(t, Unordered, func(t *testing.T, b *bench, broken bool) {
		const orders = 200
		for n := range orders {
			b.place(n)
		}
		b.settled()
		b.wantOnce(topicOrderEvents, 0, orders)
		if n := inversions(b.records(topicOrderEvents)); broken != (n > 0) {
			t.Errorf("%d inversions", n)
		}
	})
}

func TestCommitFirst(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{Defects: []string{CommitFirst}})
	orders := b.killFulfilment(5)
	b.mustPlace(orders, orders+1)
	eventually(t, "the last order shipped", func() bool { return times(b.records(topicShipments))[orderID(orders)] == 1 })
	b.wantOnce(topicOrderEvents, 0, orders+1)
	shipped := times(b.records(topicShipments))
	if lost := orders + 1 - len(shipped); lost == 0 {
		t.Errorf("nothing lost of %d orders", orders)
	}
}

func TestCommitFirstLosesNothingInPeace(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{Defects: []string{CommitFirst}})
	b.mustPlace(0, 200)
	b.settled()
	b.wantOnce(topicShipments, 0, 200)
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{Defects: []string{Redeliver}})
	orders := b.killFulfilment(3)
	b.mustPlace(orders, orders+1)
	eventually(t, "the last order shipped", func() bool { return times(b.records(topicShipments))[orderID(orders)] > 0 })
	b.wantOnce(topicOrderEvents, 0, orders+1)
	origins := make(map[string]int)
	again := 0
	for _, r := range b.records(topicShipments) {
		if origins[r.Origin]++; origins[r.Origin] == 2 {
			again++
		}
	}
	if again == 0 {
		t.Error("no event was worked on twice")
	}
}

func TestRedeliverShipsOnceInPeace(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{Defects: []string{Redeliver}})
	b.mustPlace(0, 100)
	b.settled()
	b.wantOnce(topicShipments, 0, 100)
}

func TestHang(t *testing.T) {
	t.Parallel()
	both(t, Hang, func(t *testing.T, b *bench, broken bool) {
		victim := 0
		for !b.chosen(Hang, victim) {
			victim++
		}
		b.mustPlace(victim+1000, victim+1001)
		if broken {
			b.giveUp(victim, victim+1)
		} else {
			b.place(victim)
		}
		if n := times(b.records(topicOrderEvents))[orderID(victim)]; broken != (n == 0) {
			t.Errorf("%d events", n)
		}
	})
}

func TestRetryStorm(t *testing.T) {
	t.Parallel()
	both(t, RetryStorm, func(t *testing.T, b *bench, broken bool) {
		must(t, b.part("inventory").Pause(t.Context()))
		if a := b.post(context.Background(), 1); a.status != http.StatusServiceUnavailable {
			t.Errorf("answer %+v", a)
		}
		var calls int
		eventually(t, "calls on record", func() bool {
			calls = len(b.records(topicInventoryCalls))
			return int64(calls) == b.Audit().Counts.InventoryCalls
		})
		if broken && calls < 5*callTries || !broken && calls > callTries {
			t.Errorf("%d calls for one order", calls)
		}
	})
}

func TestSwitches(t *testing.T) {
	t.Parallel()
	off := false
	p := newCallPolicy(&Config{Timeouts: &off, Retries: &off})
	if p.timeout != 0 || p.tries != 1 {
		t.Errorf("all off: %+v", p)
	}
	if p := newCallPolicy(&Config{}); p.timeout != callTimeout || p.tries != callTries {
		t.Errorf("default: %+v", p)
	}
	b := openBench(t, Config{Timeouts: &off, Retries: &off, Breaker: &off})
	must(t, b.part("inventory").Pause(t.Context()))
	b.giveUp(1, 2)
	must(t, b.part("inventory").Resume(t.Context()))
	b.shipped(1) // the call went on in the background, without a timeout
}

func (b *bench) shipped(n int64) {
	b.t.Helper()
	eventually(b.t, "orders shipped", func() bool { return b.Audit().Counts.Shipments == n })
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Defects: []string{"no-dedup"}}, "defects: unknown defect \"no-dedup\": did you mean no-dedupe?"},
		{Config{Defects: []string{"comit-first"}}, "did you mean commit-first?"},
		{Config{Defects: []string{CommitFirst, Redeliver}}, "exclude each other"},
		{Config{Defects: []string{AckBeforePublish, Unordered}}, "exclude each other"},
		{Config{Partitions: -1}, "partitions: -1 partitions: write 1 to"},
		{Config{Rest: "8080"}, "rest: listen address \"8080\": write host:port"},
		{Config{GRPC: "127.0.0.1:http"}, "grpc: listen address"},
		{Config{Kafka: "127.0.0.1:65534"}, "kafka: listen address \"127.0.0.1:65534\": 3 brokers need ports"},
		{Config{Kafka: ":9092"}, "name one host"},
		{Config{Kafka: "0.0.0.0:9092"}, "name one host"},
	} {
		var got []string
		c.config.Check(func(field, message string) { got = append(got, field+": "+message) })
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%+v: %q, want %q", c.config, got, c.want)
		}
	}
}

func TestEveryDefectIsKnown(t *testing.T) {
	field, _ := reflect.TypeFor[Config]().FieldByName("Defects")
	var names []string
	for _, d := range Defects() {
		names = append(names, "enum="+d.Name)
	}
	if got, want := field.Tag.Get("jsonschema"), strings.Join(names, ","); got != want {
		t.Errorf("the schema offers %s, the table has %s", got, want)
	}
	for _, d := range Defects() {
		c := Config{Defects: []string{d.Name}}
		if queueDefects[d.Name] {
			c.AMQP = &AMQP{URL: "amqp://127.0.0.1:5672/"}
		}
		c.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
		if d.About == "" {
			t.Errorf("%s says nothing of itself", d.Name)
		}
	}
}

func TestDrawsAreSpread(t *testing.T) {
	twice, hangs := 0, 0
	d := defectSet([]string{PublishTwice, Hang})
	const orders = 20_000
	for n := range orders {
		id := fmt.Sprintf("run1.orders.%d", n)
		if d.publishesTwice(id) {
			twice++
		}
		if d.hangs(id) {
			hangs++
		}
	}
	if twice < 800 || twice > 1200 || hangs < 300 || hangs > 500 {
		t.Errorf("of %d orders %d are published twice (1 in 20) and %d hang (1 in 50)", orders, twice, hangs)
	}
}
