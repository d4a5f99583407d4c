package reports

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
	// Statuses counts the acked attempts by the status of their answer (200), where the protocol has one.
	Statuses map[string]int64 `json:"statuses,omitempty"`
	// Bytes is absent where the driver does not know the bytes of its attempts.
	Bytes         *Traffic `json:"bytes,omitempty"`
	Response      *Latency `json:"response_ns"`
	Service       *Latency `json:"service_ns"`
	AckedResponse *Latency `json:"acked_ns"`
	// Spread has further percentiles of the response time, ascending, as far as operations were answered. Absent in records of older
	// versions.
	Spread []Quantile `json:"spread,omitempty"`
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
	// Saga is absent if the scenario has none.
	Saga *Saga `json:"saga,omitempty"`
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
	for _, counted := range []interface{ Count(string) *int64 }{m.Integrity, m.Witness, m.Replays, m.Group, m.Saga} {
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

// Traffic are the bytes of all attempts: payloads that came from the target (In) and went to it (Out).
type Traffic struct {
	In  int64 `json:"in"`
	Out int64 `json:"out"`
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

// Quantile is a percentile of a distribution: Percent of all operations took at most NS.
type Quantile struct {
	Percent float64 `json:"percent"`
	NS      float64 `json:"ns"`
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
	// Corrupt operations have an effect that differs from what was sent.
	Corrupt *int64 `json:"corrupt,omitempty"`
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
	// BestP99NS is the least that P99NS can have been without the load generator's own part: its lag, and what it did not send. nil: about
	// the same. It is no part of the record.
	BestP99NS *int64 `json:"-"`
	// EffectP50NS and EffectP99NS are percentiles of EffectTimes. Absent if they are not known, or if the effect was not seen.
	EffectP50NS *int64 `json:"effect_p50_ns,omitempty"`
	EffectP99NS *int64 `json:"effect_p99_ns,omitempty"`
	// Limited: the load generator was saturated in this second.
	Limited bool `json:"limited,omitempty"`
	// Busy: in this second or in one beside it, other programs, the hypervisor or a quota took the CPU that the run and its
	// target needed.
	Busy bool `json:"busy,omitempty"`
}
