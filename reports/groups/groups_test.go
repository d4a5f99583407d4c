package groups

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/pages"
)

// groupAccount is a group's account as a test writes it.
type history struct {
	*Account
	now time.Duration
}

var (
	windows = []string{"baseline", "fault", "after fault"}
	known   = reports.Completeness{Known: true}
)

const (
	nm      = reports.NotMeasured
	pageOps = 4096
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

// over closes the account of a group that ended in this way.
func (h *history) over(end End, observed reports.Completeness) result {
	h.Left(end)
	return h.result(observed)
}

func newHistory() *history {
	return &history{Account: New(Config{Stream: "s", Windows: windows, WindowAt: windowAt, EvidencePerKind: 3})}
}

func (h *history) log(partition int32, from, to int64) *history {
	for o := from; o < to; o++ {
		h.Seen([]drivers.Delivery{{Position: drivers.PositionIn(partition, o), At: h.now}})
	}
	return h
}

func (h *history) work(generation int32, partition int32, from, to int64) *history {
	for o := from; o < to; o++ {
		h.Happened(drivers.GroupEvent{Kind: drivers.Processed, Member: 1, Round: generation, Position: drivers.PositionIn(partition, o), At: h.now})
	}
	return h
}

func (h *history) happen(kind drivers.GroupKind, generation int32) *history {
	h.Happened(drivers.GroupEvent{Kind: kind, Member: 1, Round: generation, At: h.now})
	return h
}

func (h *history) at(t time.Duration) *history { h.now = t; return h }

func groupCounts(g *reports.Group) string {
	text := ""
	for _, name := range []string{"records", "processed", "group_lost", "unprocessed", "redelivered", "redelivered_records", "rebalances"} {
		text += reports.Measured(g.Count(name), func(n int64) string { return fmt.Sprint(n) }) + " "
	}
	return text
}

func TestGroupStories(t *testing.T) {
	all := map[int32]int64{0: 10}
	for name, c := range map[string]struct {
		history *history
		end     End
		want    string // records, processed, lost, unprocessed, redelivered, its records, rebalances
	}{
		"nothing":                    {newHistory(), End{Committed: all}, "0 0 0 0 0 0 0 "},
		"all is well":                {newHistory().log(0, 0, 10).work(1, 0, 0, 10), End{Committed: all}, "10 10 0 0 0 0 0 "},
		"a member is quicker":        {newHistory().work(1, 0, 0, 10).log(0, 0, 10), End{Committed: all}, "10 10 0 0 0 0 0 "},
		"committed and not done":     {newHistory().log(0, 0, 10).work(1, 0, 0, 4).work(2, 0, 7, 10), End{Committed: all}, "10 7 3 0 0 0 0 "},
		"not come to":                {newHistory().log(0, 0, 10).work(1, 0, 0, 4), End{Committed: map[int32]int64{0: 4}}, "10 4 " + nm + " 6 " + nm + " " + nm + " 0 "},
		"some lost, some to come":    {newHistory().log(0, 0, 10).work(1, 0, 0, 4), End{Committed: map[int32]int64{0: 6}}, "10 4 2 4 " + nm + " " + nm + " 0 "},
		"nobody knows the commit":    {newHistory().log(0, 0, 10).work(1, 0, 0, 4), End{Why: "no answer"}, "10 4 " + nm + " 6 " + nm + " " + nm + " 0 "},
		"never committed":            {newHistory().log(0, 0, 10).work(1, 0, 0, 4), End{Committed: map[int32]int64{0: -1}}, "10 4 " + nm + " 6 " + nm + " " + nm + " 0 "},
		"again":                      {newHistory().log(0, 0, 10).work(1, 0, 0, 10).work(2, 0, 5, 10).work(3, 0, 9, 10), End{Committed: all}, "10 10 0 0 6 5 0 "},
		"what stood there before":    {newHistory().log(0, 90, 100).work(1, 0, 90, 100), End{Committed: map[int32]int64{0: 100}}, "10 10 0 0 0 0 0 "},
		"the warm-up is not counted": {newHistory().at(-1).log(0, 0, 5).work(1, 0, 0, 5).at(0).log(0, 5, 10).work(1, 0, 4, 10), End{Committed: all}, "5 5 0 0 1 1 0 "},
		"a loss across pages":        {newHistory().log(0, 0, 3*pages.Size).work(1, 0, 0, pages.Size+3).work(1, 0, 2*pages.Size-1, 3*pages.Size), End{Committed: map[int32]int64{0: 3 * pages.Size}}, fmt.Sprint(3*pages.Size, 2*pages.Size+4, pages.Size-4, 0, 0, 0, 0) + " "},
		"three generations are two rebalances": {newHistory().happen(drivers.Assigned, 4).happen(drivers.Assigned, 4).happen(drivers.Revoked, 4).happen(drivers.Assigned, 6).log(0, 0, 10).work(6, 0, 0, 10),
			End{Committed: all}, "10 10 0 0 0 0 2 "},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.history.over(c.end, known)
			if got := groupCounts(r.Total); got != c.want {
				t.Errorf("records, processed, lost, unprocessed, redelivered, its records, rebalances are\n%s, want\n%s", got, c.want)
			}
			if (r.Unknown["group_lost"] == "") != (c.end.Why == "" && r.Total.Unprocessed == 0) {
				t.Errorf("unknown %v", r.Unknown)
			}
		})
	}
}

