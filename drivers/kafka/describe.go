package kafka

import (
	"fmt"

	"wringer/drivers"
)

// Describe implements drivers.Config. The driver emits the operations in flight and the records that left for the brokers;
// its verifier emits how many records it is behind.
func (c *Config) Describe() drivers.Description {
	d := drivers.Description{
		Place: c.Brokers + " " + c.Topic, Gauges: []string{"in_flight", "transmissions", "retransmissions"},
		Verifies: c.verify(), Peers: true,
	}
	if d.Verifies {
		d.Gauges = []string{"in_flight", "lag", "transmissions", "retransmissions"}
	}
	return d
}

// Describe implements drivers.SourceConfig. lag is how many records the source is behind.
func (e *Effect) Describe() drivers.SourceDescription {
	return drivers.SourceDescription{Place: e.Brokers + " " + e.Topic, Gauges: []string{"lag"}}
}

// Describe implements drivers.SourceConfig. lag is how many records the reader is behind; faults can break the group's way
// to one broker.
func (c *Consume) Describe() drivers.SourceDescription {
	d := drivers.SourceDescription{Place: c.Brokers + " " + c.Topic, Gauges: []string{"lag"}, Sequenced: c.Sequence != "", Peers: true}
	if g := c.Group; g != nil {
		d.Grouped, d.Churned = true, g.Churn != nil
		d.Place += fmt.Sprintf(", by a group of %d that commits %s too", g.Members, map[string]string{
			commitBefore: "before its work", commitAfter: "after its work", commitPeriodic: "periodically"}[g.commit()])
	}
	return d
}
