package recordtest

import "wringer/reports"

// Links is Fail with witnesses on two links between services: on one requests came twice, and one could not be read to its end.
func Links() *reports.Record {
	rec := Fail()
	run := rec.Run
	run.Links = make(map[string]*reports.Link)
	for i, name := range []string{"orders->stock", "stock->db"} {
		l := &reports.Link{Windows: make(map[string]*reports.LinkMeasures), Seconds: []reports.LinkSecond{}}
		if i == 0 {
			l.Identity, l.Tie = "header X-Request-Id", "trace"
		} else {
			l.Unknown = "the witness could not read a connection: TLS, which a witness cannot read"
		}
		for s := range int64(10) {
			l.Seconds = append(l.Seconds, reports.LinkSecond{StartNS: s * sec, Requests: 200 + 10*s, Answered: 200})
		}
		l.Total = linkMeasures(l, 0, 0)
		for _, window := range run.WindowNames() {
			var sent int64
			for _, s := range run.Streams {
				if m := s.Windows[window]; m != nil {
					sent += m.Sent
				}
			}
			twice := int64(0)
			if window == run.Faults[0].Name {
				twice = 7
			}
			m := linkMeasures(l, sent, twice)
			l.Windows[window] = &m
			addLink(&l.Total, &m)
		}
		run.Links[name] = l
	}
	run.Faults[0].Requests = ptr(int64(93))
	rec.Violations = append(rec.Violations, reports.Violation{
		Kind: "arrived_twice", Link: "orders->stock", Stream: "orders", Window: run.Faults[0].Name, ID: "req-0041", Seq: 41,
		Why:  "GET /stock/* arrived 2 times on orders->stock: at 12.1 s on connection 4, at 12.6 s on connection 9",
		Seen: []reports.Sighting{{AtNS: 12100 * ms, Origin: "connection 4"}, {AtNS: 12600 * ms, Origin: "connection 9"}},
	})
	return rec
}

// linkMeasures are those of a window: two calls for each operation, and the repeated ones.
func linkMeasures(l *reports.Link, sent, twice int64) reports.LinkMeasures {
	n := 2*sent + twice
	m := reports.LinkMeasures{
		Requests: ptr(n), RequestsCut: ptr(int64(0)), Answered: ptr(n - twice), Operations: sent,
		Statuses: map[string]int64{"200": n - twice}, Kinds: map[string]int64{"GET /stock/*": n},
	}
	if sent > 0 {
		m.Amplification = ptr(float64(n) / float64(sent))
	}
	if l.Identity != "" {
		m.ArrivedTwice, m.MaxArrivals, m.Unidentified, m.Tied = ptr(twice), ptr(1+min(twice, 1)), ptr(int64(0)), ptr(n)
		m.Calls = map[string]*reports.LinkCalls{"orders": {Operations: sent, Requests: n, Mean: m.Amplification, P99: ptr(2.0), Max: ptr(int64(3))}}
	}
	if l.Unknown != "" {
		m.RequestsCut = nil
	}
	return m
}

func addLink(to, m *reports.LinkMeasures) {
	*to.Requests += *m.Requests
	*to.Answered += *m.Answered
	to.Operations += m.Operations
	to.Statuses["200"] += m.Statuses["200"]
	to.Kinds["GET /stock/*"] += m.Kinds["GET /stock/*"]
	if m.ArrivedTwice != nil {
		*to.ArrivedTwice += *m.ArrivedTwice
		*to.Tied += *m.Tied
		to.Calls["orders"].Operations += m.Operations
		to.Calls["orders"].Requests += *m.Requests
	}
	if to.Operations > 0 {
		to.Amplification = ptr(float64(*to.Requests) / float64(to.Operations))
	}
	if to.Calls != nil {
		to.Calls["orders"].Mean = to.Amplification
	}
}
