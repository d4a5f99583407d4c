package reports

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Link is what the witness of a link between services saw. Each request belongs to the window and the second in which it arrived.
type Link struct {
	// Identity is where each request carries its identity, as the scenario writes it; empty: requests are not told apart.
	Identity string `json:"identity,omitempty"`
	// Methods are those whose requests are told apart; absent: all.
	Methods []string `json:"methods,omitempty"`
	// Unknown is the reason why counts above 0 mean "at least", and others are null: a connection could not be read. Absent: none.
	Unknown string `json:"unknown,omitempty"`
	// Tie is what tied the requests to operations: identity, trace, or both. Empty: nothing did.
	Tie     string                   `json:"tie,omitempty"`
	Total   LinkMeasures             `json:"total"`
	Windows map[string]*LinkMeasures `json:"windows"`
	Seconds []LinkSecond             `json:"seconds"`
}

// LinkMeasures count the requests on a link in a window. null: not measured, or not known.
type LinkMeasures struct {
	// Requests are those whose head arrived. RequestsCut are the ones whose body did not arrive whole. Answered are the ones whose
	// answer was complete before the caller gave it up.
	Requests    *int64 `json:"requests"`
	RequestsCut *int64 `json:"requests_cut"`
	Answered    *int64 `json:"answered"`
	// Statuses counts the answers by their status, and Kinds the requests by method and class of the path, or by the protocol's name.
	// What is beyond the most that are kept is "other".
	Statuses map[string]int64 `json:"statuses"`
	Kinds    map[string]int64 `json:"kinds"`
	// ArrivedTwice counts the identities that arrived at least twice, where they arrived for the second time. MaxArrivals are the
	// most arrivals of one identity. Unidentified requests carry no identity. All are null unless the scenario says where it stands.
	ArrivedTwice *int64 `json:"arrived_twice"`
	MaxArrivals  *int64 `json:"max_arrivals"`
	Unidentified *int64 `json:"unidentified"`
	// UnidentifiedKinds are the unidentified requests by kind. Absent: none.
	UnidentifiedKinds map[string]int64 `json:"unidentified_kinds,omitempty"`
	// Operations are those that all streams sent, and Amplification the requests on the link per operation.
	Operations    int64    `json:"operations"`
	Amplification *float64 `json:"amplification"`
	// Tied are requests that belong to an operation; null: nothing ties them.
	Tied *int64 `json:"tied"`
	// Calls are, by stream, the requests of each operation that was due in the window. Absent: nothing ties them.
	Calls map[string]*LinkCalls `json:"calls,omitempty"`
}

// LinkCalls are the requests on a link of each operation of a stream, over the operations that were sent, those without a request
// included. Where some requests on the link are not tied to any operation, they are lower bounds.
type LinkCalls struct {
	Operations int64    `json:"operations"`
	Requests   int64    `json:"requests"`
	Mean       *float64 `json:"mean"`
	P99        *float64 `json:"p99"`
	Max        *int64   `json:"max"`
}

// LinkSecond counts the requests that arrived in a second.
type LinkSecond struct {
	StartNS  int64 `json:"start_ns"`
	Requests int64 `json:"requests"`
	Answered int64 `json:"answered"`
}

// Tally writes counts by word, the most frequent first; empty without any.
func Tally(counts map[string]int64) string {
	words := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	for i, word := range words {
		words[i] = word + " " + Count(counts[word])
	}
	return strings.Join(words, ", ")
}

// LinkNames returns the names of the links with a witness, in order.
func (r *Run) LinkNames() []string { return slices.Sorted(maps.Keys(r.Links)) }

// linkCounts are the counts of which the windows add up to the total.
var linkCounts = []struct {
	name string
	of   func(*LinkMeasures) *int64
}{
	{"requests", func(m *LinkMeasures) *int64 { return m.Requests }}, {"requests_cut", func(m *LinkMeasures) *int64 { return m.RequestsCut }},
	{"answered", func(m *LinkMeasures) *int64 { return m.Answered }}, {"arrived_twice", func(m *LinkMeasures) *int64 { return m.ArrivedTwice }},
	{"unidentified", func(m *LinkMeasures) *int64 { return m.Unidentified }}, {"tied", func(m *LinkMeasures) *int64 { return m.Tied }},
	{"operations", func(m *LinkMeasures) *int64 { return &m.Operations }},
}

// links checks the counts of the links against each other.
func (c *audit) links() {
	for _, name := range c.run.LinkNames() {
		l := c.run.Links[name]
		c.link("link "+name+" total", &l.Total)
		for _, window := range sortedKeys(l.Windows) {
			c.link("link "+name+" in "+window, l.Windows[window])
		}
		for _, count := range linkCounts {
			total, sum := count.of(&l.Total), int64(0)
			for _, m := range l.Windows {
				if n := count.of(m); n != nil {
					sum += *n
				}
			}
			c.that(total == nil || *total == sum, "link %s: %s of the windows come to %d, the total is %d", name, count.name, sum, pointedAt(total))
		}
	}
}

func (c *audit) link(where string, m *LinkMeasures) {
	requests := pointedAt(m.Requests)
	for _, count := range linkCounts[:len(linkCounts)-1] {
		n := count.of(m)
		c.that(n == nil || *n >= 0 && *n <= requests, "%s: %s is %d of %d requests", where, count.name, pointedAt(n), requests)
	}
	sum := func(all map[string]int64) (n int64) {
		for _, one := range all {
			n += one
		}
		return n
	}
	c.that(sum(m.Kinds) == requests, "%s: the kinds come to %d of %d requests", where, sum(m.Kinds), requests)
	c.that(sum(m.UnidentifiedKinds) == 0 || sum(m.UnidentifiedKinds) == pointedAt(m.Unidentified), "%s: the unidentified kinds come to %d of %d", where, sum(m.UnidentifiedKinds), pointedAt(m.Unidentified))
	c.that(sum(m.Statuses) <= requests, "%s: the statuses come to %d of %d requests", where, sum(m.Statuses), requests)
	if m.Amplification != nil && m.Operations > 0 {
		c.that(near(*m.Amplification, float64(requests)/float64(m.Operations)), "%s: amplification %g is not %d / %d", where, *m.Amplification, requests, m.Operations)
	}
}

func pointedAt(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
