package scenarios

import (
	"wringer/drivers"
	"wringer/reports/metric"
)

// need decides whether a stream has what a metric needs. It also holds the message if the stream does not.
type need struct {
	met func(s *Stream, sc *Scenario) bool
	why string
}

// needs are the needs that the tables of metrics name. A driver or source that could not be read meets all of them: one problem
// is enough.
var needs = map[metric.Need]need{
	metric.Nothing: {func(*Stream, *Scenario) bool { return true }, ""},
	metric.Operations: {func(s *Stream, _ *Scenario) bool { return s.Consume == nil },
		"the stream sends nothing; it has lost, log_duplicates, order_violations and the like"},
	metric.Observed: {sending((*Stream).observed), "the stream has no effects, and its driver does not read its own records back; give it effects, the place where its operations must show up"},
	metric.Effects:  {sending((*Stream).effective), "the stream has no effects; give it effects, the place where its operations must show up"},
	metric.Witness: {sending(func(s *Stream) bool { return s.Witness }),
		"the stream has no witness: give it witness: true"},
	metric.Replay: {sending(func(s *Stream) bool { return s.Replay != nil }),
		"the stream replays nothing: give it a share, as in replay: 1%"},
	metric.Saga: {sending(func(s *Stream) bool { return len(s.Saga) > 0 }),
		"the stream has no saga: give it one, as in saga: {ledger: refund}"},
	metric.SagaTimes: {sending((*Stream).sagaDated),
		"the stream has no saga whose places all tell when records came"},
	metric.Messages: {sending(func(s *Stream) bool { return s.messages().Streams }),
		"the operations of the stream are not streams of messages"},
	metric.Counted: {sending(func(s *Stream) bool { return s.messages().Counted }),
		"the number of expected messages is not known"},
	metric.Tracked: {sending(func(s *Stream) bool { return s.messages().Tracked }),
		"the messages of the stream cannot be told apart"},
	metric.Chain: {sending(func(s *Stream) bool { return len(s.Describe().Steps) > 0 }),
		"the operations of the stream have no steps; give it steps, each with a name"},
	metric.Checked: {sending(func(s *Stream) bool { return len(s.Describe().CheckNames) > 0 }),
		"no check of the stream has a name: give it one, as in checks: [{name: paid, json: {$.paid: true}}]"},
	metric.Group: {consuming(func(s *Stream, _ *Scenario) bool { return s.Consume.Describe().Grouped }),
		"no group of consumers reads; it needs a stream with consume: and a group, as in group: {members: 4}"},
	metric.Origin: {consuming(func(s *Stream, _ *Scenario) bool { return s.Consume.Of != "" }),
		"missing records can be found only against a stream that sends: name the stream whose operations must show up, as in of: orders"},
	metric.Sequence: {consuming(func(s *Stream, _ *Scenario) bool { return s.Consume.Describe().Sequenced }),
		"no records with a number are read; it needs a stream with consume: and a sequence, as in sequence: $.version"},
	metric.Order: {consuming(ordered),
		"the intended order is not known: give the records' sequence, or of: a stream with keys"},
}

// sending is met by a stream that sends and satisfies has.
func sending(has func(s *Stream) bool) func(*Stream, *Scenario) bool {
	return func(s *Stream, _ *Scenario) bool { return s.Consume == nil && (s.Driver == nil || has(s)) }
}

// consuming is met by a stream that consumes and satisfies has.
func consuming(has func(s *Stream, sc *Scenario) bool) func(*Stream, *Scenario) bool {
	return func(s *Stream, sc *Scenario) bool {
		return s.Consume != nil && (s.Consume.Source == nil || has(s, sc))
	}
}

// ordered reports whether the order of a consumer's records can be judged.
func ordered(s *Stream, sc *Scenario) bool {
	of := sc.Stream(s.Consume.Of)
	return s.Consume.Describe().Sequenced || of != nil && of.Keys > 0
}

// Measures reports whether a metric can be measured for the stream.
func (s *Stream) Measures(m *metric.Metric, sc *Scenario) bool { return s.unmeasured(m, sc) == "" }

// unmeasured is the reason why a metric cannot be measured for the stream; empty when it can.
func (s *Stream) unmeasured(m *metric.Metric, sc *Scenario) string {
	lacking := m.Needs.Sending
	if s.Consume != nil {
		lacking = m.Needs.Consuming
	}
	if n := needs[lacking]; !n.met(s, sc) {
		if lacking == metric.Observed && s.Describe().NoVerify != "" {
			return "the stream has no effects, and its own messages are not read back: " + s.Describe().NoVerify
		}
		return n.why
	}
	if m.Subject == "" && m.Needs.Place != metric.Any {
		return s.unshown(m.Needs.Place)
	}
	return ""
}

// effective reports whether the stream has effects, even with an error in them.
func (s *Stream) effective() bool { return len(s.Places) > 0 }

// observed reports whether the fate of the stream's operations is read back.
func (s *Stream) observed() bool {
	if s.effective() {
		return true
	}
	return s.Describe().Verifies
}

// messages is the driver's description of the messages within an operation.
func (s *Stream) messages() drivers.MessageTelling { return s.Describe().Messages }
