package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// SeveralSchema names the form of WriteAllJSON.
const SeveralSchema = "wringer.runs/v1"

// RunTally sums the verdicts of several records up in words: 7 run: 6 pass, 1 inconclusive.
func RunTally(records []*Record) string {
	counts := make(map[Verdict]int)
	for _, rec := range records {
		counts[rec.Run.Verdict]++
	}
	return fmt.Sprintf("%d run: %s", len(records), VerdictTally(counts))
}

// VerdictTally writes the counts of verdicts, the worst first after the passes.
func VerdictTally(counts map[Verdict]int) string {
	var parts []string
	for _, v := range []Verdict{Pass, Fail, Inconclusive} {
		if n := counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// Together is the verdict of several: any fail is a fail, else any that is inconclusive is inconclusive. Of none it is inconclusive.
func Together(verdicts ...Verdict) Verdict {
	out := Pass
	for _, v := range verdicts {
		switch {
		case v == Fail:
			return Fail
		case v != Pass:
			out = Inconclusive
		}
	}
	if len(verdicts) == 0 {
		return Inconclusive
	}
	return out
}

// WriteAllJSON writes several records in one document: their tally, and each as WriteJSON writes it.
func WriteAllJSON(w io.Writer, records []*Record) error {
	out := struct {
		Schema  string            `json:"schema"`
		Verdict Verdict           `json:"verdict"`
		Tally   string            `json:"tally"`
		Runs    []json.RawMessage `json:"runs"`
	}{Schema: SeveralSchema, Tally: RunTally(records), Runs: []json.RawMessage{}}
	var verdicts []Verdict
	for _, rec := range records {
		raw, err := Encode(rec.Run)
		if err != nil {
			return err
		}
		verdicts, out.Runs = append(verdicts, rec.Run.Verdict), append(out.Runs, raw)
	}
	out.Verdict = Together(verdicts...)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
