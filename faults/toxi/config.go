package toxi

import (
	"fmt"
	"strings"
	"time"

	"wringer/faults"
)

// Config is a fault on a link. Its keys may be joined in one fault; faults that overlap on a link add up: latencies and
// jitters add, the lowest bandwidth rules, partitions unite (drop before hold), and refuse wins over all.
type Config struct {
	Link      string         `yaml:"link" jsonschema:"required" jsonschema_description:"The link: a stream's name stands for its own connections."`
	Latency   time.Duration  `yaml:"latency" jsonschema_description:"Delays what the target sends, so that each round trip takes this much longer; direction changes that. New connections are made as much later."`
	Jitter    time.Duration  `yaml:"jitter" jsonschema_description:"Spreads the latency evenly, by so much to either side of it. At most the latency."`
	Bandwidth BytesPerSecond `yaml:"bandwidth" jsonschema_description:"All connections of the link together carry no more than this in a direction: 1MiB/s."`
	Direction Ways           `yaml:"direction" jsonschema:"enum=both,enum=to-target,enum=from-target" jsonschema_description:"Where latency and bandwidth apply. Default from-target."`
	Partition Ways           `yaml:"partition" jsonschema:"enum=both,enum=to-target,enum=from-target" jsonschema_description:"Nothing passes: in neither direction, to the target (and new connections wait), or from the target (requests arrive, answers do not)."`
	Mode      Mode           `yaml:"mode" jsonschema:"enum=drop,enum=hold" jsonschema_description:"What becomes of what a partition cuts. hold: it is delivered after healing. drop: it is lost, and its connections are reset at healing. Default drop."`
	Refuse    bool           `yaml:"refuse" jsonschema_description:"New connections are refused and existing ones reset, as when nothing listens."`
}

// Ways are directions as a scenario writes them; empty: none.
type Ways string

const (
	Both       Ways = "both"
	ToTarget   Ways = "to-target"
	FromTarget Ways = "from-target"
)

func (w Ways) covers(d direction) bool { return w == Both || string(w) == d.String() }

func (w Ways) valid() bool { return w == Both || w == ToTarget || w == FromTarget }

// Mode is what becomes of bytes that a partition cuts; empty is Drop.
type Mode string

const (
	Drop Mode = "drop"
	Hold Mode = "hold"
)

// slowed is where latency and bandwidth apply.
func (c *Config) slowed() Ways {
	if c.Direction == "" {
		return FromTarget
	}
	return c.Direction
}

// Check implements faults.Config.
func (c *Config) Check(problem func(field, message string)) {
	if c.Link == "" {
		problem("link", "is empty: name a stream, whose own connections are the link")
	}
	if c.Kind() == "" {
		problem("link", "nothing is to go wrong on it: give latency, bandwidth, partition or refuse")
	}
	c.checkSlow(problem)
	c.checkPartition(problem)
}

func (c *Config) checkSlow(problem func(field, message string)) {
	switch {
	case c.Latency < 0:
		problem("latency", "is negative")
	case c.Jitter < 0:
		problem("jitter", "is negative")
	case c.Jitter > c.Latency:
		problem("jitter", fmt.Sprintf("%v is more than the latency, %v, that it spreads", c.Jitter, c.Latency))
	}
	if c.Bandwidth < 0 {
		problem("bandwidth", "is negative")
	}
	switch {
	case c.Direction == "":
	case !c.Direction.valid():
		problem("direction", unknown(string(c.Direction)))
	case c.Latency == 0 && c.Bandwidth == 0:
		problem("direction", "belongs to latency or bandwidth, and neither is given; a partition names its own")
	}
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
		problem("mode", "belongs to partition, which is not given")
	}
}

func unknown(ways string) string {
	return fmt.Sprintf("%q is unknown: write both, to-target or from-target", ways)
}

// Kind implements faults.Config: what goes wrong, joined by +.
func (c *Config) Kind() string {
	var kinds []string
	for _, k := range []struct {
		set  bool
		name string
	}{{c.Latency != 0, "latency"}, {c.Bandwidth != 0, "bandwidth"}, {c.Partition != "", "partition"}, {c.Refuse, "refuse"}} {
		if k.set {
			kinds = append(kinds, k.name)
		}
	}
	return strings.Join(kinds, "+")
}

// On implements faults.Config.
func (c *Config) On() faults.Place { return faults.Place{Link: c.Link} }

// String tells the fault in words: "latency 80ms, jitter 20ms"; "partition from-target, drop".
func (c *Config) String() string {
	var words []string
	if c.Latency != 0 {
		words = append(words, fmt.Sprint("latency ", c.Latency))
	}
	if c.Jitter != 0 {
		words = append(words, fmt.Sprint("jitter ", c.Jitter))
	}
	if c.Bandwidth != 0 {
		words = append(words, fmt.Sprint("bandwidth ", c.Bandwidth))
	}
	if c.Direction != "" && len(words) > 0 {
		words = append(words, "direction "+string(c.Direction))
	}
	if c.Partition != "" {
		mode := Drop
		if c.Mode != "" {
			mode = c.Mode
		}
		words = append(words, "partition "+string(c.Partition), string(mode))
	}
	if c.Refuse {
		words = append(words, "refuse")
	}
	return strings.Join(words, ", ")
}

// Open implements faults.Config.
func (c *Config) Open(env faults.Env) (faults.Fault, error) {
	link, err := env.Link(c.Link)
	if err != nil {
		return nil, err
	}
	l, ok := link.(*Link)
	if !ok {
		return nil, fmt.Errorf("link %s: a %T cannot be broken by %s: it needs a link of this mesh", c.Link, link, c.Kind())
	}
	return &Fault{config: *c, link: l, seed: env.Seed}, nil
}
