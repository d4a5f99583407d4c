package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcrowley/go-metrics"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/memnet"
	"wringer/faults/toxi"
	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// aftermath bounds the virtual time in which the leftovers of a run end by themselves: sarama's consumers and circuit breakers
// sleep up to ten seconds.
const aftermath = time.Minute

// virtually runs a scenario in virtual time, with its target and its links on a network in memory, and returns its record. The
// machine's load does not matter. The run's own identity, from which every other identity and draw is made, is the same each
// time.
//
// Virtual time stands still while a goroutine waits for a mutex. A test that hangs here has a goroutine "[sync.Mutex.Lock]" in
// the bubble's dump. Its usual place is a broker of sarama's, which holds its mutex from a request to its answer.
func virtually(t *testing.T, path string, src []byte) *reports.Record {
	t.Helper()
	sc, err := scenarios.Parse(path, src, language, scenarios.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return playedVirtually(t, sc)
}

// playedVirtually is virtually for a scenario that was read.
func playedVirtually(t *testing.T, sc *scenarios.Scenario) *reports.Record {
	t.Helper()
	return watchedVirtually(t, sc, nil)
}

// watchedVirtually is playedVirtually with somebody who watches; nil: nobody does.
func watchedVirtually(t *testing.T, sc *scenarios.Scenario, watch func(*reports.Run, runner.Progress)) *reports.Record {
	t.Helper()
	// The goroutine that go-metrics starts at its first meter, and never ends, belongs to no bubble.
	metrics.NewMeter().Stop()
	last := 'a' - 1
	dir := filepath.Join(t.TempDir(), "record")
	var err error
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		_, err = runner.Run(t.Context(), sc, runner.Options{
			Dir: dir, Watch: watch,
			ID: func() string {
				last++
				return fmt.Sprintf("virtual%c", last)
			},
			Network: faults.Network{ListenFunc: network.Listen, DialFunc: network.Dial, Virtual: true},
			Mesh: func(network faults.Network, dial faults.DialFunc) (faults.Mesh, error) {
				return toxi.NewMesh(network, dial)
			},
		})
		time.Sleep(aftermath)
	})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	recordtest.Valid(t, rec.Run)
	punctual(t, sc, rec.Run)
	return rec
}

// plannedBy is how many operations a rate plans without a warm-up, which adds none to the measured part.
func plannedBy(rate *scenarios.Rate, duration time.Duration) (n int64) {
	pacer := rate.Pacer(0, duration, 0)
	for {
		if _, ok := pacer.At(uint64(n)); !ok {
			return n
		}
		n++
	}
}

// punctual: in virtual time every planned operation was sent exactly at its planned start, within the precision of lags.
func punctual(t *testing.T, sc *scenarios.Scenario, run *reports.Run) {
	t.Helper()
	if len(run.Validity.Why) > 0 {
		t.Errorf("validity %q", run.Validity.Why)
	}
	if lag := run.Validity.LagMaxNS; lag != nil && *lag >= int64(time.Microsecond) { // nil: no pacing
		t.Errorf("a lag of %d ns", *lag)
	}
	for i := range sc.Traffic {
		spec := &sc.Traffic[i]
		if spec.Rate == nil {
			continue
		}
		planned := plannedBy(spec.Rate, sc.Run.Duration)
		if total := run.Streams[spec.Name].Total; total.Offered != planned || total.Sent != planned {
			t.Errorf("%s: offered %d, sent %d of %d planned", spec.Name, total.Offered, total.Sent, planned)
		}
	}
}

// between is a count of a stream over the whole run. Its bounds differ where the order of simultaneous events is not decided:
// an operation due when a fault begins or ends, or when a place becomes free.
type between struct {
	stream, count string
	least, most   int64
}

// exactly holds a record to the counts that follow from its scenario.
func exactly(t *testing.T, run *reports.Run, counts []between) {
	t.Helper()
	for _, c := range counts {
		total := run.Streams[c.stream].Total
		var got int64
		switch c.count {
		case "acked":
			got = total.Acked
		case "rejected":
			got = total.Rejected
		case "indeterminate":
			got = total.Indeterminate
		default:
			if code, ok := strings.CutPrefix(c.count, "errors."); ok {
				got = total.Errors[code]
			} else if n := total.Count(c.count); n != nil {
				got = *n
			} else {
				t.Errorf("%s.%s was not measured", c.stream, c.count)
				continue
			}
		}
		if got < c.least || got > c.most {
			t.Errorf("%s.%s is %d, want %d to %d", c.stream, c.count, got, c.least, c.most)
		}
	}
}

// gateOf returns a gate of a run.
func gateOf(t *testing.T, run *reports.Run, expr string) *reports.Gate {
	t.Helper()
	i := slices.IndexFunc(run.Gates, func(g reports.Gate) bool { return g.Expr == expr })
	if i < 0 {
		t.Fatalf("no gate %s", expr)
	}
	return &run.Gates[i]
}

// swapped replaces a part of a scenario, which must have the part.
func swapped(t *testing.T, src []byte, from, to string) []byte {
	t.Helper()
	if !strings.Contains(string(src), from) {
		t.Fatalf("the scenario does not hold %q", from)
	}
	return []byte(strings.Replace(string(src), from, to, 1))
}

// shipped calls test for each scenario of a folder, whose names must be those of the table.
func shipped[E any](t *testing.T, folder string, table map[string]E, test func(t *testing.T, path string, src []byte, want E)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../../scenarios", folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".yaml"))
	}
	if want := slices.Sorted(maps.Keys(table)); !slices.Equal(names, want) {
		t.Fatalf("scenarios %q, expectations for %q", names, want)
	}
	for i, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(names[i], func(t *testing.T) {
			if i >= quickScenarios {
				tier.Slow(t, "one whole scenario of many")
			}
			test(t, file, src, table[names[i]])
		})
	}
}
