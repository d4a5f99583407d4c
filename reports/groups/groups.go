// Package groups keeps the account of a group of consumers: which records of a topic its members processed, repeated or lost.
package groups

import (
	"fmt"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/integrity"
)

// Config describes a group of consumers.
type Config struct {
	// Stream is the name in the evidence.
	Stream string
	// Windows are the names of the windows, as in reports.CheckConfig; WindowAt is the index of the one that holds a time, or WindowWarmup.
	Windows  []string
	WindowAt func(t time.Duration) int
	// EvidencePerKind bounds the evidence of one kind in one window. 0: 100.
	EvidencePerKind int
}

// Account is the account of a group of consumers. It compares the records in the topic, as a separate reader found them, with
// the records that the members processed.
//
//   - records: the records that the reader found. processed: the records of these that some member processed.
//   - group_lost: a record that no member processed, and that none will: the group has committed a higher offset.
//   - unprocessed: a record that the group had not reached when observation was over. Such a record is neither lost nor safe:
//     it turns group_lost and redelivered into lower bounds.
//   - redelivered: a record, by its partition and offset, that was processed before. redelivered_records counts the records.
//     One message at two offsets is two records, and a log duplicate if its identity is one.
//   - rebalances: the increase of the generation, in which the group shares out its source.
//   - first_message: the wait from the moment at which the first member knew that its generation was over. The wait ends with
//     the first record processed after it: in the next generation, or in a later one if the next ended without a record. If no
//     member knew, because all were gone, the wait begins with the next generation itself. A rebalance after which nothing was
//     left to process has no wait.
//
// Records, processed and lost ones belong to the window in which the reader found the record. Events of the members belong to
// the window in which they happened. Events of the warm-up count nowhere, nor do events after the members were told to leave.
//
// A record takes two bits, and a third where records of its page were processed again. The methods are safe for concurrent use.
type Account struct {
	mu       sync.Mutex
	config   Config
	cells    []cell               // cells of the warm-up, then of each window
	found    *integrity.Positions // by the reader
	taken    *integrity.Positions // by some member
	again    *integrity.Positions // records that some member processed again
	parts    map[int32]*part
	evidence map[evidenceOf][]reports.Violation
	strikes  []reports.Strike
	closing  bool
	end      End
	unknown  string // the reason why positions are not fully known

	// generation is the latest. lostAt is the time at which its first member knew that it was over, if known. Rebalances from
	// waiting on have not been followed by a record yet.
	generation int32
	lostAt     *time.Duration
	waiting    int
	rebalances []rebalance

	lag, peak int64
	peakAge   time.Duration
}

// cell counts the events of one window.
type cell struct {
	records, lost, unprocessed, redelivered, redeliveredRecords, rebalances int64
	struck                                                                  [drivers.Died + 1]int64
}

// part is a partition: the cells of its records, and the progress of the reader and of the members. It keeps the times at which
// the records ahead of the members were found.
type part struct {
	borders   []border
	end, done int64 // the next offset
	marks     []findMark
}

// border marks the offset from which records belong to a cell.
type border struct {
	offset int64
	cell   int16
}

// findMark is the time at which the records from an offset on were found.
type findMark struct {
	offset int64
	at     time.Duration
}

// A mark is made at this interval, and at most this often in a partition. Records between two marks count as found with the
// earlier one.
const (
	markEvery = 10 * time.Millisecond
	maxMarks  = 1 << 16
)

type rebalance struct {
	cell  int16
	began time.Duration
	took  *time.Duration // to the first record; nil: none came
}

const noGeneration = -1

// noPositions is the reason why nothing is known of a group over a queue.
const noPositions = "the records have no positions, by which a group's work is told"

// warmup is the cell of the warm-up; window w has cell w+1.
const warmup = 0

// room is how many pages of positions with gaps a set remembers.
const room = 1 << 17

// New opens the account of a group.
func New(c Config) *Account {
	if c.EvidencePerKind <= 0 {
		c.EvidencePerKind = reports.EvidenceLimit
	}
	return &Account{
		config: c, cells: make([]cell, len(c.Windows)+1), found: integrity.NewPositions(room), taken: integrity.NewPositions(room), again: integrity.NewPositions(room),
		parts: make(map[int32]*part), evidence: make(map[evidenceOf][]reports.Violation), generation: noGeneration,
	}
}

func (g *Account) cell(at time.Duration) int16 {
	return int16(max(g.config.WindowAt(at), reports.WindowWarmup) + 1)
}

func (g *Account) part(partition int32) *part {
	p := g.parts[partition]
	if p == nil {
		p = &part{}
		g.parts[partition] = p
	}
	return p
}

// fresh marks a position in a set. It returns false if the position was marked, or if there was no room to know.
func (g *Account) fresh(set *integrity.Positions, partition int32, offset int64) bool {
	again, ok := set.Add(partition, offset)
	if !ok {
		g.unknown = "the offsets have more gaps than there is room for"
	}
	return ok && !again
}

// Seen takes records as the reader finds them, those of one partition in order. It keeps nothing of the batch.
func (g *Account) Seen(batch []drivers.Delivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range batch {
		d := &batch[i]
		if d.Anew {
			g.cutBack()
		}
		if g.unknown == cutBackReason {
			continue
		}
		if !d.Position.Known {
			g.unknown = noPositions
			continue
		}
		partition, offset := d.Position.Log, d.Position.At
		if !g.fresh(g.found, partition, offset) {
			continue
		}
		cell := g.cell(d.At)
		g.cells[cell].records++
		p := g.part(partition)
		if n := len(p.borders); n == 0 || p.borders[n-1].cell != cell {
			p.borders = append(p.borders, border{offset, cell})
		}
		before := p.behind()
		p.end = offset + 1
		if p.behind() == 0 {
			continue // a member was faster than the reader
		}
		g.lag += p.behind() - before
		g.peak = max(g.peak, g.lag)
		if n := len(p.marks); n == 0 || d.At-p.marks[n-1].at >= markEvery && n < maxMarks {
			p.marks = append(p.marks, findMark{offset, d.At})
		}
	}
}

