package amqplink

import (
	"context"
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/faulttest"
	"wringer/faults/toxi"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(rabbit.Shared(m))
}

const patience = 2 * time.Minute

// rig is a link with an inlet to one broker.
type rig struct {
	link    faults.Link
	address string
}

func newRig(t testing.TB, upstream string) *rig {
	t.Helper()
	m, err := toxi.NewMesh(faults.Network{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	link, address := faulttest.OpenLink(t, m, "orders->queue", (&Config{}).Prepare, upstream)
	return &rig{link, address}
}

func (r *rig) open(t testing.TB, a Act) *Fault {
	t.Helper()
	return faulttest.Open(t, &Config{Link: r.link.Name(), Act: a}, faulttest.OnLink(r.link)).(*Fault)
}

func (r *rig) inject(t testing.TB, a Act) *Fault {
	t.Helper()
	f := r.open(t, a)
	faulttest.Inject(t, f)
	return f
}

// broker is where a test's clients connect past the link, and its queue, which the test has to itself.
type broker struct {
	address, login, vhost, queue string
}

// dial connects over the link.
func (b *broker) dial(t testing.TB, r *rig, heartbeat time.Duration) *amqp.Connection {
	t.Helper()
	c, err := amqp.DialConfig("amqp://"+b.login+"@"+r.address+"/"+b.vhost, amqp.Config{Heartbeat: heartbeat, Dial: func(network, address string) (net.Conn, error) {
		return net.DialTimeout(network, address, patience)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func channelOf(t testing.TB, c *amqp.Connection) *amqp.Channel {
	t.Helper()
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// publish publishes n numbered messages, and waits for their confirms.
func (b *broker) publish(t testing.TB, ch *amqp.Channel, n int) {
	t.Helper()
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		d, err := ch.PublishWithDeferredConfirm("", b.queue, false, false, amqp.Publishing{Body: body(i)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if ok, err := d.WaitContext(ctx); !ok || err != nil {
			t.Fatalf("publish %d: %v, %v", i, ok, err)
		}
		cancel()
	}
}

// body is a message's: longer with its number, in one to five frames of the peer's.
func body(i int) []byte {
	b := make([]byte, 4+i*97%4500)
	b[0], b[1] = byte(i>>8), byte(i)
	return b
}

func (b *broker) consume(t testing.TB, ch *amqp.Channel, noAck bool) <-chan amqp.Delivery {
	t.Helper()
	d, err := ch.Consume(b.queue, "consumer", noAck, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func next(t testing.TB, d <-chan amqp.Delivery) amqp.Delivery {
	t.Helper()
	select {
	case one, ok := <-d:
		if !ok {
			t.Fatal("the channel closed")
		}
		return one
	case <-time.After(patience):
		t.Fatal("no delivery")
	}
	return amqp.Delivery{}
}
