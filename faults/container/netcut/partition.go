package netcut

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/container/force"
	"wringer/faults/container/packets"
)

// Partition is the fault `partition: {from: a, to: b}`: packets from some containers to others are dropped.
type Partition struct {
	Partition Between `yaml:"partition" jsonschema:"required" jsonschema_description:"Packets between containers of the target are dropped, those of existing connections too. (On a link, partition is a key of link.)"`
}

// Between names the two sides.
type Between struct {
	From Names `yaml:"from" jsonschema_description:"The container whose packets are dropped, or several."`
	To   Names `yaml:"to" jsonschema_description:"The container that does not get them, or several; others: all other containers."`
	Both bool  `yaml:"both" jsonschema_description:"Packets the other way are dropped too. Default false."`
}

// UnmarshalText refuses the way of a link's partition without its link.
func (*Between) UnmarshalText(text []byte) error {
	return fmt.Errorf("%q is for a link: name it in link; between containers write {from: NAME, to: NAME}", text)
}

// Names are one container, or several.
type Names []string

// UnmarshalText reads the name of one.
func (n *Names) UnmarshalText(text []byte) error {
	*n = Names{string(text)}
	return nil
}

// others stands for all containers but those of the other side.
const others = "others"

// Check implements faults.Config.
func (c *Partition) Check(problem func(field, message string)) {
	b := &c.Partition
	switch {
	case len(b.From) == 0:
		problem("partition", "names nothing in from: write {from: NAME, to: NAME}")
	case len(b.To) == 0:
		problem("partition", "names nothing in to: write {from: NAME, to: NAME}, or to: others")
	case slices.Contains(b.From, others):
		problem("partition", "from cannot be others: turn the two round")
	case slices.Contains(b.To, others) && len(b.To) > 1:
		problem("partition", "to holds others beside names: write others alone")
	}
	for _, name := range b.From {
		if slices.Contains(b.To, name) {
			problem("partition", fmt.Sprintf("%s stands on both sides", name))
		}
	}
	for _, side := range []Names{b.From, b.To} {
		for i, name := range side {
			if slices.Contains(side[:i], name) {
				problem("partition", fmt.Sprintf("%s stands twice on one side", name))
			}
		}
	}
}

// Kind implements faults.Config.
func (*Partition) Kind() string { return "partition" }

// On implements faults.Config.
func (c *Partition) On() faults.Place {
	if len(c.Partition.From) == 0 {
		return faults.Place{}
	}
	return faults.Place{Part: c.Partition.From[0]}
}

// Reaches implements faults.Reaching.
func (c *Partition) Reaches() []string {
	all := slices.Clone([]string(c.Partition.From))
	if !slices.Contains(c.Partition.To, others) {
		all = append(all, c.Partition.To...)
	}
	return all
}

// Describe implements faults.Config.
func (c *Partition) Describe() faults.Description {
	to := "to"
	if c.Partition.Both {
		to = "and"
	}
	return faults.Description{Words: fmt.Sprintf("packets from %s %s %s are dropped", strings.Join(c.Partition.From, ", "), to, strings.Join(c.Partition.To, ", "))}
}

// Open implements faults.Config. It fails where packets cannot be dropped.
func (c *Partition) Open(env faults.Env) (faults.Fault, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openBound)
	defer cancel()
	to := c.Partition.To
	if slices.Contains(to, others) {
		to = slices.DeleteFunc(slices.Clone(env.Parts), func(name string) bool { return slices.Contains(c.Partition.From, name) })
	}
	if len(to) == 0 {
		return nil, errors.New("partition: there are no other containers")
	}
	p := &partition{table: tablePrefix + env.Name, words: c.Describe().Words, members: make(map[string]*member)}
	for _, name := range slices.Concat(c.Partition.From, to) {
		m, err := newMember(ctx, env, name)
		if err != nil {
			return nil, err
		}
		p.members[name] = m
	}
	for _, from := range c.Partition.From {
		for _, to := range to {
			p.drop(from, to, true)
			if c.Partition.Both {
				p.drop(to, from, false)
			}
		}
	}
	return force.New(p.words, PartitionUndoKind, env.Journal, p), nil
}

// openBound bounds the look at the containers before the run, and the start of sidecars.
const openBound = 2 * time.Minute

// tablePrefix begins the names of the tables.
const tablePrefix = "wringer-"

// newMember finds a container in whose network namespace packets can be dropped.
func newMember(ctx context.Context, env faults.Env, name string) (*member, error) {
	part, err := env.Part(name)
	if err != nil {
		return nil, err
	}
	c, ok := part.(*container.Container)
	if !ok {
		return nil, faults.ErrUnsupported{Part: name, Verb: "a partition of packets: it is no container; break a link"}
	}
	life, err := c.Life(ctx)
	if err == nil {
		err = life.Do(ctx, packets.CallReachable, packets.Table{}, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("partition: packets of container %s cannot be dropped here: %w; put a link between the two and break that", name, err)
	}
	return &member{container: c}, nil
}

// pair is one direction between two containers.
type pair struct {
	from    string
	to      string
	forth   bool // from `from` to `to`, as the fault names them
	packets uint64
	bytes   uint64
}

// drop plans the drop of the packets of one direction.
func (p *partition) drop(from, to string, forth bool) {
	p.pairs = append(p.pairs, &pair{from: from, to: to, forth: forth})
}

// counted says how many packets were dropped, by direction.
func (p *partition) counted() (packets, bytes uint64, words string) {
	var forth, back uint64
	both := false
	var from, to []string
	for _, d := range p.pairs {
		packets, bytes = packets+d.packets, bytes+d.bytes
		if !d.forth {
			back, both = back+d.packets, true
			continue
		}
		forth += d.packets
		from, to = append(from, d.from), append(to, d.to)
	}
	side := func(names []string) string {
		slices.Sort(names)
		return strings.Join(slices.Compact(names), ", ")
	}
	words = fmt.Sprintf("%s from %s to %s", plural(forth), side(from), side(to))
	if both {
		words += fmt.Sprintf(", %d back", back)
	}
	return packets, bytes, words
}

func plural(n uint64) string {
	if n == 1 {
		return "1 packet"
	}
	return fmt.Sprintf("%d packets", n)
}

// byReceiver lists the pairs of each container that gets the packets, in order.
func (p *partition) byReceiver() map[string][]*pair {
	all := make(map[string][]*pair)
	for _, d := range p.pairs {
		all[d.to] = append(all[d.to], d)
	}
	for _, pairs := range all {
		slices.SortFunc(pairs, func(a, b *pair) int { return cmp.Compare(a.from, b.from) })
	}
	return all
}
