package reports

import (
	"time"

	"wringer/drivers"
)

// Schema names the record's format.
const Schema = "wringer.run/v1"

// Verdict of a run or of a gate.
type Verdict string

const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
	// Valid is the other verdict of Validity, whose verdicts are valid and inconclusive.
	Valid Verdict = "valid"
)

// PartEnded is the kind of a finding about a part of the target that ended by itself and may not: it fails the run.
const PartEnded = "ended"

// Exit codes of the commands that judge a run.
const (
	ExitPass         = 0
	ExitFail         = 1
	ExitInconclusive = 2
	ExitUsage        = 3
	ExitHarness      = 4
	ExitInterrupted  = 130
)

// Run is the record of one run, run.json. Times are nanoseconds; start_ns and end_ns count from the end of the warm-up.
// A measurement that was not taken is null, never 0.
type Run struct {
	Schema     string             `json:"schema"`
	Name       string             `json:"name"`
	About      string             `json:"about,omitempty"`
	Seed       int64              `json:"seed"`
	ID         string             `json:"id"` // the run's part of every identity
	Version    string             `json:"version"`
	Started    time.Time          `json:"started"`
	WarmupNS   int64              `json:"warmup_ns"`
	DurationNS int64              `json:"duration_ns"` // duration of the measured part, as it was run
	PlannedNS  int64              `json:"planned_ns"`  // duration of the measured part, as it was planned
	Verdict    Verdict            `json:"verdict"`
	Exit       int                `json:"exit"`
	Why        []string           `json:"why"` // the reasons behind the verdict; the first is the headline
	Complete   bool               `json:"complete"`
	Gates      []Gate             `json:"gates"`
	Windows    []Window           `json:"windows"`
	Streams    map[string]*Stream `json:"streams"`
	Faults     []Fault            `json:"faults"`
	Validity   Validity           `json:"validity"`
	Findings   []Finding          `json:"findings"`
	Host       Host               `json:"host"`
	// Kept are the addresses of the target that was left up, by variable.
	Kept     map[string]string `json:"kept,omitempty"`
	Settings map[string]string `json:"settings,omitempty"` // --set name=value, as given
	// Machine holds the seconds of the load generator's machine. Absent where it cannot be read: off Linux.
	Machine []MachineSecond `json:"machine,omitempty"`
	// Checks describes the counts of the checks without fields of their own in the record: Measures.Checks holds the counts.
	Checks []Described `json:"checks,omitempty"`
}

// Host is the machine of the load generator.
type Host struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
}

// Gate is one line of `expect` and its result.
type Gate struct {
	Expr     string   `json:"expr"`
	Verdict  Verdict  `json:"verdict"`
	Observed *float64 `json:"observed"`
	Limit    *float64 `json:"limit"`
	Unit     string   `json:"unit"` // ns, ratio, count, per_second, or empty
	Window   *string  `json:"window"`
	Stream   string   `json:"stream"`
	Metric   string   `json:"metric"` // with its prefix: p99, service.p99
	// Beyond is the meaning of a time beyond every measured one, which is not observed: not recovered, not seen. Absent: no
	// answer.
	Beyond string `json:"beyond,omitempty"`
	Why    string `json:"why"`
}

// Window is an interval of the run. A window that is cut in two stands here once for each piece, under the same name. Those
// without a Stream follow each other without a gap; the named steps of a stream's rate lie over them.
type Window struct {
	Name    string  `json:"name"`
	StartNS int64   `json:"start_ns"`
	EndNS   int64   `json:"end_ns"`
	Fault   *string `json:"fault"`
	// Base is, of a phase and of a step, the window that it lies inside: the baseline, or the time after a fault. A gate on
	// that window is judged on this one too.
	Base string `json:"base,omitempty"`
	// Stream is, of a step, the stream whose window it is, in place of those that it lies over. A stream that looks for the
	// operations of that stream has it too.
	Stream string `json:"stream,omitempty"`
}

