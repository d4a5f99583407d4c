package drivertest

import (
	"slices"
	"testing"

	"wringer/drivers"
)

// Want is what an attempt must report for a behaviour. A zero field of Subject.Wants keeps the suite's own value.
type Want struct {
	// Outcomes that are true.
	Outcomes []drivers.Outcome
	// Codes that are allowed. Reject and Fail have codes of the protocol: if none are given, any code is allowed.
	Codes []string
	// Answered and Wire: yes, no, or either.
	Answered, Wire Tri
}

// Tri is yes, no, or either.
type Tri uint8

const (
	Default Tri = iota // the suite's own value
	Yes
	No
	Either
)

func (a Tri) allows(v bool) bool {
	return a == Either || a == Default || (a == Yes) == v
}

var (
	acked         = []drivers.Outcome{drivers.Acked}
	rejected      = []drivers.Outcome{drivers.Rejected}
	indeterminate = []drivers.Outcome{drivers.Indeterminate}
)

// wants is the outcome table of the design. A behaviour that ends the connection may be seen as a close or as a reset: the
// kernel reports one or the other, depending on unread bytes.
var wants = map[Behaviour]Want{
	Answer:  {acked, []string{""}, Yes, Yes},
	Reject:  {rejected, nil, Yes, Yes},
	Fail:    {indeterminate, nil, Yes, Yes},
	Hang:    {indeterminate, []string{drivers.CodeTimeout}, No, Yes},
	Close:   {indeterminate, []string{drivers.CodeClosed, drivers.CodeReset}, No, Yes},
	Cut:     {indeterminate, []string{drivers.CodeClosed, drivers.CodeReset}, No, Yes},
	Reset:   {indeterminate, []string{drivers.CodeReset}, No, Yes},
	Garbage: {indeterminate, []string{drivers.CodeMalformed}, No, Yes},
	Endless: {indeterminate, []string{drivers.CodeTooLarge, drivers.CodeTimeout}, No, Yes},
	Nobody:  {rejected, []string{drivers.CodeRefused}, No, No},
}

func (s Subject) want(b Behaviour) Want {
	w, own := wants[b], s.Wants[b]
	if own.Outcomes != nil {
		w.Outcomes = own.Outcomes
	}
	if own.Codes != nil {
		w.Codes = own.Codes
	}
	if own.Answered != Default {
		w.Answered = own.Answered
	}
	if own.Wire != Default {
		w.Wire = own.Wire
	}
	return w
}

func (w Want) check(t *testing.T, at *drivers.Attempt) {
	t.Helper()
	if !slices.Contains(w.Outcomes, at.Outcome) {
		t.Errorf("outcome %v (code %q, %q), want one of %v", at.Outcome, at.Code, at.Detail, w.Outcomes)
	}
	if w.Codes != nil && !slices.Contains(w.Codes, at.Code) {
		t.Errorf("code %q (%q), want one of %q", at.Code, at.Detail, w.Codes)
	}
	if !w.Answered.allows(at.Answered) {
		t.Errorf("answered %v (code %q, %q)", at.Answered, at.Code, at.Detail)
	}
	if !w.Wire.allows(at.Wire) {
		t.Errorf("wire %v (code %q, %q)", at.Wire, at.Code, at.Detail)
	}
}
