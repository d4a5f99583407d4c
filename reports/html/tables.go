package html

import (
	"math"
	"slices"
	"strings"

	"wringer/reports"
)

// table is a table whose first column names its rows.
type table struct {
	Caption string
	Class   string // dense: many narrow columns; worded: the last column is words; stack: a card for each row on a phone
	Head    []string
	Rows    []row
}

// Label names the column of a row's cell.
func (t *table) Label(i int) string { return t.Head[i+1] }

type row struct {
	Label string
	Note  string // below the label
	Fault bool   // the row is a fault's window
	Total bool
	Cells []cell
}

type cell struct {
	Text  string
	Class string   // n: a number, na: there is none, bad, good, doubt; words otherwise
	Notes []string // below the text
}

func words(text string) cell { return cell{Text: text, Class: class(text, "")} }

// number is a figure, or in its place the words that there is none.
func number(text string) cell { return cell{Text: text, Class: class(text, "n")} }

func class(text, otherwise string) string {
	switch text {
	case reports.NotMeasured, reports.NotKnown:
		return "na"
	case reports.NoAnswer, reports.NotSeen:
		return "bad"
	}
	return otherwise
}

func count(n int64) cell { return number(reports.Count(n)) }

// unwanted is a count that is bad above 0.
func unwanted(n int64) cell {
	c := count(n)
	if n > 0 {
		c.Class = "n bad"
	}
	return c
}

// byWindow makes a table with a row for each window in which there was something to count, and one for the total.
func byWindow(run *reports.Run, name, caption string, head []string, cells func(*reports.Measures) []cell) *table {
	s := run.Streams[name]
	t := &table{Caption: name + ": " + caption, Head: append([]string{"window"}, head...)}
	for _, window := range run.WindowNames() {
		m := s.Windows[window]
		if m == nil || m.Offered == 0 && !counted(m.Integrity) {
			continue
		}
		note, fault := spans(run, window)
		t.Rows = append(t.Rows, row{Label: window, Note: note, Fault: fault, Cells: cells(m)})
	}
	t.Rows = append(t.Rows, row{Label: "total", Total: true, Cells: cells(&s.Total)})
	return t
}

// counted says whether any count is above 0.
func counted(i *reports.Integrity) bool {
	return slices.ContainsFunc(reports.IntegrityNames(), func(name string) bool {
		n := i.Count(name)
		return n != nil && *n > 0
	})
}

// spans tells when a window was, piece by piece, and whether it is a fault's.
func spans(run *reports.Run, window string) (note string, fault bool) {
	var pieces []string
	for _, w := range run.Windows {
		if w.Name == window {
			pieces = append(pieces, reports.Span(w.StartNS, w.EndNS))
			fault = fault || w.Fault != nil
		}
	}
	return strings.Join(pieces, ", "), fault
}

var operationHead = []string{"offered", "acked", "rejected", "indeter\u00adminate", "dropped", "acked a second", "p50", "p99", "p99.9", "max", "un\u00adanswered"}

func operationTable(run *reports.Run, name string) *table {
	return byWindow(run, name, "operations and response time, by window", operationHead, func(m *reports.Measures) []cell {
		cells := []cell{
			count(m.Offered), count(m.Acked), count(m.Rejected), count(m.Indeterminate), unwanted(m.Dropped),
			number(reports.Measured(m.Rate, reports.Rate)),
		}
		if m.DroppedByUs > 0 {
			cells[4].Notes = []string{reports.Count(m.DroppedByUs) + " by the generator"}
		}
		return append(cells, latencies(m.Response)...)
	})
}

func latencies(l *reports.Latency) []cell {
	if l == nil {
		l = &reports.Latency{}
	}
	cells := []cell{}
	for _, p := range []*float64{l.P50, l.P99, l.P999, l.Max} {
		cells = append(cells, number(reports.Percentile(l, p)))
	}
	unanswered := number(reports.Measured(l.Unanswered, func(n float64) string { return reports.Count(int64(n)) }))
	if l.Unanswered != nil && *l.Unanswered > 0 {
		unanswered.Class = "n bad"
	}
	return append(cells, unanswered)
}

// effectTable tells how long effects took, by window.
func effectTable(run *reports.Run, name string) *table {
	return byWindow(run, name, "time from planned start to effect, by window", reports.EffectHead, func(m *reports.Measures) []cell {
		cells := []cell{}
		for _, text := range m.Effect.Cells() {
			cells = append(cells, number(text))
		}
		if e := m.Effect; e != nil && e.Unseen() > 0 {
			cells[len(cells)-2].Class = "n bad"
		}
		return cells
	})
}

var attemptHead = []string{"attempts", "retries", "of these by the client", "ampli\u00adfication", "errors", "service p50", "service p99", "failed fast", "at the deadline", "beyond it", "failed attempts by code"}

func attemptTable(run *reports.Run, name string) *table {
	t := byWindow(run, name, "attempts and errors, by window", attemptHead, func(m *reports.Measures) []cell {
		service := m.Service
		if service == nil {
			service = &reports.Latency{}
		}
		cells := []cell{
			count(m.Attempts), count(m.Retries), count(m.ClientRetries), number(reports.Measured(m.Amplification, reports.Factor)),
			number(reports.Measured(m.ErrorShare(), reports.Share)),
			number(reports.Percentile(service, service.P50)), number(reports.Percentile(service, service.P99)),
		}
		if m.TransparentRetries > 0 {
			cells[2].Notes = []string{reports.Count(m.TransparentRetries) + " transparent"}
		}
		return append(append(cells, failures(m.Failures)...), codes(m))
	})
	t.Class = "worded"
	return t
}

