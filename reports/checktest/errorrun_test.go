package checktest

import (
	"math/rand/v2"
	"testing"

	"wringer/drivers"
	"wringer/reports"
)

// play ends operations in a random order; those in failed are rejected. The first 100 are in the first window, the others in
// the second. It returns the record's counts for the run and for each window.
func play(r *errorRun, n uint64, failed func(seq uint64) bool) (out reports.Stream, f reports.Findings) {
	out.Windows = map[string]*reports.Measures{"first": {}, "second": {}}
	for _, i := range rand.Perm(int(n)) {
		e := reports.Ended{Op: drivers.Op{Seq: uint64(i)}, Outcome: drivers.Acked}
		if i >= 100 {
			e.Window = 1
		}
		if failed(uint64(i)) {
			e.Outcome = drivers.Rejected
		}
		r.Ended([]reports.Ended{e})
	}
	f = r.Finish(reports.Completeness{Known: true})
	f.Write(&out)
	return out, f
}

func newRun() *errorRun {
	return open(reports.CheckConfig{Stream: "a", Windows: []string{"first", "second"}}).(*errorRun)
}

func TestLongestRun(t *testing.T) {
	for name, c := range map[string]struct {
		failed             func(seq uint64) bool
		all, first, second int64
	}{
		"none":               {func(uint64) bool { return false }, 0, 0, 0},
		"all":                {func(uint64) bool { return true }, 200, 100, 100},
		"every other":        {func(seq uint64) bool { return seq%2 == 0 }, 1, 1, 1},
		"across the windows": {func(seq uint64) bool { return seq >= 97 && seq < 105 }, 8, 3, 5},
		"the first":          {func(seq uint64) bool { return seq < 2 || seq == 150 }, 2, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			out, f := play(newRun(), 200, c.failed)
			all, first, second := out.Total.Count("error_run"), out.Windows["first"].Count("error_run"), out.Windows["second"].Count("error_run")
			if *all != c.all || *first != c.first || *second != c.second || len(f.Unknown) > 0 {
				t.Errorf("%d, %d and %d, want %d, %d and %d; %v", *all, *first, *second, c.all, c.first, c.second, f.Unknown)
			}
		})
	}
}

// Beyond its room the check knows a lower bound, and reports it as one.
func TestRunBeyondItsRoom(t *testing.T) {
	r := newRun()
	r.bound = 10
	_, f := play(r, 200, func(uint64) bool { return true })
	if f.Unknown["error_run"] == "" || len(r.failed) != 10 {
		t.Errorf("%d kept, unknown: %v", len(r.failed), f.Unknown)
	}
}
