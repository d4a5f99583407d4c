package kafkalink

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults"
)

// Act is what goes wrong: exactly one action.
type Act struct {
	API   string        `yaml:"api" jsonschema_description:"With drop, error and delay, the API: produce, fetch, metadata, find_coordinator, offset_commit, ..."`
	Drop  string        `yaml:"drop" jsonschema:"enum=answers,enum=requests" jsonschema_description:"answers: the broker acts, and what it says is lost. requests: it never gets them. The connection is silent from then on, and reset at healing."`
	Error string        `yaml:"error" jsonschema_description:"Answered in the broker's place, which gets nothing: NOT_LEADER_OR_FOLLOWER or another error of the protocol. For produce."`
	Delay time.Duration `yaml:"delay" worse:"more" jsonschema_description:"The answers come this much later."`

	Duplicate faults.Share `yaml:"duplicate" worse:"more" jsonschema_description:"This share of the Produce requests, 1%, is sent to the broker again as a whole, and the client gets the first answer. Not for idempotent and transactional producers: brokers recognise what these send again."`
	Corrupt   faults.Share `yaml:"corrupt" worse:"more" jsonschema_description:"Bytes of this share of the values that consumers get are changed, but not their length."`
	Tombstone faults.Share `yaml:"tombstone" worse:"more" jsonschema_description:"This share of the values that consumers get is null."`
	Truncate  *int         `yaml:"truncate" worse:"less" jsonschema_description:"Values that consumers get end after so many bytes. share says how many of the values."`
	SchemaID  int32        `yaml:"schema_id" jsonschema_description:"Values that a Schema Registry's serializer framed name this schema instead. share says how many of the values."`
	Hold      bool         `yaml:"hold" jsonschema_description:"Consumers get no records of the partition; other partitions flow."`
	Rewind    int64        `yaml:"rewind" worse:"more" jsonschema_description:"Each member of a group has to join anew. The offsets that it asks for then are so many records older, once for each partition."`

	Topic     string `yaml:"topic" jsonschema_description:"With corrupt, tombstone, truncate, schema_id and hold: values of this topic alone."`
	Partition *int32 `yaml:"partition" jsonschema_description:"With topic: this partition alone."`
	Group     string `yaml:"group" jsonschema_description:"With rewind: this group alone."`

	First int          `yaml:"first" worse:"more" jsonschema_description:"Only the first so many requests. Default: all."`
	Share faults.Share `yaml:"share" worse:"more" jsonschema_description:"Only this share of the requests, drawn from the seed; of values by topic, partition and offset. Default: all."`
}

const (
	dropAnswers  = "answers"
	dropRequests = "requests"
)

// action is one thing that an Act can do.
type action struct {
	field, words string
	on           kmsg.Key // the API whose requests it acts on; -1: that of Act.API
	values       bool     // it changes values
}

const apiOfTheAct = kmsg.Key(-1)

// actions are the actions that are set.
func (a *Act) actions() (all []action) {
	add := func(set bool, field, words string, on kmsg.Key, values bool) {
		if set {
			all = append(all, action{field, words, on, values})
		}
	}
	add(a.Drop != "", "drop", "drop "+a.Drop, apiOfTheAct, false)
	add(a.Error != "", "error", "answer "+a.Error, apiOfTheAct, false)
	add(a.Delay != 0, "delay", fmt.Sprint("delay answers by ", a.Delay), apiOfTheAct, false)
	add(a.Duplicate > 0, "duplicate", "send "+a.Duplicate.String()+" of the requests again", kmsg.Produce, false)
	add(a.Corrupt > 0, "corrupt", "corrupt "+a.Corrupt.String()+" of the values", kmsg.Fetch, true)
	add(a.Tombstone > 0, "tombstone", "null in place of "+a.Tombstone.String()+" of the values", kmsg.Fetch, true)
	if a.Truncate != nil {
		add(true, "truncate", fmt.Sprintf("truncate values after %d bytes", *a.Truncate), kmsg.Fetch, true)
	}
	add(a.SchemaID != 0, "schema_id", fmt.Sprintf("schema %d in the values", a.SchemaID), kmsg.Fetch, true)
	add(a.Hold, "hold", "hold records", kmsg.Fetch, false)
	add(a.Rewind != 0, "rewind", fmt.Sprintf("offsets %d older", a.Rewind), kmsg.OffsetFetch, false)
	return all
}

// action is the one action of a checked Act.
func (a *Act) action() action { return a.actions()[0] }

