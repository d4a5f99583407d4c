package runner

import (
	"io"
	"strings"
	"testing"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/integrity"
)

// noFile is the output of a check whose stack is not looked at.
type noFile struct{ io.Writer }

func (noFile) Close() error { return nil }

// A check of the runner's own that panics is called no more, and the reason is known. Nothing else panics.
func TestOwnCheckThatPanics(t *testing.T) {
	for _, method := range []string{"Ended", "Seen", "Live", "Finish", "Write", "Measure", "Kept", ""} {
		calls := 0
		own := faulty{method, func() { calls++; panic("a bug of its own") }}
		c := catch(own, "a", func(string) (io.WriteCloser, error) { return noFile{io.Discard}, nil })
		m := &member{checks: []reports.Check{c}, broke: []*breakage{&c.breakage}}
		for range 2 {
			c.Ended(make([]reports.Ended, 1))
			c.Seen(make([]drivers.Delivery, 1))
			m.live()
		}
		f := c.Finish(reports.Completeness{})
		if f.Write != nil {
			f.Write(&reports.Stream{})
			f.Measure(&reports.Measures{}, nil)
			f.Kept(nil)
		}
		switch all := m.broken(); {
		case method == "" && len(all) != 0:
			t.Errorf("a check that works broke: %+v", all)
		case method != "" && (calls != 1 || len(all) != 1 || !strings.Contains(all[0].Why, method+" panicked: a bug of its own")):
			t.Errorf("%s: %d calls, %+v", method, calls, all)
		}
	}
}

// Gates on what a broken check measures are undecided: it tells which metrics are its own.
func TestOwnChecksKnowTheirMetrics(t *testing.T) {
	c := catch(integrity.New(integrity.Config{Stream: "a"}), "a", nil)
	if c.name != "integrity" || len(c.metrics) == 0 {
		t.Errorf("%s with %d metrics", c.name, len(c.metrics))
	}
}