// Nothing is proven by a group that could not read, or by a topic that was not read to its end.
func TestGroupThatIsNotKnown(t *testing.T) {
	for _, c := range []struct {
		end      End
		observed reports.Completeness
	}{{End{Failed: "no member joined"}, known}, {End{}, reports.Completeness{Why: "cut short"}}} {
		r := newHistory().log(0, 0, 10).work(1, 0, 0, 10).over(c.end, c.observed)
		if r.Total.Lost != nil || r.Total.Redelivered != nil || r.Unknown["group_lost"] == "" {
			t.Errorf("%+v: %+v", c.end, r.Total)
		}
	}
}

// The wait for a first record runs from the moment at which the first member knew, over generations without a record. A
// rebalance after which nothing was left to process has no wait.
func TestGroupWaits(t *testing.T) {
	const s = time.Second
	h := newHistory().at(0).happen(drivers.Assigned, 1).log(0, 0, 100).work(1, 0, 0, 50)
	h.at(1*s).happen(drivers.Revoked, 1).at(2*s).happen(drivers.Assigned, 2).work(1, 0, 50, 51) // a zombie's record
	h.at(3*s).happen(drivers.Revoked, 2).at(4*s).happen(drivers.Assigned, 3).at(5*s).work(3, 0, 51, 100)
	h.at(12*s).happen(drivers.Assigned, 4)
	r := h.over(End{Committed: map[int32]int64{0: 100}}, known)
	l := r.Total.FirstMessage
	if *l.Max != float64(4*s) || *l.Min != float64(2*s) || *l.Unanswered != 0 || r.Total.Rebalances != 3 || *l.P50 != float64(2*s) {
		t.Errorf("%+v, %d rebalances", l, r.Total.Rebalances)
	}
	if r.Windows["fault"].FirstMessage != nil || r.Windows["fault"].Rebalances != 1 {
		t.Errorf("%+v", r.Windows["fault"])
	}
	h = newHistory().happen(drivers.Assigned, 1).log(0, 0, 9).at(s).happen(drivers.Assigned, 2)
	if l := h.over(End{}, known).Total.FirstMessage; l.P50 != nil || *l.Unanswered != 1 {
		t.Errorf("nothing followed: %+v", l)
	}
}

func TestGroupStrikes(t *testing.T) {
	h := newHistory().at(0).happen(drivers.Joined, 0).at(1).happen(drivers.Froze, 0).at(2).happen(drivers.Thawed, 0).at(3).happen(drivers.Died, 0)
	h.Closing()
	r := h.at(4).happen(drivers.Joined, 0).over(End{}, known)
	if g := r.Total; len(r.Strikes) != 2 || *r.Strikes[0].BackNS != 2 || r.Strikes[1].BackNS != nil || g.Freezes != 1 || g.Deaths != 1 || g.Joins != 1 {
		t.Errorf("%+v of %+v", g, r.Strikes)
	}
}

func TestGroupLag(t *testing.T) {
	read := func(h *history) string {
		text := ""
		h.Gauges(h.now, func(_ string, v float64) { text += fmt.Sprint(v, " ") })
		return text
	}
	h := newHistory().at(0).log(0, 100, 110).log(1, 0, 5).at(time.Second)
	if got := read(h); got != "15 1 " {
		t.Errorf("lag %s, want 15 records of 1 s", got)
	}
	h.work(1, 0, 100, 110)
	if got := read(h); got != "15 1 " {
		t.Errorf("the highest lag since the last reading is %s, want 15 of 1 s", got)
	}
	h.at(2*time.Second).work(1, 1, 0, 5)
	if got := read(h); got != "5 2 " {
		t.Errorf("lag %s, want 5 of 2 s", got)
	}
	if got := read(h); got != "0 0 " {
		t.Errorf("lag %s, want none", got)
	}
}

