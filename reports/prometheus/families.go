package prometheus

import (
	client "github.com/prometheus/client_golang/prometheus"

	"wringer/reports"
)

// family is one metric with its labels.
type family struct {
	name, help string
	kind       client.ValueType // of a histogram: untyped
	labels     []string
	desc       *client.Desc
}

// families are all metrics, in the order of the document.
var families []*family

func newFamily(kind client.ValueType, name, help string, labels ...string) *family {
	f := &family{name: name, help: help, kind: kind, labels: append([]string{"scenario"}, labels...)}
	f.desc = client.NewDesc(name, help, f.labels, nil)
	families = append(families, f)
	return f
}

// Of the run.
var (
	runInfo    = newFamily(client.GaugeValue, "wringer_run_info", "1, with what tells the run from others.", "run", "version", "seed")
	runTime    = newFamily(client.GaugeValue, "wringer_run_time_seconds", "Time on the run's clock: negative in the warm-up.")
	runPlanned = newFamily(client.GaugeValue, "wringer_run_planned_seconds", "Planned length of the measured part.")
	runWindow  = newFamily(client.GaugeValue, "wringer_run_window", "1 for the window that the run is in: baseline, a fault, after a fault, drain.", "window")
	runVerdict = newFamily(client.GaugeValue, "wringer_run_verdict", "1 for the verdict, 0 for the other verdicts. Absent while the run goes on.", "verdict")
)

// counts are the counters of each stream that the record has as numbers.
var counts = []struct {
	*family
	of func(*reports.Counts) int64
}{
	{ofStream("wringer_operations_offered_total", "Operations that the plan called for."), func(c *reports.Counts) int64 { return c.Offered }},
	{ofStream("wringer_operations_sent_total", "Operations that were sent."), func(c *reports.Counts) int64 { return c.Sent }},
	{ofStream("wringer_operations_acked_total", "Operations that took effect, by the target's word."), func(c *reports.Counts) int64 { return c.Acked }},
	{ofStream("wringer_operations_rejected_total", "Operations that surely did not take effect."), func(c *reports.Counts) int64 { return c.Rejected }},
	{ofStream("wringer_operations_indeterminate_total", "Operations that may have taken effect."), func(c *reports.Counts) int64 { return c.Indeterminate }},
	{ofStream("wringer_operations_dropped_total", "Operations that could not be sent."), func(c *reports.Counts) int64 { return c.Dropped }},
	{ofStream("wringer_operations_dropped_by_generator_total", "Dropped operations that the load generator was too late for."), func(c *reports.Counts) int64 { return c.DroppedByUs }},
	{ofStream("wringer_attempts_total", "Transmissions of operations."), func(c *reports.Counts) int64 { return c.Attempts }},
	{ofStream("wringer_retries_total", "Attempts after the first of an operation."), func(c *reports.Counts) int64 { return c.Retries }},
	{ofStream("wringer_client_retries_total", "Retries that the client library made by itself."), func(c *reports.Counts) int64 { return c.ClientRetries }},
}

func ofStream(name, help string) *family { return newFamily(client.CounterValue, name, help, "stream") }

// Of each stream beside its counts.
var (
	errorsByCode  = newFamily(client.CounterValue, "wringer_errors_total", "Attempts that were not acked, by code.", "stream", "code")
	sentBytes     = newFamily(client.CounterValue, "wringer_sent_bytes_total", "Payload bytes that were sent. Absent where the driver does not know.", "stream")
	receivedBytes = newFamily(client.CounterValue, "wringer_received_bytes_total", "Payload bytes that were received. Absent where the driver does not know.", "stream")
	response      = newFamily(client.UntypedValue, "wringer_response_seconds", "Response time of all operations, from the planned start. One without an answer is slower than every bucket, and no part of the sum.", "stream")
	inFlight      = newFamily(client.GaugeValue, "wringer_operations_in_flight", "Operations under way.", "stream")
	lag           = newFamily(client.GaugeValue, "wringer_schedule_lag_seconds", "How late the load generator sent, over the run so far.", "stream", "quantile")
	integrity     = newFamily(client.GaugeValue, "wringer_integrity_operations", "Operations by what became of their effects. lost is known at the end alone, unseen until then.", "stream", "count")
)

// Of faults and gates.
var (
	faultInForce = newFamily(client.GaugeValue, "wringer_fault_in_force", "1 while the fault is in force, else 0.", "fault", "kind")
	gateVerdict  = newFamily(client.GaugeValue, "wringer_gate_verdict", "1 for the gate's verdict so far, 0 for the other verdicts.", "gate", "verdict")
	gateObserved = newFamily(client.GaugeValue, "wringer_gate_observed", "What the gate observed so far, in seconds for times.", "gate")
	gateLimit    = newFamily(client.GaugeValue, "wringer_gate_limit", "The gate's limit, in the same unit.", "gate")
)
