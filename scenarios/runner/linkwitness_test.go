package runner

import (
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports/requests"
	"wringer/scenarios"
)

// A request belongs to the step in which it arrived, to its end. A connection that could not be read in one step leaves every later
// one blind. Between the steps nothing is counted.
func TestLinkWitnessOverSteps(t *testing.T) {
	w := &linkWitness{spec: &scenarios.Link{Name: "a->b"}}
	account := func() *requests.Account {
		return requests.New(requests.Config{Link: "a->b", Clock: func() time.Duration { return time.Second }, Duration: 10 * time.Second})
	}
	arrive := func() *drivers.Request {
		r := &drivers.Request{Kind: "GET /", Conn: 1}
		w.Arrived(r)
		if r.To != nil {
			r.To.Identified(r)
		}
		return r
	}
	end := func(r *drivers.Request) {
		r.Whole, r.Answered, r.Status = true, true, "200"
		r.To.Over(r)
	}
	if r := arrive(); r.To != nil {
		t.Error("a request before the first step is counted")
	}
	first, second, third := account(), account(), account()
	w.begin(&audience{Account: first})
	r := arrive()
	w.begin(&audience{Account: second})
	end(r)
	end(arrive())
	end(arrive())
	w.Blind("TLS")
	w.begin(&audience{Account: third})
	all := []requests.Span{{Start: 0, End: time.Hour}}
	for _, c := range []struct {
		name              string
		of                *requests.Account
		requests, answers int64
		blind             bool
	}{{"first", first, 1, 1, false}, {"second", second, 2, 2, true}, {"third", third, 0, 0, true}} {
		m := c.of.Between(all)
		if c.requests > 0 && (*m.Requests != c.requests || *m.Answered != c.answers) || c.requests == 0 && m.Requests != nil {
			t.Errorf("%s: %+v", c.name, m)
		}
		if strings.Contains(c.of.Unknown(), "TLS") != c.blind {
			t.Errorf("%s: unknown %q", c.name, c.of.Unknown())
		}
	}
}

// listener counts what it hears.
type listener struct {
	arrived, over int
	blind         string
}

func (l *listener) Arrived(*drivers.Request)    { l.arrived++ }
func (l *listener) Identified(*drivers.Request) {}
func (l *listener) Over(*drivers.Request)       { l.over++ }
func (l *listener) Blind(why string)            { l.blind = why }

// A source that overhears a link hears of each request in its step, from its arrival to its end, and of a connection that could not be
// read before.
func TestLinkIsOverheard(t *testing.T) {
	w := &linkWitness{spec: &scenarios.Link{Name: "a->b"}}
	account := func() *requests.Account {
		return requests.New(requests.Config{Link: "a->b", Clock: func() time.Duration { return time.Second }, Duration: 10 * time.Second})
	}
	arrive := func() *drivers.Request {
		r := &drivers.Request{Kind: "publish", Conn: 1}
		w.Arrived(r)
		return r
	}
	w.Arrived(&drivers.Request{Kind: "GET /", Conn: 1})
	if w.passed.Load() {
		t.Error("a link of HTTP passes for one of AMQP")
	}
	if r := arrive(); r.To != nil || !w.passed.Load() {
		t.Errorf("before the first step: %+v, passed %v", r, w.passed.Load())
	}
	first, second := new(listener), new(listener)
	counted := account()
	w.begin(&audience{counted, []drivers.Requests{first}})
	old := arrive()
	w.Blind("TLS")
	w.begin(&audience{account(), []drivers.Requests{second}})
	fresh := arrive()
	for _, r := range []*drivers.Request{old, fresh} {
		r.To.Identified(r)
		r.Whole, r.Answered, r.Status = true, true, "confirmed"
		r.To.Over(r)
	}
	for i, l := range []*listener{first, second} {
		if *l != (listener{1, 1, "TLS"}) {
			t.Errorf("source %d heard %+v", i, *l)
		}
	}
	if m := counted.Between([]requests.Span{{Start: 0, End: time.Hour}}); *m.Requests != 1 || *m.Answered != 1 {
		t.Errorf("the account beside it: %+v", m)
	}
}
