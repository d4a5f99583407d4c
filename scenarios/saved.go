package scenarios

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"wringer/reports"
)

// SavedLimit is a limit that a saved run gives: 1.2 x saved, saved + 20ms. Until ResolveSaved it has no value.
type SavedLimit struct {
	// The limit is Factor times the saved value, and Plus in the metric's unit.
	Factor, Plus float64
	// From and Run are the file that was read and the id of its run; Value is the saved value.
	From, Run string
	Value     *float64
	// Unmet is the reason why the gate has no limit, with the remedy; empty: it has one.
	Unmet string
}

// SavedWord is the word for the saved run's value in a gate.
const SavedWord = "saved"

const savedForm = "write 1.2 x saved, saved + 20ms, or 0.9 x saved - 5/s"

var savedValue = regexp.MustCompile(`^\s*(?:([0-9]+(?:\.[0-9]+)?)\s*[x×*]\s+)?saved(?:\s*([-+])\s*|\s+|$)`)

// savedLimit reads a limit that a saved run gives, and returns the words behind it; false when there is none.
func (g *Gate) savedLimit(after string) (rest []string, is bool, err error) {
	m := savedValue.FindStringSubmatch(after)
	if m == nil {
		return nil, false, nil
	}
	s := &SavedLimit{Factor: 1, Unmet: "no saved run was given: name one with --saved FILE; wringer save makes one"}
	if m[1] != "" {
		if s.Factor, err = strconv.ParseFloat(m[1], 64); err != nil || s.Factor <= 0 {
			return nil, true, fmt.Errorf("%s x saved: the factor must be above 0; %s", clip(m[1]), savedForm)
		}
	}
	rest = strings.Fields(after[len(m[0]):])
	if m[2] != "" {
		if len(rest) == 0 {
			return nil, true, fmt.Errorf("there is no value after saved %s; %s", m[2], savedForm)
		}
		var value string
		value, rest = cutValue(rest)
		if err := g.parseLimit(value); err != nil {
			return nil, true, fmt.Errorf("%w; %s", err, savedForm)
		}
		if s.Plus, g.Limit = g.Limit, 0; m[2] == "-" {
			s.Plus = -s.Plus
		}
	}
	g.Saved = s
	return rest, true, nil
}

// SavedGates are the gates whose limit a saved run gives.
func (s *Scenario) SavedGates() []*Gate {
	var all []*Gate
	for i := range s.Expect {
		if s.Expect[i].Saved != nil {
			all = append(all, &s.Expect[i])
		}
	}
	return all
}

// ResolveSaved gives the gate the saved run's value. A limit with which the gate could not fail, or could not hold, leaves it open: it
// would decide nothing.
func (g *Gate) ResolveSaved(from, run string, value float64) {
	s := g.Saved
	s.From, s.Run, s.Value, s.Unmet = from, run, &value, ""
	g.Limit = s.Factor*value + s.Plus
	why := ""
	switch {
	case g.always():
		why = "can never fail"
	case g.never():
		why = "can never hold"
	}
	if why != "" {
		s.Unmet = fmt.Sprintf("the saved value is %s, and with the limit %s the gate %s: %s; %s", g.amount(value), g.amount(g.Limit), why, g.bounds(), s.remedy(g))
	}
}

// remedy is another form of the limit, which the saved value does not make idle.
func (s *SavedLimit) remedy(g *Gate) string {
	example := map[string]string{"ratio": "1%", "ns": "20ms", "per_second": "5/s", "count": "1"}[g.Metric.Unit]
	if example == "" {
		example = "0.2"
	}
	return "write saved + " + example + ", or a limit of its own"
}

// UnmetSaved leaves the gate open for a reason.
func (g *Gate) UnmetSaved(from, run, why string) {
	g.Saved.From, g.Saved.Run, g.Saved.Value, g.Saved.Unmet = from, run, nil, why
	g.Limit = 0
}

// Record is the saved run's part of the gate's record; nil: the limit stands in the scenario.
func (s *SavedLimit) Record() *reports.SavedLimit {
	if s == nil {
		return nil
	}
	return &reports.SavedLimit{From: s.From, Run: s.Run, Value: s.Value}
}