// cutBackReason is why nothing is known of a group whose log was cut back.
const cutBackReason = "records that were read are gone from the log: it was made anew or cut back, and its places are used twice"

// cutBack takes back what was said of records processed again: new records stand in the places of those that are gone.
func (g *Account) cutBack() {
	g.unknown = cutBackReason
	for i := range g.cells {
		g.cells[i].redelivered, g.cells[i].redeliveredRecords = 0, 0
	}
	clear(g.evidence)
	g.found, g.taken, g.again = integrity.NewPositions(room), integrity.NewPositions(room), integrity.NewPositions(room)
	clear(g.parts)
	g.lag = 0
}

// Happened takes an event of the group.
func (g *Account) Happened(e drivers.GroupEvent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case e.Kind == drivers.Processed:
		g.processed(e)
	case g.closing:
	case e.Kind == drivers.Assigned:
		g.assigned(e)
	case e.Kind == drivers.Revoked:
		if e.Round == g.generation && g.lostAt == nil {
			g.lostAt = &e.At
		}
	default:
		cell := g.cell(e.At)
		g.cells[cell].struck[e.Kind]++
		if cell != warmup {
			g.strike(e)
		}
	}
}

var strikeKinds = map[drivers.GroupKind]string{drivers.Left: reports.StrikeLeave, drivers.Froze: reports.StrikeFreeze, drivers.Died: reports.StrikeDie}

// strike records the begin of a member's absence, or its end.
func (g *Account) strike(e drivers.GroupEvent) {
	if kind, gone := strikeKinds[e.Kind]; gone {
		g.strikes = append(g.strikes, reports.Strike{Kind: kind, Member: e.Member, AtNS: int64(e.At)})
		return
	}
	for i := len(g.strikes) - 1; i >= 0; i-- {
		if s := &g.strikes[i]; s.Member == e.Member && s.BackNS == nil {
			s.BackNS = new(int64(e.At))
			return
		}
	}
}

// Closing announces that the members are told to leave: later events are no churn.
func (g *Account) Closing() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closing = true
}

// assigned takes a member's share of a generation. The first generation is no rebalance.
func (g *Account) assigned(e drivers.GroupEvent) {
	if e.Round <= g.generation {
		return
	}
	if g.generation != noGeneration {
		cell := g.cell(e.At)
		g.cells[cell].rebalances += int64(e.Round - g.generation)
		r := rebalance{cell: cell, began: e.At}
		if g.lostAt != nil {
			r.began = *g.lostAt
		}
		g.rebalances = append(g.rebalances, r)
	}
	g.generation, g.lostAt = e.Round, nil
}

func (g *Account) processed(e drivers.GroupEvent) {
	for ; g.waiting < len(g.rebalances) && e.Round == g.generation; g.waiting++ {
		r := &g.rebalances[g.waiting]
		took := e.At - r.began
		r.took = &took
	}
	if g.unknown == cutBackReason {
		return
	}
	if !e.Position.Known {
		g.unknown = noPositions
		return
	}
	partition, offset := e.Position.Log, e.Position.At
	p := g.part(partition)
	if g.fresh(g.taken, partition, offset) {
		g.advance(p, e)
		return
	}
	cell := g.cell(e.At)
	c := &g.cells[cell]
	c.redelivered++
	if g.fresh(g.again, partition, offset) {
		c.redeliveredRecords++
	}
	g.addEvidence("redelivered", cell, partition, offset, e.At,
		fmt.Sprintf("partition %d, offset %d was processed again at %s, by member %d", partition, offset, reports.Moment(int64(e.At)), e.Member))
}

// advance moves a partition on, behind a record.
func (g *Account) advance(p *part, e drivers.GroupEvent) {
	if e.Position.At < p.done {
		return
	}
	if p.behind() > 0 && len(p.marks) > 0 {
		g.peakAge = max(g.peakAge, e.At-p.marks[0].at)
	}
	before := p.behind()
	p.done = e.Position.At + 1
	g.lag += p.behind() - before
	for len(p.marks) > 1 && p.marks[1].offset <= p.done {
		p.marks = p.marks[1:]
	}
	if p.behind() == 0 {
		p.marks = nil
	}
}

// behind is the number of offsets by which the members are behind the reader.
func (p *part) behind() int64 { return max(0, p.end-max(p.done, p.first())) }

// first is the first offset that the reader found.
func (p *part) first() int64 {
	if len(p.borders) == 0 {
		return p.end
	}
	return p.borders[0].offset
}

// Gauges emits reports.GroupGauges.
func (g *Account) Gauges(now time.Duration, emit func(name string, value float64)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var age time.Duration
	for _, p := range g.parts {
		if p.behind() > 0 && len(p.marks) > 0 {
			age = max(age, now-p.marks[0].at)
		}
	}
	names := reports.GroupGauges()
	emit(names[0], float64(max(g.peak, g.lag)))
	emit(names[1], max(g.peakAge, age).Seconds())
	g.peak, g.peakAge = g.lag, 0
}
