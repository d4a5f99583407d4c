package recordtest

import (
	"fmt"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

const scenario = `name: checkout
about: Orders keep flowing while the broker is slow, and none is taken twice when answers get lost.
seed: 7
target: {shop: {}}
run: {warmup: 3s, duration: 40s, drain: 10s}

traffic:
  orders:
    rest:
      request: POST ${shop.rest}/orders
      headers: {Idempotency-Key: "{{id}}", Content-Type: application/json}
      body: '{"orderId":"{{id}}","customerId":"{{key}}"}'
    rate: 400/s
    keys: 500
    timeout: 500ms
    retry: {attempts: 3, backoff: 20ms, jitter: full}
    effects:
      kafka: {brokers: "${shop.kafka}", topic: order-events, id: $.orderId}

faults:
  - {name: slow-broker,  at: 10s, for: 8s, link: payments, latency: 80ms, jitter: 20ms}
  - {name: lost-answers, at: 25s, for: 4s, link: orders, partition: from-target}

expect:
  - orders.p99 < 250ms during baseline
  - orders.effect_duplicates == 0
`

// blank is a record with nothing measured yet.
func blank() *reports.Run {
	return &reports.Run{
		Schema: reports.Schema, Name: "checkout", Seed: 7, ID: "k3v9q2xa", Version: "1.0.0",
		About:    "Orders keep flowing while the broker is slow, and none is taken twice when answers get lost.",
		Started:  time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC),
		WarmupNS: 3 * sec, DurationNS: 40 * sec, PlannedNS: 40 * sec, Complete: true,
		Streams:  map[string]*reports.Stream{},
		Validity: validity(0),
		Host:     reports.Host{OS: "linux", Arch: "amd64", CPUs: 8, Go: "go1.26.8"},
		Settings: map[string]string{"region": "eu-north"},
		Startup: []reports.Startup{
			{Verb: "pull", What: "apache/kafka:4.1.0", TookNS: 14 * sec}, {Verb: "start", What: "kafka", TookNS: 5 * sec},
		},
		Windows: []reports.Window{
			window("baseline", 0, 10, ""), window("slow-broker", 10, 18, "slow-broker"), window("after slow-broker", 18, 25, ""),
			window("lost-answers", 25, 29, "lost-answers"), window("after lost-answers", 29, 40, ""), window("drain", 40, 42, ""),
		},
	}
}

func validity(dropped int64, why ...string) reports.Validity {
	v := reports.Validity{
		Verdict: reports.Valid, Why: why, Dropped: dropped, CPU: ptr(1.34), GCPauseP99NS: ptr(int64(98_304)),
		LagP50NS: ptr(int64(61_000)), LagP99NS: ptr(int64(1_120_000)), LagMaxNS: ptr(8 * ms),
	}
	if len(why) > 0 {
		v.Verdict = reports.Inconclusive
	}
	return v
}

func window(name string, start, end int64, fault string) reports.Window {
	w := reports.Window{Name: name, StartNS: start * sec, EndNS: end * sec}
	if fault != "" {
		w.Fault = &fault
	}
	return w
}

// gate makes a gate that was judged on a number; window may be empty.
func gate(expr, stream, metric, unit, window string, observed, limit float64, verdict reports.Verdict, why string) reports.Gate {
	g := reports.Gate{Expr: expr, Stream: stream, Metric: metric, Unit: unit, Observed: &observed, Limit: &limit, Verdict: verdict, Why: why}
	if window != "" {
		g.Window = &window
	}
	return g
}

// open makes a gate without an observation.
func open(expr, stream, metric, unit string, limit float64, verdict reports.Verdict, why string) reports.Gate {
	g := reports.Gate{Expr: expr, Stream: stream, Metric: metric, Unit: unit, Limit: &limit, Verdict: verdict, Why: why}
	if strings.HasSuffix(expr, "after lost-answers") {
		g.Window = ptr("after lost-answers")
	}
	if m := Catalogue().Lookup(metric); m != nil && verdict == reports.Fail {
		g.Beyond = m.Never
	}
	return g
}