func failures(f *reports.Failures) []cell {
	if f == nil {
		none := number(reports.NotMeasured)
		return []cell{none, none, none}
	}
	return []cell{count(f.Fast), count(f.AtDeadline), unwanted(f.BeyondDeadline)}
}

func codes(m *reports.Measures) cell {
	var all []string
	for _, c := range m.Codes() {
		all = append(all, c.Code+" "+reports.Count(c.N))
	}
	if len(all) == 0 {
		all = []string{"none"}
	}
	return cell{Notes: all}
}

// soft lets long names of counts break where columns are narrow.
var soft = strings.NewReplacer("_", " ", "unexpected", "unex\u00adpected", "recovered", "re\u00adcovered", "redelivered", "re\u00addelivered",
	"violations", "viola\u00adtions", "regressions", "regres\u00adsions", "duplicates", "dupli\u00adcates", "collisions", "colli\u00adsions")

// integrityTable leaves out the counts that were measured nowhere, and names them.
func integrityTable(run *reports.Run, name string) (t *table, missing []string) {
	var names, head []string
	for _, n := range reports.IntegrityNames() {
		if !told(run, name, n) {
			missing = append(missing, strings.ReplaceAll(n, "_", " "))
			continue
		}
		names, head = append(names, n), append(head, soft.Replace(n))
	}
	t = byWindow(run, name, "integrity, by window", head, func(m *reports.Measures) []cell {
		cells := make([]cell, len(names))
		for i, n := range names {
			cells[i] = number(reports.IntegrityCount(m.Integrity, n))
			if c := m.Integrity.Count(n); c != nil && *c > 0 && slices.Contains(reports.Anomalies(), n) {
				cells[i].Class = "n bad"
			}
		}
		return cells
	})
	t.Class = "dense"
	return t, missing
}

// told says whether there is anything to tell of a count: a figure, or that it is not known.
func told(run *reports.Run, name, count string) bool {
	s := run.Streams[name]
	if reports.IntegrityCount(s.Total.Integrity, count) != reports.NotMeasured {
		return true
	}
	for _, m := range s.Windows {
		if reports.IntegrityCount(m.Integrity, count) != reports.NotMeasured {
			return true
		}
	}
	return false
}

// gaugeTable sums up the driver's own readings.
func gaugeTable(name string, s *reports.Stream) *table {
	t := &table{Caption: name + ": gauges of the driver", Head: []string{"gauge", "readings", "min", "mean", "max", "last"}}
	names := make([]string, 0, len(s.Gauges))
	for gauge := range s.Gauges {
		names = append(names, gauge)
	}
	slices.Sort(names)
	for _, gauge := range names {
		readings := s.Gauges[gauge]
		if len(readings) == 0 {
			continue
		}
		low, high, sum := math.Inf(1), math.Inf(-1), 0.0
		for _, r := range readings {
			low, high, sum = min(low, r.Value), max(high, r.Value), sum+r.Value
		}
		cells := []cell{count(int64(len(readings)))}
		for _, v := range []float64{low, sum / float64(len(readings)), high, readings[len(readings)-1].Value} {
			cells = append(cells, number(reports.Factor(v)))
		}
		t.Rows = append(t.Rows, row{Label: gauge, Cells: cells})
	}
	return t
}

var faultHead = []string{"fault", "what", "on", "when", "bit", "healed", "detection", "recovery", "metastable"}

// faultTable is nil when the run had no faults.
func faultTable(run *reports.Run) *table {
	if len(run.Faults) == 0 {
		return nil
	}
	t := &table{Caption: "what became of each fault", Class: "stack", Head: faultHead}
	for i := range run.Faults {
		f := &run.Faults[i]
		t.Rows = append(t.Rows, row{Label: f.Title(), Note: f.Kind, Fault: true, Cells: faultCells(f)})
	}
	return t
}

func faultCells(f *reports.Fault) []cell {
	bit, healed := did(f.Bit, f.Bite()), did(f.Healed, f.Healing())
	if f.Error != "" {
		healed.Notes = []string{f.Error}
	}
	detection, recovery, stuck := words(f.Detection()), words(f.Recovery()), words(f.Stuck())
	if f.Recovered != nil && !*f.Recovered {
		recovery.Class = "bad"
	}
	if f.Metastable != nil && *f.Metastable {
		stuck.Class = "bad"
	}
	if len(f.PerStream) > 1 {
		detection.Notes, recovery.Notes = perStream(f)
		detection.Class, recovery.Class = strings.TrimSpace(detection.Class+" short"), strings.TrimSpace(recovery.Class+" short")
	}
	return []cell{words(f.Spec), words(f.Place()), {Text: reports.Span(f.StartNS, f.EndNS), Class: "short"}, bit, healed, detection, recovery, stuck}
}

func did(yes bool, text string) cell {
	if yes {
		return cell{Text: "✓ " + text, Class: "good"}
	}
	return cell{Text: "? " + text, Class: "doubt"}
}

// perStream tells the detection and the recovery of each stream, by the names of the streams.
func perStream(f *reports.Fault) (detection, recovery []string) {
	names := make([]string, 0, len(f.PerStream))
	for name := range f.PerStream {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r := f.PerStream[name]
		one := reports.Fault{DetectionNS: r.DetectionNS, RecoveryNS: r.RecoveryNS, Recovered: r.Recovered, PerStream: map[string]reports.StreamRecovery{"": r}}
		detection = append(detection, name+": "+one.Detection())
		recovery = append(recovery, name+": "+one.Recovery())
	}
	return detection, recovery
}
