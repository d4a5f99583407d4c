package integrity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

var (
	us      = drivers.Identity{Run: "r1", Stream: "orders"}
	theirs  = drivers.Identity{Run: "r0", Stream: "orders"}
	windows = []string{"baseline", "fault", "after fault"}
)

// windowAt: baseline to 10 s, fault to 20 s, then after fault.
func windowAt(t time.Duration) int {
	switch {
	case t < 0:
		return reports.WindowWarmup
	case t < 10*time.Second:
		return 0
	case t < 20*time.Second:
		return 1
	}
	return 2
}

// op is an operation that is over: due at ms, done 5 ms later.
func op(seq uint64, ms int, o drivers.Outcome) reports.Ended {
	at := time.Duration(ms) * time.Millisecond
	e := reports.Ended{Op: drivers.Op{Seq: seq, Planned: at}, Window: windowAt(at), Outcome: o}
	if o != drivers.Unknown {
		e.Sent, e.Done = at, at+5*time.Millisecond
		e.Trail = []drivers.Attempt{{Number: 1, Sent: e.Sent, Done: e.Done, Outcome: o}}
		if o != drivers.Acked {
			e.Trail[0].Code = "some_code"
		}
	}
	return e
}

// at is a delivery of operation seq.
func at(seq uint64, partition int32, offset int64, ms int) drivers.Delivery {
	return drivers.Delivery{ID: us.Append(nil, seq), Position: drivers.PositionIn(partition, offset), At: time.Duration(ms) * time.Millisecond}
}

// queued is a delivery of operation seq by a queue, which has no positions.
func queued(seq uint64, ms int) drivers.Delivery {
	return drivers.Delivery{ID: us.Append(nil, seq), At: time.Duration(ms) * time.Millisecond}
}

// marked is a delivery that the broker marks as handed out before.
func marked(d drivers.Delivery) drivers.Delivery {
	d.Redelivered = true
	return d
}

func from(d drivers.Delivery, origin string) drivers.Delivery {
	d.Origin = []byte(origin)
	return d
}

func (s *story) config() Config {
	c := Config{Stream: "orders", Identity: us, Windows: windows, Mode: s.mode, Order: s.order}
	if s.keys > 0 {
		c.KeyOf = func(seq uint64) uint64 { return seq % s.keys }
	}
	return c
}

// TestStories runs each story in several interleavings, which must make no difference.
func TestStories(t *testing.T) {
	interleavings := map[string]func(s *story, l *Ledger){
		"ended first": func(s *story, l *Ledger) { l.Ended(s.ended); l.Seen(s.seen) },
		"seen first":  func(s *story, l *Ledger) { l.Seen(s.seen); l.Ended(s.ended) },
		"ended last to first": func(s *story, l *Ledger) {
			for i := range s.ended {
				l.Ended(s.ended[len(s.ended)-1-i:][:1])
				l.Seen(s.seen[min(i, len(s.seen)):min(i+1, len(s.seen))])
			}
			l.Seen(s.seen[min(len(s.ended), len(s.seen)):])
		},
	}
	all := slices.Concat(stories, queueStories)
	for i := range all {
		s := &all[i]
		for _, how := range slices.Sorted(maps.Keys(interleavings)) {
			t.Run(s.name+"/"+how, func(t *testing.T) {
				l := New(s.config())
				interleavings[how](s, l)
				s.check(t, l.result(reports.Completeness{Known: s.blind == "", Why: s.blind}, windowAt))
			})
		}
	}
}

func (s *story) check(t *testing.T, r Result) {
	t.Helper()
	if got := countsText(r.Total, r.Unknown); got != s.want {
		t.Errorf("total\n got %s\nwant %s", got, s.want)
	}
	var where []string
	phrase := s.phrase == ""
	for _, v := range r.Violations {
		where = append(where, fmt.Sprintf("%s:%s/%d", v.Kind, v.Window, v.Seq))
		phrase = phrase || strings.Contains(v.Why, s.phrase)
		if v.Why == "" || v.Stream != "orders" || v.ID != us.Text(v.Seq) {
			t.Errorf("entry is not whole: %+v", v)
		}
	}
	if got := strings.Join(where, " "); got != s.where {
		t.Errorf("evidence\n got %s\nwant %s", got, s.where)
	}
	if !phrase {
		t.Errorf("no entry says %q: %+v", s.phrase, r.Violations)
	}
	addUp(t, r)
}

// countNames are the counts in the order of their names.
var countNames = []string{"ack_collisions", "acked", "effect_duplicates", "extra_copies", "foreign", "log_duplicates", "lost", "max_copies", "order_violations",
	"phantom", "recovered", "redelivered", "regressions", "seen", "unexpected", "unseen"}

func count(i *reports.Integrity, name string) *int64 {
	return map[string]*int64{
		"ack_collisions": i.AckCollisions, "acked": i.Acked, "effect_duplicates": i.EffectDuplicates, "extra_copies": i.ExtraCopies, "foreign": i.Foreign,
		"log_duplicates": i.LogDuplicates, "lost": i.Lost, "max_copies": i.MaxCopies, "order_violations": i.OrderViolations,
		"phantom": i.Phantom, "recovered": i.Recovered, "redelivered": i.Redelivered, "regressions": i.Regressions,
		"seen": i.Seen, "unexpected": i.Unexpected, "unseen": i.Unseen,
	}[name]
}

// countsText lists the counts that are not 0. A count that is null and reported as unknown is "?".
func countsText(i *reports.Integrity, unknown map[string]string) string {
	var parts []string
	for _, name := range countNames {
		switch n := count(i, name); {
		case n != nil && *n != 0:
			parts = append(parts, fmt.Sprintf("%s=%d", name, *n))
		case n == nil && unknown[name] != "":
			parts = append(parts, name+"=?")
		}
	}
	return strings.Join(parts, " ")
}

// tester is what testing and rapid have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

// addUp checks that the windows add up to the total.
func addUp(t tester, r Result) {
	t.Helper()
	for _, name := range countNames {
		total := count(r.Total, name)
		var sum int64
		for _, w := range r.Windows {
			n := count(w, name)
			switch {
			case n == nil:
			case total == nil:
				t.Errorf("%s is known in a window and not in total", name)
			case name == "max_copies":
				sum = max(sum, *n)
			default:
				sum += *n
			}
		}
		if total != nil && *total != sum {
			t.Errorf("%s: the windows come to %d, the total is %d", name, sum, *total)
		}
	}
}

// A place in a file is told as one: it has no partitions.
func TestWhereInAFile(t *testing.T) {
	for want, s := range map[string]sighting{"byte 95,721": {offset: 95721}, "byte 7 of file 2": {partition: 1, offset: 7}} {
		if got := (&Ledger{config: Config{Bytes: true}}).where(&s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
