package chain

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/drivers"
)

// scripted is a step whose attempts end as it says. It notes the values that it got.
type scripted struct {
	outcome drivers.Outcome
	code    string
	takes   string // the value that it captures; empty: none
	why     string // why it captures none
	got     []string
	done    int
	closed  bool
}

func (s *scripted) Do(_ context.Context, op *drivers.Op, at *drivers.Attempt) {
	s.got = nil
	for _, v := range *op.Values {
		s.got = append(s.got, string(v))
	}
	s.done++
	at.Wire, at.Answered, at.In, at.Out = true, true, 1, 2
	if s.outcome == drivers.Acked {
		at.Outcome = drivers.Acked
		return
	}
	at.Fail(s.outcome, s.code, "refused")
}

func (s *scripted) Take(_ *drivers.Op, values drivers.Values) (drivers.Values, string) {
	if s.takes != "" {
		values = append(values, []byte(s.takes))
	}
	return values, s.why
}

func (s *scripted) Close() error {
	s.closed = true
	return errors.New("closed")
}

// TestDo: a chain ends at the first step that is not acked. It is rejected only where that step was, and no earlier one asked for an
// effect.
func TestDo(t *testing.T) {
	acked, rejected := drivers.Acked, drivers.Rejected
	for name, test := range map[string]struct {
		outcomes   []drivers.Outcome
		effectless bool // the first step
		unfound    bool // the first step does not find what it captures
		want       drivers.Outcome
		taken      int
		detail     string
	}{
		"all acked":                          {[]drivers.Outcome{acked, acked}, false, false, acked, 2, ""},
		"rejected at once":                   {[]drivers.Outcome{rejected, acked}, false, false, rejected, 1, "step a: refused"},
		"rejected after an effect":           {[]drivers.Outcome{acked, rejected}, false, false, drivers.Indeterminate, 2, "step b: refused"},
		"rejected after a question":          {[]drivers.Outcome{acked, rejected}, true, false, rejected, 2, "step b: refused"},
		"indeterminate":                      {[]drivers.Outcome{acked, drivers.Indeterminate}, true, false, drivers.Indeterminate, 2, "step b"},
		"an answer without what is captured": {[]drivers.Outcome{acked, acked}, true, true, drivers.Indeterminate, 1, "step a: nothing at $.id"},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := &scripted{outcome: test.outcomes[0], code: "http_409", takes: "o.1"}, &scripted{outcome: test.outcomes[1], code: "http_409"}
			if test.unfound {
				first.takes, first.why = "", "nothing at $.id"
			}
			s := New(func() time.Duration { return 5 }, []Step{{"a", first, test.effectless}, {"b", second, false}})
			for range 2 { // nothing is left of the operation before
				at := drivers.Attempt{Number: 2, Begun: 3}
				s.Do(t.Context(), &drivers.Op{Seq: 7}, &at)
				if at.Outcome != test.want || len(*at.Steps) != test.taken || !strings.Contains(at.Detail, test.detail) || at.Number != 2 || at.Begun != 3 {
					t.Errorf("%+v with %d steps", at, len(*at.Steps))
				}
				if int(at.In) != test.taken || int(at.Out) != 2*test.taken {
					t.Errorf("%d bytes in, %d out", at.In, at.Out)
				}
			}
			if second.done > 0 && !slices.Equal(second.got, []string{"o.1"}) {
				t.Errorf("the second step got %q", second.got)
			}
			if err := s.Close(); err == nil || !first.closed || !second.closed {
				t.Errorf("closed %t and %t: %v", first.closed, second.closed, err)
			}
		})
	}
}

// unsendable is a step that is not sent.
type unsendable struct {
	scripted
	detail string
}

func (u *unsendable) Do(_ context.Context, _ *drivers.Op, at *drivers.Attempt) {
	at.Fail(drivers.Rejected, u.code, u.detail)
}

// TestUnsentStep: a later step that is not sent by the run's own doing is told apart from one whose target is away.
func TestUnsentStep(t *testing.T) {
	for name, test := range map[string]struct {
		code, detail string
		want         string
	}{
		"a value that does not fit": {drivers.CodeMessage, "field count: \"x\" is no number", "is no number"},
		"no file descriptor":        {drivers.CodeRefused, "dial tcp 127.0.0.1:1: " + syscall.EMFILE.Error(), "ulimit -n"},
		"a target that is away":     {drivers.CodeRefused, "dial tcp 127.0.0.1:1: " + syscall.ECONNREFUSED.Error(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(func() time.Duration { return 5 }, []Step{
				{"a", &scripted{outcome: drivers.Acked}, false}, {"b", &unsendable{scripted{code: test.code}, test.detail}, false},
			})
			at := drivers.Attempt{Number: 1}
			s.Do(t.Context(), &drivers.Op{}, &at)
			got := at.Unsent()
			if !at.Wire || at.Outcome != drivers.Indeterminate || (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("%q: %+v", got, at)
			}
		})
	}
}
