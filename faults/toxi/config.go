package toxi

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"wringer/faults"
)

// Config is a fault on a link. One fault may combine several keys. Overlapping faults on a link add up: latencies
// add, the smallest bandwidth, slice or limit holds, drop wins over hold for partitions, and refuse wins over all.
type Config struct {
	Link         string         `yaml:"link" jsonschema:"required" jsonschema_description:"The link: a stream's name stands for its own connections. Of Kafka, NAME/broker-2 is one broker's, and NAME/leader(TOPIC,PARTITION) that of the broker which leads when the fault is injected."`
	Latency      Latency        `yaml:"latency" jsonschema_description:"Delays what the target sends, so that each round trip takes this much longer; direction changes that. New connections are made as much later. 80ms; {from: 0ms, to: 500ms} changes over the fault's time; {file: delays.txt} draws from recorded delays."`
	Jitter       time.Duration  `yaml:"jitter" jsonschema_description:"Spreads the latency around its mean, by so much to either side of it. At most the latency."`
	Distribution Distribution   `yaml:"distribution" jsonschema:"enum=uniform,enum=normal,enum=pareto" jsonschema_description:"The jitter's shape; of normal and pareto (shape 3) the jitter is the standard deviation. Default uniform."`
	ConnectDelay time.Duration  `yaml:"connect_delay" jsonschema_description:"New connections are made this much later; what they carry is not delayed."`
	Bandwidth    BytesPerSecond `yaml:"bandwidth" jsonschema_description:"All connections of the link together carry no more than this in a direction: 1MiB/s."`
	Loss         faults.Share   `yaml:"loss" jsonschema_description:"Of each segment of 1,460 bytes, so many are lost and sent again, as TCP does: after a round trip when three more of the same burst follow it, else after 200ms and a round trip, twice as long each time it is lost again. What is behind it waits. A handshake is repeated after 1s, 2s, 4s."`
	Slice        *Slice         `yaml:"slice" jsonschema_description:"Bytes arrive in small pieces, each written by itself."`
	Direction    Ways           `yaml:"direction" jsonschema:"enum=both,enum=to-target,enum=from-target" jsonschema_description:"Where latency, bandwidth, loss, slice, slow_close and an amount of close_after apply. Default from-target."`
	Partition    Ways           `yaml:"partition" jsonschema:"enum=both,enum=to-target,enum=from-target" jsonschema_description:"Nothing passes: in neither direction, to the target (and new connections wait), or from the target (requests arrive, answers do not)."`
	Mode         Mode           `yaml:"mode" jsonschema:"enum=drop,enum=hold" jsonschema_description:"What becomes of what a partition cuts. hold: it is delivered after healing. drop: it is lost, and its connections are reset at healing. Default drop."`
	Refuse       bool           `yaml:"refuse" jsonschema_description:"New connections are refused and existing ones reset, as when nothing listens."`
	Reset        bool           `yaml:"reset" jsonschema_description:"Existing connections are reset at once, idle ones too, new ones when the first byte comes."`
	HalfOpen     HalfOpen       `yaml:"half_open" jsonschema:"enum=existing,enum=accepting" jsonschema_description:"The peer is gone and nobody was told: what is sent is taken and vanishes, nothing comes back, and at healing the connections are reset. existing: those that exist, while new ones work. accepting: new ones too, which are accepted and never reach the target."`
	CloseAfter   *Limit         `yaml:"close_after" jsonschema_description:"Connections are closed in the middle of their traffic: 2s after the fault began or they were made, or after 64KiB exactly have passed in the direction."`
	CloseWith    CloseWith      `yaml:"close_with" jsonschema:"enum=fin,enum=reset" jsonschema_description:"How close_after closes. Default fin."`
	SlowClose    time.Duration  `yaml:"slow_close" jsonschema_description:"The end of a connection is passed on this much later."`
	Flap         *Flap          `yaml:"flap" jsonschema_description:"The fault comes and goes, over and over, for as long as it lasts."`
	Connections  faults.Share   `yaml:"connections" jsonschema_description:"The share of connections that meet the fault, drawn for each. Default 100%."`
	Requests     faults.Share   `yaml:"requests" jsonschema_description:"The share of requests that meet the fault, drawn for each. A request begins with the first byte to the target, and with the first one after a byte from the target; what comes back belongs to it. Default 100%."`
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
		path := c.Latency.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(env.Files, path)
		}
		if f.spread, err = recorded(path); err != nil {
			return nil, err
		}
	case c.Jitter > 0 && c.Distribution == "":
		f.spread = newSpread(shapes[Uniform], c.Jitter)
	case c.Jitter > 0:
		f.spread = newSpread(shapes[c.Distribution], c.Jitter)
	}
	return f, nil
}
