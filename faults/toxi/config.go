package toxi

import (
	"fmt"
	"strings"
	"time"

	"wringer/faults"
)

// Config is a fault on a link. One fault may combine several keys. Overlapping faults on a link add up: latencies
// add, the smallest bandwidth, slice or limit holds, drop wins over hold for partitions, and refuse wins over all.
type Config struct {
	Link         string         `yaml:"link" jsonschema:"required" jsonschema_description:"The link. A stream's name means the stream's own connections. For Kafka, NAME/broker-2 is the connections to one broker, and NAME/leader(TOPIC,PARTITION) those to the partition's leader at injection."`
	Latency      Latency        `yaml:"latency" worse:"more" jsonschema_description:"Delays the target's bytes, so that each round trip takes this much longer; direction selects other bytes. New connections take as much longer. 80ms is fixed; {from: 0ms, to: 500ms} changes over the fault's duration; {file: delays.txt} draws from recorded delays."`
	Jitter       time.Duration  `yaml:"jitter" worse:"more" jsonschema_description:"How far the latency varies around its mean, to either side. At most the latency."`
	Distribution Distribution   `yaml:"distribution" jsonschema:"enum=uniform,enum=normal,enum=pareto" jsonschema_description:"The jitter's shape; of normal and pareto (shape 3) the jitter is the standard deviation. Default uniform."`
	ConnectDelay time.Duration  `yaml:"connect_delay" worse:"more" jsonschema_description:"New connections take this much longer; their traffic is not delayed."`
	Bandwidth    BytesPerSecond `yaml:"bandwidth" worse:"less" jsonschema_description:"The bandwidth that all connections of the link share, in each direction: 1MiB/s."`
	Loss         faults.Share   `yaml:"loss" worse:"more" jsonschema_description:"The share of segments of 1,460 bytes that are lost. A lost segment is resent as by TCP: after a round trip if three more of the same burst follow, otherwise after 200ms and a round trip. The wait doubles with each further loss. Later bytes wait. A handshake is repeated after 1s, 2s, 4s."`
	Slice        *Slice         `yaml:"slice" jsonschema_description:"Bytes arrive in small pieces, each written separately."`
	Direction    Ways           `yaml:"direction" jsonschema:"enum=both,enum=to-target,enum=from-target" jsonschema_description:"Where latency, bandwidth, loss, slice, slow_close and an amount of close_after apply. Default from-target."`
	Partition    Ways           `yaml:"partition" jsonschema:"enum=both,enum=to-target,enum=from-target" jsonschema_description:"No bytes pass: in neither direction, to the target (new connections wait too), or from the target (requests arrive, answers do not)."`
	Mode         Mode           `yaml:"mode" jsonschema:"enum=drop,enum=hold" jsonschema_description:"The fate of the bytes that a partition cuts. hold: they are delivered after healing. drop: they are lost, and their connections are reset at healing. Default drop."`
	Refuse       bool           `yaml:"refuse" jsonschema_description:"New connections are refused and existing ones reset, as when nothing listens."`
	Reset        bool           `yaml:"reset" jsonschema_description:"Existing connections are reset at once, also idle ones. New connections are reset at their first byte."`
	HalfOpen     HalfOpen       `yaml:"half_open" jsonschema:"enum=existing,enum=accepting" jsonschema_description:"The peer has vanished without closing: sent bytes are accepted and lost, nothing comes back, and healing resets the connections. existing: only existing connections; new ones work. accepting: new connections too; they are accepted and never reach the target."`
	CloseAfter   *Limit         `yaml:"close_after" worse:"less" jsonschema_description:"Connections are closed in the middle of their traffic: 2s after the fault began or they were made, or after 64KiB exactly have passed in the direction."`
	CloseWith    CloseWith      `yaml:"close_with" jsonschema:"enum=fin,enum=reset" jsonschema_description:"How close_after closes. Default fin."`
	SlowClose    time.Duration  `yaml:"slow_close" worse:"more" jsonschema_description:"The delay of the end of a connection."`
	Flap         *Flap          `yaml:"flap" jsonschema_description:"Switches the fault on and off repeatedly for its whole duration."`
	Connections  faults.Share   `yaml:"connections" worse:"more" jsonschema_description:"The share of connections that meet the fault, drawn for each. Default 100%."`
	Requests     faults.Share   `yaml:"requests" worse:"more" jsonschema_description:"The share of requests that meet the fault, drawn for each. A request begins with the first byte to the target, and with the first one after a byte from the target; the answer belongs to it. Default 100%."`
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

// kinds are the kinds of faults, each with its name in the record, whether it is set, and its description.
func (c *Config) kinds() []kind {
	return []kind{
		{"latency", c.Latency.set(), c.latencyWords()},
		{"connect_delay", c.ConnectDelay != 0, fmt.Sprint("connect_delay ", c.ConnectDelay)},
		{"bandwidth", c.Bandwidth != 0, fmt.Sprint("bandwidth ", c.Bandwidth)},
		{"loss", c.Loss != 0, fmt.Sprint("loss ", c.Loss)},
		{"slice", c.Slice != nil, fmt.Sprint("slice ", c.Slice)},
		{"slow_close", c.SlowClose != 0, fmt.Sprint("slow_close ", c.SlowClose)},
		{"close_after", c.CloseAfter != nil, c.closeWords()},
		{"partition", c.Partition != "", c.partitionWords()},
		{"half_open", c.HalfOpen != "", fmt.Sprint("half_open ", c.HalfOpen)},
		{"reset", c.Reset, "reset"},
		{"refuse", c.Refuse, "refuse"},
	}
}

type kind struct {
	name  string
	set   bool
	words string
}

// directed reports whether direction limits any setting of the fault.
func (c *Config) directed() bool {
	return c.Latency.set() || c.Bandwidth != 0 || c.Loss != 0 || c.Slice != nil || c.SlowClose != 0 ||
		c.CloseAfter != nil && c.CloseAfter.Bytes != 0
}

// appliesTo is the direction of the settings that direction limits.
func (c *Config) appliesTo() Ways {
	if c.Direction == "" {
		return FromTarget
	}
	return c.Direction
}

// Kind implements faults.Config: the kinds that are set, joined by +.
func (c *Config) Kind() string {
	var names []string
	for _, k := range c.kinds() {
		if k.set {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, "+")
}

// On implements faults.Config.
func (c *Config) On() faults.Place { return faults.Place{Link: c.Link} }

// Describe implements faults.Config.
func (c *Config) Describe() faults.Description { return faults.Description{Words: c.words()} }

// words describe the fault: "latency 80ms, jitter 20ms"; "partition from-target, drop".
func (c *Config) words() string {
	var words []string
	for _, k := range c.kinds() {
		if k.set {
			words = append(words, k.words)
		}
	}
	if c.Direction != "" {
		words = append(words, "direction "+string(c.Direction))
	}
	if c.Flap != nil {
		words = append(words, c.Flap.String())
	}
	if c.Connections != 0 {
		words = append(words, fmt.Sprint(c.Connections, " of connections"))
	}
	if c.Requests != 0 {
		words = append(words, fmt.Sprint(c.Requests, " of requests"))
	}
	return strings.Join(words, ", ")
}

func (c *Config) latencyWords() string {
	words := "latency " + c.Latency.String()
	if c.Jitter != 0 {
		words += fmt.Sprint(", jitter ", c.Jitter)
	}
	if c.Distribution != "" {
		words += " " + string(c.Distribution)
	}
	return words
}

// Open implements faults.Config.
func (c *Config) Open(env faults.Env) (faults.Fault, error) {
	link, aim, err := env.Aim(c.Link)
	if err != nil {
		return nil, err
	}
	l, ok := link.(*Link)
	if !ok {
		return nil, fmt.Errorf("link %s: a %T cannot be broken by %s: it needs a link of this mesh", c.Link, link, c.Kind())
	}
	f := &Fault{config: *c, link: l, aim: aim, seed: env.Seed, lasts: env.For}
	if c.Latency.From != c.Latency.To && env.For <= 0 {
		return nil, fmt.Errorf("link %s: the latency changes over the fault's duration, which is unknown: give the fault a for", c.Link)
	}
	switch {
	case c.Latency.File != "":
		if f.spread, err = c.Latency.recorded(env.Files); err != nil {
			return nil, err
		}
	case c.Jitter > 0 && c.Distribution == "":
		f.spread = newSpread(shapes[Uniform], c.Jitter)
	case c.Jitter > 0:
		f.spread = newSpread(shapes[c.Distribution], c.Jitter)
	}
	return f, nil
}
