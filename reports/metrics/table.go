package metrics

import (
	"wringer/reports"
	"wringer/reports/metric"
)

// Metrics is the table of the counts and times of a stream's operations. Each is read from a *Cell.
var Metrics = tables(
	metric.Times(timed("", "of the response time, from the planned start to the answer"), response),
	shares,
	rates,
	counts,
	metric.Times(timed("service", "of the service time, from the send of an attempt to its answer"), service),
	metric.Times(timed("acked", "of the response time of the acked operations alone"), ackedTime),
	parts,
)

// MessageMetrics is the table of the counts and times of the messages within streaming calls.
var MessageMetrics = tables(
	metric.Times(messageTime("first_message", "of the time from a call's send to its first message"), firstMessage),
	metric.Times(messageTime("message_gap", "of the time between two messages of a call"), messageGap),
	[]metric.Metric{
		message("sent", metric.TimeOrRate, metric.Messages, metric.Neither, "Messages sent."),
		message("received", metric.TimeOrRate, metric.Messages, metric.Neither, "Messages received."),
		message("lost", metric.Outcome, metric.Counted, metric.Lower, "Messages that did not come although the target ended the call well."),
		message("undecided", metric.Outcome, metric.Counted, metric.Lower, "Messages that did not come in a call without a good end."),
		message("unexpected", metric.Outcome, metric.Counted, metric.Lower, "Messages that came and belong to none of the expected ones."),
		message("duplicated", metric.Outcome, metric.Tracked, metric.Lower, "Messages that came more than once."),
		message("reordered", metric.Outcome, metric.Tracked, metric.Lower, "Messages that came after a later one."),
	},
)

func tables(all ...[]metric.Metric) []metric.Metric {
	var rows []metric.Metric
	for _, t := range all {
		rows = append(rows, t...)
	}
	return rows
}

var sends = metric.Needs{Consuming: metric.Operations}

func timed(of, about string) metric.Metric {
	return metric.Metric{Of: of, About: about, BySecond: true, Needs: sends, Beyond: "operations got no answer"}
}

func messageTime(of, about string) metric.Metric {
	m := timed(of, about)
	m.Needs.Sending = metric.Messages
	return m
}

// shares of the offered operations.
var shares = []metric.Metric{
	{Name: "within", Unit: metric.Ratio, Better: metric.Higher, Argument: true, BySecond: true, Needs: sends, Failures: true, Read: within,
		About: "Share of the offered operations that were acked within the time."},
	share("errors", true, "Share of the offered operations that were not acked: rejected, indeterminate or dropped.",
		func(c *Cell) (value, targets int64) {
			failed := c.Rejected + c.Indeterminate + c.Dropped
			return failed, failed - c.DroppedByUs
		}),
	share("rejected", false, "Share of the offered operations that surely took no effect.", func(c *Cell) (value, targets int64) { return c.Rejected, c.Rejected }),
	share("indeterminate", false, "Share of the offered operations that may have taken effect.", func(c *Cell) (value, targets int64) {
		return c.Indeterminate, c.Indeterminate + c.DroppedByUs
	}),
	share("dropped", false, "Share of the offered operations that could not be sent.", func(c *Cell) (value, targets int64) { return c.Dropped, c.Dropped - c.DroppedByUs }),
}

func share(name string, failures bool, about string, of fates) metric.Metric {
	return metric.Metric{Name: name, Unit: metric.Ratio, Class: metric.Outcome, Better: metric.Lower, BySecond: true, Needs: sends, Failures: failures,
		About: about, Read: func(f *metric.Facts) metric.Reading {
			c, none := offered(f)
			switch {
			case none != nil:
				return *none
			case c.Offered == c.DroppedByUs:
				return metric.Missing("no operation was sent")
			}
			return shareOf(c, of)
		}}
}

var rates = []metric.Metric{
	{Name: "rate", Unit: metric.PerSecond, Better: metric.Higher, BySecond: true, Needs: sends, About: "Operations acked a second.", Read: rate},
	{Name: "amplification", Bounded: true, Class: metric.Outcome, Better: metric.Lower, BySecond: true, Needs: sends, About: "Attempts for each operation sent.", Read: amplification},
}

// counts of traffic belong to TimeOrRate: a load generator that falls behind sends less.
var counts = []metric.Metric{
	count("offered", metric.Neither, "Operations that the plan called for.", func(c *reports.Counts) int64 { return c.Offered }, never),
	count("sent", metric.Neither, "Operations of which an attempt was made.", func(c *reports.Counts) int64 { return c.Sent }, once),
	count("acked", metric.Higher, "Operations that took effect, by the target's answer.", func(c *reports.Counts) int64 { return c.Acked }, once),
	count("attempts", metric.Lower, "Attempts that reached the wire.", func(c *reports.Counts) int64 { return c.Attempts }, tried),
	count("retries", metric.Lower, "Attempts beyond the first of each operation.", func(c *reports.Counts) int64 { return c.Retries }, retried),
	count("client_retries", metric.Lower, "Retries that the driver made by itself, beneath the stream's policy.", func(c *reports.Counts) int64 { return c.ClientRetries }, once),
	count("transparent_retries", metric.Lower, "Client retries after a transmission that the target surely had not read.", func(c *reports.Counts) int64 { return c.TransparentRetries }, once),
}

// What one operation that the generator did not send can add to a count.
func never(int64) int64            { return 0 }
func once(int64) int64             { return 1 }
func tried(attempts int64) int64   { return max(attempts, 1) }
func retried(attempts int64) int64 { return max(attempts, 1) - 1 }

func count(name string, better metric.Direction, about string, of func(*reports.Counts) int64, more func(attempts int64) int64) metric.Metric {
	return metric.Metric{Name: name, Unit: metric.Count, Better: better, BySecond: true, Needs: sends, About: about,
		Count: func(m *reports.Measures) *int64 {
			if m == nil {
				return nil
			}
			n := of(&m.Counts)
			return &n
		},
		Read: func(f *metric.Facts) metric.Reading {
			c, none := offered(f)
			if none != nil {
				return *none
			}
			n := of(&c.Counts)
			return metric.Reading{Value: float64(n), Targets: float64(n + c.DroppedByUs*more(f.Attempts))}
		}}
}

// message is the row of a count of messages, whose name in the record has no prefix.
func message(name string, class metric.Class, needs metric.Need, better metric.Direction, about string) metric.Metric {
	anomaly := false
	for _, a := range reports.MessageAnomalies() {
		anomaly = anomaly || a == name
	}
	return metric.Metric{Name: "messages_" + name, Unit: metric.Count, Class: class, Better: better, BySecond: true, About: about, Anomaly: anomaly,
		Needs: metric.Needs{Sending: needs, Consuming: metric.Operations},
		Count: func(m *reports.Measures) *int64 {
			if m == nil {
				return nil
			}
			return m.Messages.Count(name)
		},
		Quote: func(m *reports.Measures) string { return m.Messages.Evidence[name] },
		Read: func(f *metric.Facts) metric.Reading {
			c, none := offered(f)
			if none != nil {
				return *none
			}
			if n, shown := c.Messages.Shown(name); shown {
				r := metric.Found(float64(n))
				if class == metric.TimeOrRate && c.DroppedByUs > 0 { // nobody knows how many messages a call that was not sent has
					r.Targets = metric.Infinite
				}
				return r
			}
			return metric.Missing("no call that ended well could show it")
		}}
}
