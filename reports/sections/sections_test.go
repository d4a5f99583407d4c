package sections_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/sections"
	"wringer/reports/sections/sectionstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names lists the sections of a stream.
func names(all []sections.Section) string {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

func TestSectionsOfAStream(t *testing.T) {
	for _, c := range []struct {
		rec          *reports.Record
		stream, want string
	}{
		{recordtest.Pass(), "payments", "operations attempts integrity gauges"},
		{recordtest.Fail(), "orders", "operations attempts effects failures integrity"},
		{recordtest.Fail(), "stock", "operations attempts integrity"},
		{recordtest.Streaming(), "stock", "operations attempts messages integrity"},
		{recordtest.Streaming(), "orders", "operations attempts effects failures details integrity"},
		{recordtest.Probed(), "orders", "operations attempts effects failures integrity witness replays slowest"},
		{recordtest.Chain(), "orders", "operations attempts effects failures step step integrity"},
		{recordtest.Consuming(), "events", "integrity"},
		{recordtest.Consuming(), "shipments", "integrity group absences blocks gauges"},
	} {
		if got := names(sections.For(c.rec.Run, c.stream)); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.stream, c.rec.Run.Verdict, got, c.want)
		}
	}
	if got := names(sections.Load(recordtest.Fail().Run, "orders")); got != "totals times failures counts histogram" {
		t.Errorf("load: %s", got)
	}
}

// Every row has a cell under each column, a value has a unit that fits its kind, and every text is in the report's words.
func TestSectionsAreWhole(t *testing.T) {
	recordtest.Valid(t, recordtest.Consuming().Run)
	for name, rec := range sectionstest.Records() {
		all := append(sectionstest.Of(rec), sections.Evidence(rec)...)
		for _, stream := range rec.Run.StreamNames() {
			all = append(all, sections.Load(rec.Run, stream)...)
		}
		for i := range all {
			whole(t, name, &all[i])
		}
	}
}

func whole(t *testing.T, record string, s *sections.Section) {
	t.Helper()
	where := record + " " + s.Stream + " " + s.Name
	for i := range s.Rows {
		r := &s.Rows[i]
		if len(r.Cells) != len(s.Head)-1 {
			t.Fatalf("%s: row %s has %d cells under %d columns", where, r.Label, len(r.Cells), len(s.Head))
		}
		for k, c := range r.Cells {
			column := s.Head[k+1]
			if strings.Contains(column.Name, "_") {
				t.Errorf("%s: column %q is a name of the record", where, column.Name)
			}
			if c.Kind.Numeric() && c.Value == nil && c.Text == "" {
				t.Errorf("%s: no text for a figure that is missing in %s, %s", where, r.Label, column.Name)
			}
			if c.Value == nil && c.State == sections.Plain && column.Kind == sections.Count {
				t.Errorf("%s: %q in %s, %s has no value behind it", where, c.Text, r.Label, column.Name)
			}
		}
	}
	for _, note := range s.Notes {
		if strings.HasSuffix(note, ".") {
			t.Errorf("%s: a note ends in a full stop: %q", where, note)
		}
	}
}

// find returns the cell of a row and a column.
func find(t *testing.T, all []sections.Section, name, row, column string) sections.Cell {
	t.Helper()
	for _, s := range all {
		if s.Name != name {
			continue
		}
		at := slices.IndexFunc(s.Head, func(c sections.Column) bool { return c.Name == column })
		for _, r := range s.Rows {
			if at > 0 && r.Label == row {
				return r.Cells[at-1]
			}
		}
	}
	t.Fatalf("no cell %s, %s in section %s", row, column, name)
	return sections.Cell{}
}