// Stream holds the results of one stream.
type Stream struct {
	Driver  string               `json:"driver"`
	Model   string               `json:"model"` // "open", "closed", or "consume"
	Plan    string               `json:"plan"`  // the rate or the users, as written; for a consuming stream, the expectation
	Keys    uint64               `json:"keys,omitempty"`
	Effects string               `json:"effects,omitempty"` // the place where effects were observed; empty: none
	Of      string               `json:"of,omitempty"`      // for a consuming stream: the stream whose operations must show up
	Total   Measures             `json:"total"`
	Windows map[string]*Measures `json:"windows"`
	Seconds []Second             `json:"seconds"`
	Gauges  map[string][]Sample  `json:"gauges,omitempty"`
	// Strikes are the absences that the churn of a group caused, in order.
	Strikes []Strike `json:"strikes,omitempty"`
	// Steps are the steps of a chain, in order. Absent for streams whose operations are a single exchange.
	Steps []Step `json:"steps,omitempty"`
	// Histogram counts the response times of the answered operations of Total. An unanswered operation is in no bucket.
	Histogram []Bucket `json:"histogram,omitempty"`
}

// ModelConsume is the model of a stream that sends nothing, and verifies the records of others.
const ModelConsume = "consume"

// Consumes reports whether the stream sends nothing.
func (s *Stream) Consumes() bool { return s.Model == ModelConsume }

// Bucket counts the times above the bucket before it, up to its own bound.
type Bucket struct {
	UpToNS int64 `json:"up_to_ns"`
	Count  int64 `json:"count"`
}

// Step is one step of a chain.
type Step struct {
	Name string `json:"name"`
	StepMeasures
	Windows map[string]*StepMeasures `json:"windows"`
}

// StepMeasures are the measurements of a step. Attempts counts how often the step was begun, in every attempt of an operation.
// Attempts that ended before the step do not count.
type StepMeasures struct {
	Attempts int64            `json:"attempts"`
	Acked    int64            `json:"acked"`
	Errors   map[string]int64 `json:"errors"`
	Service  *Latency         `json:"service_ns"`
}

// Sample is one reading of a gauge.
type Sample struct {
	AtNS  int64   `json:"at_ns"`
	Value float64 `json:"value"`
}

// Counts are the counts of operations and attempts. Offered = Sent + Dropped; after the drain
// Sent = Acked + Rejected + Indeterminate.
type Counts struct {
	Offered       int64 `json:"offered"`
	Sent          int64 `json:"sent"`
	Acked         int64 `json:"acked"`
	Rejected      int64 `json:"rejected"`
	Indeterminate int64 `json:"indeterminate"`
	Dropped       int64 `json:"dropped"`
	// DroppedByUs of Dropped could not be sent because the load generator was late; the others because the target held every
	// slot.
	DroppedByUs int64 `json:"dropped_by_generator"`
	Attempts    int64 `json:"attempts"`
	Retries     int64 `json:"retries"`
	// ClientRetries of Retries were made by the client library, not by the stream's policy.
	ClientRetries int64 `json:"client_retries"`
	// TransparentRetries of ClientRetries followed transmissions that the target surely had not processed.
	TransparentRetries int64 `json:"transparent_retries"`
}

// Add adds all of o.
func (c *Counts) Add(o Counts) {
	c.Offered += o.Offered
	c.Sent += o.Sent
	c.Acked += o.Acked
	c.Rejected += o.Rejected
	c.Indeterminate += o.Indeterminate
	c.Dropped += o.Dropped
	c.DroppedByUs += o.DroppedByUs
	c.Attempts += o.Attempts
	c.Retries += o.Retries
	c.ClientRetries += o.ClientRetries
	c.TransparentRetries += o.TransparentRetries
}

// Subtract takes away all of o.
func (c *Counts) Subtract(o Counts) {
	c.Offered -= o.Offered
	c.Sent -= o.Sent
	c.Acked -= o.Acked
	c.Rejected -= o.Rejected
	c.Indeterminate -= o.Indeterminate
	c.Dropped -= o.Dropped
	c.DroppedByUs -= o.DroppedByUs
	c.Attempts -= o.Attempts
	c.Retries -= o.Retries
	c.ClientRetries -= o.ClientRetries
	c.TransparentRetries -= o.TransparentRetries
}

