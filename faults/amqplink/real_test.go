package amqplink

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// TestRealBroker runs the tests of the small peer against RabbitMQ.
func TestRealBroker(t *testing.T) {
	tier.Slow(t, "a broker starts")
	url := rabbit.URL(t)
	at, err := amqp.ParseURI(url)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]func(t *testing.T, b *broker){
		"duplicate": duplicates, "reorder": reorders, "corrupt": corrupts, "delay": delays, "close": closesChannels, "block": blocks,
		"confirms": losesConfirms, "heartbeats": dropsHeartbeats,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := amqp.Dial(url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })

			queue := fmt.Sprintf("wringer-test-%s-%d", name, rand.Uint32())
			ch := channelOf(t, c)
			if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = ch.QueueDelete(queue, false, false, false) })
			test(t, &broker{
				address: net.JoinHostPort(at.Host, strconv.Itoa(at.Port)), login: at.Username + ":" + at.Password, vhost: at.Vhost, queue: queue,
			})
		})
	}
}
