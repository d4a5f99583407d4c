package scenarios

import (
	"strings"
	"time"

	"wringer/drivers"
	"wringer/reports/metric"
)

// Scenario is one file. Times in Run, Faults and windows count from the end of the warm-up.
type Scenario struct {
	Name         string                       `yaml:"name" jsonschema:"required" jsonschema_description:"The scenario's name: letters, digits, - and _."`
	About        string                       `yaml:"about" jsonschema_description:"What the scenario shows, in a sentence."`
	Seed         int64                        `yaml:"seed" jsonschema_description:"Feeds every random choice. 0 or absent: chosen at the start and printed."`
	Include      []string                     `yaml:"include" path:"file" jsonschema_description:"Files with parts of the scenario, such as streams or links that several scenarios share. Paths in them are relative to the scenario, but for those of their own include. Tables are joined key by key, and what stands in the scenario, or in a later file, counts; faults, abort and expect are joined, those of the files first."`
	Vars         map[string]string            `yaml:"vars" jsonschema_description:"Default values of ${name}, by name. An environment and --set replace them."`
	Environments map[string]map[string]string `yaml:"environments" jsonschema_description:"Values of vars for other places, by the name of the place: --env NAME chooses one."`
	// TargetName is the key under which the file has Target.
	TargetName string       `yaml:"-"`
	Target     TargetConfig `yaml:"target" jsonschema_description:"The target to start before the run. Absent: the system already runs."`
	Run        Timing       `yaml:"run" jsonschema:"required" jsonschema_description:"How long the run is. Times count from the end of the warm-up."`
	Links      []Link       `yaml:"links" jsonschema_description:"Paths between the target and the services that it calls, by name: orders->stock. Give the target ${links.orders->stock} as the service's address."`
	Traffic    []Stream     `yaml:"traffic" jsonschema:"required" jsonschema_description:"The streams, by name."`
	Observe    []Observed   `yaml:"observe" jsonschema_description:"What the target says of itself, by names of your own: metrics of a Prometheus endpoint or server, for the report and for gates such as observe(jvm.heap).max < 1GiB."`
	Faults     []Fault      `yaml:"faults" jsonschema_description:"The faults, with their times."`
	Phases     []Phase      `yaml:"phases" jsonschema_description:"Spans of the run that gates can name, by name: peak: {at: 20s, for: 10s} for gates during peak. They do not overlap."`
	Abort      []Abort      `yaml:"abort" jsonschema_description:"Conditions that end the run early and heal it: STREAM.METRIC COMPARISON VALUE [for TIME]. An aborted run never passes."`
	TraceURL   string       `yaml:"trace_url" jsonschema_description:"The page that shows a trace, with {trace_id} for its id: https://jaeger.example/trace/{trace_id}. The report links the slowest operations and the evidence to it, where requests were sent sampled; see trace of a stream."`
	Expect     []Gate       `yaml:"expect" jsonschema_description:"The gates: STREAM.METRIC COMPARISON VALUE [SCOPE]. The value may come from a saved run: 1.2 x saved, saved + 20ms. capacity.STREAM > RATE is judged by wringer capacity alone."`
	// Capacity are the gates of Expect on what wringer capacity finds.
	Capacity []CapacityGate `yaml:"-"`

	// Path is the file that was read, Source its text without what no record may hold, Settings the --set values that were applied.
	Path     string            `yaml:"-"`
	Source   []byte            `yaml:"-"`
	Settings map[string]string `yaml:"-"`
	// Metrics are the metrics of the language in which the scenario was read, Checks its checks.
	Metrics *metric.Catalogue `yaml:"-"`
	Checks  []metric.Check    `yaml:"-"`

	// entries are the faults as written; Faults are the planned ones.
	entries []Entry
	// resolved: no variables and no escapes are left in any text.
	resolved bool
	redactor *strings.Replacer
	targetAt *node // the place of Target in the file
	included []File
	warnings []Problem
}

// Timing is the run's length.
type Timing struct {
	Warmup   time.Duration `yaml:"warmup" jsonschema_description:"Traffic before the measured part."`
	Duration time.Duration `yaml:"duration" jsonschema:"required" jsonschema_description:"The measured part. Faults must end within it."`
	Drain    time.Duration `yaml:"drain" jsonschema_description:"How long effects and late copies are awaited after the last operation is over. Default 10s."`
	MaxLag   time.Duration `yaml:"max_lag" jsonschema_description:"The load generator counts as saturated in a second in which 1 of 100 operations started later than this after its plan. Default 100ms."`
}