// Measures are the measurements of a stream in a window.
type Measures struct {
	Counts
	// Overtaken operations were due before a fault's injection and not over at it. They are counted where they were due.
	// OvertakenLong of them had already waited long at the injection: longer than twice the window's 99th percentile.
	Overtaken     int64            `json:"overtaken,omitempty"`
	OvertakenLong int64            `json:"overtaken_long,omitempty"`
	Amplification *float64         `json:"amplification"`
	Rate          *float64         `json:"rate"` // acked a second
	Errors        map[string]int64 `json:"errors"`
	Response      *Latency         `json:"response_ns"`
	Service       *Latency         `json:"service_ns"`
	AckedResponse *Latency         `json:"acked_ns"`
	// Effect is the time from the planned start to the first sighting of the effect. Absent if no effects are observed, or none
	// was due.
	Effect *EffectTimes `json:"effect_ns,omitempty"`
	// Failures classes the attempts that were not acked, by the time of their end.
	Failures  *Failures  `json:"failures"`
	Integrity *Integrity `json:"integrity"`
	Messages  *Messages  `json:"messages,omitempty"` // only for a stream whose operations are streams of messages
	// Details holds, by code, the text of the first failed attempt.
	Details map[string]string `json:"details,omitempty"`
	// Witness and Replays are absent if the scenario did not ask for them.
	Witness *Witness `json:"witness,omitempty"`
	Replays *Replays `json:"replays,omitempty"`
	// Group is absent if no group of consumers reads.
	Group *Group `json:"group,omitempty"`
	// Checks holds, by name, the counts that Run.Checks describes; null: not known.
	Checks map[string]*int64 `json:"checks,omitempty"`
}

// Count returns the observed count of that name, nil when it was not measured or is not known; m may be nil.
func (m *Measures) Count(name string) *int64 {
	if m == nil {
		return nil
	}
	for _, counted := range []interface{ Count(string) *int64 }{m.Integrity, m.Witness, m.Replays, m.Group} {
		if n := counted.Count(name); n != nil {
			return n
		}
	}
	return m.Checks[name]
}

// SetCheck sets a count that Run.Checks describes; nil: it is not known.
func (m *Measures) SetCheck(name string, n *int64) {
	if m.Checks == nil {
		m.Checks = make(map[string]*int64)
	}
	m.Checks[name] = n
}

// Failures classes failed attempts: within their deadline, at it, or beyond it.
type Failures struct {
	Fast           int64 `json:"fast"`
	AtDeadline     int64 `json:"at_deadline"`
	BeyondDeadline int64 `json:"beyond_deadline"`
}

// Latency is a distribution in nanoseconds. Percentiles cover everything that was offered (or sent); an unanswered operation
// counts as slower than every answer. A percentile is null if it falls among the unanswered. Min, mean and max are over
// answers.
type Latency struct {
	Min        *float64 `json:"min"`
	Mean       *float64 `json:"mean"`
	P50        *float64 `json:"p50"`
	P90        *float64 `json:"p90"`
	P95        *float64 `json:"p95"`
	P99        *float64 `json:"p99"`
	P999       *float64 `json:"p999"`
	Max        *float64 `json:"max"`
	Unanswered *float64 `json:"unanswered"`
}

// EffectTimes is the distribution of the time from an operation's planned start to the first sighting of its effect, including
// the time of the observation. It is over the acked operations and the indeterminate ones that were seen. Unanswered operations
// have no known time: acked and never seen, or unknown.
type EffectTimes struct {
	Latency
	Count int64 `json:"count"` // of operations
	// Unknown of Unanswered count, or may count, at a time that is not known. Then every percentile is an upper bound.
	Unknown int64 `json:"unknown,omitempty"`
}

