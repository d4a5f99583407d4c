package reports

import (
	"fmt"
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

// PartStarved is the kind of a finding about processes of a part that the kernel ended for want of memory, while the part went on.
const PartStarved = "starved"

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
	File       string             `json:"file,omitempty"` // the scenario's path, as it was given
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
	// Links are the links between services whose requests a witness counted, by name.
	Links map[string]*Link `json:"links,omitempty"`
	// Parts are the parts of the target whose use of resources was measured, by name.
	Parts map[string]*Part `json:"parts,omitempty"`
	// Observed is what the target says of itself, by the entry of `observe`.
	Observed map[string]*Observed `json:"observed,omitempty"`
	Host     Host                 `json:"host"`
	// Kept are the addresses of the target that was left up, by variable.
	Kept map[string]string `json:"kept,omitempty"`
	// Startup lists what the start of the target waited for, in the order in which it ended. The run's times hold none of it.
	Startup  []Startup         `json:"startup,omitempty"`
	Settings map[string]string `json:"settings,omitempty"` // --set name=value, as given
	// Machine holds the seconds of the load generator's machine. Absent where it cannot be read: off Linux.
	Machine []MachineSecond `json:"machine,omitempty"`
	// Samples tells of the rows of attempts that the run wrote beside the record: --samples. Absent: none were asked for.
	Samples *Samples `json:"samples,omitempty"`
	// TraceURL is where traces are shown, with {trace_id} for the id. Absent: the scenario does not say.
	TraceURL string `json:"trace_url,omitempty"`
	// Checks describes the counts of the checks without fields of their own in the record: Measures.Checks holds the counts.
	Checks []Described `json:"checks,omitempty"`
}

// Startup is one thing that the start of the target waited for: an image that was pulled or built, a container that became ready.
// Several may have taken place at once.
type Startup struct {
	Verb   string `json:"verb"` // connect to, pull, build, start
	What   string `json:"what"` // the container engine, the image, or the part
	TookNS int64  `json:"took_ns"`
}

// Part is a part of the target.
type Part struct {
	// Gauges hold about one reading a second: cpu_cores, cpu_throttled (seconds a second for which it had to wait for processors),
	// memory_bytes, received_bytes_per_second, sent_bytes_per_second, restarts (so far). A second without a reading is left out.
	Gauges map[string][]Sample `json:"gauges"`
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
	// Saved is, of a gate whose limit comes from a saved run, where that value comes from. Without a value Limit is null.
	Saved *SavedLimit `json:"saved,omitempty"`
	Why   string      `json:"why"`
}

// SavedLimit is the saved run's part of a gate's limit.
type SavedLimit struct {
	From  string   `json:"from,omitempty"` // the file that was read; empty: none was given
	Run   string   `json:"run,omitempty"`  // the id of its run
	Value *float64 `json:"value"`          // in the gate's unit; null: there is none, or it decides nothing
	// Unmet is set where only the saved value left the gate open: what this run measured is sound.
	Unmet bool `json:"unmet,omitempty"`
}

// Open says that the gate lacks nothing but a saved value.
func (s *SavedLimit) Open() bool { return s != nil && s.Unmet }

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
	Driver  string `json:"driver"`
	Model   string `json:"model"` // "open", "closed", or "consume"
	Plan    string `json:"plan"`  // the rate or the users, as written; for a consuming stream, the expectation
	Keys    uint64 `json:"keys,omitempty"`
	Effects string `json:"effects,omitempty"` // the place where effects were observed; empty: none
	// Places are the places of the effects that have names, in order. Counts of the whole stream are of the operations of which it
	// is so in at least one place.
	Places  []Place              `json:"places,omitempty"`
	Of      string               `json:"of,omitempty"` // for a consuming stream: the stream whose operations must show up
	Total   Measures             `json:"total"`
	Windows map[string]*Measures `json:"windows"`
	Seconds []Second             `json:"seconds"`
	// ResolutionNS is what one row of Seconds covers. Absent: one second. See Coarsen.
	ResolutionNS int64               `json:"resolution_ns,omitempty"`
	Gauges       map[string][]Sample `json:"gauges,omitempty"`
	// Blocks are the times in which the target took nothing from a connection of the stream and said so, in order: RabbitMQ's
	// connection.blocked. The first 1000 of each connection are kept.
	Blocks []Block `json:"blocks,omitempty"`
	// Strikes are the absences that the churn of a group caused, in order.
	Strikes []Strike `json:"strikes,omitempty"`
	// Steps are the steps of a chain, in order. Absent for streams whose operations are a single exchange.
	Steps []Step `json:"steps,omitempty"`
	// TracesSampled is the share of the operations whose requests said that they are sampled. Absent: requests carried no trace.
	TracesSampled *float64 `json:"traces_sampled,omitempty"`
	// Slowest are the slowest of the answered operations that were sent sampled, a few of each window, the slowest first.
	Slowest []Slow `json:"slowest,omitempty"`
	// Histogram counts the response times of the answered operations of Total. An unanswered operation is in no bucket.
	Histogram []Bucket `json:"histogram,omitempty"`
	// Heat counts the same by time too, in at most 240 columns. Absent: nothing was answered, or an older version wrote the record.
	Heat *Heat `json:"heat,omitempty"`
}

