package requests

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/pages"
)

// Pair counts the requests on a link of each operation of one stream. It is a check of that stream.
type Pair struct {
	account  *Account // whose lock guards the fields
	identity drivers.Identity
	trace    drivers.TraceReader
	pages    pages.Directory[page]
	ended    uint64        // above every operation that ended
	byCell   map[int]Calls // by window; nil before Finish
}

// ahead is the largest believable distance beyond the highest operation that ended: a broken identity must not fill the memory.
const ahead = 1 << 22

// page holds what is known of the operations that it covers.
type page struct {
	counts *[pages.Size]uint16 // nil: no operation has a request
	sent   *pages.Bits
	n      int16 // bits in sent
	cells  pages.Cells
}

// Calls count operations by their number of requests.
type Calls map[int64]int64

// Pair adds a stream whose operations may cause requests on the link. It is called before the first request.
func (a *Account) Pair(id drivers.Identity) *Pair {
	p := &Pair{account: a, identity: id, trace: id.TraceReader()}
	a.pairs = append(a.pairs, p)
	return p
}

// Stream is the stream's name.
func (p *Pair) Stream() string { return p.identity.Stream }

// add counts a request of an operation. The caller holds the lock.
func (p *Pair) add(seq uint64) {
	if seq >= p.ended+ahead {
		if p.account.unknown == "" {
			p.account.unknown = fmt.Sprintf("a request belongs to operation %d of %s, far beyond what was sent", seq, p.identity.Stream)
		}
		return
	}
	at, i := p.pages.At(seq)
	if at.counts == nil {
		at.counts = new([pages.Size]uint16)
	}
	if at.counts[i] < math.MaxUint16 {
		at.counts[i]++
	}
}

// Ended implements reports.FollowsEnds. An operation that was dropped was not sent, and causes nothing. What one of which
// a part was sent should cause is not known.
func (p *Pair) Ended(batch []reports.Ended) {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	for i := range batch {
		e := &batch[i]
		p.ended = max(p.ended, e.Op.Seq+1)
		if e.Outcome == drivers.Unknown || e.Partly {
			continue
		}
		at, n := p.pages.At(e.Op.Seq)
		at.cells.Set(n, int16(e.Window+1))
		pages.Mark(&at.sent, n, &at.n)
	}
}

// Finish implements reports.Check.
func (p *Pair) Finish(reports.Completeness) reports.Findings {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	p.byCell = make(map[int]Calls)
	p.pages.Select(func(at *page, word int) uint64 { return at.sent.Word(word) }, func(at *page, seq uint64) {
		i := uint(seq % pages.Size)
		window, n := int(at.cells.At(i))-1, int64(0)
		if at.counts != nil {
			n = int64(at.counts[i])
		}
		if p.byCell[window] == nil {
			p.byCell[window] = make(Calls)
		}
		p.byCell[window][n]++
	})
	return reports.Findings{}
}

// Over counts the operations that were due in some windows of the stream. It is known after Finish.
func (p *Pair) Over(windows []int) Calls {
	out := make(Calls)
	for _, w := range windows {
		out.Add(p.byCell[w])
	}
	return out
}

// Add adds all of o.
func (c Calls) Add(o Calls) {
	for n, operations := range o {
		c[n] += operations
	}
}

// Less leaves out n operations: those with the most calls, or those with the fewest.
func (c Calls) Less(n int64, most bool) Calls {
	if c == nil {
		return nil
	}
	out, order := maps.Clone(c), slices.Sorted(maps.Keys(c))
	if most {
		slices.Reverse(order)
	}
	for _, calls := range order {
		gone := min(n, out[calls])
		n -= gone
		if out[calls] -= gone; out[calls] == 0 {
			delete(out, calls)
		}
	}
	return out
}

// Measures sums the calls up for the record.
func (c Calls) Measures() *reports.LinkCalls {
	out := &reports.LinkCalls{}
	for n, operations := range c {
		out.Operations += operations
		out.Requests += n * operations
	}
	if out.Operations == 0 {
		return out
	}
	mean := float64(out.Requests) / float64(out.Operations)
	p99 := float64(c.quantile(0.99))
	most := c.quantile(1)
	out.Mean, out.P99, out.Max = &mean, &p99, &most
	return out
}

// quantile is the nearest rank.
func (c Calls) quantile(q float64) int64 {
	var sum, below int64
	for _, operations := range c {
		sum += operations
	}
	rank := max(int64(math.Ceil(q*float64(sum))), 1)
	sorted := slices.Sorted(maps.Keys(c))
	for _, n := range sorted {
		if below += c[n]; below >= rank {
			return n
		}
	}
	return 0
}