// key is the API whose requests a checked Act acts on.
func (a *Act) key() int16 {
	if on := a.action().on; on != apiOfTheAct {
		return int16(on)
	}
	key, _ := keyOf(a.API)
	return key
}

// share is the share of what the act meets.
func (a *Act) share() faults.Share { return max(a.Duplicate, a.Corrupt, a.Tombstone, a.Share) }

// Check implements faults.Config.
func (c *FaultConfig) Check(problem func(field, message string)) {
	a := &c.Act
	all := a.actions()
	if len(all) != 1 {
		problem("kafka", "does one thing: give one of drop, error, delay, duplicate, corrupt, tombstone, truncate, schema_id, hold and rewind")
		return
	}
	one := all[0]
	a.checkAPI(one, problem)
	for field, negative := range map[string]bool{
		"delay": a.Delay < 0, "first": a.First < 0, "truncate": a.Truncate != nil && *a.Truncate < 0, "schema_id": a.SchemaID < 0,
		"rewind": a.Rewind < 0, "partition": a.Partition != nil && *a.Partition < 0,
	} {
		if negative {
			problem("kafka."+field, "is negative")
		}
	}
	a.checkWhich(one, problem)
}

// checkAPI checks the API and the error.
func (a *Act) checkAPI(one action, problem func(field, message string)) {
	key, ok := keyOf(a.API)
	switch {
	case one.on != apiOfTheAct && a.API != "":
		problem("kafka.api", "goes with drop, error and delay; "+one.field+" has its own: remove it")
	case one.on == apiOfTheAct && !ok:
		problem("kafka.api", fmt.Sprintf("%q is not a Kafka API: write produce, fetch, metadata, find_coordinator or another by its name in the protocol", a.API))
	}
	if a.Error == "" {
		return
	}
	if _, known := codeOf(a.Error); !known {
		problem("kafka.error", fmt.Sprintf("%q is not a Kafka error: write NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS or another by its name in the protocol", a.Error))
	}
	if ok && kmsg.Key(key) != kmsg.Produce {
		problem("kafka.error", "is answered to produce alone: use drop or delay for another API")
	}
}

// checkWhich checks what selects the requests or values.
func (a *Act) checkWhich(one action, problem func(field, message string)) {
	onRequests := one.on == apiOfTheAct
	switch {
	case a.First > 0 && !onRequests:
		problem("kafka.first", "goes with drop, error and delay alone")
	case a.First > 0 && a.Share > 0:
		problem("kafka.first", "stands beside share: give one of the two")
	case a.Share > 0 && !onRequests && one.field != "truncate" && one.field != "schema_id":
		problem("kafka.share", "does not go with "+one.field)
	}
	onRecords := one.on == kmsg.Fetch
	switch {
	case a.Topic != "" && !onRecords:
		problem("kafka.topic", "goes with corrupt, tombstone, truncate, schema_id and hold")
	case a.Hold && (a.Topic == "" || a.Partition == nil):
		problem("kafka.hold", "holds one partition: give topic and partition")
	case a.Partition != nil && a.Topic == "":
		problem("kafka.partition", "is of a topic: give topic too")
	}
	if a.Group != "" && one.field != "rewind" {
		problem("kafka.group", "goes with rewind")
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
	if all := c.Act.actions(); len(all) > 0 {
		return protocol + "-" + strings.ReplaceAll(all[0].field, "_", "-")
	}
	return protocol
}

// words describes the fault: "produce: drop answers, of 30%".
func (c *FaultConfig) words() string {
	a := &c.Act
	var parts []string
	for _, one := range a.actions() {
		on := strings.ToLower(a.API)
		if one.on != apiOfTheAct {
			on = snake(kmsg.NameForKey(int16(one.on)))
		}
		parts = append(parts, on+": "+one.words)
	}
	if a.First > 0 {
		parts = append(parts, fmt.Sprintf("of the first %d", a.First))
	}
	if a.Share > 0 {
		parts = append(parts, "of "+a.Share.String())
	}
	if a.Topic != "" {
		where := "topic " + a.Topic
		if a.Partition != nil {
			where += fmt.Sprint(" partition ", *a.Partition)
		}
		parts = append(parts, where)
	}
	if a.Group != "" {
		parts = append(parts, "group "+a.Group)
	}
	return strings.Join(parts, ", ")
}

// snake writes OffsetFetch as offset_fetch.
func snake(name string) string {
	var out strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			out.WriteByte('_')
		}
		out.WriteRune(r)
	}
	return strings.ToLower(out.String())
}