func TestCells(t *testing.T) {
	fail, open := recordtest.Fail().Run, recordtest.Inconclusive().Run
	consuming, probed := recordtest.Consuming().Run, recordtest.Probed().Run
	for _, c := range []struct {
		run                       *reports.Run
		stream, name, row, column string
		text                      string
		kind                      sections.Kind
		state                     sections.State
		value                     float64 // 0: none, or 0
		unit                      string
	}{
		{fail, "orders", "operations", "lost-answers", "dropped", "24", sections.Count, sections.Bad, 24, "count"},
		{fail, "orders", "operations", "baseline", "acked a second", "400/s", sections.Rate, sections.Plain, 400, "per_second"},
		{fail, "orders", "operations", "total", "p99", "no answer", sections.Time, sections.Bad, 0, ""},
		{fail, "payments", "operations", "slow-broker", "max", "121 ms", sections.Time, sections.Plain, 120517818, "ns"},
		{fail, "orders", "attempts", "lost-answers", "errors", "53.1 %", sections.Share, sections.Plain, 0.53125, "ratio"},
		{fail, "orders", "integrity", "total", "effect duplicates", "212", sections.Count, sections.Bad, 212, "count"},
		{fail, "orders", "integrity", "baseline", "lost", "0", sections.Count, sections.Plain, 0, "count"},
		{fail, "orders", "effects", "lost-answers", "p99", "not seen", sections.Time, sections.Bad, 0, ""},
		{open, "orders", "integrity", "total", "lost", "not known", sections.Count, sections.Unknown, 0, ""},
		{consuming, "shipments", "integrity", "total", "log duplicates", "not known", sections.Count, sections.Unknown, 0, ""},
		{consuming, "shipments", "group", "total", "lost to the group", "7", sections.Count, sections.Bad, 7, "count"},
		{consuming, "shipments", "group", "total", "first message p50", "300 ms", sections.Time, sections.Plain, 3e8, "ns"},
		{probed, "orders", "replays", "total", "violations", "6", sections.Count, sections.Bad, 6, "count"},
		{probed, "orders", "witness", "total", "cut short", "0", sections.Count, sections.Plain, 0, "count"},
	} {
		got := find(t, sections.For(c.run, c.stream), c.name, c.row, c.column)
		value := 0.0
		if got.Value != nil {
			value = *got.Value
		}
		if got.Text != c.text || got.Kind != c.kind || got.State != c.state || got.Unit != c.unit || fmt.Sprint(int64(value*100)/100) != fmt.Sprint(int64(c.value*100)/100) {
			t.Errorf("%s %s, %s, %s: %+v with value %v", c.stream, c.name, c.row, c.column, got, value)
		}
	}
}

// The anchor of a count leads to its evidence, and the evidence gives the number that the record keeps.
func TestEvidenceOfCounts(t *testing.T) {
	rec := recordtest.Probed()
	var shown []string
	anchors := make(map[string]bool)
	for _, s := range sections.Evidence(rec) {
		shown = append(shown, s.Title+": "+s.Aside)
		anchors[s.Anchor] = true
	}
	want := []string{
		"lost in orders: 12 counted, 1 kept as evidence",
		"order violation in orders: 3 counted, 1 kept as evidence",
		"effect duplicate in orders: 212 counted, 60 kept as evidence",
		"replay violation in orders: 6 counted, 1 kept as evidence",
	}
	if !slices.Equal(shown, want) {
		t.Errorf("got %q", shown)
	}
	all := sections.For(rec.Run, "orders")
	for _, c := range [][2]string{{"integrity", "lost"}, {"integrity", "order violations"}, {"replays", "violations"}} {
		if a := find(t, all, c[0], "total", c[1]).Anchor; !anchors[a] {
			t.Errorf("%s has the anchor %q, of no evidence", c[1], a)
		}
	}
	if a := find(t, all, "integrity", "baseline", "lost").Anchor; a != "" {
		t.Errorf("nothing was lost in the baseline, and %q proves it", a)
	}
	consuming := sections.Evidence(recordtest.Consuming())
	if r := consuming[len(consuming)-1].Rows[0]; r.Note != "key k" {
		t.Errorf("a record has no number: %q", r.Note)
	}
}

