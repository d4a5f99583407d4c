package amqplink

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"wringer/faults/faulttest"
)

// onPeer runs a test against the small peer.
func onPeer(t *testing.T, test func(t *testing.T, b *broker)) {
	t.Helper()
	t.Parallel()
	test(t, &broker{address: newPeer(t, nil).address, login: "guest:guest", queue: "q"})
}

func TestDuplicate(t *testing.T) { onPeer(t, duplicates) }
func TestReorder(t *testing.T)   { onPeer(t, reorders) }
func TestCorrupt(t *testing.T)   { onPeer(t, corrupts) }
func TestDelay(t *testing.T)     { onPeer(t, delays) }
func TestClose(t *testing.T)     { onPeer(t, closesChannels) }
func TestBlock(t *testing.T)     { onPeer(t, blocks) }
func TestConfirms(t *testing.T)  { onPeer(t, losesConfirms) }
func TestHeartbeat(t *testing.T) { onPeer(t, dropsHeartbeats) }

// Each delivery comes twice, and one acknowledgement of either reaches the broker.
func duplicates(t *testing.T, b *broker) {
	for _, flagged := range []bool{false, true} {
		r := newRig(t, b.address)
		c := b.dial(t, r, time.Minute)
		out, in := channelOf(t, c), channelOf(t, c)
		f := r.inject(t, Act{Duplicate: 1, Redelivered: flagged})
		const n = 40
		b.publish(t, out, n)
		d := b.consume(t, in, false)
		for i := range 2 * n {
			one := next(t, d)
			if one.DeliveryTag != uint64(i+1) || !bytes.Equal(one.Body, body(i/2)) || one.Redelivered != (flagged && i%2 == 1) {
				t.Fatalf("delivery %d: tag %d, redelivered %v, %d bytes", i, one.DeliveryTag, one.Redelivered, len(one.Body))
			}
			switch i % 8 {
			case 0, 1, 3, 4: // 3 settles what is left of 2, 4 and 5 the same message
				_ = one.Ack(i%8 == 3)
			case 7:
				_ = one.Ack(true)
			}
		}
		faulttest.Heal(t, f)
		if bite := f.Bite(); bite.Words != "40 deliveries on 1 connection" {
			t.Errorf("%+v", bite)
		}
		b.empty(t, in, d)
	}
}

