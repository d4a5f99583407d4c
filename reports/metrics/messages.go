package metrics

import (
	"wringer/drivers"
	"wringer/reports"
)

// Messages folds the messages of streaming attempts.
type Messages struct {
	Calls, Sent, Received                              int64
	Lost, Undecided, Unexpected, Duplicated, Reordered int64
	// Counted are the calls that could show lost messages. Tracked are the calls that could show copies and wrong order.
	Counted, Tracked int64
	// First holds the times to the first message, of Waits. Gap holds the times between messages, of Gaps. The other waits
	// never ended.
	First, Gap  Hist
	Waits, Gaps int64
	Evidence    drivers.MessageEvidence
}

// add folds one attempt.
func (m *Messages) add(a *drivers.Messages) {
	m.Calls++
	m.Sent += a.Sent
	m.Received += a.Received
	m.Lost += a.Lost
	m.Undecided += a.Undecided
	m.Unexpected += a.Unexpected
	m.Duplicated += a.Duplicated
	m.Reordered += a.Reordered
	if a.Counted {
		m.Counted++
		if a.Tracked {
			m.Tracked++
		}
	}
	m.Gaps += int64(len(a.Gaps))
	for _, gap := range a.Gaps {
		m.Gap.Record(gap)
	}
	switch {
	case a.Received > 0:
		m.Waits++
		m.First.Record(a.First)
		if a.Awaited {
			m.Gaps++
		}
	case a.Awaited:
		m.Waits++
	}
	m.note(&a.Evidence)
}

// note keeps the first evidence of each kind.
func (m *Messages) note(e *drivers.MessageEvidence) {
	keep := func(into *string, text string) {
		if *into == "" {
			*into = text
		}
	}
	keep(&m.Evidence.Lost, e.Lost)
	keep(&m.Evidence.Unexpected, e.Unexpected)
	keep(&m.Evidence.Duplicated, e.Duplicated)
	keep(&m.Evidence.Reordered, e.Reordered)
}

// merge adds all of o.
func (m *Messages) merge(o *Messages) {
	m.Calls += o.Calls
	m.Sent += o.Sent
	m.Received += o.Received
	m.Lost += o.Lost
	m.Undecided += o.Undecided
	m.Unexpected += o.Unexpected
	m.Duplicated += o.Duplicated
	m.Reordered += o.Reordered
	m.Counted += o.Counted
	m.Tracked += o.Tracked
	m.Waits += o.Waits
	m.Gaps += o.Gaps
	m.First.Merge(&o.First)
	m.Gap.Merge(&o.Gap)
	m.note(&o.Evidence)
}

// Shown returns a count by its name in reports; false if no call could show it. A count above 0 stands by itself. A count of 0
// needs a call that ended with the target's status.
func (m *Messages) Shown(name string) (n int64, ok bool) {
	if m == nil {
		return 0, false
	}
	switch name {
	case "sent":
		return m.Sent, true
	case "received":
		return m.Received, true
	case "undecided":
		return m.Undecided, m.Counted > 0 || m.Undecided > 0
	case "lost":
		return m.Lost, m.Counted > 0
	case "unexpected":
		return m.Unexpected, m.Counted > 0 || m.Unexpected > 0
	case "duplicated":
		return m.Duplicated, m.Tracked > 0 || m.Duplicated > 0
	case "reordered":
		return m.Reordered, m.Tracked > 0 || m.Reordered > 0
	}
	return 0, false
}

func (m *Messages) measures() *reports.Messages {
	if m == nil {
		return nil
	}
	shown := func(name string) *int64 {
		if n, ok := m.Shown(name); ok {
			return &n
		}
		return nil
	}
	out := &reports.Messages{
		Calls: m.Calls, Sent: m.Sent, Received: m.Received,
		Lost: shown("lost"), Undecided: shown("undecided"), Unexpected: shown("unexpected"),
		Duplicated: shown("duplicated"), Reordered: shown("reordered"),
		First: m.First.Summary(m.Waits), Gap: m.Gap.Summary(m.Gaps),
	}
	for name, text := range map[string]string{
		"lost": m.Evidence.Lost, "unexpected": m.Evidence.Unexpected, "duplicated": m.Evidence.Duplicated, "reordered": m.Evidence.Reordered,
	} {
		if text == "" {
			continue
		}
		if out.Evidence == nil {
			out.Evidence = make(map[string]string)
		}
		out.Evidence[name] = text
	}
	return out
}

// converse counts the messages of an attempt that is a stream.
func (c *Cell) converse(m *drivers.Messages) {
	if c.Messages == nil {
		c.Messages = &Messages{}
	}
	c.Messages.add(m)
}

// quote keeps the text of the first failed attempt with each code.
func (c *Cell) quote(code, detail string) {
	if detail == "" || c.Details[code] != "" {
		return
	}
	if c.Details == nil {
		c.Details = make(map[string]string)
	}
	c.Details[code] = detail
}

// mergeMessages adds the messages and details of o.
func (c *Cell) mergeMessages(o *Cell) {
	for code, detail := range o.Details {
		c.quote(code, detail)
	}
	if o.Messages == nil {
		return
	}
	if c.Messages == nil {
		c.Messages = &Messages{}
	}
	c.Messages.merge(o.Messages)
}

// details copies the details for a record; nil when there are none.
func (c *Cell) details() map[string]string {
	if len(c.Details) == 0 {
		return nil
	}
	out := make(map[string]string, len(c.Details))
	for code, detail := range c.Details {
		out[code] = detail
	}
	return out
}
