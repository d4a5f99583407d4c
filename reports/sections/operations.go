package sections

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/reports"
)

// operations counts the offered operations by outcome, and shows their response times.
func (b *builder) operations() Section {
	s := Section{Name: NameOperations, Title: "operations and response time", Rank: Vital, Head: []Column{
		{Name: "offered", Kind: Count, Rank: Usual},
		{Name: "acked", Kind: Count, Rank: Usual},
		{Name: "rejected", Kind: Count, Rank: Full},
		{Name: "indeterminate", Kind: Count, Rank: Full},
		{Name: "dropped", Kind: Count, Rank: Full},
		{Name: "acked a second", Short: "rate", Kind: Rate},
		{Name: "p50", Kind: Time},
		{Name: "p99", Kind: Time},
		{Name: "p99.9", Kind: Time, Rank: Full},
		{Name: "max", Kind: Time, Rank: Full},
		{Name: "unanswered", Kind: Count, Rank: Full},
	}}
	overtaken := b.stream.Total.Overtaken > 0
	if overtaken {
		s.Head = append(s.Head, Column{Name: "overtaken", Kind: Count, Rank: Full})
		s.Notes = append(s.Notes, fmt.Sprintf("overtaken operations, due before a fault's injection and not over at it: %s; %s of them had waited long",
			reports.Count(b.stream.Total.Overtaken), reports.Count(b.stream.Total.OvertakenLong)))
	}
	return b.byWindow(s, func(m *reports.Measures) []Cell {
		dropped := unwanted(m.Dropped)
		if m.DroppedByUs > 0 {
			dropped.Notes = []string{reports.Count(m.DroppedByUs) + " by the load generator"}
		}
		cells := []Cell{
			count(m.Offered), count(m.Acked), count(m.Rejected), count(m.Indeterminate), dropped, rate(m.Rate),
			percentile(m.Response, p50), percentile(m.Response, p99), percentile(m.Response, p999), percentile(m.Response, most),
			unanswered(m.Response),
		}
		if !overtaken {
			return cells
		}
		cell := count(m.Overtaken)
		if m.OvertakenLong > 0 {
			cell.Notes = []string{reports.Count(m.OvertakenLong) + " had waited long"}
		}
		return append(cells, cell)
	})
}

// unanswered is the count of operations that got no answer.
func unanswered(l *reports.Latency) Cell {
	if l == nil || l.Unanswered == nil {
		return counted(nil, reports.NotMeasured)
	}
	return unwanted(int64(*l.Unanswered))
}

// attempts counts the attempts and retries, and shows how long an attempt took.
func (b *builder) attempts() Section {
	s := Section{Name: NameAttempts, Title: "errors and attempts", Rank: Vital, Head: []Column{
		{Name: "errors", Kind: Share},
		{Name: "attempts", Kind: Count, Rank: Full},
		{Name: "retries", Kind: Count},
		{Name: "retries by the client library", Kind: Count, Rank: Full},
		{Name: "amplification", Kind: Factor, Rank: Usual},
		{Name: "service p50", Kind: Time, Rank: Full},
		{Name: "service p99", Kind: Time, Rank: Full},
	}}
	return b.byWindow(s, func(m *reports.Measures) []Cell {
		client := count(m.ClientRetries)
		if m.TransparentRetries > 0 {
			client.Notes = []string{reports.Count(m.TransparentRetries) + " transparent"}
		}
		return []Cell{
			share(m.ErrorShare()), count(m.Attempts), count(m.Retries), client, factor(m.Amplification),
			percentile(m.Service, p50), percentile(m.Service, p99),
		}
	})
}

// failures counts the failed attempts, by when they ended and by code. It is empty when no attempt failed.
func (b *builder) failures() Section {
	if len(b.stream.Total.Errors) == 0 {
		return Section{}
	}
	s := Section{Name: NameFailures, Title: "failed attempts", Rank: Full, Head: []Column{
		{Name: "fast", Kind: Count},
		{Name: "at their deadline", Kind: Count},
		{Name: "beyond their deadline", Kind: Count},
		{Name: "by code"},
	}}
	return b.byWindow(s, func(m *reports.Measures) []Cell {
		f := m.Failures
		if f == nil {
			none := counted(nil, reports.NotMeasured)
			return []Cell{none, none, none, codes(m.Errors)}
		}
		return []Cell{count(f.Fast), count(f.AtDeadline), unwanted(f.BeyondDeadline), codes(m.Errors)}
	})
}

// byFrequency lists the codes of failed attempts, the most frequent first.
func byFrequency(errors map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(errors[b], errors[a]), cmp.Compare(a, b))
	})
}

// codes counts the failed attempts of each code.
func codes(errors map[string]int64) Cell {
	c := Cell{}
	for _, code := range byFrequency(errors) {
		c.Notes = append(c.Notes, code+" "+reports.Count(errors[code]))
	}
	if len(c.Notes) == 0 {
		c.Text = "none"
	}
	return c
}

// mostDetails is the largest number of codes that details shows.
const mostDetails = 8

// details quotes the first failed attempt of each code, the most frequent code first. It is empty without quotes.
func (b *builder) details() Section {
	s := Section{Name: NameDetails, Title: "what the first failed attempt of each code said", Rank: Usual, Pairs: true,
		Head: []Column{{Name: "code", Kind: Code}, {Name: "said", Plain: true}}}
	m := &b.stream.Total
	for _, code := range byFrequency(m.Errors) {
		if said := m.Details[code]; said != "" && len(s.Rows) < mostDetails {
			s.Rows = append(s.Rows, Row{Label: code, Code: true, Cells: []Cell{words(said)}})
		}
	}
	return s
}

