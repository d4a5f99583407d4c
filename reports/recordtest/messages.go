package recordtest

import "wringer/reports"

// Streaming is a failed record. Its stream stock consists of calls with messages, of which some were lost and some came again.
// Its failed attempts carry details.
func Streaming() *reports.Record {
	rec := Fail()
	s := rec.Run.Streams["stock"]
	total := &reports.Messages{Lost: ptr(int64(0)), Undecided: ptr(int64(0)), Unexpected: ptr(int64(0)), Duplicated: ptr(int64(0))}
	for _, name := range rec.Run.WindowNames() {
		m := s.Windows[name]
		if m == nil || m.Sent == 0 {
			continue
		}
		w := &reports.Messages{
			Calls: m.Attempts, Sent: 10 * m.Attempts, Received: 10 * m.Acked, First: m.Service, Gap: m.AckedResponse,
			Lost: ptr(int64(0)), Undecided: ptr(10 * m.Indeterminate), Unexpected: ptr(int64(0)), Duplicated: ptr(int64(0)),
		}
		if name == "lost-answers" {
			w.Lost, w.Duplicated = ptr(int64(3)), ptr(int64(7))
		}
		m.Messages = w
		total.Calls += w.Calls
		total.Sent += w.Sent
		total.Received += w.Received
		*total.Lost += *w.Lost
		*total.Undecided += *w.Undecided
		*total.Duplicated += *w.Duplicated
	}
	total.First, total.Gap = s.Total.Service, s.Total.AckedResponse
	total.Evidence = map[string]string{"lost": "r1.stock.5: 3 messages did not come", "duplicated": "r1.stock.9: message 4 came again, after message 4"}
	s.Total.Messages = total
	for _, s := range rec.Run.Streams {
		s.Total.Details = make(map[string]string)
		for code := range s.Total.Errors {
			s.Total.Details[code] = "said of " + code
		}
	}
	return rec
}