// fault makes a fault on a link that touched traffic and was healed.
func fault(name, link, kind, spec string, start, end, connections, bytes int64) reports.Fault {
	return reports.Fault{
		Name: name, Link: &link, Kind: kind, Spec: spec, StartNS: start * sec, EndNS: end * sec,
		Bit: true, Healed: true, Connections: &connections, Bytes: &bytes,
		RecoveryGoal: "3 seconds in a row with errors at most 1 point above the baseline's and p99 at most twice the baseline's (or 50 ms above it)",
	}
}

// recovered describes how one stream recovered from a fault; a negative recovery never came.
func recovered(f reports.Fault, stream string, detection, recovery int64, metastable bool) reports.Fault {
	one := reports.StreamRecovery{DetectionNS: ptr(detection), Recovered: ptr(recovery >= 0), Metastable: &metastable}
	f.DetectionNS, f.DetectedBy, f.Recovered, f.Metastable = one.DetectionNS, stream, one.Recovered, &metastable
	if recovery >= 0 {
		one.RecoveryNS = ptr(recovery)
		f.RecoveryNS, f.SlowestBack = one.RecoveryNS, stream
	} else {
		f.Unrecovered = []string{stream}
	}
	f.PerStream = map[string]reports.StreamRecovery{stream: one}
	return f
}

// noise is a figure from 0 to 1 that looks irregular and is the same in every run.
func noise(second, salt int) float64 { return float64((second*37+salt*11+second*second*5)%23) / 22 }

// steady is a second of a stream without any fault.
func steady(rate int64, p50, p99 float64) func(int) beat {
	return func(i int) beat {
		return beat{offered: rate, p50: p50 * (0.9 + 0.2*noise(i, 1)), p99: p99 * (0.8 + 0.4*noise(i, 2)), max: p99 * (1.5 + noise(i, 3))}
	}
}

func orders(effects string) flow {
	return flow{driver: "rest", model: "open", plan: "400/s", keys: 500, effects: effects}
}

// Pass is the record of a run that passed two faults well.
func Pass() *reports.Record { return pass(blank()) }

func pass(run *reports.Run) *reports.Record {
	run.Verdict, run.Exit, run.Why = reports.Pass, reports.ExitPass, []string{"all 6 gates held"}
	o := orders("kafka effects")
	o.counts = map[string]map[string]int64{
		"slow-broker":  {"redelivered": 4, "regressions": 4},
		"lost-answers": {"recovered": 0, "redelivered": 2, "regressions": 2},
	}
	o.unmeasured = []string{"log_duplicates", "ack_collisions"}
	o.beat = func(i int) beat {
		b := steady(400, 3.1, 11)(i)
		if i >= 25 && i < 29 {
			b.p50, b.p99, b.max = 540, 1120, 1490
			b.retries, b.hidden, b.code = 310, 4, "timeout"
		}
		return b
	}
	o.play(run, "orders")
	effectTimes(run.Streams["orders"], 41)
	payments(steady(2000, 1.9, 6), func(i int) bool { return i >= 10 && i < 18 }, 84).play(run, "payments")
	stock().play(run, "stock")
	run.Streams["payments"].Gauges = map[string][]reports.Sample{"lag": lag(run)}
	run.Faults = []reports.Fault{
		recovered(fault("slow-broker", "payments", "latency", "latency 80ms, jitter 20ms", 10, 18, 6, 4_210_000), "payments", 0, 0, false),
		recovered(fault("lost-answers", "orders", "partition", "partition from-target, hold", 25, 29, 64, 1_830_211), "orders", sec, 2*sec, false),
	}
	calm := *run.Streams["orders"].Windows["baseline"].Response.P99
	run.Gates = []reports.Gate{
		gate("orders.p99 < 250ms during baseline", "orders", "p99", "ns", "baseline", calm, 250e6, reports.Pass, "held in baseline"),
		gate("orders.errors < 1% after lost-answers", "orders", "errors", "ratio", "after lost-answers", 0, 0.01, reports.Pass, "held in after lost-answers"),
		gate("orders.effect_duplicates == 0", "orders", "effect_duplicates", "count", "", 0, 0, reports.Pass, "held"),
		gate("orders.recovery < 5s after lost-answers", "orders", "recovery", "ns", "after lost-answers", 2e9, 5e9, reports.Pass, "held in after lost-answers"),
		gate("payments.lost == 0", "payments", "lost", "count", "", 0, 0, reports.Pass, "held"),
		gate("stock.amplification < 1.2", "stock", "amplification", "", "", 1, 1.2, reports.Pass, "held"),
	}
	return &reports.Record{Run: run, Scenario: []byte(scenario)}
}

