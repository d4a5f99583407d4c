package compare

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"wringer/reports"
	"wringer/reports/metric"
)

// mostJudged bounds the judged family. With 6 runs a side the smallest p of the rank test is 0.0022: corrected for more than 20 metrics it
// could not become significant.
const mostJudged = 20

// wholeRun are the metrics of a stream that are judged where no gate names any.
var wholeRun = []string{"p50", "p99", "errors", "rate"}

// family lists the metrics to judge: those of the gates, in the order in which runs name them, else four of each stream over the whole
// run. beyond are the ones that found no room.
func family(runs []*Run) (judged, beyond []key) {
	var all []key
	seen := make(map[key]bool)
	add := func(k key) {
		if !seen[k] {
			seen[k] = true
			all = append(all, k)
		}
	}
	for _, r := range runs {
		for i := range r.Record.Gates {
			add(keyOf(&r.Record.Gates[i]))
		}
	}
	if len(all) == 0 {
		for _, r := range runs {
			for _, name := range r.Record.StreamNames() {
				if !r.Record.Streams[name].Consumes() {
					for _, m := range wholeRun {
						add(key{stream: name, metric: m})
					}
				}
			}
		}
	}
	if len(all) > mostJudged {
		return all[:mostJudged], all[mostJudged:]
	}
	return all, nil
}

// directions are the better directions that gates ask for, of metrics that the catalogue does not know: a driver's gauges.
func directions(runs []*Run) map[key]metric.Direction {
	all := make(map[key]metric.Direction)
	for _, r := range runs {
		for i := range r.Record.Gates {
			g := &r.Record.Gates[i]
			at := metric.ComparisonAt(g.Expr)
			switch {
			case at < 0:
			case g.Expr[at] == '<':
				all[keyOf(g)] = metric.Lower
			case g.Expr[at] == '>':
				all[keyOf(g)] = metric.Higher
			}
		}
	}
	return all
}

// units are those of the gates' metrics, for metrics that the catalogue does not know.
func units(runs []*Run) map[key]string {
	all := make(map[key]string)
	for _, r := range runs {
		for i := range r.Record.Gates {
			all[keyOf(&r.Record.Gates[i])] = r.Record.Gates[i].Unit
		}
	}
	return all
}

// shownTimes are the times that are shown beside the judged metrics.
var shownTimes = []string{
	"p50", "p90", "p95", "p99", "p999", "max", "mean", "service.p50", "service.p99", "acked.p50", "acked.p99", "effect.p50", "effect.p99",
	"errors", "rejected", "indeterminate", "dropped", "rate", "amplification",
}

// everything lists what the records hold, by stream, window and metric: the whole run first, then the windows in their order.
func everything(runs []*Run, c *metric.Catalogue) []key {
	names := slices.Clone(shownTimes)
	for _, m := range c.List() {
		if m.Count != nil && m.Subject == "" {
			names = append(names, m.Full())
		}
	}
	for _, r := range runs {
		for _, d := range r.Record.Checks {
			if !slices.Contains(names, d.Name) {
				names = append(names, d.Name)
			}
		}
	}
	var streams, windows []string
	for _, r := range runs {
		streams = union(streams, r.Record.StreamNames())
		windows = union(windows, r.Record.WindowNames())
	}
	var all []key
	for _, stream := range streams {
		for _, window := range append([]string{""}, windows...) {
			for _, name := range names {
				all = append(all, key{stream: stream, metric: name, window: window})
			}
		}
	}
	return all
}

func union(all, more []string) []string {
	for _, m := range more {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// anomalies lists the counts of defects that a run knows: of the record's own fields and of its checks.
func anomalies(runs []*Run) map[string]bool {
	all := make(map[string]bool)
	for _, r := range runs {
		for _, d := range r.Record.Described() {
			if d.Anomaly {
				all[d.Name] = true
			}
		}
	}
	return all
}

// describe is the unit and the better direction of a key.
func (c *comparison) describe(k key) (unit string, better metric.Direction) {
	if m := lookup(c.options.Catalogue, k.metric); m != nil {
		return m.Unit, m.Better
	}
	for _, r := range c.all {
		for _, d := range r.Record.Checks {
			if d.Name == k.metric {
				return d.Unit, d.Better
			}
		}
	}
	return c.units[k], c.directions[k]
}

// defect says whether a count above 0 is a defect.
func (c *comparison) defect(k key) bool {
	if m := lookup(c.options.Catalogue, k.metric); m != nil && m.Unit == metric.Count {
		return m.Anomaly || c.anomalies[m.Recorded()]
	}
	return c.anomalies[k.metric]
}

// usable sorts out the runs of a side that can be compared.
func usable(runs []*Run, side string, seen map[identity]string) (sound []*Run, inputs []Input) {
	for _, r := range runs {
		in := Input{Side: side, Path: r.Path, Name: r.Record.Name, ID: r.Record.ID, Version: r.Record.Version, Verdict: r.Record.Verdict, LeftOut: Unusable(r.Record)}
		id := identityOf(r.Record)
		if first, twice := seen[id]; twice && in.LeftOut == "" {
			in.LeftOut = "it is the same run as " + first
		}
		if in.LeftOut == "" {
			seen[id] = r.Path
			sound = append(sound, r)
		}
		inputs = append(inputs, in)
	}
	return sound, inputs
}

// identity tells runs apart, whatever their files are called: the digest of what wringer save keeps of them.
type identity [sha256.Size]byte

func identityOf(r *reports.Run) identity {
	data, err := reports.Encode(Keep(r))
	if err != nil { // a number that JSON cannot hold, which no file has
		return sha256.Sum256([]byte(r.ID))
	}
	return sha256.Sum256(data)
}

// namesakes names runs that have one id and differ all the same: some were changed after they were written.
func namesakes(runs []*Run) (notes []string) {
	first := make(map[string]*Run)
	named := make(map[string]bool)
	for _, r := range runs {
		id := r.Record.ID
		before := first[id]
		switch {
		case id == "" || named[id]:
		case before == nil:
			first[id] = r
		case identityOf(before.Record) != identityOf(r.Record):
			named[id] = true
			notes = append(notes, fmt.Sprintf("%s and %s have one id, %s, and differ: one of them was changed after its run", before.Path, r.Path, id))
		}
	}
	return notes
}
