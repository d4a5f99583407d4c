package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

// leakedFault touches traffic, and its heal cannot be confirmed.
type leakedFault struct{ recordingFault }

func (f *leakedFault) Open(faults.Env) (faults.Fault, error) { return f, nil }
func (f *leakedFault) Probe(context.Context) error           { return errors.New("still slow") }
func (f *leakedFault) Bite() faults.Bite                     { return faults.Bite{Bit: true, Connections: -1, Bytes: -1} }

func TestLeakedFaultIsInconclusive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors < 1%")
		sc.Faults = []scenarios.Fault{{Name: "leak", At: 2 * time.Second, For: 2 * time.Second, Config: &leakedFault{}}}
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict != reports.Inconclusive || !strings.Contains(strings.Join(run.Validity.Why, "\n"), "not healed") {
			t.Errorf("verdict %s, validity %q", run.Verdict, run.Validity.Why)
		}
	})
}

// A fault's time was cut off: a later second might have been bad.
func TestFaultThatWasCutOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(6*time.Second, cancel).Stop()
		sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.detection < 1s after cut")
		sc.Faults = []scenarios.Fault{{Name: "cut", At: 4 * time.Second, For: 10 * time.Second, Config: &recordingFault{}}}
		if run := mustRun(t, ctx, sc, Options{}); run.Faults[0].PerStream != nil || run.Gates[0].Verdict != reports.Inconclusive {
			t.Errorf("told as %+v; %+v", run.Faults[0], run.Gates[0])
		}
	})
}
