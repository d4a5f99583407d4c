package scenarios

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"wringer/drivers"
)

// Consume is the `consume:` part of a stream that sends nothing. The stream reads records of others and compares them with an
// expectation.
type Consume struct {
	// SourceName is the key under which the file has Source: kafka.
	SourceName string               `yaml:"-"`
	Source     drivers.SourceConfig `yaml:"-"`

	Of     string   `yaml:"of" jsonschema_description:"The stream whose acked operations must show up, each under its {{id}}. Without of, the records are judged by themselves, and no loss can be found."`
	Expect []string `yaml:"expect" jsonschema:"enum=exactly once,enum=at least once,enum=at most once,enum=ordered per key" jsonschema_description:"The expectations; each adds gates. at least once: lost == 0, and needs of; at most once: log_duplicates == 0; exactly once: both; with a group of consumers also group_lost == 0 and redelivered == 0; ordered per key: order_violations == 0, and needs a sequence, or of a stream with keys."`

	at *node // the place of Source in the file
}

// The expectations.
const (
	ExactlyOnce   = "exactly once"
	AtLeastOnce   = "at least once"
	AtMostOnce    = "at most once"
	OrderedPerKey = "ordered per key"
)

// expected lists the counts that must be 0: those of the topic, and those of the group if one reads. A group that must read the
// whole topic needs no list of expected records.
func (c *Consume) expected(expectation string) []string {
	grouped := c.Describe().Grouped
	once := func(topic, group string, needed bool) []string {
		switch {
		case !grouped:
			return []string{topic}
		case needed:
			return []string{topic, group}
		}
		return []string{group}
	}
	atLeast, atMost := once("lost", "group_lost", c.Of != ""), once("log_duplicates", "redelivered", true)
	switch expectation {
	case ExactlyOnce:
		return append(atLeast, atMost...)
	case AtLeastOnce:
		return atLeast
	case AtMostOnce:
		return atMost
	case OrderedPerKey:
		return []string{"order_violations"}
	}
	return nil
}

// Plan describes the expectation in words.
func (c *Consume) Plan() string {
	text := strings.Join(c.Expect, ", ")
	if c.Of != "" {
		text = strings.TrimPrefix(text+" of "+c.Of, " ")
	}
	return cmp.Or(text, "nothing expected")
}

// Describe is the source's description.
func (c *Consume) Describe() drivers.SourceDescription { return DescribeSource(c.Source) }

// DescribeSource is a source's description; the zero value for nil.
func DescribeSource(source drivers.SourceConfig) drivers.SourceDescription {
	if source == nil {
		return drivers.SourceDescription{}
	}
	return source.Describe()
}

// Stream returns the stream of that name, nil when there is none.
func (s *Scenario) Stream(name string) *Stream {
	for i := range s.Traffic {
		if s.Traffic[i].Name == name {
			return &s.Traffic[i]
		}
	}
	return nil
}

// consume reads `consume: {kafka: {...}, of: orders, expect: exactly once}`.
func (r *reader) consume(n *node, s *Stream) {
	c := &Consume{}
	s.Consume = c
	elsewhere := open{}
	for name := range r.lang.Consume {
		elsewhere[name] = func(f field) { r.consumeFrom(f, c) }
	}
	r.table(n, "consume", reflect.ValueOf(c).Elem(), elsewhere)
	if n.kind == table && c.SourceName == "" {
		r.problem(n, "consume: names no place to read; give one of %s", strings.Join(sortedKeys(r.lang.Consume), ", "))
	}
}

func (r *reader) consumeFrom(f field, c *Consume) {
	if c.SourceName != "" {
		r.problem(f.key, "consume: has %s already; a stream reads from one place", c.SourceName)
		return
	}
	config := r.lang.Consume[f.key.text]()
	c.SourceName, c.at = f.key.text, f.value
	r.lateTexts(func() {
		if r.config(f.value, "consume."+f.key.text, config) {
			c.Source = config
		}
	})
}

// checkConsume: a stream that sends nothing has no load, and can be held only to the checks that its records allow. Every
// stream has been read.
func (r *reader) checkConsume(n *node, s *Stream, sc *Scenario) {
	for _, f := range n.fields {
		if f.key.text != "consume" {
			r.problem(f.key, "%s: %s does not work with consume, which sends nothing; remove one of the two", s.Name, f.key.text)
		}
	}
	setDefault(&s.Timeout, DefaultTimeout)
	at := n.get("consume")
	if of := at.get("of"); of != nil && !r.reportedAt(of) {
		r.checkOf(of, s, sc)
	}
	if expect := at.get("expect"); expect != nil && len(expect.items) == len(s.Consume.Expect) {
		r.expectations(expect, s, sc)
	}
}

// checkOf: the operations must be another stream's.
func (r *reader) checkOf(at *node, s *Stream, sc *Scenario) {
	var names []string
	for i := range sc.Traffic {
		if sc.Traffic[i].Consume == nil {
			names = append(names, sc.Traffic[i].Name)
		}
	}
	if !slices.Contains(names, s.Consume.Of) {
		r.problem(at, "of: there is no stream %s that sends anything; %s", quote(s.Consume.Of), choices(s.Consume.Of, names))
	}
}

// expectations turns the expectations into gates, each of which must be measurable.
func (r *reader) expectations(at *node, s *Stream, sc *Scenario) {
	if len(at.items) == 0 {
		r.problem(at, "expect: is empty; leave it out, or write [exactly once]")
	}
	for i, expected := range s.Consume.Expect {
		for _, name := range s.Consume.expected(expected) {
			m := r.catalogue.Lookup(name)
			if m == nil {
				r.problem(at.items[i], "expect: %s: the language has no metric %s", expected, name)
				break
			}
			if why := s.unmeasured(m, sc); why != "" {
				r.problem(at.items[i], "expect: %s: %s", expected, why)
				break
			}
			g := Gate{Expr: s.Name + "." + name + " == 0", Stream: s.Name, Metric: m, Comparison: "==", at: at.items[i].place}
			if !slices.ContainsFunc(sc.Expect, func(e Gate) bool { return e.Expr == g.Expr }) {
				sc.Expect = append(sc.Expect, g)
			}
		}
	}
}