func TestGroupEvidence(t *testing.T) {
	h := newHistory().log(2, 0, 10).at(12*time.Second).log(2, 10, 20).work(1, 2, 5, 6).work(2, 2, 5, 6)
	r := h.over(End{Committed: map[int32]int64{2: 20}}, known)
	var listed []string
	for _, v := range r.Violations {
		listed = append(listed, v.Kind+" "+v.Window+" "+v.ID)
	}
	if got, want := fmt.Sprint(listed), "[group_lost baseline 2/0 group_lost baseline 2/1 group_lost baseline 2/2 group_lost fault 2/10 group_lost fault 2/11 group_lost fault 2/12 redelivered fault 2/5]"; got != want {
		t.Errorf("evidence %s", got)
	}
	if *r.Windows["baseline"].Lost != 9 || *r.Windows["fault"].Lost != 10 || r.Windows["baseline"].Processed != 1 {
		t.Errorf("windows %+v %+v", r.Windows["baseline"], r.Windows["fault"])
	}
}

func TestGroupAgreesWithTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory()
		type record struct {
			partition int32
			offset    int64
		}
		foundIn, taken := map[record]int{}, map[record]int{}
		next, committed := map[int32]int64{}, map[int32]int64{}
		now := time.Duration(0)
		for range rapid.IntRange(0, 80).Draw(t, "events") {
			now += time.Duration(rapid.IntRange(0, 600).Draw(t, "pause")) * time.Millisecond
			h.at(now)
			p := rapid.Int32Range(0, 2).Draw(t, "partition")
			if rapid.Bool().Draw(t, "found") {
				foundIn[record{p, next[p]}] = windowAt(now)
				h.log(p, next[p], next[p]+1)
				next[p] += rapid.Int64Range(1, 2).Draw(t, "step")
			} else if next[p] > 0 {
				o := rapid.Int64Range(0, next[p]-1).Draw(t, "offset")
				if _, ok := foundIn[record{p, o}]; ok {
					taken[record{p, o}]++
					h.work(1, p, o, o+1)
				}
			}
		}
		for p, end := range next {
			committed[p] = rapid.Int64Range(0, end).Draw(t, "committed")
		}
		r := h.over(End{Committed: committed}, known)
		want := make([]reports.Group, len(windows))
		var redelivered int64
		for rec, w := range foundIn {
			g := &want[w]
			g.Records++
			switch {
			case taken[rec] > 0:
				g.Processed++
				redelivered += int64(taken[rec] - 1)
			case rec.offset < committed[rec.partition]:
				if g.Lost == nil {
					g.Lost = new(int64)
				}
				*g.Lost++
			default:
				g.Unprocessed++
			}
		}
		none := new(int64)
		value := func(n *int64) int64 {
			if n == nil {
				n = none
			}
			return *n
		}
		for i, name := range windows {
			got := r.Windows[name]
			if w := want[i]; got.Records != w.Records || got.Processed != w.Processed || got.Unprocessed != w.Unprocessed || value(got.Lost) != value(w.Lost) {
				t.Fatalf("%s: %+v, want %+v", name, got, w)
			}
		}
		both, first, second := r.over([]int{0, 1}), &want[0], &want[1]
		if both.Records != first.Records+second.Records || both.Processed != first.Processed+second.Processed ||
			value(both.Lost) != value(first.Lost)+value(second.Lost) || both.Rebalances != r.Windows[windows[0]].Rebalances+r.Windows[windows[1]].Rebalances {
			t.Fatalf("two windows together: %+v, want %+v and %+v", both, *first, *second)
		}
		if value(r.Total.Redelivered) != redelivered {
			t.Fatalf("redelivered %d, want %d", value(r.Total.Redelivered), redelivered)
		}
	})
}

// Without positions the processed records of a group are unknown: nothing is lost or redelivered.
func TestGroupOverAQueue(t *testing.T) {
	g := newHistory()
	g.Seen([]drivers.Delivery{{ID: []byte("a")}, {ID: []byte("b")}})
	for range 2 {
		g.Happened(drivers.GroupEvent{Kind: drivers.Processed, Member: 1, Round: 1})
	}
	r := g.over(End{}, known)
	if r.Total.Lost != nil || r.Total.Redelivered != nil || r.Unknown["group_lost"] != noPositions || len(r.Violations) > 0 {
		t.Errorf("%+v, unknown %q, %+v", r.Total, r.Unknown, r.Violations)
	}
}
