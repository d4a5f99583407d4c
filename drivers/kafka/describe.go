package kafka

import (
	"fmt"
	"strings"

	"wringer/drivers"
	"wringer/drivers/reply"
)

// Describe implements drivers.Config. The driver emits the attempts in flight and the records sent to the brokers. Its
// verifier emits its lag in records.
func (c *Config) Describe() drivers.Description {
	d := drivers.Description{
		Place: c.Brokers + " " + c.Topic, Gauges: []string{"in_flight", "transmissions", "retransmissions"}, Counters: []string{"transmissions", "retransmissions"},
		Connections: drivers.ConnectionTelling{Shared: max(c.Producers, 1) * (1 + strings.Count(c.Brokers, ","))},
		Verifies:    c.verify(), Peers: true, TLS: c.TLS != nil, Recognised: c.recognised(), Codes: ownCodes(),
		Traces: true, OwnTrace: drivers.TraceHeadersIn(c.Headers),
	}
	if d.Verifies {
		d.Gauges = []string{"in_flight", "lag", "transmissions", "retransmissions"}
	}
	if c.Reply != nil {
		reply.Describe(&d)
		d.Checks = c.Reply.Checks()
	}
	return d
}

// recognised says why brokers recognise a batch that is sent again.
func (c *Config) recognised() string {
	switch {
	case c.Transactions != nil:
		return "its producer is transactional (transactions)"
	case c.Idempotent:
		return "its producer is idempotent (idempotent: true)"
	}
	return ""
}

// Describe implements drivers.SourceConfig. lag is the number of records that the source has yet to read.
func (e *Effect) Describe() drivers.SourceDescription {
	return drivers.SourceDescription{Place: e.Brokers + " " + e.Topic, Gauges: []string{"lag"}, Matched: e.matched().Matched()}
}

// Describe implements drivers.SourceConfig. lag is the number of records that the reader has yet to read. Faults can break
// the group's connections to one broker.
func (c *Consume) Describe() drivers.SourceDescription {
	d := drivers.SourceDescription{Place: c.Brokers + " " + c.Topic, Gauges: []string{"lag"}, Sequenced: c.Sequence != "", Peers: true, TLS: c.TLS != nil}
	if g := c.Group; g != nil {
		d.Grouped, d.Churned = true, g.Churn != nil
		d.Place += fmt.Sprintf(", by a group of %d that commits %s too", g.Members, map[string]string{
			commitBefore: "before its work", commitAfter: "after its work", commitPeriodic: "periodically"}[g.commit()])
	}
	return d
}
