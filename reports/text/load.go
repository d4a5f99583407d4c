package text

import (
	"io"
	"strings"

	"wringer/reports"
)

// RenderLoad writes the record of a run of one stream, as `wringer load` has it: what Render writes, with the stream's
// times in full instead of by window.
func RenderLoad(w io.Writer, rec *reports.Record, opt Options) error {
	s := newSheet(opt)
	s.verdict(rec.Run)
	s.gates(rec.Run.Gates)
	for _, name := range rec.Run.StreamNames() {
		st := rec.Run.Streams[name]
		s.title(name, st.Summary())
		s.totals(&st.Total)
		s.times(&st.Total)
		s.failures(&st.Total)
		s.messages(st.Total.Messages)
		for _, note := range anomalies(st.Total.Integrity) {
			s.wrap("  ", note)
		}
		s.histogram(st)
	}
	s.findings(rec.Run.Findings)
	s.validity(&rec.Run.Validity)
	_, err := io.WriteString(w, s.String())
	return err
}

// totals tells the counts that every stream has.
func (s *sheet) totals(m *reports.Measures) {
	told := []string{
		"rate " + reports.Measured(m.Rate, reports.Rate),
		reports.Count(m.Offered) + " offered", reports.Count(m.Acked) + " acked",
	}
	for _, c := range []struct {
		n    int64
		what string
	}{{m.Rejected, "rejected"}, {m.Indeterminate, "indeterminate"}, {m.Dropped, "dropped"}, {m.Retries, "retries"}} {
		if c.n > 0 {
			told = append(told, reports.Count(c.n)+" "+c.what)
		}
	}
	s.wrap("  ", strings.Join(append(told, "errors "+reports.Measured(m.ErrorShare(), reports.Share)), ", "))
}

// times is the table of the two times: response from the planned start, service from the send.
func (s *sheet) times(m *reports.Measures) {
	t := table{head: []string{"", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"}}
	for _, l := range []struct {
		label string
		*reports.Latency
	}{{"response", m.Response}, {"service", m.Service}} {
		if l.Latency == nil {
			continue
		}
		cells := []string{l.label}
		for _, v := range []*float64{l.Min, l.Mean, l.P50, l.P90, l.P95, l.P99, l.P999, l.Max} {
			cell := short(reports.Percentile(l.Latency, v))
			if cell == reports.NoAnswer {
				cell = "none"
			}
			cells = append(cells, cell)
		}
		t.rows = append(t.rows, cells)
	}
	if len(t.rows) == 0 {
		return
	}
	t.even = true
	s.table(t)
	if m.Response != nil && m.Response.Unanswered != nil && *m.Response.Unanswered > 0 {
		s.wrap("  ", "none: the percentile falls among operations that got no answer; min, mean and max are over answers")
	}
}

// anomalies tells every count that should be 0 and is not.
func anomalies(i *reports.Integrity) []string {
	var notes []string
	for _, name := range reports.Anomalies() {
		if n := i.Count(name); n != nil && *n > 0 {
			notes = append(notes, strings.ReplaceAll(name, "_", " ")+": "+reports.Count(*n))
		}
	}
	return notes
}

// histogram draws the response times.
func (s *sheet) histogram(st *reports.Stream) {
	if len(st.Histogram) == 0 {
		return
	}
	s.title("Response times", "")
	var most int64
	t := table{head: []string{"up to", "operations", "share", ""}, even: true, bars: true}
	for _, b := range st.Histogram {
		most = max(most, b.Count)
	}
	var unanswered int64
	if l := st.Total.Response; l != nil && l.Unanswered != nil {
		unanswered = int64(*l.Unanswered)
		most = max(most, unanswered)
	}
	add := func(label string, n int64) {
		t.rows = append(t.rows, []string{label, reports.Count(n), reports.Share(float64(n) / float64(st.Total.Offered)), bar(n, most)})
	}
	for _, b := range st.Histogram {
		add(reports.Duration(float64(b.UpToNS)), b.Count)
	}
	if unanswered > 0 {
		add(reports.NoAnswer, unanswered)
	}
	s.table(t)
}

// barWidth is the length of the longest bar.
const barWidth = 24

// bar is n of most as a bar in eighths of a column; what is above 0 shows.
func bar(n, most int64) string {
	if n <= 0 || most <= 0 {
		return ""
	}
	eighths := max(n*barWidth*8/most, 1)
	full, rest := int(eighths/8), int(eighths%8)
	out := strings.Repeat("█", full)
	if rest > 0 {
		out += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return out
}