// Integrity holds counts of operations, except Redelivered and Foreign (deliveries), ExtraCopies (copies beyond the first) and
// Gaps (numbers missing within a key). null: not measured, or not known. For a stream that only consumes, the operations are
// those of Stream.Of, or without it the identities in the topic.
type Integrity struct {
	Acked *int64 `json:"acked"` // any attempt was acknowledged
	Seen  *int64 `json:"seen"`  // seen where their effect must show up
	// Lost operations were acked, and not seen after the drain. Unseen ones were acked and are not seen yet, while the run goes
	// on.
	Lost   *int64 `json:"lost"`
	Unseen *int64 `json:"unseen"`
	// Recovered operations were indeterminate, yet seen, which does no harm. Phantom ones were rejected, yet seen. Unexpected
	// ones were seen, and never sent.
	Recovered  *int64 `json:"recovered"`
	Phantom    *int64 `json:"phantom"`
	Unexpected *int64 `json:"unexpected"`
	Foreign    *int64 `json:"foreign"` // deliveries that are not of this stream
	// LogDuplicates are at more than one offset. Redelivered are repeated deliveries of an offset. EffectDuplicates were
	// applied more than once.
	LogDuplicates    *int64 `json:"log_duplicates"`
	Redelivered      *int64 `json:"redelivered"`
	EffectDuplicates *int64 `json:"effect_duplicates"`
	ExtraCopies      *int64 `json:"extra_copies"`
	MaxCopies        *int64 `json:"max_copies"` // of one operation
	// OrderViolations were first seen after a later operation of their key or partition. Regressions are decreases of any kind,
	// repeats included.
	OrderViolations *int64 `json:"order_violations"`
	Regressions     *int64 `json:"regressions"`
	Gaps            *int64 `json:"gaps"`           // numbers missing within a key
	AckCollisions   *int64 `json:"ack_collisions"` // acknowledged at a place that another operation's ack had named
}

// Second is one second of a stream.
type Second struct {
	StartNS int64 `json:"start_ns"`
	Counts
	P50NS *int64 `json:"p50_ns"`
	P99NS *int64 `json:"p99_ns"`
	MaxNS *int64 `json:"max_ns"`
	// EffectP50NS and EffectP99NS are percentiles of EffectTimes. Absent if they are not known, or if the effect was not seen.
	EffectP50NS *int64 `json:"effect_p50_ns,omitempty"`
	EffectP99NS *int64 `json:"effect_p99_ns,omitempty"`
	// Limited: the load generator was saturated in this second.
	Limited bool `json:"limited,omitempty"`
	// Busy: in this second or in one beside it, other programs, the hypervisor or a quota took the CPU that the run and its
	// target needed.
	Busy bool `json:"busy,omitempty"`
}

// Fault holds the facts about one fault.
type Fault struct {
	Name         string   `json:"name"`
	Round        int      `json:"round,omitempty"` // number among several injections of this name, from 1
	Link         *string  `json:"link"`
	Part         *string  `json:"part,omitempty"`
	Peer         string   `json:"peer,omitempty"` // the broken one of several targets behind the link: broker-2
	Kind         string   `json:"kind"`
	Spec         string   `json:"spec"` // its effect, in words: "latency 80ms, jitter 20ms"
	StartNS      int64    `json:"start_ns"`
	EndNS        int64    `json:"end_ns"`
	Bit          bool     `json:"bit"`
	Connections  *int64   `json:"connections"`
	Bytes        *int64   `json:"bytes"`
	Unmeasured   string   `json:"unmeasured,omitempty"` // why it cannot be told whether the fault touched the traffic that there was
	ToTarget     *Passage `json:"to_target,omitempty"`  // the same, by direction
	FromTarget   *Passage `json:"from_target,omitempty"`
	Healed       bool     `json:"healed"`
	NotInjected  bool     `json:"not_injected,omitempty"` // the run ended before the fault's time, or injecting failed
	Error        string   `json:"error,omitempty"`        // the error of injecting, healing or probing
	DetectionNS  *int64   `json:"detection_ns"`
	RecoveryNS   *int64   `json:"recovery_ns"`
	Recovered    *bool    `json:"recovered"`
	Metastable   *bool    `json:"metastable"`
	DetectedBy   string   `json:"detected_by,omitempty"` // the stream that showed it first
	Unrecovered  []string `json:"unrecovered,omitempty"` // the streams that did not recover
	SlowestBack  string   `json:"slowest_back,omitempty"`
	RecoveryGoal string   `json:"recovery_goal,omitempty"` // the definition of recovered, in words
	// Untouched are the streams that the fault's own counters did not meet: the figures above are not theirs. AlsoChanged of
	// them had a bad second all the same, or did not recover.
	Untouched   []string `json:"untouched,omitempty"`
	AlsoChanged []string `json:"also_changed,omitempty"`
	// PerStream holds the same by stream.
	PerStream map[string]StreamRecovery `json:"per_stream,omitempty"`
}

