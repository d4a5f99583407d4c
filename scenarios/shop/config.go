package shop

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"wringer/scenarios"
)

// Config is `target: {shop: {...}}`. The zero value is the honest shop on free ports.
type Config struct {
	Rest  string `yaml:"rest" jsonschema_description:"Listen address of the REST face. Default 127.0.0.1:0, a free port."`
	GRPC  string `yaml:"grpc" jsonschema_description:"Listen address of the gRPC face. Default 127.0.0.1:0, a free port."`
	Kafka string `yaml:"kafka" jsonschema_description:"Listen address of the first of three brokers; the other two take the next two ports. Default 127.0.0.1:0, free ports."`

	Stock  string `yaml:"stock" jsonschema_description:"Where the order service reaches the inventory: a link, ${links.orders->stock}. Default: the gRPC face itself."`
	Broker string `yaml:"broker" jsonschema_description:"Where the order service reaches the brokers: a Kafka link, ${links.orders->kafka}. Default: the brokers themselves."`
	Reader string `yaml:"reader" jsonschema_description:"Where fulfilment reaches the brokers: a Kafka link, ${links.fulfilment->kafka}. Default: the brokers themselves."`

	AMQP *AMQP `yaml:"amqp" jsonschema_description:"A leg over RabbitMQ: an order is charged, and reserved by a command to a worker, which replies. One that cannot be reserved is refunded. Default: none; the inventory is called."`

	Partitions int      `yaml:"partitions" jsonschema_description:"Partitions of every topic. Default 6."`
	Defects    []string `yaml:"defects" jsonschema:"enum=no-dedupe,enum=publish-twice,enum=ack-before-publish,enum=unordered,enum=commit-first,enum=redeliver,enum=hang,enum=retry-storm,enum=call-twice,enum=chatty,enum=ack-before-work,enum=no-dead-letter,enum=no-compensation,enum=poison-loop,enum=unbounded-backlog,enum=not-idempotent,enum=wrong-correlation" jsonschema_description:"What the shop does wrong. Default: nothing."`

	Timeouts    *bool         `yaml:"timeouts" jsonschema_description:"Whether the shop's own calls have timeouts. Default true."`
	CallTimeout time.Duration `yaml:"call_timeout" jsonschema_description:"Of each of the order service's calls of the inventory. Default 150ms, which leaves room for a second try within a client's 500 ms."`
	Capacity    int           `yaml:"capacity" jsonschema_description:"Requests that the order service works on at once, lookups included; one more is answered 503. Default 8192."`
	Retries     *bool         `yaml:"retries" jsonschema_description:"Whether the order service retries its calls of the inventory. Default true."`
	Breaker     *bool         `yaml:"breaker" jsonschema_description:"Whether a circuit breaker guards the calls of the inventory. Default true."`
}

const (
	brokerCount       = 3
	leastSession      = 100 * time.Millisecond // session timeout of a member of a group
	mostSession       = 5 * time.Minute        // kfake's own bound
	defaultListen     = "127.0.0.1:0"
	defaultPartitions = 6
	maxPartitions     = 256
)

// The topics.
const (
	topicPayments       = "payments" // for the scenario's own traffic
	topicOrderEvents    = "order-events"
	topicShipments      = "shipments"
	topicInventoryCalls = "inventory-calls"
)

var shopTopics = []string{topicPayments, topicOrderEvents, topicShipments, topicInventoryCalls}

// Check implements scenarios.TargetConfig.
func (c *Config) Check(problem func(field, message string)) {
	for _, f := range []struct{ name, address string }{{"rest", c.Rest}, {"grpc", c.GRPC}, {"kafka", c.Kafka}} {
		if err := checkAddress("listen address", f.address); err != nil {
			problem(f.name, err.Error())
		}
	}
	if _, err := brokerAddresses(c.Kafka); err != nil {
		problem("kafka", err.Error())
	}
	if c.Partitions < 0 || c.Partitions > maxPartitions {
		problem("partitions", fmt.Sprintf("%d partitions: write 1 to %d", c.Partitions, maxPartitions))
	}
	c.checkInner(problem)
	c.AMQP.check(problem)
	c.checkQueueDefects(problem)
	checkDefects(c.Defects, func(message string) { problem("defects", message) })
}

// checkInner checks the settings of the calls between the shop's services.
func (c *Config) checkInner(problem func(field, message string)) {
	for _, f := range []struct{ name, addresses string }{{"stock", c.Stock}, {"broker", c.Broker}, {"reader", c.Reader}} {
		if f.addresses == "" || strings.Contains(f.addresses, "${") {
			continue
		}
		for address := range strings.SplitSeq(f.addresses, ",") {
			if err := checkAddress("address", address); err != nil {
				problem(f.name, err.Error())
			}
		}
	}
	switch {
	case c.CallTimeout < 0:
		problem("call_timeout", "is negative")
	case c.CallTimeout > 0 && !on(c.Timeouts):
		problem("call_timeout", "is given although timeouts are off: remove one of the two")
	}
	if c.Capacity < 0 || c.Capacity > maxOrdersUnderWay {
		problem("capacity", fmt.Sprintf("%d requests at once: write 1 to %d", c.Capacity, maxOrdersUnderWay))
	}
}

// Variables implements scenarios.TargetConfig.
func (c *Config) Variables() []string {
	if c.AMQP == nil {
		return []string{"rest", "grpc", "kafka"}
	}
	return []string{"rest", "grpc", "kafka", "amqp", "commands", "events", "letters"}
}

// PartNames implements scenarios.TargetConfig.
func (c *Config) PartNames() []string {
	names := []string{partFulfilment, partInventory, partKafka}
	if c.AMQP != nil {
		names = append(names, partWorker)
	}
	return names
}

// Embedded implements scenarios.Embedding.
func (c *Config) Embedded() {}

// Start implements scenarios.TargetConfig.
func (c *Config) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	s, err := Open(ctx, *c, env)
	if err != nil {
		return nil, err // s would be a nil *Shop in an interface, which is not nil
	}
	return s, nil
}

func (c *Config) partitions() int { return cmp.Or(c.Partitions, defaultPartitions) }

func (c *Config) capacity() int { return cmp.Or(c.Capacity, maxOrdersUnderWay) }

// on reads a switch whose default is on.
func on(b *bool) bool { return b == nil || *b }

// checkAddress reports a malformed listen address. what names the address in messages.
func checkAddress(what, address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s %q: write host:port, as in %s", what, address, defaultListen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s %q: port %q is no number from 0 to 65535", what, address, port)
	}
	return nil
}

// brokerAddresses returns the listen address of every broker: the given address, and the same host with the ports that
// follow.
func brokerAddresses(first string) ([]string, error) {
	host, port, err := net.SplitHostPort(cmp.Or(first, defaultListen))
	if err != nil {
		return nil, nil // checkAddress reports it
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return nil, fmt.Errorf("listen address %q: clients get the address that the brokers listen on: name one host, as in %s", first, defaultListen)
	}
	base, err := strconv.Atoi(port)
	if err != nil {
		return nil, nil // checkAddress reports it
	}
	if base > 65535-brokerCount+1 {
		return nil, fmt.Errorf("listen address %q: %d brokers need ports %d to %d: choose a lower one", first, brokerCount, base, base+brokerCount-1)
	}
	addresses := make([]string, brokerCount)
	for i := range addresses {
		p := base
		if base != 0 {
			p += i
		}
		addresses[i] = net.JoinHostPort(host, strconv.Itoa(p))
	}
	return addresses, nil
}
