package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"

	"wringer/scenarios"
)

// whole is the scenario into which fragments are put.
const whole = `name: fragment
run: {duration: 60s}
target: {shop: {}}
traffic:
  orders:
    rest: {request: "POST ${shop.rest}/orders", headers: {Idempotency-Key: "{{id}}"}, body: "{{id}}"}
    rate: 100/s
    keys: 100
    witness: true
    replay: 10%
    effects: {kafka: {brokers: "${shop.kafka}", topic: order-events, id: $.orderId}}
  stock:
    grpc: {target: "${shop.grpc}", method: shop.v1.Inventory/Reserve, message: {orderId: "{{id}}"}}
    rate: 100/s
  payments:
    kafka: {brokers: "${shop.kafka}", topic: payments}
    rate: 100/s
faults:
  - {name: slow, at: 40s, for: 5s, link: payments, latency: 10ms}
  - {name: lost-answers, at: 50s, for: 5s, link: orders, partition: from-target}
expect:
  - orders.errors < 1%
`

// TestDocsYAML reads every YAML block with the real parser. A block is a whole scenario, or says what it is a part of:
//
//	yaml scenario    keys of a scenario
//	yaml stream      keys of one stream
//	yaml target      the value of target, as processes or shop
//	yaml faults      a list of faults
//	yaml expect      a list of gates
//	yaml pipeline    a file of a CI system: any YAML
func TestDocsYAML(t *testing.T) {
	seen := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks() {
			if b.lang != "yaml" {
				continue
			}
			seen++
			src, err := b.scenario()
			if err == nil && src != nil {
				_, err = scenarios.Parse(fmt.Sprintf("testdata/docs/%s:%d", filepath.Base(d.path), b.line), src, language, scenarios.Options{Set: map[string]string{"url": "http://127.0.0.1:8080"}, Env: noSecrets})
			}
			if err != nil {
				t.Errorf("%s:%d: %v\n%s", d.path, b.line, err, src)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d YAML blocks were found", seen)
	}
}

func noSecrets(string) (string, bool) { return "a-secret", true }

// scenario is the scenario made from the block; nil if the block is none.
func (b block) scenario() ([]byte, error) {
	if b.part == "" {
		return []byte(b.text), nil
	}
	var all yaml.MapSlice
	if err := yaml.UnmarshalWithOptions([]byte(whole), &all, yaml.UseOrderedMap()); err != nil {
		return nil, err
	}
	var part any
	if err := yaml.UnmarshalWithOptions([]byte(b.text), &part, yaml.UseOrderedMap()); err != nil {
		return nil, err
	}
	switch b.part {
	case "pipeline":
		return nil, nil
	case "scenario":
		keys, ok := part.(yaml.MapSlice)
		if !ok {
			return nil, fmt.Errorf("%T holds no keys", part)
		}
		for _, item := range keys {
			all = with(all, item)
		}
	case "stream":
		keys, ok := part.(yaml.MapSlice)
		if !ok {
			return nil, fmt.Errorf("%T holds no keys", part)
		}
		all = with(all, yaml.MapItem{Key: "traffic", Value: yaml.MapSlice{{Key: "orders", Value: stream(keys)}}})
		all = without(without(all, "faults"), "expect")
	case "target", "faults", "expect":
		all = with(all, yaml.MapItem{Key: b.part, Value: part})
		if b.part == "target" {
			return target(all)
		}
	default:
		return nil, fmt.Errorf("%q is no part of a scenario", b.part)
	}
	return yaml.Marshal(all)
}

// target removes the streams that call the shop.
func target(all yaml.MapSlice) ([]byte, error) {
	all = with(all, yaml.MapItem{Key: "traffic", Value: yaml.MapSlice{{Key: "orders", Value: stream(nil)}}})
	return yaml.Marshal(without(without(all, "faults"), "expect"))
}

// stream adds a driver and a load to a stream that lacks them.
func stream(keys yaml.MapSlice) yaml.MapSlice {
	has := func(some ...string) bool {
		return slices.ContainsFunc(keys, func(i yaml.MapItem) bool { return slices.Contains(some, fmt.Sprint(i.Key)) })
	}
	if has("consume") {
		return keys
	}
	if !has("rest", "grpc", "kafka", "amqp") {
		keys = append(keys, yaml.MapItem{Key: "rest", Value: yaml.MapSlice{{Key: "request", Value: "GET http://127.0.0.1:8080/"}}})
	}
	if !has("rate", "users") {
		keys = append(keys, yaml.MapItem{Key: "rate", Value: "10/s"})
	}
	return keys
}

func with(all yaml.MapSlice, item yaml.MapItem) yaml.MapSlice {
	return append(without(all, item.Key), item)
}

func without(all yaml.MapSlice, key any) yaml.MapSlice {
	return slices.DeleteFunc(slices.Clone(all), func(i yaml.MapItem) bool { return i.Key == key })
}
