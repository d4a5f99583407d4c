package null

import (
	"net"
	"testing"

	library "github.com/rabbitmq/amqp091-go"
)

// The client of RabbitMQ finds its queue, declares, publishes and has every message confirmed, with and without TLS.
func TestAMQP(t *testing.T) {
	a, trust := authority(t)
	dial := begun(t, func() (*Target, error) { return AMQP(a) })
	for _, url := range []string{"amqp://orders.invalid/", "amqps://orders.invalid/shop"} {
		conn, err := library.DialConfig(url, library.Config{SASL: []library.Authentication{&library.PlainAuth{Username: "u", Password: "p"}}, TLSClientConfig: trust.Clone(), Dial: func(network, address string) (net.Conn, error) {
			return dial(t.Context(), network, address)
		}})
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		publishSome(t, conn)
		if err := conn.Close(); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
}

func publishSome(t *testing.T, conn *library.Connection) {
	t.Helper()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if q, err := ch.QueueDeclarePassive("orders", true, false, false, false, nil); err != nil || q.Name != "orders" || q.Messages != 0 {
		t.Fatalf("%+v, %v", q, err)
	}
	if err := ch.ExchangeDeclare("shop", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind("orders", "#", "shop", false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Consume("orders", "me", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Cancel("me", false); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	const messages = 300
	confirmed := ch.NotifyPublish(make(chan library.Confirmation, messages))
	for i := range messages {
		// An empty body has no frame of its own, and a long one has several.
		body := make([]byte, map[int]int{1: 300_000, 2: 1}[i%3])
		if err := ch.PublishWithContext(t.Context(), "shop", "a", true, false, library.Publishing{Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range messages {
		if c, ok := <-confirmed; !ok || !c.Ack || c.DeliveryTag != uint64(i+1) {
			t.Fatalf("confirmation %d: %+v", i, c)
		}
	}
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
}

// Whatever the arguments hold, reading a text of them ends.
func FuzzShort(f *testing.F) {
	f.Add([]byte("\x00\x00\x06orders"), 1)
	f.Add([]byte{}, 2)
	f.Fuzz(func(t *testing.T, arguments []byte, number int) {
		if text := short(arguments, number); len(text) != 1+int(text[0]) {
			t.Errorf("%q", text)
		}
	})
}

// A message that asks for a reply is answered on the connection that consumes from the queue of its replies, with its correlation id. One
// whose consumer has gone is not, and is confirmed all the same.
func TestAMQPReplies(t *testing.T) {
	dial := begun(t, func() (*Target, error) { return AMQP(nil) })
	connect := func() (*library.Connection, *library.Channel) {
		conn, err := library.DialConfig("amqp://orders.invalid/", library.Config{Dial: func(network, address string) (net.Conn, error) { return dial(t.Context(), network, address) }})
		if err != nil {
			t.Fatal(err)
		}
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		return conn, ch
	}
	inbox, consuming := connect()
	got, err := consuming.Consume("replies", "", true, true, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	outbox, publishing := connect()
	defer outbox.Close()
	if err := publishing.Confirm(false); err != nil {
		t.Fatal(err)
	}
	publish := func(id string) {
		t.Helper()
		sent, err := publishing.PublishWithDeferredConfirm("", "orders", false, false, library.Publishing{
			ContentType: "text/plain", ContentEncoding: "none", Headers: library.Table{"a": "b"}, DeliveryMode: 2, Priority: 3,
			CorrelationId: id, ReplyTo: "replies", MessageId: "m", Body: []byte("abc"),
		})
		if err != nil || !sent.Wait() {
			t.Fatalf("not confirmed: %v", err)
		}
	}
	for _, id := range []string{"first", "second"} {
		publish(id)
		if m := <-got; m.CorrelationId != id || m.RoutingKey != "replies" || len(m.Body) != 0 {
			t.Errorf("%+v, and %s was sent", m, id)
		}
	}
	if err := inbox.Close(); err != nil {
		t.Error(err)
	}
	publish("third")
}

// Properties that are cut short have no address.
func FuzzAddressed(f *testing.F) {
	f.Add(uint16(0xfe00), []byte("\x01t\x01e\x00\x00\x00\x01h\x02\x03\x02id\x05queue"))
	f.Add(uint16(propertyHeaders|propertyReplyTo), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, flags uint16, properties []byte) {
		correlation, queue := addressed(flags, properties)
		for _, text := range [][]byte{correlation, queue} {
			if text != nil && len(text) != 1+int(text[0]) {
				t.Errorf("%q", text)
			}
		}
	})
}
