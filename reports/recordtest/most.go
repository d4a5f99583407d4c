package recordtest

import (
	"strings"
	"testing"

	"wringer/reports"
)

// MostIn checks that a count of a stream is above 0 in a window, is highest there, and comes with evidence.
func MostIn(t testing.TB, rec *reports.Record, stream, window, count string) {
	t.Helper()
	in := func(window string) int64 {
		if n := rec.Run.Streams[stream].Windows[window].Integrity.Count(count); n != nil {
			return *n
		}
		return 0
	}
	most := in(window)
	if most == 0 {
		t.Errorf("%s is 0 in %s", count, window)
	}
	for _, other := range rec.Run.WindowNames() {
		if n := in(other); n > most {
			t.Errorf("%s is %d in %s and %d in %s, where it belongs", count, n, other, most, window)
		}
	}
	kind := strings.TrimSuffix(strings.Replace(count, "extra_copies", "effect_duplicates", 1), "s")
	for _, v := range rec.Violations {
		if v.Window == window && v.Kind == kind && v.ID != "" && v.Why != "" {
			return
		}
	}
	t.Errorf("no evidence of kind %s in %s among %d violations", kind, window, len(rec.Violations))
}
