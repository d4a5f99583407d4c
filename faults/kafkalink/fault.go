package kafkalink

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults"
	"wringer/faults/request"
)

// FaultConfig is a fault on the requests of one API.
type FaultConfig struct {
	Link string `yaml:"link" jsonschema:"required" jsonschema_description:"The link: of a Kafka stream, or a Kafka link of links; behind a slash one broker, broker-2 or leader(TOPIC,PARTITION)."`
	Act  Act    `yaml:"kafka" jsonschema:"required" jsonschema_description:"What goes wrong with the requests of one API."`
}

// Act is what goes wrong. Exactly one of Drop, Error and Delay is set.
type Act struct {
	API   string        `yaml:"api" jsonschema:"required" jsonschema_description:"The API: produce, fetch, metadata, find_coordinator, offset_commit, ..."`
	Drop  string        `yaml:"drop" jsonschema:"enum=answers,enum=requests" jsonschema_description:"answers: the broker acts, and what it says is lost. requests: it never gets them. The connection is silent from then on, and reset at healing."`
	Error string        `yaml:"error" jsonschema_description:"Answered in the broker's place, which gets nothing: NOT_LEADER_OR_FOLLOWER or another error of the protocol. For produce."`
	Delay time.Duration `yaml:"delay" jsonschema_description:"The answers come this much later."`
	First int           `yaml:"first" jsonschema_description:"Only the first so many requests. Default: all."`
	Share faults.Share  `yaml:"share" jsonschema_description:"Only this share of the requests, drawn from the seed. Default: all."`
}

const (
	dropAnswers  = "answers"
	dropRequests = "requests"
)

// Check implements faults.Config.
func (c *FaultConfig) Check(problem func(field, message string)) {
	a := &c.Act
	key, ok := keyOf(a.API)
	if !ok {
		problem("kafka.api", fmt.Sprintf("%q is not a Kafka API: write produce, fetch, metadata, find_coordinator or another by its name in the protocol", a.API))
	}
	ways := 0
	for _, set := range []bool{a.Drop != "", a.Error != "", a.Delay != 0} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		problem("kafka", "does one thing: give one of drop, error and delay")
	}
	if a.Error != "" {
		if _, known := codeOf(a.Error); !known {
			problem("kafka.error", fmt.Sprintf("%q is not a Kafka error: write NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS or another by its name in the protocol", a.Error))
		}
		if ok && kmsg.Key(key) != kmsg.Produce {
			problem("kafka.error", "is answered to produce alone: use drop or delay for another API")
		}
	}
	switch {
	case a.Delay < 0:
		problem("kafka.delay", "is negative")
	case a.First < 0:
		problem("kafka.first", "is negative")
	case a.First > 0 && a.Share > 0:
		problem("kafka.first", "stands beside share: give one of the two")
	}
}

// keyOf returns the key of an API by its name: find_coordinator is FindCoordinator.
func keyOf(name string) (int16, bool) {
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "")
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		if strings.ToLower(kmsg.NameForKey(key)) == plain && kmsg.RequestForKey(key) != nil {
			return key, true
		}
	}
	return 0, false
}

// maxCode is above every error code of the protocol.
const maxCode = 512

func codeOf(name string) (int16, bool) {
	if name == "NOT_LEADER_OR_FOLLOWER" { // the name since Kafka 2.6; the library has the older one
		return kerr.NotLeaderForPartition.Code, true
	}
	for code := int16(1); code < maxCode; code++ {
		if e := kerr.TypedErrorForCode(code); e != nil && e.Code == code && e.Message == name {
			return code, true
		}
	}
	return 0, false
}

// Kind implements faults.Config.
func (c *FaultConfig) Kind() string {
	switch {
	case c.Act.Drop != "":
		return "kafka-drop"
	case c.Act.Error != "":
		return "kafka-error"
	}
	return "kafka-delay"
}

// On implements faults.Config.
func (c *FaultConfig) On() faults.Place { return faults.Place{Link: c.Link} }

// Describe implements faults.Config.
func (c *FaultConfig) Describe() faults.Description { return faults.Description{Words: c.words()} }

// words describes the fault: "produce: drop answers, 30% of them".
func (c *FaultConfig) words() string {
	a := &c.Act
	what := strings.ToLower(a.API) + ": "
	switch {
	case a.Drop != "":
		what += "drop " + a.Drop
	case a.Error != "":
		what += "answer " + a.Error
	default:
		what += fmt.Sprint("delay answers by ", a.Delay)
	}
	if a.First > 0 {
		what += fmt.Sprintf(", of the first %d", a.First)
	}
	if a.Share > 0 {
		what += fmt.Sprintf(", of %v", a.Share)
	}
	return what
}

// Prepare implements faults.NeedsLayer.
func (c *FaultConfig) Prepare(link faults.Link) error {
	_, err := layerOn(link)
	return err
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
	key, _ := keyOf(c.Act.API)
	code, _ := codeOf(c.Act.Error)
	return &Fault{
		Force: request.Force{First: c.Act.First, Share: c.Act.Share, Seed: env.Seed},
		act:   c.Act, name: c.words(), key: key, code: code, layer: l, aim: aim,
	}, nil
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
		f.layer.faults.Add(f)
		return nil
	})
}

// Heal implements faults.Fault. Delayed answers are sent. Connections with an answer that will never come are reset.
func (f *Fault) Heal(context.Context) error {
	f.End(func() { f.layer.faults.Remove(f) })
	return nil
}

// Bite implements faults.Fault. It counts the connections and bytes of requests that the fault acted on.
func (f *Fault) Bite() faults.Bite {
	b := f.Force.Bite()
	b.Peer = f.aim.Peer().Name
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