// Stream is one flow of operations.
type Stream struct {
	Name string `yaml:"-"`
	// DriverName is the key under which the file has Driver: rest, grpc, kafka.
	DriverName string         `yaml:"-"`
	Driver     drivers.Config `yaml:"-"`

	Rate        *Rate         `yaml:"rate" jsonschema_description:"Open model: 400/s, max, or one of ramp, steps, sine, poisson."`
	Users       int           `yaml:"users" jsonschema_description:"Closed model: the number of users. Each waits for its answer before the next operation."`
	Think       time.Duration `yaml:"think" jsonschema_description:"Closed model: the pause of a user after each operation."`
	Keys        uint64        `yaml:"keys" jsonschema_description:"Size of the key space; each operation draws one key. Absent: no keys."`
	Operations  int64         `yaml:"operations" jsonschema_description:"The most operations that are sent in the measured part. A run without faults, phases and consumers ends once each of its streams has ended in this way. Absent: no bound."`
	Timeout     time.Duration `yaml:"timeout" jsonschema_description:"Timeout of one attempt. Default 5s."`
	Deadline    time.Duration `yaml:"deadline" jsonschema_description:"Deadline of the whole operation from its first attempt, retries and waits included. Default: only attempts and timeouts bound it."`
	Retry       *Retry        `yaml:"retry" jsonschema_description:"The stream's own retries. Absent: none."`
	MaxInFlight int           `yaml:"max_in_flight" jsonschema_description:"Bound on operations in flight; an arrival beyond it is dropped. Default 4096 (64 with rate: max)."`

	Outcomes map[string][]string `yaml:"outcomes" jsonschema_description:"The outcome of codes: acked, rejected or indeterminate, each with a list of codes (http_503 or 503, grpc_unavailable, kafka_request_timed_out, check)."`

	Witness bool           `yaml:"witness" jsonschema_description:"Count the requests that arrive at the target, behind the stream's link. Works with rest and grpc, without TLS. Each request then carries its operation's identity in the header Wringer-Op."`
	Replay  *drivers.Ratio `yaml:"replay" jsonschema_description:"The share of the acknowledged operations that is sent again with the same Idempotency-Key, to judge the answers. Each is sent again unchanged, twice at once, or with a changed body. rest only. Absent: none."`

	Trace *Trace `yaml:"trace" jsonschema_description:"true: each request carries its operation's trace id in the headers traceparent and b3 (in gRPC: metadata), so that services record spans under it, and a witness on a link can tie requests to operations. false: none does, not even where OTEL_ variables name a collector."`

	// Places are where the operations must show up; none: nothing observes them.
	Places []Place           `yaml:"-"`
	Saga   map[string]string `yaml:"saga" jsonschema_description:"The places of effects that are compensated, each with the place of its compensation: {ledger: refund, stock: release}. When the drain ends, an operation has every effect and no compensation, or exactly one compensation for each effect that it has; one that was not acked may have none of either."`

	// Consume replaces the driver and the load: the stream sends nothing.
	Consume *Consume `yaml:"-"`

	// The place of Driver in the file, for problems that show only once the target runs.
	driverAt *node
}

// Describe is the driver's description; the zero value while there is no driver.
func (s *Stream) Describe() drivers.Description {
	if s.Driver == nil {
		return drivers.Description{}
	}
	return s.Driver.Describe()
}

// Retry is a stream's own retry policy.
type Retry struct {
	Attempts   int            `yaml:"attempts" jsonschema:"required" jsonschema_description:"The most attempts, the first included."`
	Backoff    time.Duration  `yaml:"backoff" jsonschema_description:"Wait before the first retry; doubles with each."`
	MaxBackoff time.Duration  `yaml:"max_backoff" jsonschema_description:"Bound of the wait. Default 10s."`
	Jitter     Jitter         `yaml:"jitter" jsonschema:"enum=full,enum=equal,enum=none" jsonschema_description:"full: 0 to the wait; equal: half to the whole; none. Default full."`
	Budget     *drivers.Ratio `yaml:"budget" jsonschema_description:"The most retries, as a share of the operations (a token bucket that begins with 10 tokens). Absent: no budget."`
	On         []string       `yaml:"on" jsonschema_description:"Codes that are retried (timeout, reset, refused, http_503, ...). Absent: indeterminate attempts, and connections never made."`
	RetryAfter bool           `yaml:"retry_after" jsonschema_description:"Wait as long as the answer's Retry-After asks. An answer that asks for more than 30s ends the operation."`
}

// Jitter is the distribution of a wait before a retry (Brooker, "Exponential Backoff And Jitter", AWS 2015).
type Jitter string

const (
	JitterFull  Jitter = "full"
	JitterEqual Jitter = "equal"
	JitterNone  Jitter = "none"
)

// Defaults, where a scenario says nothing.
const (
	DefaultTimeout       = 5 * time.Second
	DefaultDrain         = 10 * time.Second
	DefaultMaxLag        = 100 * time.Millisecond
	DefaultMaxInFlight   = 4096
	DefaultMaxRateUsers  = 64
	DefaultMaxBackoff    = 10 * time.Second
	MaxRetryAfter        = 30 * time.Second // the bound of a wait that an answer asks for: "tomorrow" must not hold a run until then
	MaxPlanLength        = 24 * time.Hour
	MaxRate              = 10_000_000 // a second, for one stream
	MaxStreams           = 64
	MaxFaults            = 256
	MaxRounds            = 1000 // injections of all faults
	MaxSteps             = 1000 // of a rate
	MaxUsers             = 100_000
	MaxKeys              = 10_000_000
	MaxAttempts          = 100
	RetryBudgetReserve   = 10
	MaxScenarioFileBytes = 4 << 20
)
