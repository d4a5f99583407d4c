package requests

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
)

// rig is an account with a clock that a test sets.
type rig struct {
	*Account
	now time.Duration
}

var orders = drivers.Identity{Run: "abcdefgh", Stream: "orders"}

func newRig(identity string) *rig {
	r := &rig{}
	r.Account = New(Config{
		Link: "orders->stock", Identity: identity, Clock: func() time.Duration { return r.now }, Duration: 10 * time.Second,
		Cuts: []time.Duration{4 * time.Second, 6 * time.Second},
	})
	return r
}

// comes lets a request arrive at a time and be identified.
func (r *rig) comes(at time.Duration, id string, trace drivers.TraceID) *drivers.Request {
	r.now = at
	q := &drivers.Request{Kind: "GET /stock", Conn: 1, ID: []byte(id), Trace: trace}
	r.Arrived(q)
	r.Identified(q)
	return q
}

// answers ends a request.
func (r *rig) answers(q *drivers.Request, status string) {
	q.Whole, q.Answered, q.Status = true, status != "", status
	r.Over(q)
}

func span(from, to time.Duration) []Span { return []Span{{from * time.Second, to * time.Second}} }

var all = span(0, 1<<20)

func is(t *testing.T, what string, n *int64, want int64) {
	t.Helper()
	if n == nil || *n != want {
		t.Errorf("%s is %s, want %d", what, text(n), want)
	}
}

func text(n *int64) string {
	if n == nil {
		return "null"
	}
	return fmt.Sprint(*n)
}

// Requests count where they arrive, and a repeated one where it arrived for the second time. The warm-up is left out.
func TestWindows(t *testing.T) {
	r := newRig("header X")
	none := drivers.TraceID{}
	r.answers(r.comes(-time.Second, "w", none), "200")
	r.answers(r.comes(1*time.Second, "a", none), "200")
	r.answers(r.comes(2*time.Second, "b", none), "")
	r.answers(r.comes(4*time.Second, "a", none), "503")
	r.answers(r.comes(5*time.Second, "a", none), "200")
	r.answers(r.comes(5*time.Second, "w", none), "200")
	r.answers(r.comes(11*time.Second, "b", none), "200")
	for _, c := range []struct {
		from, to                                      time.Duration
		requests, answered, cut, twice, most, unnamed int64
	}{{0, 4, 2, 1, 0, 0, 1, 0}, {4, 6, 3, 3, 0, 2, 3, 0}, {6, 10, 0, 0, 0, 0, 0, 0}, {10, 10, 1, 1, 0, 1, 2, 0}, {0, 100, 6, 5, 0, 3, 3, 0}} {
		m := r.Between(span(c.from, c.to))
		where := fmt.Sprintf("[%d, %d)", c.from, c.to)
		is(t, where+" requests", m.Requests, c.requests)
		is(t, where+" answered", m.Answered, c.answered)
		is(t, where+" cut", m.RequestsCut, c.cut)
		is(t, where+" twice", m.ArrivedTwice, c.twice)
		is(t, where+" most", m.MaxArrivals, c.most)
		is(t, where+" without identity", m.Unidentified, c.unnamed)
	}
	if m := r.Between(span(4, 6)); m.Statuses["503"] != 1 || m.Statuses["200"] != 2 || m.Kinds["GET /stock"] != 3 {
		t.Errorf("statuses %v, kinds %v", m.Statuses, m.Kinds)
	}
	if s := r.Seconds(); len(s) != 10 || s[5].Requests != 2 || s[2].Answered != 0 || s[2].Requests != 1 {
		t.Errorf("seconds %+v", s)
	}
	evidence := r.Violations(func(at time.Duration) string { return map[bool]string{true: "in", false: ""}[at >= 0] })
	if len(evidence) != 3 || evidence[0].ID != "a" || len(evidence[0].Seen) != 3 || !strings.Contains(evidence[0].Why, "arrived 3 times on orders->stock: at 1 s on connection 1, at 4 s") {
		t.Errorf("evidence %+v", evidence)
	}
}

