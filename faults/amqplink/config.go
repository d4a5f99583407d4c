package amqplink

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/faults"
	"wringer/faults/request"
)

// protocol is the layer's name on a link.
const protocol = "amqp"

// Config is a fault on what AMQP clients and their broker say on a link.
type Config struct {
	Link string `yaml:"link" jsonschema:"required" jsonschema_description:"The link: of an AMQP stream, or one of links."`
	Act  Act    `yaml:"amqp" jsonschema:"required" jsonschema_description:"What goes wrong with the messages of AMQP 0-9-1."`
}

// Act is what goes wrong: exactly one action.
type Act struct {
	LoseConfirms    faults.Share  `yaml:"lose_confirms" worse:"more" jsonschema_description:"This share of the publishes is never confirmed to the publisher, although the broker confirms them. Such connections are reset at healing."`
	DelayDeliveries time.Duration `yaml:"delay_deliveries" worse:"more" jsonschema_description:"Deliveries come this much later. What the broker says behind them on the same channel waits with them."`
	CloseChannel    int           `yaml:"close_channel" jsonschema_description:"The code with which a channel is closed, in the broker's name, at a publish or a delivery that neither side gets: 311, 312, 313, 403, 404, 405 or 406."`
	Block           bool          `yaml:"block" jsonschema_description:"As by a broker that is low on memory: at its first publish a connection gets connection.blocked, and nothing more of it is read until healing; then it gets connection.unblocked."`
	DropHeartbeats  string        `yaml:"drop_heartbeats" jsonschema:"enum=both,enum=to-target,enum=from-target" jsonschema_description:"Heartbeats are dropped, in this direction or both."`

	Duplicate   faults.Share `yaml:"duplicate" worse:"more" jsonschema_description:"This share of the deliveries is delivered twice."`
	Redelivered bool         `yaml:"redelivered" jsonschema_description:"With duplicate: the second delivery has the redelivered flag. Default: it has that of the first, as a message that was published again."`
	Reorder     faults.Share `yaml:"reorder" worse:"more" jsonschema_description:"This share of the deliveries comes after the next delivery of its channel, if that comes within 100 ms."`
	Corrupt     faults.Share `yaml:"corrupt" worse:"more" jsonschema_description:"Bytes of the body are changed in this share of the deliveries, but not their length."`

	First int          `yaml:"first" worse:"more" jsonschema_description:"With delay_deliveries and close_channel: only the first so many. Default: all."`
	Share faults.Share `yaml:"share" worse:"more" jsonschema_description:"With delay_deliveries and close_channel: only this share, drawn from the seed. Default: all."`
}

// The directions of heartbeats.
const (
	both       = "both"
	toTarget   = "to-target"
	fromTarget = "from-target"
)

// channelCodes are the codes that close a channel and leave its connection: the soft errors of the specification.
var channelCodes = []int{311, 312, 313, 403, 404, 405, 406}

// action is one thing that an Act can do.
type action struct{ field, words, noun string }

// actions are the actions that are set.
func (a *Act) actions() (all []action) {
	add := func(set bool, field, words, noun string) {
		if set {
			all = append(all, action{field, words, noun})
		}
	}
	again := "deliver " + a.Duplicate.String() + " again"
	if a.Redelivered {
		again += " with the redelivered flag"
	}
	add(a.LoseConfirms > 0, "lose_confirms", "lose "+a.LoseConfirms.String()+" of the confirms", "confirm")
	add(a.DelayDeliveries != 0, "delay_deliveries", fmt.Sprint("delay deliveries by ", a.DelayDeliveries), "delivery")
	add(a.CloseChannel != 0, "close_channel", fmt.Sprint("close channels with ", a.CloseChannel), "channel")
	add(a.Block, "block", "block connections", "publish")
	add(a.DropHeartbeats != "", "drop_heartbeats", "drop heartbeats, "+a.DropHeartbeats, "heartbeat")
	add(a.Duplicate > 0, "duplicate", again, "delivery")
	add(a.Reorder > 0, "reorder", "deliver "+a.Reorder.String()+" out of order", "delivery")
	add(a.Corrupt > 0, "corrupt", "corrupt "+a.Corrupt.String()+" of the bodies", "body")
	return all
}

