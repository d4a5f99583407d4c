package samples

import (
	"encoding/hex"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// Row is one attempt. The tags name the columns, which docs/samples.md describes. A column marked optional is null where its value
// is not known. Times that end in NS count in nanoseconds from the end of the warm-up.
type Row struct {
	Run           string `parquet:"run,dict" json:"run"`
	Stream        string `parquet:"stream,dict" json:"stream"`
	Operation     int64  `parquet:"operation,delta" json:"operation"`
	Attempt       int32  `parquet:"attempt,delta" json:"attempt"`
	Last          bool   `parquet:"last" json:"last"`
	Key           *int64 `parquet:"key,optional" json:"key,omitempty"`
	User          int32  `parquet:"user,optional" json:"user,omitempty"`
	Time          Stamp  `parquet:"time,timestamp(microsecond),delta" json:"time"`
	PlannedNS     int64  `parquet:"planned_ns,delta" json:"planned_ns"`
	SentNS        int64  `parquet:"sent_ns,delta" json:"sent_ns"`
	DoneNS        int64  `parquet:"done_ns,delta" json:"done_ns"`
	ServiceNS     int64  `parquet:"service_ns,delta" json:"service_ns"`
	ResponseNS    int64  `parquet:"response_ns,delta" json:"response_ns"`
	Outcome       string `parquet:"outcome,dict" json:"outcome"`
	Code          string `parquet:"code,optional,dict" json:"code,omitempty"`
	Status        int32  `parquet:"status,optional" json:"status,omitempty"`
	Answered      bool   `parquet:"answered" json:"answered"`
	Wire          bool   `parquet:"wire" json:"wire"`
	ClientRetries int32  `parquet:"client_retries,delta" json:"client_retries"`
	BytesOut      int64  `parquet:"bytes_out,optional" json:"bytes_out,omitempty"`
	BytesIn       int64  `parquet:"bytes_in,optional" json:"bytes_in,omitempty"`
	Window        string `parquet:"window,dict" json:"window"`
	Fault         string `parquet:"fault,optional,dict" json:"fault,omitempty"`
	TraceID       string `parquet:"trace_id,optional" json:"trace_id,omitempty"`
}

// Columns are the names of the columns, in order.
var Columns = []string{
	"run", "stream", "operation", "attempt", "last", "key", "user", "time", "planned_ns", "sent_ns", "done_ns", "service_ns",
	"response_ns", "outcome", "code", "status", "answered", "wire", "client_retries", "bytes_out", "bytes_in", "window", "fault", "trace_id",
}

// Stamp is a wall time, in microseconds since 1970 in UTC. As text it is RFC 3339.
type Stamp int64

const stampForm = "2006-01-02T15:04:05.000000Z"

// AppendText appends the time in RFC 3339.
func (s Stamp) AppendText(b []byte) ([]byte, error) {
	return time.UnixMicro(int64(s)).UTC().AppendFormat(b, stampForm), nil
}

// MarshalJSON is AppendText in quotes.
func (s Stamp) MarshalJSON() ([]byte, error) {
	b, err := s.AppendText([]byte{'"'})
	return append(b, '"'), err
}

// entry is what is kept of an attempt until it is written.
type entry struct {
	stream              *reports.Begun
	operation, key      uint64
	planned, sent, done time.Duration
	in, out             int64
	code                string
	window              int
	number, user        int32
	status, hidden      int32
	outcome             drivers.Outcome
	keyed, last         bool
	answered, wire      bool
}

func newEntry(stream *reports.Begun, e *reports.Ended, i int) entry {
	at := &e.Trail[i]
	return entry{
		stream: stream, operation: e.Op.Seq, key: e.Op.Key, keyed: e.Op.Keyed, planned: e.Op.Planned, sent: at.Sent, done: at.Done, in: at.In, out: at.Out, code: at.Code,
		window: e.Window, number: int32(at.Number), user: int32(e.User), status: int32(at.Status), hidden: int32(at.Hidden),
		outcome: at.Outcome, last: i == len(e.Trail)-1, answered: at.Answered, wire: at.Wire,
	}
}

// fill describes the attempt. key is where the row's key may point.
func (e *entry) fill(r *Row, key *int64) {
	s := e.stream
	*r = Row{
		Run: s.Identity.Run, Stream: s.Stream, Operation: int64(e.operation), Attempt: e.number, Last: e.last, User: e.user,
		Time:      Stamp(s.Epoch.Add(e.sent).UnixMicro()),
		PlannedNS: int64(e.planned), SentNS: int64(e.sent), DoneNS: int64(e.done),
		ServiceNS: int64(e.done - e.sent), ResponseNS: int64(e.done - e.planned),
		Outcome: e.outcome.String(), Code: e.code, Status: e.status, Answered: e.answered, Wire: e.wire, ClientRetries: e.hidden,
		BytesOut: e.out, BytesIn: e.in,
	}
	if e.keyed {
		*key = int64(e.key)
		r.Key = key
	}
	if e.window >= 0 && e.window < len(s.Windows) {
		r.Window, r.Fault = s.Windows[e.window], s.Faults[e.window]
	}
	if len(s.Trace.Headers) > 0 {
		trace := s.Identity.Trace(e.operation)
		r.TraceID = hex.EncodeToString(trace[:])
	}
}