// A run that ended early counts what came later in its drain.
func TestEndsEarly(t *testing.T) {
	r := newRig("")
	for _, at := range []time.Duration{1, 4, 7} {
		r.answers(r.comes(at*time.Second, "", drivers.TraceID{}), "200")
	}
	r.End(4 * time.Second)
	is(t, "before", r.Between(span(0, 4)).Requests, 1)
	is(t, "drain", r.Between(span(10, 10)).Requests, 2)
	if len(r.Seconds()) != 4 {
		t.Errorf("%d seconds", len(r.Seconds()))
	}
}

// Requests without identity are named by their kind. Where the scenario names the methods that carry one, those of others leave the
// count of repeated requests decided.
func TestMethods(t *testing.T) {
	for _, tt := range []struct {
		methods []string
		without string
		twice   bool // the count is known
	}{
		{nil, "GET /health 2, PUT /stock 1", false},
		{[]string{"POST"}, "", true},
		{[]string{"POST /orders", "GET"}, "GET /health 2", false},
		{[]string{"POST /other", "PUT /stock"}, "PUT /stock 1", false},
	} {
		r := newRig("header X")
		r.config.Methods = tt.methods
		for kind, id := range map[string]string{"POST /orders": "a", "PUT /stock": ""} {
			q := &drivers.Request{Kind: kind, ID: []byte(id)}
			r.Arrived(q)
			r.Identified(q)
		}
		for range 2 {
			q := &drivers.Request{Kind: "GET /health"}
			r.Arrived(q)
			r.Identified(q)
			r.answers(q, "200")
		}
		m := r.Between(all)
		if got := reports.Tally(m.UnidentifiedKinds); got != tt.without || (m.ArrivedTwice != nil) != tt.twice || *m.Requests != 4 {
			t.Errorf("%q: %q without identity, want %q; %+v", tt.methods, got, tt.without, m)
		}
		m.Operations = 1
		if !tt.twice {
			v := &View{Measures: &m}
			if got := twiceOf(v); !strings.Contains(fmt.Sprintf("%+v", got), tt.without) {
				t.Errorf("%q: %+v does not name %s", tt.methods, got, tt.without)
			}
		}
	}
}

// What was not measured or is not known is null, and never 0.
func TestNothingIsInvented(t *testing.T) {
	r := newRig("")
	if m := r.Between(all); m.ArrivedTwice != nil || m.MaxArrivals != nil || m.Unidentified != nil || m.Tied != nil {
		t.Errorf("without an identity and a stream: %+v", m)
	}
	r = newRig("header X")
	r.comes(time.Second, "", drivers.TraceID{})
	if m := r.Between(all); m.ArrivedTwice != nil || *m.Unidentified != 1 {
		t.Errorf("a request without identity: %+v", m)
	}
	r = newRig("header X")
	r.Blind("TLS")
	if m := r.Between(all); m.Requests != nil || m.Answered != nil || m.RequestsCut != nil || m.ArrivedTwice != nil {
		t.Errorf("a blind connection: %+v", m)
	}
	r.comes(time.Second, "a", drivers.TraceID{})
	r.comes(time.Second, "a", drivers.TraceID{})
	m := r.Between(all)
	is(t, "requests beside a blind connection", m.Requests, 2)
	is(t, "twice beside a blind connection", m.ArrivedTwice, 1)
}