// payments is a Kafka stream that is checked in its own log and slow while a fault is in force.
func payments(calm func(int) beat, slow func(int) bool, delay float64) flow {
	return flow{
		driver: "kafka", model: "open", plan: "2000/s", effects: "its own log",
		counts: map[string]map[string]int64{}, unmeasured: []string{"effect_duplicates"},
		beat: func(i int) beat {
			b := calm(i)
			if slow(i) {
				b.p50, b.p99, b.max = b.p50+delay, b.p99+delay*1.4, b.max+delay*1.6
			}
			return b
		},
	}
}

// stock is a gRPC stream whose effects nothing observes.
func stock() flow {
	return flow{driver: "grpc", model: "closed", plan: "50 users", beat: steady(200, 1.2, 4)}
}

func lag(run *reports.Run) []reports.Sample {
	var samples []reports.Sample
	for i := int64(0); i < run.DurationNS/sec; i++ {
		value := 3 + 10*noise(int(i), 5)
		if i >= 10 && i < 18 {
			value += 180
		}
		samples = append(samples, reports.Sample{AtNS: i * sec, Value: value})
	}
	return samples
}

// Fail is the record of a run in which operations were lost and applied twice, faults overlapped, and the system did not
// recover.
func Fail() *reports.Record {
	run := blank()
	run.Verdict, run.Exit = reports.Fail, reports.ExitFail
	run.Windows = []reports.Window{
		window("baseline", 0, 10, ""), window("slow-broker", 10, 12, "slow-broker"), window("fulfilment-paused", 12, 15, "fulfilment-paused"),
		window("slow-broker", 15, 18, "slow-broker"), window("after slow-broker", 18, 25, ""), window("lost-answers", 25, 29, "lost-answers"),
		window("after lost-answers", 29, 40, ""), window("drain", 40, 50, ""),
	}
	failingOrders().play(run, "orders")
	effectTimes(run.Streams["orders"], 41)
	payments(steady(2000, 1.9, 6), func(i int) bool { return i >= 10 && i < 18 }, 66.46).play(run, "payments")
	stock().play(run, "stock")
	paused := fault("fulfilment-paused", "", "pause", "paused", 12, 15, 1_204, 0)
	paused.Link, paused.Part, paused.Bytes = nil, ptr("fulfilment"), nil
	run.Faults = []reports.Fault{
		recovered(fault("slow-broker", "payments", "latency", "latency 80ms, jitter 20ms", 10, 18, 6, 4_210_000), "payments", 0, sec, false),
		recovered(paused, "payments", sec, 3*sec, false),
		recovered(fault("lost-answers", "orders", "partition", "partition from-target, drop", 25, 29, 64, 1_830_211), "orders", 0, -1, true),
	}
	calm := *run.Streams["orders"].Windows["baseline"].Response.P99
	run.Gates = []reports.Gate{
		gate("orders.p99 < 250ms during baseline", "orders", "p99", "ns", "baseline", calm, 250e6, reports.Pass, "held in baseline"),
		open("orders.p99 < 2s after lost-answers", "orders", "p99", "ns", 2e9, reports.Fail, "operations got no answer in after lost-answers"),
		gate("orders.effect_duplicates == 0", "orders", "effect_duplicates", "count", "", 212, 0, reports.Fail, "violated"),
		gate("orders.lost == 0", "orders", "lost", "count", "", 12, 0, reports.Fail, "violated"),
		gate("orders.errors < 1%", "orders", "errors", "ratio", "", *run.Streams["orders"].Total.ErrorShare(), 0.01, reports.Fail, "violated"),
		open("orders.recovery < 5s after lost-answers", "orders", "recovery", "ns", 5e9, reports.Fail, "did not recover before the end of the run"),
		gate("payments.p99 < 100ms", "payments", "p99", "ns", "", *run.Streams["payments"].Total.Response.P99, 100e6, reports.Fail, "violated"),
		gate("payments.lost == 0", "payments", "lost", "count", "", 0, 0, reports.Pass, "held"),
		open("stock.lost == 0", "stock", "lost", "count", 0, reports.Inconclusive, "not known"),
	}
	for _, g := range run.Gates {
		if g.Verdict != reports.Pass {
			run.Why = append(run.Why, g.Expr+": "+g.Why)
		}
	}
	run.Findings = []reports.Finding{
		{Kind: "order_violations", Stream: "orders", Text: "stream orders: order_violations is 3, and no gate looks at it"},
		{Kind: "ungated", Stream: "stock", Text: "stream stock has no gate on errors or within"},
	}
	return &reports.Record{Run: run, Scenario: []byte(scenario), Violations: evidence()}
}

