package toxiproxy

import (
	"cmp"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"wringer/faults"
)

// evidence counts what a fault changed, from the traffic on the stream's side of the proxy. The server tells nothing of what a
// toxic did. So only that counts which the toxic, as the server's code has it, cannot have left as it was.
type evidence struct {
	rule   atomic.Pointer[rule] // nil: nothing counts
	pieces atomic.Int64         // counted so far
}

// rule is what a toxic changes.
type rule struct {
	changes func(p faults.Passing) bool
	// chance is the least share, of what changes returns true for, that is changed: it is drawn for each piece. toxicity is the
	// share drawn for each connection.
	chance, toxicity float64
	unknown          string // the type of a toxic whose work is not known
}

// counts is called for all that passes on the connections to the proxy. Safe for concurrent use.
func (e *evidence) counts(p faults.Passing) bool {
	r := e.rule.Load()
	if r == nil || !r.changes(p) {
		return false
	}
	e.pieces.Add(1)
	return true
}

// doubt is the chance of a mistake below which it is certain that a draw hit something.
const doubt = 1e-6

// bite is the tap's count, as far as it shows what the fault changed.
func (e *evidence) bite(counted faults.Bite) faults.Bite {
	r := e.rule.Load()
	if r == nil || !counted.Bit {
		return counted
	}
	if r.unknown != "" {
		return unmeasured("the toxic " + r.unknown + " is not known to this program")
	}
	if r.toxicity == 1 && r.chance == 1 {
		return counted
	}
	draws, what, share := counted.Connections, "connections", r.toxicity*r.chance
	if r.toxicity == 1 {
		draws, what = e.pieces.Load(), "pieces of bytes"
	}
	if enough := math.Ceil(math.Log(doubt) / math.Log1p(-share)); float64(draws) < enough { // infinite for a share that the server rounded to 0
		return unmeasured(fmt.Sprintf("the server draws what the toxic acts on and does not tell it; %d %s are too few to be sure that it acted on one of them: %.0f are enough", draws, what, enough))
	}
	return faults.Bite{Bit: true, Connections: -1, Bytes: -1}
}

func unmeasured(why string) faults.Bite {
	return faults.Bite{Unmeasured: why, Connections: -1, Bytes: -1}
}

// rule is the rule of a toxic as the server describes it.
func (t *toxic) rule() *rule {
	r := &rule{chance: 1, toxicity: min(t.Toxicity, 1)}
	r.changes = t.changes()
	switch {
	case r.changes == nil:
		r.changes, r.unknown = func(faults.Passing) bool { return true }, t.Type
	case t.Type == "latency" && t.number("jitter") >= t.number("latency"):
		r.chance = 0.5 // a delay drawn evenly around one of at least 0
	}
	return r
}

// down is the rule of a proxy that is down: it takes no connection, and ends those that it has.
var down = &rule{chance: 1, toxicity: 1, changes: func(p faults.Passing) bool {
	return p.Kind == faults.PassedRefusal || p.Kind == faults.PassedEnd && p.FromTarget
}}

// number is an attribute, in the server's units.
func (t *toxic) number(name string) float64 {
	n, _ := t.Attributes[name].(float64)
	return n
}

// inTime returns the attribute as a time.
func (t *toxic) inTime(name string) time.Duration {
	return time.Duration(t.number(name) * float64(time.Millisecond))
}

// changes says whether the toxic changed what passed, if it acted on it; nil for a toxic that is not known. What comes from the
// target sooner than the toxic can have let it through had passed the toxic before.
func (t *toxic) changes() func(p faults.Passing) bool {
	upstream := t.Stream == "upstream"
	piece := func(p faults.Passing) bool { return p.Kind == faults.PassedPiece }
	mine := func(p faults.Passing) bool { return piece(p) && p.FromTarget != upstream }
	asks := func(p faults.Passing) bool { return piece(p) && !p.FromTarget }
	ends := func(p faults.Passing) bool { return p.Kind == faults.PassedEnd && p.FromTarget != upstream }
	cut := func(p faults.Passing) bool { return p.Kind == faults.PassedEnd && p.FromTarget }
	after := func(p faults.Passing, least time.Duration) bool { return !p.FromTarget || p.Since >= least }
	switch t.Type {
	case "latency":
		least, most := t.inTime("latency")-t.inTime("jitter"), t.inTime("latency")+t.inTime("jitter")
		return func(p faults.Passing) bool { return most > 0 && mine(p) && after(p, cmp.Or(max(least, 0), 1)) }
	case "bandwidth":
		rate := t.number("rate") // KB/s, so bytes in a millisecond
		if rate <= 0 {
			return asks // nothing passes: either the question or its answer
		}
		return func(p faults.Passing) bool {
			return mine(p) && float64(p.Bytes) >= rate && after(p, time.Duration(float64(p.Bytes)/rate*float64(time.Millisecond)))
		}
	case "timeout":
		return asks // either the question is dropped or its answer; removing the toxic closes the connection
	case "reset_peer":
		if upstream {
			return asks
		}
		return func(p faults.Passing) bool { return cut(p) && after(p, t.inTime("timeout")) }
	case "slow_close":
		return func(p faults.Passing) bool { return t.inTime("delay") > 0 && ends(p) && after(p, t.inTime("delay")) }
	case "slicer":
		longest := t.number("average_size") + t.number("size_variation")
		return func(p faults.Passing) bool { return mine(p) && float64(p.Run) > longest }
	case "limit_data":
		limit := int64(t.number("bytes"))
		if upstream {
			return func(p faults.Passing) bool { return asks(p) && p.Total >= limit }
		}
		return func(p faults.Passing) bool { return cut(p) && p.Asked > 0 && p.Total >= limit }
	}
	return nil
}