// Calls belong to operations by the identity or by the trace. Operations without a call count too, dropped ones do not.
func TestCalls(t *testing.T) {
	r := newRig("header X")
	p, other := r.Pair(orders), r.Pair(drivers.Identity{Run: "abcdefgh", Stream: "lookups"})
	for range 3 {
		r.comes(time.Second, "", orders.Trace(1))
	}
	r.comes(2*time.Second, orders.Text(2), drivers.TraceID{})
	r.comes(2*time.Second, "someone else's", drivers.TraceID{1})
	r.comes(2*time.Second, orders.Text(1<<40), drivers.TraceID{}) // no such operation can be
	ended := func(seq uint64, window int, o drivers.Outcome) reports.Ended {
		return reports.Ended{Op: drivers.Op{Seq: seq}, Window: window, Outcome: o}
	}
	p.Ended([]reports.Ended{ended(0, 0, drivers.Acked), ended(1, 0, drivers.Acked), ended(2, 1, drivers.Rejected), ended(3, 1, drivers.Unknown), ended(4, -1, drivers.Acked)})
	other.Ended([]reports.Ended{ended(0, 0, drivers.Acked)})
	p.Finish(reports.Completeness{})
	other.Finish(reports.Completeness{})
	whole := p.Over([]int{0, 1}).Measures()
	if whole.Operations != 3 || whole.Requests != 4 || *whole.Mean != 4.0/3 || *whole.P99 != 3 || *whole.Max != 3 {
		t.Errorf("calls %+v", whole)
	}
	if one := p.Over([]int{1}).Measures(); one.Operations != 1 || one.Requests != 1 {
		t.Errorf("calls of the second window %+v", one)
	}
	if none := other.Over([]int{0}).Measures(); none.Operations != 1 || none.Requests != 0 || *none.Mean != 0 {
		t.Errorf("calls of the other stream %+v", none)
	}
	is(t, "tied", r.Between(all).Tied, 5)
	if r.Tie() != "identity and trace" || !strings.Contains(r.Unknown(), "far beyond what was sent") {
		t.Errorf("tie %q, unknown %q", r.Tie(), r.Unknown())
	}
}

// A fault meets the requests that await their answer when it comes into force, and those that arrive until it ends.
func TestMet(t *testing.T) {
	r := newRig("")
	over := r.comes(0, "", drivers.TraceID{})
	r.answers(over, "200")
	waits := r.comes(1, "", drivers.TraceID{})
	r.Inject(3)
	r.answers(waits, "200")
	r.comes(2, "", drivers.TraceID{})
	r.comes(3, "", drivers.TraceID{})
	r.Heal(3)
	r.comes(4, "", drivers.TraceID{})
	if n, atLeast, known := r.Met(3); n != 3 || atLeast || !known {
		t.Errorf("met %d, at least %v, known %v", n, atLeast, known)
	}
	if _, _, known := r.Met(0); known {
		t.Error("a fault that was never in force met something")
	}
}

// Words beyond the bound share one place.
func TestBoundedWords(t *testing.T) {
	r := newRig("")
	for i := range 3 * wordsBound {
		r.now = time.Second
		r.Arrived(&drivers.Request{Kind: fmt.Sprint("GET /", i)})
	}
	if m := r.Between(all); len(m.Kinds) != wordsBound+1 || m.Kinds[Other] != 2*wordsBound {
		t.Errorf("%d kinds, %d others", len(m.Kinds), m.Kinds[Other])
	}
}

