package toxi

import "time"

// direction is one of the two ways of a link.
type direction int

const (
	toTarget direction = iota
	fromTarget
)

func (d direction) String() string { return [...]string{"to-target", "from-target"}[d] }

// orders are what all faults in force on a link add up to. They never change: they are replaced, and changed is closed
// when that happened.
type orders struct {
	ways    [2]way
	refuse  []*Fault // the faults that refuse connections
	closed  bool
	changed chan struct{}
}

// way is the part of the orders that rules one direction.
type way struct {
	latency, jitter time.Duration
	seed            uint64
	pacer           *pacer // nil: no limit
	cut, drop       bool   // drop: what is cut is lost, otherwise it waits

	// Whom to charge with bytes: delayedBy and cutBy when they are taken in, cutBy also with those found waiting,
	// pacedBy when they are made to wait.
	delayedBy, cutBy, pacedBy []*Fault
}

// compose adds faults up: latencies and jitters add, the lowest bandwidth rules, partitions unite, and of two modes of
// partition drop rules.
func compose(faults []*Fault) *orders {
	o := &orders{changed: make(chan struct{})}
	for d := range o.ways {
		o.ways[d].compose(faults, direction(d))
	}
	for _, f := range faults {
		if f.config.Refuse {
			o.refuse = append(o.refuse, f)
		}
	}
	return o
}

func (w *way) compose(faults []*Fault, d direction) {
	var lowest BytesPerSecond
	for _, f := range faults {
		c := &f.config
		cuts, slows := c.Partition.covers(d), c.slowed().covers(d)
		if cuts {
			w.cut, w.drop = true, w.drop || c.Mode != Hold
			w.cutBy = append(w.cutBy, f)
		}
		if !slows {
			continue
		}
		if c.Latency > 0 {
			w.latency += c.Latency
			w.jitter += c.Jitter
			w.seed ^= f.seed
		}
		if c.Latency > 0 && !cuts {
			w.delayedBy = append(w.delayedBy, f)
		}
		if c.Bandwidth > 0 && (lowest == 0 || c.Bandwidth < lowest) {
			lowest = c.Bandwidth
		}
	}
	if lowest == 0 {
		return
	}
	w.pacer = &pacer{rate: float64(lowest)}
	for _, f := range faults {
		// A fault that is charged with every byte anyway is not charged twice.
		c := &f.config
		if c.Bandwidth == lowest && c.slowed().covers(d) && c.Latency == 0 && !c.Partition.covers(d) {
			w.pacedBy = append(w.pacedBy, f)
		}
	}
}