// empty checks that the channel still works, and that the broker holds nothing any more: what was not settled would come again.
func (b *broker) empty(t *testing.T, in *amqp.Channel, d <-chan amqp.Delivery) {
	t.Helper()
	if err := in.Qos(10, 0, false); err != nil { // answered behind the acknowledgements
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	for one := range d {
		t.Errorf("delivery %d was not expected", one.DeliveryTag)
	}
	r := newRig(t, b.address)
	c := b.dial(t, r, time.Minute)
	ch := channelOf(t, c)
	d = b.consume(t, ch, false)
	b.publish(t, ch, 1)
	if one := next(t, d); !bytes.Equal(one.Body, body(0)) || one.Redelivered {
		t.Errorf("a message was not settled: redelivered %v, %d bytes", one.Redelivered, len(one.Body))
	} else if err := one.Ack(false); err != nil {
		t.Error(err)
	}
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
}

// Deliveries come in another order, each once, with ascending tags.
func reorders(t *testing.T, b *broker) {
	r := newRig(t, b.address)
	c := b.dial(t, r, time.Minute)
	out, in := channelOf(t, c), channelOf(t, c)
	f := r.inject(t, Act{Reorder: 0.3})
	const n = 60
	b.publish(t, out, n)
	d := b.consume(t, in, false)
	var order []int
	for i := range n {
		one := next(t, d)
		order = append(order, int(one.Body[0])<<8|int(one.Body[1]))
		if one.DeliveryTag != uint64(i+1) {
			t.Fatalf("tag %d at %d", one.DeliveryTag, i)
		}
		if i%7 == 6 || i == n-1 {
			if err := one.Ack(true); err != nil {
				t.Fatal(err)
			}
		}
	}
	if slices.IsSorted(order) {
		t.Error("all came in order")
	}
	slices.Sort(order)
	if len(slices.Compact(order)) != n {
		t.Errorf("%v", order)
	}
	faulttest.Heal(t, f)
	if bite := f.Bite(); !strings.Contains(bite.Words, "deliveries on 1 connection") {
		t.Errorf("%+v", bite)
	}
	b.empty(t, in, d)
}

func corrupts(t *testing.T, b *broker) {
	r := newRig(t, b.address)
	c := b.dial(t, r, time.Minute)
	out, in := channelOf(t, c), channelOf(t, c)
	f := r.inject(t, Act{Corrupt: 0.3})
	const n = 60
	b.publish(t, out, n)
	d := b.consume(t, in, true)
	changed := 0
	for i := range n {
		one := next(t, d)
		if len(one.Body) != len(body(i)) {
			t.Fatalf("%d: %d bytes", i, len(one.Body))
		}
		if !bytes.Equal(one.Body, body(i)) {
			changed++
		}
	}
	faulttest.Heal(t, f)
	if int64(changed) != f.Matched() || changed < 5 || changed > 40 || !strings.HasSuffix(f.Bite().Words, "bodies on 1 connection") {
		t.Errorf("%d of %d changed, %+v", changed, n, f.Bite())
	}
}

// Deliveries wait side by side, and healing lets them go.
func delays(t *testing.T, b *broker) {
	r := newRig(t, b.address)
	c := b.dial(t, r, time.Minute)
	out, in := channelOf(t, c), channelOf(t, c)
	f := r.inject(t, Act{DelayDeliveries: 100 * time.Millisecond})
	const n = 60
	start := time.Now()
	d := b.consume(t, in, false)
	b.publish(t, out, n) // on another channel: its confirms do not wait
	for i := range n {
		one := next(t, d)
		if !bytes.Equal(one.Body, body(i)) {
			t.Fatalf("%d came out of order", i)
		}
		_ = one.Ack(false)
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("all came within %v", took)
	}
	if f.Matched() != n {
		t.Errorf("%d of %d counted", f.Matched(), n)
	}
	faulttest.Heal(t, f)
	long := r.inject(t, Act{DelayDeliveries: time.Hour})
	b.publish(t, out, 2)
	long.awaitMatched(t, 2)
	faulttest.Heal(t, long)
	for range 2 {
		_ = next(t, d).Ack(false)
	}
	b.empty(t, in, d)
}

func (f *Fault) awaitMatched(t testing.TB, want int64) {
	t.Helper()
	for bound := time.Now().Add(patience); f.Matched() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(bound) {
			t.Fatalf("%s: counts %d of %d", f.name, f.Matched(), want)
		}
	}
}

