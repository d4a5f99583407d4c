package requests

import (
	"fmt"

	"wringer/reports"
	"wringer/reports/metric"
)

// View is what a gate on a link reads.
type View struct {
	// Measures are those of the gate's scope. Operations of it are those of the streams that the gate is about.
	Measures *reports.LinkMeasures
	// Calls count those operations by their requests; nil: nothing tied a request to an operation.
	Calls Calls
	// Alone: the operations are of all streams that send.
	Alone bool
	// Unknown is the reason why every count is a lower bound, Forgot why repeated requests may be missing; empty when they are not.
	Unknown, Forgot string
}

// Metrics is the table of the metrics of links. reports.LinkMeasures defines each.
var Metrics = rows(
	metric.Metric{Name: "requests", Unit: metric.Count, Class: metric.Integrity, Better: metric.Neither, Needs: needs(metric.LinkRequests), Read: read(requestsOf),
		About: "Requests whose head came to the callee."},
	metric.Metric{Name: "answered", Unit: metric.Count, Class: metric.Integrity, Better: metric.Neither, Needs: needs(metric.LinkRequests), Read: read(answeredOf),
		About: "Requests whose answer left the callee whole while it was awaited."},
	metric.Metric{Name: "arrived_twice", Unit: metric.Count, Class: metric.Integrity, Better: metric.Lower, Evidence: "arrived_twice",
		Needs: needs(metric.LinkIdentity), Read: read(twiceOf), About: "Requests, by their identity, that arrived at least twice."},
	metric.Metric{Name: "max_arrivals", Unit: metric.Count, Class: metric.Integrity, Better: metric.Lower, Needs: needs(metric.LinkIdentity), Read: read(mostOf),
		About: "The most arrivals of one identity."},
	metric.Metric{Name: "amplification", Class: metric.Outcome, Better: metric.Lower, Bounded: true, Needs: needs(metric.LinkOperations), Read: read(amplificationOf),
		About: "Requests on the link per operation sent, of all streams or of one."},
	metric.Metric{Name: "calls_per_operation", Class: metric.Outcome, Better: metric.Lower, Bounded: true, Needs: needs(metric.LinkOperations), Read: read(meanOf),
		About: "The mean number of requests that an operation caused on the link."},
	metric.Metric{Name: "calls_per_operation.p99", Class: metric.Outcome, Better: metric.Lower, Bounded: true, Needs: needs(metric.LinkTie), Read: read(p99Of),
		About: "The 99th percentile of the same, over the operations."},
)

func needs(n metric.Need) metric.Needs { return metric.Needs{Sending: n, Consuming: metric.Operations} }

func rows(all ...metric.Metric) []metric.Metric {
	for i := range all {
		all[i].Subject = "link"
	}
	return all
}

// read makes the reader of a metric from one of a view.
func read(of func(*View) metric.Reading) func(*metric.Facts) metric.Reading {
	return func(f *metric.Facts) metric.Reading {
		v, ok := metric.Kept[*View](f)
		if !ok || v.Measures == nil {
			return metric.Missing(metric.NotReached)
		}
		if v.Measures.Operations == 0 {
			return metric.Missing("no operation was sent")
		}
		return of(v)
	}
}

// counted is a count of which 0 and more may be missing.
func counted(n *int64, open string) metric.Reading {
	if n == nil {
		return metric.Missing("%s: %s", metric.NotKnown, open)
	}
	r := metric.Found(float64(*n))
	r.AtLeast = open
	return r
}

func requestsOf(v *View) metric.Reading { return counted(v.Measures.Requests, v.Unknown) }
func answeredOf(v *View) metric.Reading { return counted(v.Measures.Answered, v.Unknown) }
func twiceOf(v *View) metric.Reading    { return v.identified(v.Measures.ArrivedTwice) }
func mostOf(v *View) metric.Reading     { return v.identified(v.Measures.MaxArrivals) }

// identified is a count of identities. A request without one may have been the repetition of another.
func (v *View) identified(n *int64) metric.Reading {
	open := v.Unknown
	if open == "" {
		open = v.Forgot
	}
	if without := v.Measures.Unidentified; open == "" && without != nil && *without > 0 {
		open = fmt.Sprintf("%s requests carry no identity: %s; name the methods that carry one in witness.methods", reports.Count(*without), reports.Tally(v.Measures.UnidentifiedKinds))
	}
	if v.none() && open == "" {
		return noRequest
	}
	return counted(n, open)
}

var noRequest = metric.Missing("no request came over the link")

// none reports whether no request came.
func (v *View) none() bool { return v.Measures.Requests != nil && *v.Measures.Requests == 0 }

func amplificationOf(v *View) metric.Reading {
	if v.none() {
		return noRequest
	}
	r := requestsOf(v)
	return scaled(r, float64(v.Measures.Operations))
}

func scaled(r metric.Reading, by float64) metric.Reading {
	r.Value /= by
	r.Targets = r.Value
	return r
}

// meanOf needs no tie for all streams together: each request of the link is counted. Of one stream among several only tied requests
// are counted.
func meanOf(v *View) metric.Reading {
	if v.Alone {
		return amplificationOf(v)
	}
	return v.perOperation(func(c *reports.LinkCalls) *float64 { return c.Mean })
}

func p99Of(v *View) metric.Reading {
	return v.perOperation(func(c *reports.LinkCalls) *float64 { return c.P99 })
}

// perOperation reads a statistic of tied requests. Those that are not tied may belong to any operation.
func (v *View) perOperation(of func(*reports.LinkCalls) *float64) metric.Reading {
	m := v.Measures
	switch {
	case v.none():
		return noRequest
	case v.Calls == nil || metric.Zero(m.Tied):
		return metric.Missing("nothing tied the requests to operations: neither their identity nor a trace that the services passed on")
	}
	n := of(v.Calls.Measures())
	if n == nil {
		return metric.Missing("no operation was sent")
	}
	r := metric.Found(*n)
	switch loose := *m.Requests - *m.Tied; {
	case v.Unknown != "":
		r.AtLeast = v.Unknown
	case loose > 0:
		r.AtLeast = fmt.Sprintf("%s of %s requests are not tied to an operation", reports.Count(loose), reports.Count(*m.Requests))
	}
	return r
}
