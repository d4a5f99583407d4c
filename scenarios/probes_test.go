package scenarios

import (
	"strings"
	"testing"

	"wringer/drivers"
)

func (c *webConfig) Describe() drivers.Description {
	d := drivers.Description{Gauges: []string{"connections"}, StatusPrefix: "http_", Witness: true, Replay: true, Traces: true, OwnTrace: drivers.TraceHeadersIn(c.Headers)}
	if strings.Contains(c.Request, "https://") {
		d.NoWitness = "sees nothing of TLS"
	}
	if c.Headers["Idempotency-Key"] == "" {
		d.NoReplay = "needs a key"
	}
	if strings.Contains(c.Request, "/anomalies") {
		d.Gauges, d.Counters, d.Anomalies = append(d.Gauges, "wrong"), []string{"wrong"}, []string{"wrong"}
	}
	return d
}

// A gate on what a driver calls an anomaly knows that it stands by its own evidence. One on another gauge does not.
func TestGatesOnAnomalies(t *testing.T) {
	sc := mustParse(t, `name: anomalies
run: {duration: 10s}
target: {mall: {}}
traffic: {orders: {rest: {request: "POST ${mall.web}/anomalies"}, rate: 1/s}}
expect: [orders.wrong == 0, orders.connections < 9]
`)
	for i, want := range []bool{true, false} {
		if m := sc.Expect[i].Metric; m.Anomaly != want || m.Cumulative != want {
			t.Errorf("%s: anomaly %v, cumulative %v, want %v", sc.Expect[i].Expr, m.Anomaly, m.Cumulative, want)
		}
	}
}

const probed = `name: probed
run: {duration: 10s}
target: {mall: {}}
traffic:
  orders:
    rest: {request: "POST ${mall.web}/orders", headers: {Idempotency-Key: "{{id}}"}}
    rate: 1/s
    witness: true
    replay: 1%
expect:
  - orders.arrived_twice == 0
  - orders.replay_violations == 0 during baseline
`

// A target's address is known only once the target runs.
func TestProbesAreCheckedOnceMore(t *testing.T) {
	s := mustParse(t, probed)
	if !s.Traffic[0].Witness || *s.Traffic[0].Replay != 0.01 {
		t.Errorf("%+v", s.Traffic[0])
	}
	plain := map[string]string{"mall.web": "http://127.0.0.1:1", "mall.call": "a", "mall.log": "b"}
	if _, err := s.Resolve(plain); err != nil {
		t.Error(err)
	}
	plain["mall.web"] = "https://127.0.0.1:1"
	if _, err := s.Resolve(plain); err == nil || !strings.Contains(err.Error(), "orders: witness: sees nothing of TLS") {
		t.Errorf("behind TLS: %v", err)
	}
}
