package scenarios

import (
	"strings"
	"time"

	"wringer/drivers"
	"wringer/reports/metric"
)

// Scenario is one file. Times in Run, Faults and windows count from the end of the warm-up.
type Scenario struct {
	Name  string `yaml:"name" jsonschema:"required" jsonschema_description:"The scenario's name: letters, digits, - and _."`
	About string `yaml:"about" jsonschema_description:"What the scenario shows, in a sentence."`
	Seed  int64  `yaml:"seed" jsonschema_description:"Feeds every random choice. 0 or absent: chosen at the start and printed."`
	// TargetName is the key under which Target stood.
	TargetName string       `yaml:"-"`
	Target     TargetConfig `yaml:"target" jsonschema_description:"What to start before the run; absent when the system already runs."`
	Run        Timing       `yaml:"run" jsonschema:"required" jsonschema_description:"How long the run is. Times count from the end of the warm-up."`
	Links      []Link       `yaml:"links" jsonschema_description:"Paths that the target is pointed at in place of the services it calls, by name: orders->stock. ${links.orders->stock} is the address."`
	Traffic    []Stream     `yaml:"traffic" jsonschema:"required" jsonschema_description:"The streams, by name."`
	Faults     []Fault      `yaml:"faults" jsonschema_description:"What goes wrong, and when."`
	Phases     []Phase      `yaml:"phases" jsonschema_description:"Spans of the run that gates can name, by name: peak: {at: 20s, for: 10s} for gates during peak. They do not overlap."`
	Abort      []Abort      `yaml:"abort" jsonschema_description:"Conditions on which the run is given up and healed: STREAM.METRIC COMPARISON VALUE [for TIME]. An aborted run never passes."`
	Expect     []Gate       `yaml:"expect" jsonschema_description:"The gates: STREAM.METRIC COMPARISON VALUE [SCOPE]."`

	// Path is the file that was read, Source its text, Settings the --set values that were applied.
	Path     string            `yaml:"-"`
	Source   []byte            `yaml:"-"`
	Settings map[string]string `yaml:"-"`
	// Metrics are those of the language that the scenario was read in, Checks its checks.
	Metrics *metric.Catalogue `yaml:"-"`
	Checks  []metric.Check    `yaml:"-"`

	// entries are the faults as they were written; Faults is what they come to.
	entries []Entry
	// resolved: no variables and no escapes are left in any text.
	resolved bool
	redactor *strings.Replacer
	targetAt *node // where Target stands in the file
	warnings []Problem
}

// Timing is the run's length.
type Timing struct {
	Warmup   time.Duration `yaml:"warmup" jsonschema_description:"Traffic before the measured part."`
	Duration time.Duration `yaml:"duration" jsonschema:"required" jsonschema_description:"The measured part. Faults must end within it."`
	Drain    time.Duration `yaml:"drain" jsonschema_description:"How long is watched, after the last operation is over, for what was acked to show up, and for late copies. Default 10s."`
	MaxLag   time.Duration `yaml:"max_lag" jsonschema_description:"A second in which 1 in 100 operations started later than this after its plan is one in which the load generator was saturated. Default 100ms."`
}

// Stream is one flow of operations.
type Stream struct {
	Name string `yaml:"-"`
	// DriverName is the key under which Driver stood: rest, grpc, kafka.
	DriverName string         `yaml:"-"`
	Driver     drivers.Config `yaml:"-"`

	Rate        *Rate         `yaml:"rate" jsonschema_description:"Open model: 400/s, max, or one of ramp, steps, sine, poisson."`
	Users       int           `yaml:"users" jsonschema_description:"Closed model: so many users, each waiting for its answer before the next operation."`
	Think       time.Duration `yaml:"think" jsonschema_description:"Closed model: the pause of a user after each operation."`
	Keys        uint64        `yaml:"keys" jsonschema_description:"Size of the key space; each operation draws one key. Absent: no keys."`
	Timeout     time.Duration `yaml:"timeout" jsonschema_description:"Of one attempt. Default 5s."`
	Deadline    time.Duration `yaml:"deadline" jsonschema_description:"Of the whole operation, retries and waits included, from its first attempt. Default: none beyond attempts and timeouts."`
	Retry       *Retry        `yaml:"retry" jsonschema_description:"The stream's own retries. Absent: none."`
	MaxInFlight int           `yaml:"max_in_flight" jsonschema_description:"Bound on operations in flight; an arrival beyond it is dropped. Default 4096 (64 with rate: max)."`

	Outcomes map[string][]string `yaml:"outcomes" jsonschema_description:"What an answer means: acked, rejected or indeterminate, each with a list of codes (http_503 or 503, grpc_unavailable, kafka_request_timed_out, check)."`

	Witness bool           `yaml:"witness" jsonschema_description:"Count what arrives at the target, behind the stream's link: rest and grpc, without TLS. Each request then carries its operation's identity in the header Wringer-Op."`
	Replay  *drivers.Ratio `yaml:"replay" jsonschema_description:"The share of the acknowledged operations that is sent again with the same Idempotency-Key, as it was, twice at once, or with a changed body, to judge the answers. rest only. Absent: none."`

	// EffectName is the key under which Effects stood.
	EffectName string               `yaml:"-"`
	Effects    drivers.SourceConfig `yaml:"-"`

	// Consume is there instead of a driver and a load: the stream sends nothing.
	Consume *Consume `yaml:"-"`

	// Where Driver and Effects stand in the file, for problems that show only once the target runs.
	driverAt, effectsAt *node
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
	Attempts   int            `yaml:"attempts" jsonschema:"required" jsonschema_description:"Attempts at most, the first included."`
	Backoff    time.Duration  `yaml:"backoff" jsonschema_description:"Wait before the first retry; doubles with each."`
	MaxBackoff time.Duration  `yaml:"max_backoff" jsonschema_description:"Bound of the wait. Default 10s."`
	Jitter     Jitter         `yaml:"jitter" jsonschema:"enum=full,enum=equal,enum=none" jsonschema_description:"full: 0 to the wait; equal: half to the whole; none. Default full."`
	Budget     *drivers.Ratio `yaml:"budget" jsonschema_description:"Retries at most, as a share of the operations (a token bucket; 10 tokens to begin with). Absent: no budget."`
	On         []string       `yaml:"on" jsonschema_description:"Codes that are retried (timeout, reset, refused, http_503, ...). Absent: whatever is indeterminate, and connections never made."`
	RetryAfter bool           `yaml:"retry_after" jsonschema_description:"Wait as long as the answer's Retry-After asks. An answer that asks for more than 30s ends the operation."`
}

// Jitter is how a wait before a retry is drawn (Brooker, "Exponential Backoff And Jitter", AWS 2015).
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
	MaxRetryAfter        = 30 * time.Second // what an answer may ask for: one that says tomorrow must not hold a run until then
	MaxPlanLength        = 24 * time.Hour
	MaxRate              = 10_000_000 // a second, of one stream
	MaxStreams           = 64
	MaxFaults            = 256
	MaxRounds            = 1000 // injections that the faults come to
	MaxUsers             = 100_000
	MaxKeys              = 10_000_000
	MaxAttempts          = 100
	RetryBudgetReserve   = 10
	MaxScenarioFileBytes = 4 << 20
)
