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

// leakedFault bites and cannot be seen to be gone.
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

func TestIntegrityOfNothingIsInconclusive(t *testing.T) {
	none, some := int64(0), int64(7)
	if o := integrityObservation("lost", &reports.Measures{Integrity: &reports.Integrity{Acked: &none, Seen: &none, Lost: &none}}); o.missing == "" {
		t.Error("nothing acked and nothing seen shows that nothing was lost")
	}
	if o := integrityObservation("lost", &reports.Measures{Integrity: &reports.Integrity{Acked: &some, Seen: &some, Lost: &none}}); o.missing != "" {
		t.Errorf("7 acked and seen: %s", o.missing)
	}
}

func TestLimitedSecondsMakeTheRunInconclusive(t *testing.T) {
	tr := &trial{machine: newMachine(false), collector: &collector{limited: map[string]int{"a": 1}}}
	run := &reports.Run{Gates: []reports.Gate{{Verdict: reports.Pass}}}
	tr.verdict(run, conclusion{})
	if run.Verdict != reports.Inconclusive || run.Validity.Verdict != reports.Inconclusive {
		t.Errorf("verdict %s, validity %+v", run.Verdict, run.Validity)
	}
}