// Passage counts the traffic that met a fault in one direction. A connection that met it in both counts in both.
type Passage struct {
	Connections int64 `json:"connections"`
	Bytes       int64 `json:"bytes"`
}

// StreamRecovery describes how one stream suffered from one fault and recovered.
type StreamRecovery struct {
	DetectionNS *int64 `json:"detection_ns"`
	// BadBefore is set when the last second before the fault was bad already: later bad seconds say nothing about the fault.
	BadBefore  bool   `json:"bad_before,omitempty"`
	RecoveryNS *int64 `json:"recovery_ns"`
	// RecoveryFromNS is set when the load generator may have caused some bad seconds. It is the recovery without them.
	RecoveryFromNS *int64 `json:"recovery_from_ns,omitempty"`
	Recovered      *bool  `json:"recovered"`
	Metastable     *bool  `json:"metastable"`
}

// Validity says whether the load generator and the faults followed the plan.
type Validity struct {
	Verdict      Verdict  `json:"verdict"`
	Why          []string `json:"why"`
	LagP50NS     *int64   `json:"lag_p50_ns"`
	LagP99NS     *int64   `json:"lag_p99_ns"`
	LagMaxNS     *int64   `json:"lag_max_ns"`
	Dropped      int64    `json:"dropped"`
	CPU          *float64 `json:"cpu"`
	GCPauseP99NS *int64   `json:"gc_pause_p99_ns"`
	// LinkCostNS is, by link, the extra time of a round trip over it, measured when the link was opened.
	LinkCostNS map[string]int64 `json:"link_cost_ns,omitempty"`
	// Machine sums up what the machine of the load generator did. Absent where it cannot be read: off Linux.
	Machine *Machine `json:"machine,omitempty"`
}

// Finding is an observation without a gate, shown in the report: a duplicate, a fault that touched no traffic, a stream with no
// gate on errors.
type Finding struct {
	Kind   string `json:"kind"`
	Stream string `json:"stream,omitempty"`
	Window string `json:"window,omitempty"`
	Text   string `json:"text"`
}

// Violation is the evidence of one anomaly, a line of violations.jsonl. Times count from the end of the warm-up. A time is null
// if it is no longer known: only the most recent operations keep their details.
type Violation struct {
	Kind      string     `json:"kind"` // lost, phantom, effect_duplicate, ...
	Stream    string     `json:"stream"`
	Window    string     `json:"window"`
	ID        string     `json:"id"`
	Seq       uint64     `json:"seq"`
	Key       string     `json:"key,omitempty"`
	Outcome   string     `json:"outcome,omitempty"`
	PlannedNS *int64     `json:"planned_ns"`
	SentNS    *int64     `json:"sent_ns"` // begin of the first attempt
	DoneNS    *int64     `json:"done_ns"`
	Attempts  []Try      `json:"attempts"`
	Seen      []Sighting `json:"seen"`
	Why       string     `json:"why"`
}

// Try is one attempt in the evidence.
type Try struct {
	SentNS  int64  `json:"sent_ns"`
	DoneNS  int64  `json:"done_ns"`
	Outcome string `json:"outcome"`
	Code    string `json:"code,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// Sighting is one place and time at which an operation was seen. A source over a queue has no partition and no offset.
type Sighting struct {
	Partition *int32 `json:"partition,omitempty"`
	Offset    *int64 `json:"offset,omitempty"`
	AtNS      int64  `json:"at_ns"`
	Origin    string `json:"origin,omitempty"`
}

// SightingAt is a sighting at a position, or without one if the position is not known.
func SightingAt(p drivers.Position, atNS int64) Sighting {
	s := Sighting{AtNS: atNS}
	if p.Known {
		s.Partition, s.Offset = &p.Log, &p.At
	}
	return s
}