func TestFaultsByStream(t *testing.T) {
	yes, no, second := true, false, int64(1e9)
	fault := reports.Fault{
		Name: "cut", Bit: true, Healed: true, DetectionNS: &second, DetectedBy: "b", Recovered: &no, Unrecovered: []string{"c"},
		PerStream: map[string]reports.StreamRecovery{
			"a": {BadBefore: true}, "b": {DetectionNS: &second, Recovered: &yes, RecoveryNS: &second}, "c": {Recovered: &no}, "d": {DetectionNS: &second, Recovered: &yes, RecoveryNS: &second},
		},
	}
	unhealed := reports.Fault{Name: "stuck", Error: "refused"}
	s := sections.Faults(&reports.Run{Faults: []reports.Fault{fault, unhealed}})
	for _, c := range [][3]string{
		{"cut", "detection", "1 s (b, d), not known: bad already (a), no bad second (c)"},
		{"cut", "recovery", "not reached (c), not measured (a), 1 s (b, d)"},
		{"stuck", "touched", "no traffic"},
		{"stuck", "healed", "not healed (refused)"},
		{"stuck", "detection", "not measured"},
		{"stuck", "recovery", "not measured"},
	} {
		if got := find(t, []sections.Section{s}, "faults", c[0], c[1]).Sentence(); got != c[2] {
			t.Errorf("%s, %s: %q, want %q", c[0], c[1], got, c[2])
		}
	}
	if s.Rows[0].Verdict != reports.Valid || s.Rows[1].Verdict != reports.Inconclusive {
		t.Errorf("the faults are %s and %s", s.Rows[0].Verdict, s.Rows[1].Verdict)
	}
}

func TestWhatAFaultWasOnAndTouched(t *testing.T) {
	link, own, part, n, one := "payments/leader(orders,0)", "payments/broker-2", "stock", int64(3), int64(1)
	for _, c := range []struct {
		fault       reports.Fault
		on, touched string
	}{
		{reports.Fault{Link: &link, Peer: "broker-2", Bit: true}, "link payments/leader(orders,0), which was broker-2", "traffic"},
		{reports.Fault{Link: &link, Bit: true, Connections: &n}, "link payments/leader(orders,0)", "3 connections"},
		{reports.Fault{Link: &own, Peer: "broker-2", Bit: true, Bytes: &n, ToTarget: &reports.Passage{Bytes: 1}, FromTarget: &reports.Passage{Bytes: 2}},
			"link payments/broker-2", "3 B (1 B to the target, 2 B from it)"},
		{reports.Fault{Part: &part, Bit: true, Connections: &n, Bytes: &n, ToTarget: &reports.Passage{Bytes: 3}, FromTarget: &reports.Passage{}},
			"part stock", "3 requests, 3 B to the target"},
		{reports.Fault{Part: &part, Bit: true, Connections: &one}, "part stock", "1 request"},
		{reports.Fault{Link: &own, Bit: true, Connections: &one}, "link payments/broker-2", "1 connection"},
		{reports.Fault{Connections: &n}, "", "no traffic"},
	} {
		s := sections.Faults(&reports.Run{Faults: []reports.Fault{c.fault}})
		all := []sections.Section{s}
		if on, touched := find(t, all, "faults", "", "on").Text, find(t, all, "faults", "", "touched").Text; on != c.on || touched != c.touched {
			t.Errorf("%q, %q; want %q, %q", on, touched, c.on, c.touched)
		}
	}
}

// An unknown count never reads as "no anomaly".
func TestIntegrityOfTheRun(t *testing.T) {
	for _, c := range []struct {
		rec  *reports.Record
		want []string
	}{
		{recordtest.Pass(), []string{"No anomaly was found in what was measured", "stock: integrity not measured"}},
		{recordtest.Inconclusive(), []string{"No anomaly was found in what was measured",
			"orders: lost not known (37 acked operations unseen when observation ended)", "stock: integrity not measured"}},
		{recordtest.Consuming(), []string{"shipments: lost not measured (nothing tells what should be there)", "shipments: log duplicates not known",
			"shipments: order not measured", "stock: integrity not measured"}},
		{&reports.Record{Run: &reports.Run{Streams: map[string]*reports.Stream{"load": {}}}}, []string{"load: integrity not measured"}},
	} {
		if got := sections.Integrity(c.rec.Run).Notes; !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.rec.Run.Verdict, got)
		}
	}
}

