package judge

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/requests"
	"wringer/reports/series"
)

const allSeconds = 10

// busyAt is a machine that other programs hold in some seconds.
func busyAt(seconds ...int) map[int]Load {
	m := make(map[int]Load)
	for _, s := range seconds {
		m[s] = others
	}
	return m
}

var allBusy = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}

// Retries between services that only a busy machine caused are no failure, as those of a stream are none.
func TestLinksOnABusyMachine(t *testing.T) {
	even := [allSeconds]int{100, 100, 100, 100, 100, 100, 100, 100, 100, 100}
	retried := even
	retried[4] = 400
	chatty := even
	for i := range chatty {
		chatty[i] = 300
	}
	for name, c := range map[string]struct {
		expr     string
		requests [allSeconds]int
		busy     []int
		want     reports.Verdict
	}{
		"in the busy second":      {"link(a->b).amplification < 1.2", retried, []int{4}, reports.Inconclusive},
		"in the second beside it": {"link(a->b).amplification < 1.2", retried, []int{5}, reports.Inconclusive},
		"calls":                   {"link(a->b).calls_per_operation < 1.2", retried, []int{4}, reports.Inconclusive},
		"another second was busy": {"link(a->b).amplification < 1.2", retried, []int{8}, reports.Fail},
		"never busy":              {"link(a->b).amplification < 1.2", retried, nil, reports.Fail},
		"in calm seconds too":     {"link(a->b).amplification < 1.2", chatty, []int{4}, reports.Fail},
		"all busy":                {"link(a->b).amplification < 1.2", chatty, allBusy, reports.Inconclusive},
		"it held":                 {"link(a->b).amplification < 1.2", even, allBusy, reports.Pass},
		"asked for":               {"link(a->b).amplification > 1.2", retried, []int{4}, reports.Inconclusive},
		"asked for, and not busy": {"link(a->b).amplification > 1.2", retried, []int{8}, reports.Pass},
		"a count stands":          {"link(a->b).requests < 1200", retried, []int{4}, reports.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			f, run := played(t, c.expr, repeat(good, allSeconds), busyAt(c.busy...))
			var now time.Duration
			account := requests.New(requests.Config{Link: "a->b", Duration: allSeconds * time.Second, Clock: func() time.Duration { return now }})
			for i, n := range c.requests {
				now = time.Duration(i)*time.Second + time.Millisecond
				for range n {
					r := &drivers.Request{Kind: "GET /", Conn: 1}
					account.Arrived(r)
					account.Identified(r)
					r.Whole, r.Answered, r.Status = true, true, "200"
					account.Over(r)
				}
			}
			f.Links = []Link{{Name: "a->b", Account: account}}
			f.Judge(run)
			if g := run.Gates[0]; g.Verdict != c.want {
				t.Errorf("%s (%s), want %s", g.Verdict, g.Why, c.want)
			}
		})
	}
}

// What the target says of itself on a busy machine is no failure when the busy seconds alone violate the gate.
func TestSeriesOnABusyMachine(t *testing.T) {
	peak := [allSeconds]float64{1, 1, 1, 1, 9, 1, 1, 1, 1, 1}
	piled := [allSeconds]float64{1, 1, 1, 1, 9, 9, 9, 9, 9, 9}
	high := [allSeconds]float64{9, 9, 9, 9, 9, 9, 9, 9, 9, 9}
	for name, c := range map[string]struct {
		expr    string
		values  [allSeconds]float64
		counter bool
		busy    []int
		want    reports.Verdict
	}{
		"in the busy second":            {"observe(b.threads).max < 8", peak, false, []int{4}, reports.Inconclusive},
		"worked off later":              {"observe(b.threads).max < 8", piled, false, []int{4}, reports.Inconclusive},
		"another second was busy":       {"observe(b.threads).max < 8", peak, false, []int{8}, reports.Fail},
		"never busy":                    {"observe(b.threads).max < 8", peak, false, nil, reports.Fail},
		"in calm seconds too":           {"observe(b.threads).max < 8", high, false, []int{4}, reports.Fail},
		"it held":                       {"observe(b.threads).max < 10", high, false, allBusy, reports.Pass},
		"the mean":                      {"observe(b.threads).mean < 1.5", peak, false, []int{4}, reports.Inconclusive},
		"the mean, in calm seconds too": {"observe(b.threads).mean < 1.5", high, false, []int{4}, reports.Fail},
		"a rise":                        {"observe(b.threads).increase == 0", [allSeconds]float64{1, 1, 1, 1, 9, 9, 9, 9, 9, 9}, true, []int{4}, reports.Inconclusive},
		"a rise in a calm second":       {"observe(b.threads).increase == 0", [allSeconds]float64{1, 2, 2, 2, 9, 9, 9, 9, 9, 9}, true, []int{4}, reports.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			f, run := played(t, c.expr, repeat(good, allSeconds), busyAt(c.busy...))
			account := series.New(time.Second, []string{"threads"})
			for i, v := range c.values {
				at := time.Duration(i)*time.Second + 10*time.Millisecond
				account.Add(at, at+time.Millisecond, map[string]drivers.SeriesReading{"threads": {Counter: c.counter, Values: map[string]float64{"": v}}}, nil)
			}
			account.Close(allSeconds * time.Second)
			f.Observed = map[string]*series.Account{"b": account}
			f.Judge(run)
			if g := run.Gates[0]; g.Verdict != c.want {
				t.Errorf("%s (%s), want %s", g.Verdict, g.Why, c.want)
			}
		})
	}
}