func failingOrders() flow {
	o := orders("kafka effects")
	o.unmeasured = []string{"log_duplicates", "ack_collisions"}
	o.counts = map[string]map[string]int64{
		"lost-answers": {
			"effect_duplicates": 200, "extra_copies": 205, "max_copies": 3, "recovered": 316, "lost": 12, "order_violations": 3, "regressions": 9,
		},
		"after lost-answers": {"effect_duplicates": 12, "extra_copies": 12, "max_copies": 2, "recovered": 80, "redelivered": 7},
	}
	o.beat = func(i int) beat {
		b := steady(400, 3.1, 11)(i)
		switch {
		case i >= 25 && i < 29:
			b.p50, b.p99, b.max, b.code = 540, 1300, 1490, "timeout"
			b.indeterminate, b.retries, b.dropped = 180+int64(i), 640, 6
		case i >= 29:
			b.p50, b.p99, b.max, b.code = 310, 1180, 1490, "http_503"
			b.indeterminate, b.rejected, b.retries = 34+int64(i%5), 8, 190
		}
		return b
	}
	return o
}

// evidence is a few violations in detail and a crowd of similar ones.
func evidence() []reports.Violation {
	all := []reports.Violation{
		{
			Kind: "lost", Stream: "orders", Window: "lost-answers", ID: "k3v9q2xa-orders-10412", Seq: 10412, Key: "217", Outcome: "acked",
			PlannedNS: ptr(26_030 * ms), SentNS: ptr(26_031 * ms), DoneNS: ptr(26_604 * ms),
			Attempts: []reports.Try{
				{SentNS: 26_031 * ms, DoneNS: 26_531 * ms, Outcome: "indeterminate", Code: "timeout", Detail: "no answer within 500ms"},
				{SentNS: 26_548 * ms, DoneNS: 26_604 * ms, Outcome: "acked"},
			},
			Why: "acked at 26.604 s, not seen by the end of the drain",
		},
		{
			Kind: "order_violation", Stream: "orders", Window: "lost-answers", ID: "k3v9q2xa-orders-10500", Seq: 10500, Key: "41", Outcome: "acked",
			PlannedNS: ptr(26_250 * ms), SentNS: ptr(26_250 * ms), DoneNS: ptr(26_300 * ms),
			Seen: []reports.Sighting{reports.SightingAt(drivers.PositionIn(2, 3321), 27_100*ms)},
			Why:  "acked at 26.3 s, before orders-10533 was sent at 26.41 s, and seen after it",
		},
	}
	for i := range 60 {
		at := 25_000*ms + int64(i)*41*ms
		all = append(all, reports.Violation{
			Kind: "effect_duplicate", Stream: "orders", Window: "lost-answers", ID: fmt.Sprintf("k3v9q2xa-orders-%d", 10000+i), Seq: uint64(10000 + i),
			Outcome: "acked", PlannedNS: &at, Why: "applied 2 times",
			Seen: []reports.Sighting{reports.SightingAt(drivers.PositionIn(1, int64(4000+i)), at+30*ms), reports.SightingAt(drivers.PositionIn(1, int64(4100+i)), at+590*ms)},
		})
	}
	return all
}

