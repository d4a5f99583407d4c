// Package requests keeps the account of the requests that a witness saw on a link between services: how many arrived, which arrived
// again, and how many each operation caused. It counts by the interval in which a request arrived. Its memory is bounded.
package requests

import (
	"hash/maphash"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// Config describes one link in one run.
type Config struct {
	Link string
	// Identity is where each request carries its identity, as the scenario writes it; empty: nowhere.
	Identity string
	// Methods are those whose requests carry an identity, as drivers.Request.Kind has them: POST, POST /orders, /shop.Stock/Reserve.
	// Requests of others are not told apart. Empty: all requests.
	Methods []string
	// Clock is the run's clock.
	Clock func() time.Duration
	// Duration is the length of the measured part. Cuts are times within it, at which a window of some stream begins or ends.
	Duration time.Duration
	Cuts     []time.Duration
}

// The bounds of the memory.
const (
	// identityBound is the number of identities that are remembered. Those beyond it are not told apart.
	identityBound = 1 << 20
	// repeatBound is the number of identities in the evidence, and timesBound the arrivals of each.
	repeatBound = 1 << 12
	timesBound  = 16
	// wordsBound is the number of different statuses, and of kinds, of an interval.
	wordsBound = 32
)

// Other is what a status or a kind is called that has no room of its own.
const Other = "other"

// Account takes what the witness of one link sees. It implements drivers.Requests. Its methods are safe for concurrent use, and do
// not block beyond a short lock.
type Account struct {
	config Config
	seeds  [2]maphash.Seed

	mu      sync.Mutex
	cells   []cell // the first is the warm-up's, the last the drain's
	cuts    []time.Duration
	seconds []reports.LinkSecond
	seen    map[[2]uint64]arrival
	repeats []*repeat
	pairs   []*Pair
	came    int64 // requests in all, and those that are over
	over    int64
	blind   int64
	unknown string
	full    bool // an identity had no room
	ties    [2]int64
	force   map[int]*inForce
}

// cell counts the requests of one interval.
type cell struct {
	requests, cut, answered, twice, tied, most int64
	statuses, kinds                            map[string]int64
	without                                    map[string]int64 // requests that carry no identity and should, by kind
}

// arrival is what is remembered of an identity.
type arrival struct {
	at     time.Duration // the first
	conn   uint64
	n      int64
	repeat *repeat // nil: it came once, or the evidence is full
}

// inForce counts the requests that met a fault.
type inForce struct {
	before, from int64 // requests that awaited their answer at its begin, and all that had come by then
	met          int64
	over         bool
}

// New opens the account of a link.
func New(c Config) *Account {
	cuts := append([]time.Duration{0, c.Duration}, c.Cuts...)
	cuts = slices.DeleteFunc(cuts, func(t time.Duration) bool { return t < 0 || t > c.Duration })
	slices.Sort(cuts)
	a := &Account{
		config: c, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, cuts: slices.Compact(cuts),
		seconds: make([]reports.LinkSecond, (c.Duration+time.Second-1)/time.Second), seen: make(map[[2]uint64]arrival), force: make(map[int]*inForce),
	}
	for i := range a.seconds {
		a.seconds[i].StartNS = int64(i) * int64(time.Second)
	}
	a.cells = make([]cell, len(a.cuts)+1)
	return a
}

// cell is the one of a time.
func (a *Account) cell(at time.Duration) *cell {
	return &a.cells[sort.Search(len(a.cuts), func(i int) bool { return a.cuts[i] > at })]
}

// second is the row of a time; nil outside the measured part.
func (a *Account) second(at time.Duration) *reports.LinkSecond {
	if i := int(at / time.Second); at >= 0 && i < len(a.seconds) {
		return &a.seconds[i]
	}
	return nil
}

// Arrived implements drivers.Requests.
func (a *Account) Arrived(r *drivers.Request) {
	r.At, r.To = a.config.Clock(), a
	a.mu.Lock()
	defer a.mu.Unlock()
	a.came++
	c := a.cell(r.At)
	c.requests++
	count(&c.kinds, r.Kind, 1)
	if !r.Plain && a.identifies(r.Kind) {
		count(&c.without, r.Kind, 1) // until its identity is known
	}
	if s := a.second(r.At); s != nil {
		s.Requests++
	}
}

// identifies says whether requests of a kind are told apart.
func (a *Account) identifies(kind string) bool {
	if a.config.Identity == "" || len(a.config.Methods) == 0 {
		return a.config.Identity != ""
	}
	return slices.ContainsFunc(a.config.Methods, func(m string) bool { return kind == m || strings.HasPrefix(kind, m+" ") })
}

// count counts n more of a word, within the bound.
func count(words *map[string]int64, word string, n int64) {
	if *words == nil {
		*words = make(map[string]int64)
	}
	if _, known := (*words)[word]; !known && len(*words) >= wordsBound {
		word = Other
	}
	if (*words)[word] += n; (*words)[word] == 0 {
		delete(*words, word)
	}
}

// Identified implements drivers.Requests.
func (a *Account) Identified(r *drivers.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.cell(r.At)
	tied := !r.Partly
	each := func(id []byte) {
		p, seq := a.tie(id, r.Trace)
		if tied = tied && p != nil; p != nil {
			p.add(seq)
		}
		if len(id) > 0 && !r.Plain && a.identifies(r.Kind) {
			a.arrive(c, r, id, p, seq)
		}
	}
	each(r.ID)
	for _, id := range r.More {
		each(id)
	}
	if tied {
		c.tied++
	}
	if len(r.ID) > 0 && !r.Partly && !r.Plain && a.identifies(r.Kind) {
		c.found(r.Kind)
	}
}

// arrive counts an arrival of an identity. p, if not nil, is the stream of its operation.
func (a *Account) arrive(c *cell, r *drivers.Request, id []byte, p *Pair, seq uint64) {
	key := [2]uint64{maphash.Bytes(a.seeds[0], id), maphash.Bytes(a.seeds[1], id)}
	if r.Delivery {
		key[0] = ^key[0] // not the identity of a request
	}
	before, known := a.seen[key]
	if !known && len(a.seen) >= identityBound {
		a.full = true
		return
	}
	now := arrival{at: before.at, conn: before.conn, n: before.n + 1, repeat: before.repeat}
	if !known {
		now.at, now.conn = r.At, r.Conn
	}
	c.most = max(c.most, now.n)
	if now.n == 2 {
		c.twice++
		now.repeat = a.repeated(r, id, &before, p, seq)
	}
	now.repeat.add(r)
	a.seen[key] = now
}

// found notes that a request carries its identity.
func (c *cell) found(kind string) {
	if c.without[kind] == 0 {
		kind = Other // its kind had no room when it arrived
	}
	if c.without[kind] == 0 {
		return // it arrived before the end, and is identified after it
	}
	count(&c.without, kind, -1)
}

// tie finds the operation that a request with an identity and a trace belongs to; nil without one.
func (a *Account) tie(id []byte, trace drivers.TraceID) (*Pair, uint64) {
	for _, p := range a.pairs {
		if seq, b := p.identity.Parse(id); b == drivers.Ours {
			a.ties[0]++
			return p, seq
		}
		if seq, ours := p.trace.Parse(trace); ours {
			a.ties[1]++
			return p, seq
		}
	}
	return nil, 0
}

// Over implements drivers.Requests.
func (a *Account) Over(r *drivers.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over++
	c := a.cell(r.At)
	if !r.Whole {
		c.cut++
	}
	if !r.Answered {
		return
	}
	c.answered++
	if r.Status != "" {
		count(&c.statuses, r.Status, 1)
	}
	if s := a.second(r.At); s != nil {
		s.Answered++
	}
}

// Blind implements drivers.Requests.
func (a *Account) Blind(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blind++
	if a.unknown == "" {
		a.unknown = "the witness could not read a connection: " + why
	}
}

// Inject and Heal tell that a fault on the link comes into force, and that it ends. fault is its number in the plan.
func (a *Account) Inject(fault int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.force[fault] = &inForce{before: a.came - a.over, from: a.came}
}

// Heal ends what Inject began.
func (a *Account) Heal(fault int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.force[fault]; f != nil && !f.over {
		f.over, f.met = true, f.before+a.came-f.from
	}
}

// Met is the number of requests that awaited their answer while a fault was in force, or arrived then; false when it was never.
// atLeast says that some were not seen.
func (a *Account) Met(fault int) (n int64, atLeast, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.force[fault]
	if f == nil || !f.over {
		return 0, false, false
	}
	return f.met, a.unknown != "", true
}
