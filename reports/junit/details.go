package junit

import (
	"fmt"
	"strconv"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// The bounds of system-out: pipelines keep little of it, and a long one makes their pages slow.
const (
	mostOutput   = 16 << 10
	mostEvidence = 10
)

// propertiesOf are the facts about a run.
func propertiesOf(run *reports.Run) []property {
	all := []property{
		{"verdict", string(run.Verdict)},
		{"exit", strconv.Itoa(run.Exit)},
		{"seed", strconv.FormatInt(run.Seed, 10)},
		{"version", run.Version},
		{"duration", reports.Duration(float64(run.DurationNS))},
	}
	for _, name := range run.StreamNames() {
		s := run.Streams[name]
		all = append(all, property{"load." + name, s.Driver + ", " + s.Model + " model, " + s.Plan})
	}
	for i := range all {
		all[i] = property{clean(all[i].Name), clean(all[i].Value)}
	}
	return all
}

// gateProperties are the facts about a gate, for tools that read them.
func gateProperties(g *reports.Gate) []property {
	observed, limit := reports.GateValues(g)
	all := []property{{"stream", g.Stream}, {"metric", g.Metric}, {"observed", observed}}
	if limit != "" {
		all = append(all, property{"limit", limit})
	}
	if g.Window != nil {
		all = append(all, property{"window", *g.Window})
	}
	if g.Saved != nil && g.Saved.From != "" {
		all = append(all, property{"saved", g.Saved.From})
	}
	for i := range all {
		all[i].Value = clean(all[i].Value)
	}
	return all
}

// evidence is the first evidence of the count that a gate is on; nil: there is none.
func evidence(rec *reports.Record, g *reports.Gate) *output {
	var lines []string
	for i := range rec.Violations {
		v := &rec.Violations[i]
		if v.Stream != g.Stream || g.Window != nil && v.Window != *g.Window || rec.Run.CountOf(v.Kind) != g.Metric {
			continue
		}
		if len(lines) == mostEvidence {
			lines = append(lines, "and more: see "+reports.ViolationsFile)
			break
		}
		lines = append(lines, fmt.Sprintf("%s in %s: %s", v.ID, v.Window, v.Why))
	}
	return outputOf(lines)
}

// summary is what a run came to, in lines.
func summary(run *reports.Run) *output {
	lines := []string{fmt.Sprintf("%s: %s: %s", run.Name, run.Verdict, run.Headline())}
	lines = append(lines, run.Others()...)
	for i := range run.Findings {
		lines = append(lines, "finding: "+run.Findings[i].Text)
	}
	return outputOf(lines)
}

// outputOf puts lines into an output of bounded length; nil: there are none.
func outputOf(lines []string) *output {
	if len(lines) == 0 {
		return nil
	}
	var b strings.Builder
	for _, line := range lines {
		line = clean(line)
		if b.Len()+len(line) > mostOutput {
			b.WriteString("…\n")
			break
		}
		b.WriteString(line + "\n")
	}
	return &output{b.String()}
}

// clean is a text on one line without control characters, of a length that a page can show.
func clean(text string) string {
	const most = 2000
	text = sections.OneLine(text)
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// cleanLines is clean for each line of a text.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}
