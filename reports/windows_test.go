package reports_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/checktest"
	"wringer/reports/effects"
	"wringer/reports/integrity"
	"wringer/reports/recordtest"
	"wringer/reports/replays"
)

// Of a stream's windows each time belongs to one, and a step takes its time from what it lies over.
func TestWindowsOfAStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := &reports.Run{Streams: map[string]*reports.Stream{"a": {}, "b": {}, "c": {Of: "a"}}}
		at := int64(0)
		for i := range rapid.IntRange(1, 6).Draw(t, "windows") {
			end := at + rapid.Int64Range(1, 9).Draw(t, "length")
			run.Windows = append(run.Windows, reports.Window{Name: string(rune('m' + i)), StartNS: at, EndNS: end})
			for _, stream := range []string{"a", "b"} {
				for from := at; from < end; {
					start := rapid.Int64Range(from, end).Draw(t, "start")
					stop := rapid.Int64Range(start, end).Draw(t, "stop")
					if stop > start {
						run.Windows = append(run.Windows, reports.Window{Name: "step", StartNS: start, EndNS: stop, Base: "m", Stream: stream})
					}
					from = stop + 1
				}
			}
			at = end
		}
		for stream, of := range map[string]string{"a": "a", "b": "b", "c": "a", "d": "d"} {
			got := run.WindowsOf(stream)
			for ns := range at {
				want, found := "", []string{}
				for _, w := range run.Windows {
					if w.StartNS <= ns && ns < w.EndNS && (w.Stream == of || w.Stream == "" && want == "") {
						want = w.Name
					}
				}
				for _, w := range got {
					if w.StartNS <= ns && ns < w.EndNS {
						found = append(found, w.Name)
					}
				}
				if !reflect.DeepEqual(found, []string{want}) {
					t.Fatalf("%s at %d: %q, want %q; %+v", stream, ns, found, want, run.Windows)
				}
			}
			for i := 1; i < len(got); i++ {
				if got[i].StartNS < got[i-1].EndNS {
					t.Fatalf("%s: %+v are not in order", stream, got)
				}
			}
		}
	})
}

// What breaks the rule of windows is found in a record.
func TestSumsFindBrokenWindows(t *testing.T) {
	for name, spoil := range map[string]func(*reports.Run){
		"a gap":                   func(r *reports.Run) { r.Windows[0].EndNS-- },
		"a step of no stream":     func(r *reports.Run) { r.Windows[1].Stream = "nobody" },
		"a step in no base":       func(r *reports.Run) { r.Windows[1].Base = "" },
		"a phase in a fault":      func(r *reports.Run) { r.Windows[3].Fault = new("slow-broker") },
		"a window of another one": func(r *reports.Run) { r.Streams["stock"].Windows["warm"] = &reports.Measures{} },
	} {
		run := recordtest.Phased().Run
		if broken := reports.Sums(run); len(broken) > 0 {
			t.Fatal(broken)
		}
		spoil(run)
		if len(reports.Sums(run)) == 0 {
			t.Errorf("%s was not found", name)
		}
	}
}

// Windows of one name are one in the record, and a gate on several windows reads what one window in their place would hold.
func TestChecksSumWindowsUp(t *testing.T) {
	id := drivers.Identity{Run: "r", Stream: "s"}
	// merged says in place of which window of one each window of the other stands.
	finish := func(names []string, merged []int) map[string]reports.Findings {
		at := func(time.Duration) int { return 0 }
		ledger := integrity.New(integrity.Config{Stream: "s", Identity: id, Windows: names, WindowAt: at, Mode: integrity.Effect, Order: integrity.RealTime})
		times := effects.New(effects.Config{Identity: id, Windows: names})
		again := replays.New("s", id, names)
		run := checktest.ErrorRun.Open(reports.CheckConfig{Stream: "s", Identity: id, Windows: names, WindowAt: at})
		for seq := range uint64(60) {
			e := reports.Ended{Op: drivers.Op{Seq: seq, Planned: time.Duration(seq) * time.Second}, Window: merged[seq/15], Outcome: drivers.Acked}
			if seq%7 < 3 {
				e.Outcome = drivers.Rejected
			}
			batch := []reports.Ended{e}
			ledger.Ended(batch)
			times.Ended(batch)
			run.(reports.FollowsEnds).Ended(batch)
			for range seq % 4 {
				seen := []drivers.Delivery{{ID: id.Append(nil, seq), At: time.Duration(seq)*time.Second + time.Duration(seq)*time.Millisecond}}
				ledger.Seen(seen)
				times.Seen(seen)
			}
			kind := drivers.ReplayKinds[seq%uint64(len(drivers.ReplayKinds))]
			again.Replayed(e.Window, &e.Op, kind, &drivers.Replay{Judgement: drivers.ReplayHonoured})
		}
		known := reports.Completeness{Known: true}
		return map[string]reports.Findings{"ledger": ledger.Finish(known), "effects": times.Finish(known), "replays": again.Finish(known), "run": run.Finish(known)}
	}
	record := func(f reports.Findings, names ...string) reports.Stream {
		out := reports.Stream{Windows: make(map[string]*reports.Measures)}
		for _, name := range names {
			out.Windows[name] = &reports.Measures{}
		}
		f.Write(&out)
		return out
	}
	cut := finish([]string{"baseline", "peak", "fault", "peak"}, []int{0, 1, 2, 3})
	whole := finish([]string{"baseline", "fault", "late"}, []int{0, 0, 1, 2})
	one := finish([]string{"baseline", "peak", "fault"}, []int{0, 1, 2, 1})
	for name, f := range cut {
		var both reports.Measures
		f.Measure(&both, []int{0, 1})
		if want := record(whole[name], "baseline").Windows["baseline"]; !reflect.DeepEqual(&both, want) {
			t.Errorf("%s: the baseline with the peak inside it is %+v, want %+v", name, both, *want)
		}
		if got, want := record(f, "peak", "fault"), record(one[name], "peak", "fault"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the record has %+v, want %+v", name, got, want)
		}
	}
}
