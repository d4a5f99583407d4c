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
	w.begin(first)
	r := arrive()
	w.begin(second)
	end(r)
	end(arrive())
	end(arrive())
	w.Blind("TLS")
	w.begin(third)
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
