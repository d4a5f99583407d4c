// Package annotations renders what did not pass as workflow commands of GitHub Actions, which show it beside the scenario's lines:
// a violated gate as an error, an inconclusive one as a warning. A step that prints them makes them.
package annotations

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// most is the number of annotations of one kind that GitHub shows of a step.
const most = 10

// Render writes one command a line: nothing for a run that passed.
func Render(w io.Writer, rec *reports.Record) error {
	run := rec.Run
	var errors, warnings []string
	add := func(v reports.Verdict, line int, title, text string) {
		switch v {
		case reports.Pass, reports.Valid:
		case reports.Fail:
			errors = append(errors, command("error", run.File, line, title, text))
		default:
			warnings = append(warnings, command("warning", run.File, line, title, text))
		}
	}
	for i := range run.Gates {
		g := &run.Gates[i]
		observed, limit := reports.GateValues(g)
		text := fmt.Sprintf("%s: observed %s", g.Why, observed)
		if limit != "" {
			text += ", limit " + limit
		}
		add(g.Verdict, lineOf(rec.Scenario, g.Expr), run.Name+": "+g.Expr, text)
	}
	for _, why := range run.Validity.Why {
		add(run.Validity.Verdict, 0, run.Name+": validity", why)
	}
	if len(errors)+len(warnings) == 0 && run.Verdict != reports.Pass {
		add(run.Verdict, 0, run.Name, strings.Join(run.Why, "\n"))
	}
	_, err := io.WriteString(w, strings.Join(append(bounded(errors, "error", run), bounded(warnings, "warning", run)...), ""))
	return err
}

// RenderAll writes the commands of several records, in their order.
func RenderAll(w io.Writer, records []*reports.Record) error {
	for _, rec := range records {
		if err := Render(w, rec); err != nil {
			return err
		}
	}
	return nil
}

// bounded keeps the first annotations, and says how many more there are.
func bounded(all []string, kind string, run *reports.Run) []string {
	if len(all) <= most {
		return all
	}
	return append(all[:most-1:most-1], command(kind, run.File, 0, run.Name, fmt.Sprintf("and %d more: see the report", len(all)-most+1)))
}

// command is a workflow command. Whatever stands in the texts, it stays one line.
func command(kind, file string, line int, title, text string) string {
	var properties []string
	if strings.Contains(file, ".") { // a scenario of stdin or of wringer load is no file
		properties = append(properties, "file="+property(file))
		if line > 0 {
			properties = append(properties, fmt.Sprintf("line=%d", line))
		}
	}
	properties = append(properties, "title="+property(title))
	return "::" + kind + " " + strings.Join(properties, ",") + "::" + data(text) + "\n"
}

var dataEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")

// data escapes a message. Its lines are kept, its control characters are not.
func data(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = sections.OneLine(lines[i])
	}
	return dataEscapes.Replace(strings.Join(lines, "\n"))
}

func property(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(dataEscapes.Replace(sections.OneLine(text)))
}

// lineOf is the first line of the scenario that holds a gate as it is written, from 1; 0: none does.
func lineOf(scenario []byte, expr string) int {
	if expr == "" {
		return 0
	}
	at := bytes.Index(scenario, []byte(expr))
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(scenario[:at], []byte("\n"))
}