// Place is one of several places in which the effects of a stream must show up.
type Place struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // kafka, sql, file, ...
	At   string `json:"at"`   // in words
	// Unmeasured says, by the name of a count or of effect_ns, why this place cannot tell it.
	Unmeasured map[string]string `json:"unmeasured,omitempty"`
	// Unread is the reason why the place was not read to its end. Then what was not seen there is not known. Absent: it was.
	Unread  string                    `json:"unread,omitempty"`
	Total   PlaceMeasures             `json:"total"`
	Windows map[string]*PlaceMeasures `json:"windows"`
}

// PlaceMeasures are what one place shows of the operations of a window.
type PlaceMeasures struct {
	Integrity *Integrity   `json:"integrity"`
	Effect    *EffectTimes `json:"effect_ns,omitempty"`
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

// Block is a time in which the target took nothing from one connection of a stream.
type Block struct {
	Connection int    `json:"connection"` // from 1
	AtNS       int64  `json:"at_ns"`
	EndNS      *int64 `json:"end_ns"` // null: not before the end
	Why        string `json:"why"`    // the target's words
}

// Sample is one reading of a gauge.
type Sample struct {
	AtNS  int64   `json:"at_ns"`
	Value float64 `json:"value"`
}

// Fault holds the facts about one fault.
type Fault struct {
	Name        string  `json:"name"`
	Round       int     `json:"round,omitempty"` // number among several injections of this name, from 1
	Link        *string `json:"link"`
	Part        *string `json:"part,omitempty"`
	Peer        string  `json:"peer,omitempty"` // the broken one of several targets behind the link: broker-2
	Kind        string  `json:"kind"`
	Spec        string  `json:"spec"` // its effect, in words: "latency 80ms, jitter 20ms"
	StartNS     int64   `json:"start_ns"`
	EndNS       int64   `json:"end_ns"`
	Bit         bool    `json:"bit"`
	Connections *int64  `json:"connections"`
	Bytes       *int64  `json:"bytes"`
	// Requests are those that arrived at the callee, or awaited their answer, while the fault was in force. Absent: no witness stands
	// on its link. RequestsAtLeast: a connection could not be read.
	Requests        *int64   `json:"requests,omitempty"`
	RequestsAtLeast bool     `json:"requests_at_least,omitempty"`
	Unmeasured      string   `json:"unmeasured,omitempty"` // why it cannot be told whether the fault touched the traffic that there was
	ToTarget        *Passage `json:"to_target,omitempty"`  // the same, by direction
	FromTarget      *Passage `json:"from_target,omitempty"`
	Touched         string   `json:"touched,omitempty"` // what it touched, in words, if it counts other things: "41 packets from orders to stock"
	Healed          bool     `json:"healed"`
	NotInjected     bool     `json:"not_injected,omitempty"` // the run ended before the fault's time, or injecting failed
	Error           string   `json:"error,omitempty"`        // the error of injecting, healing or probing
	DetectionNS     *int64   `json:"detection_ns"`
	RecoveryNS      *int64   `json:"recovery_ns"`
	Recovered       *bool    `json:"recovered"`
	Metastable      *bool    `json:"metastable"`
	DetectedBy      string   `json:"detected_by,omitempty"` // the stream that showed it first
	Unrecovered     []string `json:"unrecovered,omitempty"` // the streams that did not recover
	SlowestBack     string   `json:"slowest_back,omitempty"`
	RecoveryGoal    string   `json:"recovery_goal,omitempty"` // the definition of recovered, in words
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
	// RecoveryFromNS is the earliest that the recovery can have been. It is set when the load generator may have caused some bad
	// seconds, and when nothing was due in seconds before the first good one.
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
	// Part and AtNS are, of a part that ended by itself, the part and the time.
	Part string `json:"part,omitempty"`
	AtNS *int64 `json:"at_ns,omitempty"`
	Text string `json:"text"`
}

// Violation is the evidence of one anomaly, a line of violations.jsonl. Times count from the end of the warm-up. A time is null
// if it is no longer known: only the most recent operations keep their details.
type Violation struct {
	Kind      string     `json:"kind"` // lost, phantom, effect_duplicate, ...
	Stream    string     `json:"stream"`
	Link      string     `json:"link,omitempty"`  // the link on which a witness saw it
	Place     string     `json:"place,omitempty"` // of the effects, where it has a name
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
	// Arrived are the arrivals of its requests at the target, as far as a witness kept them. Absent: none was kept.
	Arrived []Sighting `json:"arrived,omitempty"`
	Why     string     `json:"why"`
	TraceRef
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
	Place     string `json:"place,omitempty"` // of the effects, where a violation is about several
	Partition *int32 `json:"partition,omitempty"`
	Offset    *int64 `json:"offset,omitempty"`
	AtNS      int64  `json:"at_ns"`
	Origin    string `json:"origin,omitempty"`
}

// ByteOf is a place in the lines of a file. file counts the files that followed each other under one name.
func ByteOf(file int32, offset int64) string {
	if file == 0 {
		return "byte " + Count(offset)
	}
	return fmt.Sprintf("byte %s of file %d", Count(offset), file+1)
}

// Slow is an operation with a long response time.
type Slow struct {
	Window     string `json:"window"`
	ID         string `json:"id"`
	Seq        uint64 `json:"seq"`
	PlannedNS  int64  `json:"planned_ns"`
	ResponseNS int64  `json:"response_ns"`
	Outcome    string `json:"outcome"`
	Attempts   int    `json:"attempts"`
	TraceRef
}

// SightingAt is a sighting at a position, or without one if the position is not known.
func SightingAt(p drivers.Position, atNS int64) Sighting {
	s := Sighting{AtNS: atNS}
	if p.Known {
		s.Partition, s.Offset = &p.Log, &p.At
	}
	return s
}
