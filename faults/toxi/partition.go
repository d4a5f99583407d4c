package toxi

import "fmt"

// Mode is the fate of bytes that a partition cuts; empty is Drop.
type Mode string

const (
	Drop Mode = "drop"
	Hold Mode = "hold"
)

func (c *Config) partitionWords() string {
	mode := Drop
	if c.Mode != "" {
		mode = c.Mode
	}
	return fmt.Sprintf("partition %s, %s", c.Partition, mode)
}

func (c *Config) checkPartition(problem func(field, message string)) {
	if c.Partition != "" && !c.Partition.valid() {
		problem("partition", unknown(string(c.Partition)))
	}
	switch {
	case c.Mode == "":
	case c.Mode != Drop && c.Mode != Hold:
		problem("mode", fmt.Sprintf("%q is unknown: write drop or hold", c.Mode))
	case c.Partition == "":
		problem("mode", "has no effect without partition")
	}
}

// partitionRule cuts a direction.
type partitionRule struct{ *activeFault }

func newPartitionRule(f *activeFault) rule { return partitionRule{f} }

func (p partitionRule) add(r *laneRules, _ *flow, d direction) {
	if p.config.Partition.covers(d) {
		r.cutOff(p.activeFault, p.config.Mode != Hold)
	}
}