// effects shows the time until the effect of an operation was seen.
func (b *builder) effects() Section {
	if b.stream.Total.Effect == nil {
		return Section{}
	}
	s := Section{Name: NameEffects, Title: "time from planned start to effect", Rank: Usual, Head: []Column{
		{Name: "operations", Kind: Count, Rank: Usual},
		{Name: "p50", Kind: Time},
		{Name: "p90", Kind: Time, Rank: Usual},
		{Name: "p99", Kind: Time},
		{Name: "p99.9", Kind: Time, Rank: Usual},
		{Name: "mean", Kind: Time, Rank: Usual},
		{Name: "max", Kind: Time},
		{Name: "never seen", Kind: Count},
		{Name: "not known", Kind: Count},
	}}
	return b.byWindow(s, func(m *reports.Measures) []Cell { return effectCells(m.Effect, len(s.Head)) })
}

func effectCells(e *reports.EffectTimes, columns int) []Cell {
	if e == nil {
		cells := make([]Cell, columns)
		for i := range cells {
			cells[i] = words(reports.NotMeasured)
		}
		return cells
	}
	at := func(v *float64) Cell { return figure(Time, e.Percentile(v), v, unitTime) }
	return []Cell{
		count(e.Count), at(e.P50), at(e.P90), at(e.P99), at(e.P999), duration(e.Mean), duration(e.Max), unwanted(e.Unseen()), count(e.Unknown),
	}
}

// totals shows the counts of the whole run in one row.
func (b *builder) totals() Section {
	m := &b.stream.Total
	s := Section{Name: NameTotals, Title: "operations", Rank: Vital, Head: []Column{{Name: "stream"}}}
	r := Row{Label: b.name, Total: true}
	add := func(name string, c Cell) {
		s.Head, r.Cells = append(s.Head, Column{Name: name, Kind: c.Kind}), append(r.Cells, c)
	}
	add("rate", rate(m.Rate))
	add("offered", count(m.Offered))
	add("acked", count(m.Acked))
	add("rejected", count(m.Rejected))
	add("indeterminate", count(m.Indeterminate))
	add("dropped", unwanted(m.Dropped))
	add("retries", count(m.Retries))
	add("errors", share(m.ErrorShare()))
	if len(m.Statuses) > 0 {
		var all []string
		for _, status := range byFrequency(m.Statuses) {
			all = append(all, status+": "+reports.Count(m.Statuses[status]))
		}
		add("acked by status", words(strings.Join(all, ", ")))
	}
	if seconds := float64(b.run.DurationNS) / 1e9; m.Bytes != nil && seconds > 0 {
		add("received", words(reports.Bytes(int64(float64(m.Bytes.In)/seconds))+"/s"))
		add("sent", words(reports.Bytes(int64(float64(m.Bytes.Out)/seconds))+"/s"))
	}
	s.Rows = []Row{r}
	return s
}

// times shows two distributions: the response time from the planned start, and the service time from the send.
func (b *builder) times() Section {
	s := Section{Name: NameTimes, Title: "times", Rank: Vital, Head: []Column{{Name: "time"}}}
	of := []struct {
		name string
		at   func(*reports.Latency) *float64
	}{{"min", least}, {"mean", mean}, {"p50", p50}, {"p90", p90}, {"p95", p95}, {"p99", p99}, {"p99.9", p999}, {"max", most}}
	for _, c := range of {
		s.Head = append(s.Head, Column{Name: c.name, Kind: Time})
	}
	m := &b.stream.Total
	for _, l := range []struct {
		label string
		*reports.Latency
	}{{"response", m.Response}, {"service", m.Service}} {
		if l.Latency == nil {
			continue
		}
		r := Row{Label: l.label}
		for _, c := range of {
			r.Cells = append(r.Cells, percentile(l.Latency, c.at))
		}
		s.Rows = append(s.Rows, r)
	}
	if r := m.Response; r != nil && r.Unanswered != nil && *r.Unanswered > 0 {
		s.Notes = []string{strings.Join([]string{
			reports.NoAnswer + ": the percentile falls among operations that got no answer", "min, mean and max are over answers"}, "; ")}
	}
	return s
}

// histogram counts the operations by their response time.
func (b *builder) histogram() Section {
	st := b.stream
	if len(st.Histogram) == 0 {
		return Section{}
	}
	s := Section{Name: NameHistogram, Title: "Response times", Rank: Vital, Head: []Column{
		{Name: "up to", Kind: Time}, {Name: "operations", Kind: Count}, {Name: "share", Kind: Share},
	}}
	add := func(label string, n int64) {
		part := float64(n) / float64(st.Total.Offered)
		s.Rows = append(s.Rows, Row{Label: label, Cells: []Cell{count(n), share(&part)}})
	}
	for _, bucket := range st.Histogram {
		add(nanoseconds(bucket.UpToNS), bucket.Count)
	}
	if l := st.Total.Response; l != nil && l.Unanswered != nil && *l.Unanswered > 0 {
		add(reports.NoAnswer, int64(*l.Unanswered))
	}
	return s
}
