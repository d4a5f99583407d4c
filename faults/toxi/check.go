package toxi

import (
	"fmt"
	"strings"

	"wringer/faults"
)

// Check implements faults.Config.
func (c *Config) Check(problem func(field, message string)) {
	if c.Link == "" {
		problem("link", "is empty: name a stream, whose own connections are the link")
	}
	if c.Kind() == "" {
		var names []string
		for _, k := range c.kinds() {
			names = append(names, k.name)
		}
		problem("link", "the fault does nothing: give one of "+strings.Join(names, ", "))
	}
	c.checkLatency(problem)
	c.checkAmounts(problem)
	c.checkDirection(problem)
	c.checkPartition(problem)
	c.checkEnds(problem)
	if c.Slice != nil {
		c.Slice.check(problem)
	}
	if c.Flap != nil {
		c.Flap.check(problem)
	}
	c.checkShares(problem)
}

func (c *Config) checkAmounts(problem func(field, message string)) {
	for _, amount := range []struct {
		key      string
		negative bool
	}{{"connect_delay", c.ConnectDelay < 0}, {"bandwidth", c.Bandwidth < 0}, {"slow_close", c.SlowClose < 0}} {
		if amount.negative {
			problem(amount.key, "is negative")
		}
	}
	if c.Loss < 0 || c.Loss > mostLoss {
		problem("loss", fmt.Sprintf("%v is out of range: at most %v can be lost, beyond that it is a partition", c.Loss, mostLoss))
	}
}

func (c *Config) checkDirection(problem func(field, message string)) {
	switch {
	case c.Direction == "":
	case !c.Direction.valid():
		problem("direction", unknown(string(c.Direction)))
	case !c.directed():
		problem("direction", "has no effect here: use it with latency, bandwidth, loss, slice, slow_close or an amount of close_after; for a partition write partition: to-target")
	}
}

func unknown(given string) string {
	return fmt.Sprintf("%q is unknown: write both, to-target or from-target", given)
}

// checkShares refuses a share of requests for kinds that act on whole connections.
func (c *Config) checkShares(problem func(field, message string)) {
	for _, s := range []struct {
		key   string
		share faults.Share
	}{{"connections", c.Connections}, {"requests", c.Requests}} {
		if s.share < 0 || s.share > 1 {
			problem(s.key, fmt.Sprintf("%v is out of range: more than 0%% and at most 100%%", s.share))
		}
	}
	if c.Requests == 0 {
		return
	}
	for _, k := range c.kinds() {
		switch k.name {
		case "connect_delay", "refuse", "half_open", "slow_close", "close_after":
			if k.set {
				problem("requests", fmt.Sprintf("%s acts on whole connections: write connections instead of requests", k.name))
			}
		}
	}
}
