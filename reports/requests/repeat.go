package requests

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"wringer/drivers"
	"wringer/reports"
)

// repeat is the evidence of an identity that arrived more than once.
type repeat struct {
	id     string
	kind   string
	stream string // of the operation that it belongs to; empty: it is not known
	seq    uint64
	second time.Duration // its second arrival
	n      int64
	times  []arrivalTime
}

type arrivalTime struct {
	at   time.Duration
	conn uint64
}

// repeated keeps an identity that arrives for the second time; nil where the evidence is full.
func (a *Account) repeated(r *drivers.Request, id []byte, first *arrival, p *Pair, seq uint64) *repeat {
	if len(a.repeats) >= repeatBound {
		return nil
	}
	out := &repeat{id: string(id), kind: r.Kind, seq: seq, second: r.At, n: 1, times: []arrivalTime{{first.at, first.conn}}}
	if p != nil {
		out.stream = p.identity.Stream
	}
	a.repeats = append(a.repeats, out)
	return out
}

// add adds an arrival; it does nothing without evidence.
func (r *repeat) add(of *drivers.Request) {
	if r == nil {
		return
	}
	if r.n++; len(r.times) < timesBound {
		r.times = append(r.times, arrivalTime{of.At, of.Conn})
	}
}

// Violations is the evidence, in the order of the second arrivals. windowAt names the window of a time; empty: the warm-up, which
// is left out.
func (a *Account) Violations(windowAt func(time.Duration) string) (all []reports.Violation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sorted := slices.Clone(a.repeats)
	slices.SortStableFunc(sorted, func(x, y *repeat) int { return cmp.Or(cmp.Compare(x.second, y.second), cmp.Compare(x.id, y.id)) })
	for _, r := range sorted {
		window := windowAt(r.second)
		if window == "" {
			continue
		}
		var times []string
		for _, t := range r.times {
			times = append(times, fmt.Sprintf("at %s on connection %d", reports.Moment(int64(t.at)), t.conn))
		}
		v := reports.Violation{Kind: "arrived_twice", Link: a.config.Link, Stream: r.stream, Window: window, ID: printable(r.id), Seq: r.seq}
		v.Why = fmt.Sprintf("%s arrived %s times on %s: %s", r.kind, reports.Count(r.n), a.config.Link, strings.Join(times, ", "))
		for _, t := range r.times {
			v.Seen = append(v.Seen, reports.Sighting{AtNS: int64(t.at), Origin: "connection " + strconv.FormatUint(t.conn, 10)})
		}
		all = append(all, v)
	}
	return all
}

// printable is an identity as a text: bytes that are none are quoted.
func printable(id string) string {
	if utf8.ValidString(id) {
		return id
	}
	return strconv.Quote(id)
}
