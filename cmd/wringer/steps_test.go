package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcrowley/go-metrics"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/memnet"
	"wringer/faults/toxi"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

const stepsScenario = `
name: steps
seed: 7
target: {shop: {}}
run: {warmup: 200ms, duration: 2s, drain: 500ms}
traffic:
  orders:
    rest: {request: "POST ${shop.rest}/orders", headers: {Idempotency-Key: "{{id}}", Content-Type: application/json}, body: '{"orderId":"{{id}}","customerId":"{{key}}","items":[{"id":"item1","quantity":2}]}'}
    rate: 100/s
    keys: 50
    timeout: 1s
    effects: {kafka: {brokers: "${shop.kafka}", topic: order-events, id: $.orderId, key: $.customerId}}
  payments:
    kafka: {brokers: "${shop.kafka}", topic: payments, acks: all}
    rate: 200/s
    keys: 50
    timeout: 2s
faults:
  - {name: slow, at: 500ms, for: 1s, link: orders, latency: 20ms}
expect:
  - orders.lost == 0
  - orders.effect_duplicates == 0
  - orders.foreign == 0
  - payments.lost == 0
  - payments.log_duplicates == 0
`

// Three steps on one embedded shop, over links that stay open: each judges its own operations alone.
func TestStepsOnOneShop(t *testing.T) {
	tier.Slow(t, "plays three steps in virtual time")
	sc, err := scenarios.Parse("steps.yaml", []byte(stepsScenario), language, scenarios.Options{Env: os.LookupEnv})
	if err != nil {
		t.Fatal(err)
	}
	// The goroutine that go-metrics starts at its first meter, and never ends, belongs to no bubble.
	metrics.NewMeter().Stop()
	dir := filepath.Join(t.TempDir(), "steps")
	synctest.Test(t, func(t *testing.T) {
		playSteps(t, sc, dir)
		time.Sleep(aftermath)
	})
}

func playSteps(t *testing.T, sc *scenarios.Scenario, dir string) {
	meshes := 0
	var network memnet.Network
	e, err := runner.Open(t.Context(), sc, runner.Options{
		Dir: dir, Network: faults.Network{ListenFunc: network.Listen, DialFunc: network.Dial, Virtual: true},
		Mesh: func(network faults.Network, dial faults.DialFunc) (faults.Mesh, error) {
			meshes++
			return toxi.NewMesh(network, dial)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for i, rate := range []float64{100, 300, 50} {
		run, err := e.Play(t.Context(), runner.Step{
			Dir: filepath.Join(dir, strconv.Itoa(i+1)), Rates: map[string]*scenarios.Rate{"orders": {Constant: rate}}, Duration: time.Duration(2+i/2) * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range run.Gates {
			if g.Verdict != reports.Pass {
				t.Errorf("step %d: %s: %s, %s", i+1, g.Expr, g.Verdict, g.Why)
			}
		}
		if f := run.Faults[0]; !f.Bit || !f.Healed || f.Error != "" {
			t.Errorf("step %d: fault %+v", i+1, f)
		}
	}
	if meshes != 1 {
		t.Errorf("%d meshes were opened, want 1", meshes)
	}
}
