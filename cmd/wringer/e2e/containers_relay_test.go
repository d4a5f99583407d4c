package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"wringer/reports"
	"wringer/scenarios/containers/imagetest"
)

// static is the command as relays need it.
var static = sync.OnceValues(func() (binary, error) {
	program := filepath.Join(builds, "wringer-static")
	command := exec.Command("go", "build", "-o", program, "wringer/cmd/wringer")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary(program), nil
})

// throughRelays runs a scenario whose links listen in relays, and returns its record and what it said.
func throughRelays(t *testing.T, text string) (*reports.Run, string) {
	t.Helper()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "scenario.yaml"), filepath.Join(dir, "record")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), string(built(t, checked)), "run", "--out", out, file)
	command.Env = append(os.Environ(), "WRINGER_LINKS=relay", "WRINGER_RELAY="+string(built(t, static)))
	said, err := command.CombinedOutput()
	if _, missing := os.Stat(filepath.Join(out, "run.json")); missing != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if strings.Contains(string(said), "WARNING: DATA RACE") {
		t.Errorf("%s", said)
	}
	t.Logf("%v, %s", command.ProcessState, said)
	run := loadRecord(t, out).Run
	for _, f := range run.Faults {
		if !f.Bit || f.Error != "" {
			t.Errorf("fault %s touched traffic: %v, %s%s", f.Name, f.Bit, f.Unmeasured, f.Error)
		}
	}
	for _, why := range run.Validity.Why {
		if strings.Contains(why, "relay") {
			t.Error(why)
		}
	}
	return run, string(said)
}

// errorsIn are the operations of a stream in a window, and those of them that failed.
func errorsIn(t *testing.T, run *reports.Run, stream, window string) (all, failed int64) {
	t.Helper()
	s := run.Streams[stream]
	if s == nil {
		t.Fatalf("no stream %s", stream)
	}
	w := s.Windows[window]
	if w == nil {
		t.Fatalf("%s has no window %s", stream, window)
	}
	return w.Offered, w.Rejected + w.Indeterminate
}

// Links in relays break as others do: the caller of the link sees the faults, the other caller none. Each connection ends its own
// half, and the service answers after that.
func TestFaultsInRelays(t *testing.T) {
	slow(t)
	imagetest.Engine(t)
	image := imagetest.Tool(t)
	scenario(t, light)
	run, said := throughRelays(t, strings.ReplaceAll(`
name: relays
seed: 1
target:
  containers:
    orders: {image: "IMAGE", ports: [8080], ready: {http: /healthz, within: 4m}, needs: [stock]}
    billing: {image: "IMAGE", ports: [8080], ready: {http: /healthz, within: 4m}, needs: [stock]}
    stock: {image: "IMAGE", ports: [8080, 8081], ready: {http: /healthz, within: 4m}}
links:
  orders->stock: {ports: [8080, 8081]}
run: {duration: 14s, drain: 10s}
traffic:
  orders:
    rest: {request: "GET http://${orders.8080}/dial?to=stock:8081&say=hello", checks: [{body: '"answer":"hello"'}]}
    rate: 10/s
    timeout: 10s
  billing:
    rest: {request: "GET http://${billing.8080}/dial?to=stock:8081&say=hello", checks: [{body: '"answer":"hello"'}]}
    rate: 10/s
    timeout: 10s
faults:
  - {name: slow, at: 2s, for: 3s, link: orders->stock, latency: 100ms}
  - {name: reset, at: 6s, for: 2s, link: orders->stock, reset: true}
  - {name: cut, at: 9s, for: 2s, link: orders->stock, partition: both, mode: drop}
expect: [billing.errors < 1%]
`, "IMAGE", image))
	if _, failed := errorsIn(t, run, "orders", "reset"); failed == 0 {
		t.Error("no operation failed while connections were reset")
	}
	if !strings.Contains(strings.Join(strings.Fields(said), " "), "connection reset by peer") {
		t.Error("the caller saw no reset, although it had ended its half")
	}
	// Connections that were silenced wait until the tool gives up: their operations belong to the cut.
	for _, window := range []string{"baseline", "slow"} {
		if all, failed := errorsIn(t, run, "orders", window); all == 0 || failed > 0 {
			t.Errorf("in the window %s %d of %d operations failed", window, failed, all)
		}
	}
	billing := run.Streams["billing"].Total
	if billing.Acked != billing.Offered || billing.Offered != 140 {
		t.Errorf("of the caller without a link %d of %d operations succeeded", billing.Acked, billing.Offered)
	}
	if cost := run.Validity.LinkCostNS["orders->stock"]; cost <= 0 {
		t.Errorf("the link costs %d ns", cost)
	}
}

// A Kafka link keeps a service's client on the relay, where the broker gets a port of its own. Each order is accounted for.
func TestKafkaLinkInARelay(t *testing.T) {
	slow(t)
	imagetest.Engine(t)
	kafka, shop := imagetest.Kafka(t), imagetest.Shop(t)
	scenario(t, light)
	run, _ := throughRelays(t, strings.NewReplacer("KAFKA", kafka, "SHOP", shop).Replace(`
name: kafka-relay
seed: 1
target:
  containers:
    kafka: {kafka: {image: "KAFKA", brokers: 1}}
    stock:
      image: "SHOP"
      command: [shop, inventory, --listen, ":9090", --kafka, "${kafka.brokers}"]
      ports: [9090]
      ready: {grpc: ":9090", within: 4m}
      needs: [kafka]
    orders:
      image: "SHOP"
      command: [shop, orders, --listen, ":8080", --kafka, "${links.orders->kafka}", --inventory, "stock:9090", --call-timeout, 2s]
      ports: [8080]
      ready: {http: /healthz, within: 4m}
      needs: [kafka, stock]
links:
  orders->kafka: {kafka: {bootstrap: "${kafka.brokers}"}}
run: {duration: 12s, drain: 60s}
traffic:
  orders:
    rest:
      request: POST http://${orders.8080}/orders
      headers: {Idempotency-Key: "{{id}}", Content-Type: application/json}
      body: '{"orderId":"{{id}}","customerId":"{{key}}","items":[{"id":"item1","quantity":2}]}'
    rate: 10/s
    keys: 20
    timeout: 10s
    effects:
      kafka: {brokers: "${kafka.brokers}", topic: order-events, id: $.orderId, key: $.customerId}
faults:
  - {name: slow, at: 2s, for: 2s, link: orders->kafka, latency: 100ms}
  - {name: cut, at: 6s, for: 2s, link: orders->kafka, partition: both, mode: hold}
expect: [orders.lost == 0, orders.phantom == 0]
`))
	in := run.Streams["orders"].Total.Integrity
	if in == nil || in.Lost == nil || in.Acked == nil || in.Seen == nil {
		t.Fatalf("integrity was not measured: %v", run.Why)
	}
	if *in.Lost != 0 || *in.Acked == 0 || *in.Seen < *in.Acked {
		t.Errorf("acked %d, seen %d, lost %d", *in.Acked, *in.Seen, *in.Lost)
	}
	t.Logf("acked %d, seen %d, lost %d", *in.Acked, *in.Seen, *in.Lost)
}
