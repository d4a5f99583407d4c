// Package judge decides the result of a run: its gates, its faults, its findings and its verdict. It is pure: it reads Facts,
// and starts, sends and writes nothing.
package judge

import (
	"slices"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/series"
	"wringer/scenarios"
)

// Facts is the whole input of a verdict. The judge changes none of it.
type Facts struct {
	Scenario *scenarios.Scenario
	// Streams are those of the run, in the order in which they were opened.
	Streams []Stream
	// Links are those with a witness. Plan is the plan of the run, which they follow. Met is the number of requests that met a fault
	// on one of them; nil: none has a witness.
	Links []Link
	// Observed are the accounts of what the target says of itself, by the entry of `observe`.
	Observed map[string]*series.Account
	Plan     *Plan
	Met      func(fault int) (n int64, atLeast, known bool)
	// Saturated reports whether the load generator used up the machine in a second of the run.
	Saturated func(second int) bool
	// Limited counts, by stream, the seconds in which the load generator was saturated.
	Limited map[string]int
	// Machine is what the machine did in a second of the run, zero where that is not known.
	Machine func(second int) Load
	// MachineSum sums the seconds up for the record; nil: the machine was not read.
	MachineSum *reports.Machine
	// Unowned are addresses on this machine that the run dialled, and whose program was not found.
	Unowned []string
	CPU     *float64
	GCPause *int64 // the 99th percentile, in nanoseconds
	// LinkCosts holds the costs of the links that measured them, in nanoseconds.
	LinkCosts map[string]int64
	// Unrecorded is the reason why the record is not whole; nil when it is.
	Unrecorded error
	Ending     Ending
	// Events are the target's reports about its own parts.
	Events []string
	// Relay is the reason why links did not take the target's connections until the end; nil when they did.
	Relay error
	// Deaths are parts that ended by themselves and may not, with the times of the run's clock.
	Deaths []Death
}

// Load is what held the machine in a second, and neither the run nor its target. The zero value is nothing.
type Load struct {
	Others, Steal, Throttled bool
	// OthersCores and StealCores are the CPU that they took, of Cores. Quota is that of the load generator's control group.
	OthersCores, StealCores, Quota float64
	Cores                          int
}

// busy says whether something held the machine.
func (l Load) busy() bool { return l.Others || l.Steal || l.Throttled }

// Death is the end of a part of the target without a request. WentOn says that only processes in the part ended.
type Death struct {
	Part, Text string
	At         time.Duration
	WentOn     bool
}

// unexplained lists the deaths that no fault explains: neither a fault on that part nor an exec fault was in force.
func (f *Facts) unexplained() (texts []string) {
	for _, d := range f.Deaths {
		if !d.WentOn && !f.explained(d) {
			texts = append(texts, d.Text)
		}
	}
	return texts
}

func (f *Facts) explained(d Death) bool {
	for i := range f.Ending.Injections {
		in := &f.Ending.Injections[i]
		over := in.HealedAt
		if in.Step != faults.Ended {
			over = f.Ending.Ended
		}
		if in.Step == faults.Waiting || d.At < in.InjectAt || d.At > over {
			continue
		}
		config := f.Scenario.Faults[in.Index].Config
		if r, ok := config.(faults.Reaching); ok && slices.Contains(r.Reaches(), d.Part) {
			return true
		}
		if config.On().Part == d.Part || config.Kind() == commandKind {
			return true
		}
	}
	return false
}

// commandKind is the kind of faults by commands, which can end any part.
const commandKind = "exec"

// Ending describes the end of a run, apart from the measurements.
type Ending struct {
	Ended time.Duration // of the measured part
	// Unobserved holds, by stream, the reason why observation was not complete.
	Unobserved  map[string]string
	Interrupted bool
	Stopped     Stopped // by the run's own rules
	Failure     error   // of the harness
	Injections  []faults.Injection
}

// Stream holds the facts about one stream.
type Stream struct {
	Spec *scenarios.Stream
	// Closed: the stream is of the closed model, and slows down with its target.
	Closed bool
	Tally  *Tally
	// Findings are those of its checks.
	Findings []reports.Findings
	// Places are the named places of its effects.
	Places []Place
	// Broken lists its checks that broke. It is asked last, because a check may break when it tells its findings.
	Broken func() []Broken
	// Place is the place of its operations or records, in words.
	Place string
	// Shortage says what to do about operations that never left because the generator ran out of something; empty: all left.
	Shortage string
	place    string // that it was narrowed to; empty: it is the whole stream
	// GroupFailed is the reason why its group of consumers could not read; empty when it could, or when there is none.
	GroupFailed string
}

// Place holds the facts about one named place of a stream's effects.
type Place struct {
	Name     string
	Findings []reports.Findings // of its own checks
}

// Broken is a check that panicked or did not return. None of its metrics is known.
type Broken struct {
	Metrics []metric.Metric
	Why     string
}

// broke lists the checks of the stream that broke.
func (s *Stream) broke() []Broken {
	if s.Broken == nil {
		return nil
	}
	return s.Broken()
}

// broken is the reason why the check of a metric broke; empty when it did not.
func (s *Stream) broken(full string) string {
	for _, b := range s.broke() {
		if slices.ContainsFunc(b.Metrics, func(m metric.Metric) bool { return m.Full() == full }) {
			return b.Why
		}
	}
	return ""
}

// unknown is the reason why a count of the stream is not fully known; empty when it is.
func (s *Stream) unknown(count string) string {
	for i := range s.Findings {
		if why := s.Findings[i].Unknown[count]; why != "" {
			return why
		}
	}
	return ""
}

// kept is what the checks of the stream keep of some windows beyond the record.
func (s *Stream) kept(windows []int) []any {
	var all []any
	for i := range s.Findings {
		if kept := s.Findings[i].Kept; kept != nil {
			if k := kept(windows); k != nil {
				all = append(all, k)
			}
		}
	}
	return all
}

func (f *Facts) stream(name string) *Stream {
	for i := range f.Streams {
		if f.Streams[i].Spec.Name == name {
			return &f.Streams[i]
		}
	}
	return nil
}

// Judge fills in the record's faults, gates, findings and verdict.
func (f *Facts) Judge(run *reports.Run) {
	all := f.overtakings()
	for i := range f.Streams {
		f.Streams[i].overtakes(run, all)
	}
	run.Faults = f.faults(run)
	run.Gates = f.gates(run)
	f.Ending.Stopped.leaveOpen(run.Gates, f.Scenario.Expect)
	run.Findings = f.findings(run)
	f.verdict(run)
}