// A channel is closed with the code at a publish and at a delivery; its number works again at once, and others go on.
func closesChannels(t *testing.T, b *broker) {
	r := newRig(t, b.address)
	c := b.dial(t, r, time.Minute)
	other := channelOf(t, c)
	out := channelOf(t, c)
	closed := out.NotifyClose(make(chan *amqp.Error, 1))
	f := r.inject(t, Act{CloseChannel: 406, First: 2})
	if err := out.PublishWithContext(t.Context(), "", b.queue, false, false, amqp.Publishing{Body: body(1)}); err != nil {
		t.Fatal(err)
	}
	if why := <-closed; why == nil || why.Code != 406 {
		t.Fatalf("closed by %v", why)
	}
	// The second is a delivery: the fault is out of force while the message is published.
	if err := f.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.publish(t, other, 1)
	f = r.inject(t, Act{CloseChannel: 404, First: 1})
	in := channelOf(t, c)
	closed = in.NotifyClose(make(chan *amqp.Error, 1))
	d := b.consume(t, in, false)
	if why := <-closed; why == nil || why.Code != 404 {
		t.Fatalf("closed by %v", why)
	}
	for one := range d {
		t.Errorf("delivery %d was not expected", one.DeliveryTag)
	}
	for range 5 { // the same number, opened again and again
		in = channelOf(t, c)
		d = b.consume(t, in, false)
		one := next(t, d)
		if one.DeliveryTag != 1 || !bytes.Equal(one.Body, body(0)) || !one.Redelivered {
			t.Fatalf("tag %d, redelivered %v: the broker did not take the delivery back", one.DeliveryTag, one.Redelivered)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	in = channelOf(t, c)
	d = b.consume(t, in, false)
	_ = next(t, d).Ack(false)
	faulttest.Heal(t, f)
	b.empty(t, in, d)
	b.publish(t, other, 1)
}

// A client is told that it is blocked at its first publish, which waits for healing.
func blocks(t *testing.T, b *broker) {
	r := newRig(t, b.address)
	c := b.dial(t, r, time.Second)
	told := c.NotifyBlocked(make(chan amqp.Blocking, 2))
	out := channelOf(t, c)
	b.publish(t, out, 1)
	f := r.inject(t, Act{Block: true})
	d, err := out.PublishWithDeferredConfirm("", b.queue, false, false, amqp.Publishing{Body: body(1)})
	if err != nil {
		t.Fatal(err)
	}
	if one := <-told; !one.Active || one.Reason == "" {
		t.Fatalf("%+v", one)
	}
	select {
	case <-d.Done():
		t.Fatal("the publish was confirmed")
	case <-time.After(2500 * time.Millisecond): // longer than two heartbeats: the broker gets them from the link
	}
	faulttest.Heal(t, f)
	if one := <-told; one.Active {
		t.Fatalf("%+v", one)
	}
	if ok, err := d.WaitContext(t.Context()); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if f.Bite().Words != "1 publish on 1 connection" {
		t.Errorf("%+v", f.Bite())
	}
	in := channelOf(t, c)
	got := b.consume(t, in, false)
	_ = next(t, got).Ack(false)
	_ = next(t, got).Ack(false)
	b.empty(t, in, got)
}

// Lost confirms never come, those of others do, and the connection is reset at healing.
func losesConfirms(t *testing.T, b *broker) {
	r := newRig(t, b.address)
	c := b.dial(t, r, time.Minute)
	gone := c.NotifyClose(make(chan *amqp.Error, 1))
	out := channelOf(t, c)
	b.publish(t, out, 1)
	f := r.inject(t, Act{LoseConfirms: 0.5})
	const n = 60
	var all []*amqp.DeferredConfirmation
	for i := range n {
		d, err := out.PublishWithDeferredConfirm("", b.queue, false, false, amqp.Publishing{Body: body(i)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	confirmed := 0
	for bound := time.Now().Add(patience); confirmed+int(f.Matched()) < n; time.Sleep(time.Millisecond) {
		confirmed = 0
		for _, d := range all {
			if d.Acked() {
				confirmed++
			}
		}
		if time.Now().After(bound) {
			t.Fatalf("%d confirmed, %d lost of %d", confirmed, f.Matched(), n)
		}
	}
	if confirmed < n/5 || confirmed > n*4/5 {
		t.Errorf("%d of %d confirmed", confirmed, n)
	}
	faulttest.Heal(t, f)
	if why := <-gone; why == nil {
		t.Error("the connection was not reset")
	}
	b.purge(t, n+1)
}

// purge takes n messages.
func (b *broker) purge(t *testing.T, n int) {
	t.Helper()
	c := b.dial(t, newRig(t, b.address), time.Minute)
	in := channelOf(t, c)
	d := b.consume(t, in, true)
	for range n {
		next(t, d)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

// Without the broker's heartbeats a client gives the connection up.
func dropsHeartbeats(t *testing.T, b *broker) {
	r := newRig(t, b.address)
	f := r.inject(t, Act{DropHeartbeats: both})
	c := b.dial(t, r, time.Second)
	gone := c.NotifyClose(make(chan *amqp.Error, 1))
	channelOf(t, c) // the client begins to watch at the next frame
	select {
	case why := <-gone:
		if why == nil {
			t.Error("closed in order")
		}
	case <-time.After(patience):
		t.Fatal("the connection stands without heartbeats")
	}
	faulttest.Heal(t, f)
	if !strings.Contains(f.Bite().Words, "heartbeat") {
		t.Errorf("%+v", f.Bite())
	}
}
