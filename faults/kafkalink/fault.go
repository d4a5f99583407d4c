package kafkalink

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults"
	"wringer/faults/request"
)

// FaultConfig is a fault on the requests of one API.
type FaultConfig struct {
	Link string `yaml:"link" jsonschema:"required" jsonschema_description:"The link: of a Kafka stream, or a Kafka link of links; behind a slash one broker, broker-2 or leader(TOPIC,PARTITION)."`
	Act  Act    `yaml:"kafka" jsonschema:"required" jsonschema_description:"What goes wrong with the requests of one API."`
}

// On implements faults.Config.
func (c *FaultConfig) On() faults.Place { return faults.Place{Link: c.Link} }

// Describe implements faults.Config.
func (c *FaultConfig) Describe() faults.Description { return faults.Description{Words: c.words()} }

// Refuses implements faults.Choosy.
func (c *FaultConfig) Refuses(clients faults.Clients) string {
	all := c.Act.actions()
	if len(all) != 1 {
		return "" // Check tells it
	}
	switch one := all[0]; {
	case clients.TLS && one.on != apiOfTheAct:
		return one.field + " must read what passes, and TLS hides it: use plain connections, or another fault"
	case clients.Recognised != "" && c.Act.Duplicate > 0:
		return "brokers recognise a request of " + c.Link + " that is sent again, because " + clients.Recognised + ": remove that, or the fault"
	}
	return ""
}

// Prepare implements faults.NeedsLayer.
func (c *FaultConfig) Prepare(link faults.Link) error {
	l, err := layerOn(link)
	if err != nil {
		return err
	}
	switch c.Act.action().on {
	case kmsg.Fetch:
		l.readsFetches.Store(true)
	case kmsg.OffsetFetch:
		l.readsGroups.Store(true)
	}
	return nil
}

// Open implements faults.Config.
func (c *FaultConfig) Open(env faults.Env) (faults.Fault, error) {
	link, aim, err := env.Aim(c.Link)
	if err != nil {
		return nil, err
	}
	l, err := layerOn(link)
	if err != nil {
		return nil, err
	}
	code, _ := codeOf(c.Act.Error)
	f := &Fault{
		Force: request.Force{First: c.Act.First, Share: c.Act.share(), Seed: env.Seed},
		act:   c.Act, name: c.words(), key: c.Act.key(), code: code, layer: l, aim: aim,
		onAnswers: c.Act.action().on == kmsg.Fetch || c.Act.Rewind > 0,
		log:       cmp.Or(env.Log, slog.New(slog.DiscardHandler)),
	}
	f.touched.noun = c.Act.noun()
	return f, nil
}

// Fault acts on the requests of one API. It affects requests that arrive between Inject and Heal.
type Fault struct {
	request.Force
	act   Act
	name  string
	key   int16
	code  int16
	layer *layer
	aim   *faults.Aim
	log   *slog.Logger

	// onAnswers: the fault acts on answers that arrive while it is in force, whenever they were asked for.
	onAnswers bool
	touched   touched
	refused   atomic.Int64 // requests that it may not send again
	expelled  atomic.Int64 // requests by which members learned that they have to join anew
	rewound   rewound
}

// Inject implements faults.Fault. It is idempotent.
func (f *Fault) Inject(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.Begin(func() error {
		if err := f.aim.Take(ctx); err != nil {
			return err
		}
		f.rewound.begin()
		f.layer.faults.Add(f)
		if f.act.Rewind > 0 {
			f.layer.endGroups(f)
		}
		return nil
	})
}

// Heal implements faults.Fault. Delayed answers are sent. Connections with an answer that will never come are reset.
func (f *Fault) Heal(context.Context) error {
	f.End(func() { f.layer.faults.Remove(f) })
	return nil
}

// Bite implements faults.Fault. It counts the connections and bytes of requests or records that the fault acted on.
func (f *Fault) Bite() faults.Bite {
	b := f.Force.Bite()
	b.Peer = f.aim.Peer().Name
	b.Words = f.touched.words()
	if b.Bit && f.act.Duplicate > 0 {
		b.Words = plural(f.Matched(), "request") + " on " + plural(b.Connections, "connection")
	}
	if n := f.refused.Load(); !b.Bit && n > 0 {
		b.Unmeasured = fmt.Sprintf("%d requests came from idempotent or transactional producers, and brokers recognise what these send again", n)
	} else if n := f.expelled.Load(); !b.Bit && n > 0 {
		b.Unmeasured = fmt.Sprintf("%d requests of members were refused, so that they join anew, and none asked for offsets then: give the fault more time, longer than a heartbeat", n)
	} else if !b.Bit && f.act.action().on != apiOfTheAct && f.layer.raw.Load() {
		b.Unmeasured = "a connection was not plain Kafka: TLS hides what the fault would change"
	}
	return b
}

// Probe implements faults.Fault. It sends a request of the API through the layer to an echo of its own. While another fault
// is in force on the link, it only checks that this one is not.
func (f *Fault) Probe(ctx context.Context) error {
	others := f.layer.faults.All()
	if slices.Contains(others, f) {
		return fmt.Errorf("probe link %s: %s is still in force", f.layer.link, f.name)
	}
	if len(others) > 0 {
		return nil
	}
	if err := f.layer.echo(ctx, f.key, f.aim.Peer().Address); err != nil {
		return fmt.Errorf("probe link %s: %w", f.layer.link, err)
	}
	return nil
}