func TestNothingIsToldOfUnmeasuredProbes(t *testing.T) {
	run := &reports.Run{Streams: map[string]*reports.Stream{"a": {Total: reports.Measures{Witness: &reports.Witness{}, Replays: reports.NewReplays(
		map[string]reports.ReplayCounts{"changed": {Sent: 3, Honoured: 1, Violations: 2}, "same": {Sent: 1, Honoured: 1}}, 5)}}}}
	all := sections.For(run, "a")
	if c := find(t, all, "witness", "total", "arrivals"); c.State != sections.Unknown {
		t.Errorf("%+v", c)
	}
	if got := find(t, all, "replays", "total", "by kind").Sentence(); got != "changed: 1 of 3 honoured, 2 violations, same: 1 of 1 honoured" {
		t.Errorf("%q", got)
	}
}

func TestChecksWithoutASectionOfTheirOwn(t *testing.T) {
	run := recordtest.Fail().Run
	run.Checks = []reports.Described{
		{Name: "error_run", Unit: "count", Anomaly: true, About: "The longest run of errors."}, {Name: "settled", Unit: "ns"}, {Name: "elsewhere", Unit: "count"},
	}
	n := func(v int64) *int64 { return &v }
	orders := run.Streams["orders"]
	orders.Total.Checks = map[string]*int64{"error_run": n(12), "settled": nil}
	orders.Windows["baseline"].Checks = map[string]*int64{"error_run": n(0)}
	orders.Windows["lost-answers"].Checks = map[string]*int64{"error_run": n(12), "settled": nil}
	orders.Windows["drain"].Checks = map[string]*int64{"error_run": n(1)}
	all := sections.For(run, "orders")
	at := slices.IndexFunc(all, func(s sections.Section) bool { return s.Name == sections.NameChecks })
	if at < 0 {
		t.Fatal("no section of checks")
	}
	s := &all[at]
	whole(t, "fail", s)
	if lines := s.Lines(); !slices.Equal(lines, []string{"further checks: error run 12, settled not known"}) || !slices.Equal(s.Notes, []string{"error_run: The longest run of errors"}) {
		t.Errorf("%q, %q", lines, s.Notes)
	}
	for _, c := range []struct {
		row, column, text string
		kind              sections.Kind
		state             sections.State
	}{
		{"lost-answers", "error run", "12", sections.Count, sections.Bad},
		{"baseline", "settled", reports.NotMeasured, sections.Time, sections.Unmeasured},
		{"lost-answers", "settled", reports.NotKnown, sections.Time, sections.Unknown},
		{"drain", "error run", "1", sections.Count, sections.Bad},
	} {
		if got := find(t, all, sections.NameChecks, c.row, c.column); got.Text != c.text || got.Kind != c.kind || got.State != c.state {
			t.Errorf("%s, %s: %+v", c.row, c.column, got)
		}
	}
	if i := sections.Integrity(run); !slices.ContainsFunc(i.Rows, func(r sections.Row) bool { return r.Cells[0].Text == "error run" && r.Cells[1].Text == "12" }) {
		t.Error("a check's anomaly is not among those of the run")
	}
	if load := sections.Load(run, "orders"); !slices.ContainsFunc(load, func(s sections.Section) bool { return s.Name == sections.NameChecks }) {
		t.Error("the report of a load test has no section of checks")
	}
}

func TestNarrowSections(t *testing.T) {
	all := sections.For(recordtest.Fail().Run, "orders")
	narrow := sections.Overview(all, sections.Vital)
	var head []string
	for _, c := range narrow.Head {
		head = append(head, c.Brief())
	}
	if got := strings.Join(head, " "); got != "window rate p50 p99 errors retries lost dup order" {
		t.Errorf("head %s", got)
	}
	whole(t, "fail", &narrow)
	if len(all[0].Head) != 12 || len(all[0].Rows[0].Cells) != 11 {
		t.Errorf("a narrow copy changed the section itself")
	}
	many := sections.Section{Head: []sections.Column{{Name: "gauge"}, {Name: "max"}}, Rows: make([]sections.Row, 15)}
	for i := range many.Rows {
		many.Rows[i] = sections.Row{Label: fmt.Sprint(i), Cells: []sections.Cell{{Text: "7"}}}
	}
	if lines := many.Lines(); len(lines) != 13 || lines[0] != "gauge 0: max 7" || lines[12] != "and 3 more" {
		t.Errorf("%q", lines)
	}
}