// Readings are missing or lower bounds where something is not known, so that no gate on them passes.
func TestReadings(t *testing.T) {
	by := make(map[string]*metric.Metric)
	for i := range Metrics {
		by[Metrics[i].Name] = &Metrics[i]
	}
	n := func(v int64) *int64 { return &v }
	seen := reports.LinkMeasures{Requests: n(20), Answered: n(20), ArrivedTwice: n(0), MaxArrivals: n(1), Unidentified: n(0), Operations: 10, Tied: n(20)}
	calls := Calls{2: 10}
	change := func(with func(m *reports.LinkMeasures)) *reports.LinkMeasures {
		m := seen
		with(&m)
		return &m
	}
	for _, c := range []struct {
		what, metric string
		view         View
		want         float64
		open, least  bool
	}{
		{"whole", "requests", View{Measures: &seen}, 20, false, false},
		{"whole", "arrived_twice", View{Measures: &seen}, 0, false, false},
		{"whole", "amplification", View{Measures: &seen}, 2, false, false},
		{"all streams", "calls_per_operation", View{Measures: &seen, Alone: true}, 2, false, false},
		{"one stream", "calls_per_operation", View{Measures: &seen, Calls: calls}, 2, false, false},
		{"one stream, not tied", "calls_per_operation", View{Measures: change(func(m *reports.LinkMeasures) { m.Tied = n(0) }), Calls: calls}, 0, true, false},
		{"some not tied", "calls_per_operation.p99", View{Measures: change(func(m *reports.LinkMeasures) { m.Tied = n(19) }), Calls: calls}, 2, false, true},
		{"nothing sent", "requests", View{Measures: change(func(m *reports.LinkMeasures) { m.Operations = 0 })}, 0, true, false},
		{"not reached", "requests", View{}, 0, true, false},
		{"no request", "arrived_twice", View{Measures: change(func(m *reports.LinkMeasures) { m.Requests = n(0) })}, 0, true, false},
		{"no request", "amplification", View{Measures: change(func(m *reports.LinkMeasures) { m.Requests = n(0) })}, 0, true, false},
		{"no request", "requests", View{Measures: change(func(m *reports.LinkMeasures) { m.Requests = n(0) })}, 0, false, false},
		{"blind", "requests", View{Measures: &seen, Unknown: "TLS"}, 20, false, true},
		{"blind", "amplification", View{Measures: &seen, Unknown: "TLS"}, 2, false, true},
		{"no identity", "arrived_twice", View{Measures: change(func(m *reports.LinkMeasures) { m.Unidentified, m.ArrivedTwice = n(1), nil })}, 0, true, false},
		{"no identity", "max_arrivals", View{Measures: change(func(m *reports.LinkMeasures) { m.Unidentified = n(1) })}, 1, false, true},
		{"forgot", "arrived_twice", View{Measures: &seen, Forgot: "too many"}, 0, false, true},
	} {
		r := by[c.metric].Read(&metric.Facts{Metric: by[c.metric], Kept: []any{&c.view}})
		if (r.Missing != "") != c.open || (r.AtLeast != "") != c.least || r.Missing == "" && (r.Value != c.want || r.Targets != c.want) {
			t.Errorf("%s, %s: %+v", c.what, c.metric, r)
		}
	}
}

// A request of several records has an identity for each. A delivery of a message is no repetition of its publish, and calls that carry
// no identity leave nothing in doubt.
func TestRecords(t *testing.T) {
	r := newRig("$.id")
	sends := func(q drivers.Request, ids ...string) {
		q.Conn = 1
		for i, id := range ids {
			if i == 0 {
				q.ID = []byte(id)
			} else {
				q.More = append(q.More, []byte(id))
			}
		}
		r.Arrived(&q)
		r.Identified(&q)
		r.answers(&q, "ok")
	}
	sends(drivers.Request{Kind: "Metadata", Plain: true})
	sends(drivers.Request{Kind: "Produce"}, "a", "b", "c")
	sends(drivers.Request{Kind: "deliver", Delivery: true}, "a")
	m := r.Between(all)
	is(t, "arrived_twice", m.ArrivedTwice, 0)
	is(t, "unidentified", m.Unidentified, 0)
	sends(drivers.Request{Kind: "Produce"}, "d", "c")
	sends(drivers.Request{Kind: "deliver", Delivery: true}, "a")
	m = r.Between(all)
	is(t, "arrived_twice", m.ArrivedTwice, 2)
	is(t, "max_arrivals", m.MaxArrivals, 2)
	sends(drivers.Request{Kind: "Produce", Partly: true}, "e")
	is(t, "unidentified", r.Between(all).Unidentified, 1)
}

func TestCallsWithoutSomeOperations(t *testing.T) {
	calls := Calls{1: 90, 3: 8, 50: 2}
	for _, c := range []struct {
		n    int64
		most bool
		want Calls
	}{
		{0, true, calls},
		{2, true, Calls{1: 90, 3: 8}},
		{5, true, Calls{1: 90, 3: 5}},
		{5, false, Calls{1: 85, 3: 8, 50: 2}},
		{95, false, Calls{3: 3, 50: 2}},
		{200, true, Calls{}},
	} {
		if got := calls.Less(c.n, c.most); !maps.Equal(got, c.want) {
			t.Errorf("without %d: %v, want %v", c.n, got, c.want)
		}
	}
	if got := Calls(nil).Less(3, true); got != nil {
		t.Errorf("of none: %v", got)
	}
}