// Inconclusive is the record of a run that shows nothing. The load generator could not keep up, one fault touched no traffic,
// another was not healed, and observation ended too early.
func Inconclusive() *reports.Record {
	run := blank()
	run.Verdict, run.Exit = reports.Inconclusive, reports.ExitInterrupted
	run.DurationNS = 33 * sec
	run.Windows[4].EndNS = 33 * sec
	run.Windows[5] = window("drain", 33, 34, "")
	o := orders("kafka effects")
	o.unmeasured = []string{"lost", "log_duplicates", "ack_collisions"}
	o.counts = map[string]map[string]int64{"after lost-answers": {"unseen": 37}}
	o.beat = func(i int) beat {
		b := steady(400, 3.1, 11)(i)
		if i >= 20 && i < 24 {
			b.limited, b.dropped, b.ours = true, 90, 85
			b.p50, b.p99, b.max = 220, 900, 1000
		}
		return b
	}
	o.play(run, "orders")
	effectTimes(run.Streams["orders"], 41)
	quiet := payments(steady(2000, 1.9, 6), func(int) bool { return false }, 0)
	quiet.play(run, "payments")
	stock().play(run, "stock")
	stuck := fault("lost-answers", "orders", "partition", "partition from-target, hold", 25, 29, 64, 1_830_211)
	stuck.Healed, stuck.Error = false, "probe of link orders: dial tcp 127.0.0.1:41233: i/o timeout"
	unbitten := fault("slow-broker", "payments/broker-2", "latency", "latency 80ms, jitter 20ms", 10, 18, 0, 0)
	unbitten.Bit = false
	run.Faults = []reports.Fault{unbitten, stuck}
	calm := *run.Streams["orders"].Windows["baseline"].Response.P99
	run.Gates = []reports.Gate{
		gate("orders.p99 < 250ms during baseline", "orders", "p99", "ns", "baseline", calm, 250e6, reports.Pass, "held in baseline"),
		open("orders.p99 < 250ms", "orders", "p99", "ns", 250e6, reports.Inconclusive, "the load generator was saturated"),
		open("orders.recovery < 5s after lost-answers", "orders", "recovery", "ns", 5e9, reports.Inconclusive, "too few seconds after the fault to tell"),
		open("orders.lost == 0", "orders", "lost", "count", 0, reports.Inconclusive, "not known"),
		gate("payments.p99 < 3ms", "payments", "p99", "ns", "", 6e6, 3e6, reports.Inconclusive, "violated only by seconds in which other programs took 5.2 of 8 cores (4 busy seconds)"),
	}
	run.Validity = validity(360,
		"interrupted after 33 s of 40 s",
		"fault slow-broker touched no traffic: no byte, connection or request met it",
		"fault lost-answers was not healed: "+stuck.Error,
		"the load generator was saturated in 4 seconds of stream orders (schedule lag, its own drops, or CPU)",
		"integrity of stream orders is not fully known: the run was interrupted before everything could show up",
	)
	run.Why = append([]string{}, run.Validity.Why...)
	besideOthers(run)
	return &reports.Record{Run: run, Scenario: []byte(scenario)}
}

// besideOthers adds a machine on which other programs took most of the CPU in four seconds, and a quota held the run back.
func besideOthers(run *reports.Run) {
	run.Validity.Machine = &reports.Machine{
		Cores: 8, Used: 4.21, Run: 1.34, Target: 1.12, Others: 1.6, OthersMax: 5.31, Steal: 0.02, Pressure: ptr(0.18),
		ThrottledNS: ptr(640 * ms), Throttled: ptr(int64(20)), Quota: ptr(2.0), BusySeconds: 4, Unowned: []string{"127.0.0.1:9092"},
	}
	for second := range run.DurationNS / sec {
		m := reports.MachineSecond{StartNS: second * sec, Used: 3.1, Run: 1.3, Target: 1.1, Others: 0.5, Pressure: ptr(0.1), ThrottledNS: ptr(int64(0))}
		if second >= 20 && second < 24 {
			m.Used, m.Others, m.Pressure, m.Busy = 7.9, 5.2, ptr(0.97), true
		}
		run.Machine = append(run.Machine, m)
	}
	for _, s := range run.Streams {
		for i := range s.Seconds {
			s.Seconds[i].Busy = i >= 19 && i < 25
		}
	}
}

// Samples are the sample records by name.
func Samples() map[string]*reports.Record {
	return map[string]*reports.Record{"pass": Pass(), "fail": Fail(), "inconclusive": Inconclusive(), "phased": Phased()}
}