// share is the share of what the act meets.
func (a *Act) share() faults.Share {
	return max(a.LoseConfirms, a.Duplicate, a.Reorder, a.Corrupt, a.Share)
}

// Check implements faults.Config.
func (c *Config) Check(problem func(field, message string)) {
	a := &c.Act
	all := a.actions()
	if len(all) != 1 {
		problem("amqp", "does one thing: give one of lose_confirms, delay_deliveries, close_channel, block, drop_heartbeats, duplicate, reorder and corrupt")
		return
	}
	selective := all[0].field == "delay_deliveries" || all[0].field == "close_channel"
	switch {
	case a.First < 0:
		problem("amqp.first", "is negative")
	case a.First > 0 && !selective:
		problem("amqp.first", "goes with delay_deliveries and close_channel")
	case a.Share > 0 && !selective:
		problem("amqp.share", "goes with delay_deliveries and close_channel")
	case a.First > 0 && a.Share > 0:
		problem("amqp.first", "stands beside share: give one of the two")
	}
	if a.DelayDeliveries < 0 {
		problem("amqp.delay_deliveries", "is negative")
	}
	if a.CloseChannel != 0 && !slices.Contains(channelCodes, a.CloseChannel) {
		problem("amqp.close_channel", fmt.Sprintf("%d closes no channel: write 404 (not found), 406 (precondition failed), 403, 405, 311, 312 or 313", a.CloseChannel))
	}
	if d := a.DropHeartbeats; d != "" && d != both && d != toTarget && d != fromTarget {
		problem("amqp.drop_heartbeats", fmt.Sprintf("%q is not one of both, to-target, from-target", d))
	}
	if a.Redelivered && a.Duplicate == 0 {
		problem("amqp.redelivered", "goes with duplicate")
	}
}

// Kind implements faults.Config.
func (c *Config) Kind() string {
	if all := c.Act.actions(); len(all) > 0 {
		return protocol + "-" + strings.ReplaceAll(all[0].field, "_", "-")
	}
	return protocol
}

// On implements faults.Config.
func (c *Config) On() faults.Place { return faults.Place{Link: c.Link} }

// Describe implements faults.Config.
func (c *Config) Describe() faults.Description { return faults.Description{Words: c.words()} }

// words describe the fault: "close channels with 406, of 10%".
func (c *Config) words() string {
	var words []string
	for _, one := range c.Act.actions() {
		words = append(words, one.words)
	}
	if c.Act.First > 0 {
		words = append(words, fmt.Sprint("of the first ", c.Act.First))
	}
	if c.Act.Share > 0 {
		words = append(words, "of "+c.Act.Share.String())
	}
	return strings.Join(words, ", ")
}

// Refuses implements faults.Choosy.
func (c *Config) Refuses(clients faults.Clients) string {
	if clients.TLS {
		return "an amqp fault must read what passes, and TLS hides it: use plain connections, or another fault"
	}
	return ""
}

// Prepare implements faults.NeedsLayer.
func (c *Config) Prepare(link faults.Link) error {
	_, err := layerOn(link)
	return err
}

// Open implements faults.Config.
func (c *Config) Open(env faults.Env) (faults.Fault, error) {
	link, aim, err := env.Aim(c.Link)
	if err != nil {
		return nil, err
	}
	l, err := layerOn(link)
	if err != nil {
		return nil, err
	}
	return &Fault{
		Force: request.Force{First: c.Act.First, Share: c.Act.share(), Seed: env.Seed},
		act:   c.Act, name: c.words(), noun: c.Act.actions()[0].noun, layer: l, aim: aim,
	}, nil
}
