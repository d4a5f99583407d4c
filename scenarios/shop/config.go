// Package shop is the embedded target: a small, real order system with a REST, a gRPC and a Kafka face on loopback
// ports, honest by default, with defects that can be switched on one by one.
//
//	POST /orders -> orders --Reserve--> inventory --> topic inventory-calls
//	                  |
//	                  +--> topic order-events --> fulfilment --> topic shipments
//
// The shop is honest about this: an order that was answered 201 was reserved and published exactly once, whatever was
// retried; every event is shipped exactly once; events and shipments of a customer keep their order.
package shop

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"

	"wringer/scenarios"
)

// Config is `target: {shop: {...}}`. The zero value is the honest shop on free ports.
type Config struct {
	Rest  string `yaml:"rest" jsonschema_description:"Listen address of the REST face. Default 127.0.0.1:0, a free port."`
	GRPC  string `yaml:"grpc" jsonschema_description:"Listen address of the gRPC face. Default 127.0.0.1:0, a free port."`
	Kafka string `yaml:"kafka" jsonschema_description:"Listen address of the first of three brokers; the other two take the next two ports. Default 127.0.0.1:0, free ports."`

	Partitions int      `yaml:"partitions" jsonschema_description:"Partitions of every topic. Default 6."`
	Defects    []string `yaml:"defects" jsonschema:"enum=no-dedupe,enum=publish-twice,enum=ack-before-publish,enum=unordered,enum=commit-first,enum=redeliver,enum=hang,enum=retry-storm" jsonschema_description:"What the shop does wrong. Default: nothing."`

	Timeouts *bool `yaml:"timeouts" jsonschema_description:"Whether the shop's own calls have timeouts. Default true."`
	Retries  *bool `yaml:"retries" jsonschema_description:"Whether the order service retries its calls of the inventory. Default true."`
	Breaker  *bool `yaml:"breaker" jsonschema_description:"Whether a circuit breaker guards the calls of the inventory. Default true."`
}

const (
	brokerCount       = 3
	defaultListen     = "127.0.0.1:0"
	defaultPartitions = 6
	maxPartitions     = 256
)

// The topics.
const (
	topicPayments       = "payments" // for traffic of the scenario's own
	topicOrderEvents    = "order-events"
	topicShipments      = "shipments"
	topicInventoryCalls = "inventory-calls"
)

// Check implements scenarios.TargetConfig.
func (c *Config) Check(problem func(field, message string)) {
	for _, f := range []struct{ name, address string }{{"rest", c.Rest}, {"grpc", c.GRPC}, {"kafka", c.Kafka}} {
		if err := checkAddress(f.address); err != nil {
			problem(f.name, err.Error())
		}
	}
	if _, err := brokerAddresses(c.Kafka); err != nil {
		problem("kafka", err.Error())
	}
	if c.Partitions < 0 || c.Partitions > maxPartitions {
		problem("partitions", fmt.Sprintf("%d partitions: write 1 to %d", c.Partitions, maxPartitions))
	}
	checkDefects(c.Defects, func(message string) { problem("defects", message) })
}

// Variables implements scenarios.TargetConfig.
func (c *Config) Variables() []string { return []string{"rest", "grpc", "kafka"} }

// PartNames implements scenarios.TargetConfig.
func (c *Config) PartNames() []string { return []string{partFulfilment, partInventory, partKafka} }

// Start implements scenarios.TargetConfig.
func (c *Config) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	s, err := Open(ctx, *c, env)
	if err != nil {
		return nil, err // not s: a nil *Shop in the interface would not be nil
	}
	return s, nil
}

func (c *Config) partitions() int { return cmp.Or(c.Partitions, defaultPartitions) }

// on reads a switch that is on by default.
func on(b *bool) bool { return b == nil || *b }

func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q: write host:port, as in %s", address, defaultListen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("listen address %q: port %q is no number from 0 to 65535", address, port)
	}
	return nil
}

// brokerAddresses returns the listen address of every broker: the given one and the ports that follow it.
func brokerAddresses(first string) ([]string, error) {
	host, port, err := net.SplitHostPort(cmp.Or(first, defaultListen))
	if err != nil {
		return nil, nil // checkAddress says so
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return nil, fmt.Errorf("listen address %q: brokers tell clients the address that they listen on: name one host, as in %s", first, defaultListen)
	}
	base, err := strconv.Atoi(port)
	if err != nil {
		return nil, nil // checkAddress says so
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
