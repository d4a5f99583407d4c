package scenarios

import (
	"wringer/drivers"
	"wringer/reports/metric"
)

// need says when a stream has what a metric needs, and what to tell when it has not.
type need struct {
	met func(s *Stream, sc *Scenario) bool
	why string
}

// needs are those that the tables of metrics name. A driver or source that could not be read meets all of them: one problem
// is enough.
var needs = map[metric.Need]need{
	metric.Nothing: {func(*Stream, *Scenario) bool { return true }, ""},
	metric.Operations: {func(s *Stream, _ *Scenario) bool { return s.Consume == nil },
		"the stream sends nothing; lost, log_duplicates, order_violations and the like are measured of it"},
	metric.Observed: {sending((*Stream).observed), "the stream has no effects, and its driver does not read back what it wrote"},
	metric.Effects:  {sending((*Stream).effective), "the stream has no effects; give it effects, the place where its operations must show up"},
	metric.Witness: {sending(func(s *Stream) bool { return s.Witness }),
		"the stream has no witness: give it witness: true"},
	metric.Replay: {sending(func(s *Stream) bool { return s.Replay != nil }),
		"the stream replays nothing: give it a share, as in replay: 1%"},
	metric.Messages: {sending(func(s *Stream) bool { return s.messages().Streams }),
		"the operations of the stream are no streams of messages"},
	metric.Counted: {sending(func(s *Stream) bool { return s.messages().Counted }),
		"nothing in the stream says how many messages there must be"},
	metric.Tracked: {sending(func(s *Stream) bool { return s.messages().Tracked }),
		"nothing in the stream tells its messages apart"},
	metric.Group: {consuming(func(s *Stream, _ *Scenario) bool { return s.Consume.Describe().Grouped }),
		"no group of consumers reads; it needs a stream with consume: and a group, as in group: {members: 4}"},
	metric.Origin: {consuming(func(s *Stream, _ *Scenario) bool { return s.Consume.Of != "" }),
		"records that are missing show only against what was sent: name the stream whose operations must show up, as in of: orders"},
	metric.Sequence: {consuming(func(s *Stream, _ *Scenario) bool { return s.Consume.Describe().Sequenced }),
		"no records with a number are read; it needs a stream with consume: and a sequence, as in sequence: $.version"},
	metric.Order: {consuming(ordered),
		"nothing tells the order that was meant: give the records' sequence, or of: a stream with keys"},
}

// sending is met by a stream that sends and has something.
func sending(has func(s *Stream) bool) func(*Stream, *Scenario) bool {
	return func(s *Stream, _ *Scenario) bool { return s.Consume == nil && (s.Driver == nil || has(s)) }
}

// consuming is met by a stream that consumes and has something.
func consuming(has func(s *Stream, sc *Scenario) bool) func(*Stream, *Scenario) bool {
	return func(s *Stream, sc *Scenario) bool {
		return s.Consume != nil && (s.Consume.Source == nil || has(s, sc))
	}
}

// ordered says whether the order of a consumer's records can be judged.
func ordered(s *Stream, sc *Scenario) bool {
	of := sc.Stream(s.Consume.Of)
	return s.Consume.Describe().Sequenced || of != nil && of.Keys > 0
}

// Measures says whether a metric can be measured of the stream.
func (s *Stream) Measures(m *metric.Metric, sc *Scenario) bool { return s.unmeasured(m, sc) == "" }

// unmeasured says why a metric cannot be measured of the stream; empty when it can.
func (s *Stream) unmeasured(m *metric.Metric, sc *Scenario) string {
	lacking := m.Needs.Sending
	if s.Consume != nil {
		lacking = m.Needs.Consuming
	}
	if n := needs[lacking]; !n.met(s, sc) {
		return n.why
	}
	return ""
}

// effective says whether the stream says where its operations must show up, be it with an error.
func (s *Stream) effective() bool { return s.Effects != nil || s.EffectName != "" }

// observed says whether it is read back what became of the stream's operations.
func (s *Stream) observed() bool {
	if s.effective() {
		return true
	}
	return s.Describe().Verifies
}

// messages is what the driver can tell of the messages within an operation.
func (s *Stream) messages() drivers.MessageTelling { return s.Describe().Messages }
