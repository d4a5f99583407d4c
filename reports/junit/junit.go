// Package junit renders a record as JUnit XML, which CI pipelines show as a list of tests.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"wringer/reports"
)

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Name    string   `xml:"name,attr"`
	tally
	Suites []suite `xml:"testsuite"`
}

type suite struct {
	file      string // of the scenario
	Name      string `xml:"name,attr"`
	ID        string `xml:"id,attr,omitempty"`
	Timestamp string `xml:"timestamp,attr"`
	tally
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
	Out        *output    `xml:"system-out"`
}

// output is what a pipeline shows beside the cases.
type output struct {
	Text string `xml:",chardata"`
}

// tally sums the test cases up.
type tally struct {
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"` // always 0: nothing is left out
	Time     string `xml:"time,attr"`    // in seconds
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testcase struct {
	Class      string      `xml:"classname,attr"`
	Name       string      `xml:"name,attr"`
	File       string      `xml:"file,attr,omitempty"` // of the scenario
	Time       string      `xml:"time,attr"`           // gates are judged at the end: 0
	Properties *properties `xml:"properties"`
	Failure    *outcome    `xml:"failure"`
	Error      *outcome    `xml:"error"`
	Out        *output     `xml:"system-out"`
}

type properties struct {
	All []property `xml:"property"`
}

// outcome is the reason why a test case is red.
type outcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// Render writes one test suite: a test case for each gate, one for the run's validity and one for each fault. A failed gate is
// a failure, an inconclusive result an error: both turn a pipeline red. A run that does not pass is never all green.
func Render(w io.Writer, rec *reports.Record) error { return RenderAll(w, []*reports.Record{rec}) }

// RenderAll writes one test suite for each record, in their order. The sums of the whole are those of the suites.
func RenderAll(w io.Writer, records []*reports.Record) error {
	all := suites{Name: "wringer"}
	seconds := 0.0
	for _, rec := range records {
		s := suiteOf(rec)
		for n := 2; slices.ContainsFunc(all.Suites, func(o suite) bool { return o.Name == s.Name }); n++ {
			s.Name = fmt.Sprintf("%s (%d)", rec.Run.Name, n) // the same scenario once more
		}
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		seconds += length(rec.Run)
		all.Suites = append(all.Suites, s)
	}
	all.Time = written(seconds)
	return write(w, all)
}

// length is how long a run took, in seconds.
func length(run *reports.Run) float64 { return time.Duration(run.WarmupNS + run.DurationNS).Seconds() }

func written(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 3, 64) }

func suiteOf(rec *reports.Record) suite {
	run := rec.Run
	s := suite{Name: clean(run.Name), ID: clean(run.ID), Timestamp: run.Started.UTC().Format(time.RFC3339), Properties: propertiesOf(run), file: clean(run.File)}
	for i := range run.Gates {
		g := &run.Gates[i]
		c := s.add(g.Verdict, g.Expr, gateText(g))
		c.Properties = &properties{gateProperties(g)}
		if g.Verdict != reports.Pass {
			c.Out = evidence(rec, g)
		}
	}
	s.validity(&run.Validity)
	for i := range run.Findings {
		if f := &run.Findings[i]; f.Kind == reports.PartEnded {
			s.add(run.Verdict, "target: a part ended by itself", f.Text) // where this decides nothing, the verdict says so
		}
	}
	for i := range run.Faults {
		s.fault(&run.Faults[i])
	}
	if run.Verdict != reports.Pass && s.Failures+s.Errors == 0 {
		s.add(run.Verdict, "verdict", strings.Join(run.Why, "\n"))
	}
	s.Out = summary(run)
	s.Time = written(length(run))
	return s
}

func write(w io.Writer, all suites) error {
	data, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("render junit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, data)
	return err
}

// unique is the name, with a number if another case of the suite has the name: pipelines keep one case for each name.
func (s *suite) unique(name string) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(s.Cases, func(c testcase) bool { return c.Name == name })
	}
	out := name
	for n := 2; taken(out); n++ {
		out = fmt.Sprintf("%s (%d)", name, n)
	}
	return out
}

// add appends a test case; its text is used unless the verdict is pass.
func (s *suite) add(v reports.Verdict, name, text string) *testcase {
	text = cleanLines(text)
	c := testcase{Class: s.Name, Name: s.unique(clean(name)), File: s.file, Time: "0"}
	message, _, _ := strings.Cut(text, "\n")
	switch v {
	case reports.Pass, reports.Valid:
	case reports.Fail:
		c.Failure = &outcome{message, string(v), text}
		s.Failures++
	default:
		c.Error = &outcome{message, string(reports.Inconclusive), text}
		s.Errors++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
	return &s.Cases[len(s.Cases)-1]
}

func gateText(g *reports.Gate) string {
	observed, limit := reports.GateValues(g)
	text := fmt.Sprintf("%s: observed %s", g.Why, observed)
	if limit != "" {
		text += ", limit " + limit
	}
	if g.Window != nil {
		text += ", window " + *g.Window
	}
	return text
}

func (s *suite) validity(v *reports.Validity) {
	text := strings.Join(v.Why, "\n")
	if text == "" {
		text = "the record gives no reason"
	}
	s.add(v.Verdict, "validity", text)
}

// fault adds the test case of a fault. A fault that touched no traffic or was not healed is no finding about the target: the
// run is inconclusive.
func (s *suite) fault(f *reports.Fault) {
	v, why := reports.Pass, []string{}
	if f.NotInjected {
		why = append(why, "it was not injected")
	}
	if !f.Bit && !f.NotInjected {
		why = append(why, "it "+f.NotTouched())
	}
	if !f.Healed && (!f.NotInjected || f.Error != "") {
		why = append(why, "it was not seen healed")
	}
	if f.Error != "" {
		why = append(why, f.Error)
	}
	if len(why) > 0 {
		v = reports.Inconclusive
	}
	s.add(v, "fault "+f.Title()+": touched traffic and healed", fmt.Sprintf("fault %s (%s): %s", f.Title(), f.Spec, strings.Join(why, "; ")))
}
