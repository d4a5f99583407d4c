package reports_test

import (
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

func TestSumsOfSoundRecords(t *testing.T) {
	for name, rec := range recordtest.Samples() {
		for _, broken := range reports.Sums(rec.Run) {
			t.Errorf("%s: %s", name, broken)
		}
	}
}

// Each case breaks one identity of a sound record.
func TestSumsFindEachBrokenIdentity(t *testing.T) {
	number := func(v int64) *int64 { return &v }
	real := func(v float64) *float64 { return &v }
	orders := func(r *reports.Run) *reports.Stream { return r.Streams["orders"] }
	for want, spoil := range map[string]func(*reports.Run){
		"is not sent":                     func(r *reports.Run) { orders(r).Windows["baseline"].Offered++ },
		"is not acked":                    func(r *reports.Run) { orders(r).Windows["baseline"].Rejected++ },
		"windows add up to":               func(r *reports.Run) { delete(orders(r).Windows, "slow-broker") },
		"seconds add up to":               func(r *reports.Run) { orders(r).Seconds = orders(r).Seconds[1:] },
		"errors of the windows":           func(r *reports.Run) { orders(r).Total.Errors["reset"] = 1 },
		"failures add up to":              func(r *reports.Run) { orders(r).Total.Failures.Fast++ },
		"exceed attempts":                 func(r *reports.Run) { orders(r).Total.Retries = orders(r).Total.Attempts + 1 },
		"the client's retries":            func(r *reports.Run) { orders(r).Total.ClientRetries = orders(r).Total.Retries + 1 },
		"first attempts of":               func(r *reports.Run) { orders(r).Total.Attempts = 1 << 40 },
		"is not one of the run's":         func(r *reports.Run) { orders(r).Windows["elsewhere"] = &reports.Measures{} },
		"a count is below 0":              func(r *reports.Run) { orders(r).Total.Retries = -1 },
		"the generator dropped":           func(r *reports.Run) { orders(r).Total.DroppedByUs = 1 << 40 },
		"amplification":                   func(r *reports.Run) { orders(r).Total.Amplification = real(9) },
		"is below the one before":         func(r *reports.Run) { orders(r).Total.Response.P99 = real(1) },
		"nothing is unanswered":           func(r *reports.Run) { l := orders(r).Total.Response; l.P999, l.Unanswered = nil, real(0) },
		"above one that is not":           func(r *reports.Run) { orders(r).Total.Response.P50 = nil },
		"unanswered of the windows":       func(r *reports.Run) { orders(r).Total.Response.Unanswered = real(5) },
		"a distribution of no operations": func(r *reports.Run) { orders(r).Windows["drain"].Response = orders(r).Total.Response },
		"times of no operations":          func(r *reports.Run) { orders(r).Seconds[3].Counts = reports.Counts{} },
		"p50 exceeds p99":                 func(r *reports.Run) { orders(r).Seconds[3].P50NS = number(1 << 50) },
		"not in order":                    func(r *reports.Run) { orders(r).Seconds[3].StartNS = 0 },
		"integrity has":                   func(r *reports.Run) { orders(r).Total.Integrity.Acked = number(1) },
		"lost 99999":                      func(r *reports.Run) { orders(r).Total.Integrity.Lost = number(99999) },
		"effect_duplicates of":            func(r *reports.Run) { orders(r).Total.Integrity.EffectDuplicates = number(0) },
		"known in total and not":          func(r *reports.Run) { orders(r).Windows["baseline"].Integrity.Unexpected = nil },
		"max_copies of":                   func(r *reports.Run) { orders(r).Total.Integrity.MaxCopies = number(8) },
		"has a recovery time":             func(r *reports.Run) { r.Faults[2].RecoveryNS = number(1) },
		"the shortest recovery":           spoilRecovery,
		"ends before it starts":           func(r *reports.Run) { r.Windows[2].EndNS = 0 },
		"nothing was observed":            func(r *reports.Run) { r.Gates[3].Observed, r.Gates[3].Verdict = nil, reports.Pass },
		"and no gate does":                func(r *reports.Run) { r.Gates = nil },
		"validity is":                     func(r *reports.Run) { r.Validity.Why = []string{"because"} },
		"exit 0":                          func(r *reports.Run) { r.Exit = 0 },
		"effects of the windows":          func(r *reports.Run) { orders(r).Total.Effect.Count++ },
		"effects of 4000 acked":           func(r *reports.Run) { orders(r).Windows["baseline"].Effect.Count-- },
		"no effect times of 4000 acked":   func(r *reports.Run) { orders(r).Windows["baseline"].Effect = nil },
		"11 effects never seen, and 12":   func(r *reports.Run) { *orders(r).Windows["lost-answers"].Effect.Unanswered-- },
		"-1 effects never seen":           func(r *reports.Run) { orders(r).Windows["baseline"].Effect.Unknown++ },
		"effect: percentile":              func(r *reports.Run) { orders(r).Total.Effect.P99 = real(1) },
		"gives no reason":                 func(r *reports.Run) { r.Why = nil },
	} {
		run := recordtest.Fail().Run
		spoil(run)
		if found := strings.Join(reports.Sums(run), "\n"); !strings.Contains(found, want) {
			t.Errorf("%q was not found; found:\n%s", want, found)
		}
	}
}

// A wrong pass is the worst error of a record.
func TestSumsFindAWrongPass(t *testing.T) {
	for want, spoil := range map[string]func(*reports.Run){
		"does not":           func(r *reports.Run) { r.Gates[1].Verdict = reports.Inconclusive },
		"without a gate":     func(r *reports.Run) { r.Gates = nil },
		"is not complete":    func(r *reports.Run) { r.Complete = false },
		"is not valid":       func(r *reports.Run) { r.Validity.Verdict = reports.Inconclusive },
		"did not bite":       func(r *reports.Run) { r.Faults[0].Bit = false },
		"fault lost-answers": func(r *reports.Run) { r.Faults[1].Healed = false },
		"exit 2":             func(r *reports.Run) { r.Exit = reports.ExitInconclusive },
	} {
		run := recordtest.Pass().Run
		spoil(run)
		if found := strings.Join(reports.Sums(run), "\n"); !strings.Contains(found, want) {
			t.Errorf("%q was not found; found:\n%s", want, found)
		}
	}
}

func TestOperationsUnderWayDoNotAddUpYet(t *testing.T) {
	run := recordtest.Inconclusive().Run
	m := run.Streams["stock"]
	for _, n := range []*reports.Counts{&m.Total.Counts, &m.Windows["baseline"].Counts, &m.Seconds[0].Counts} {
		n.Acked -= 3
	}
	if len(reports.Sums(run)) == 0 {
		t.Error("operations without an outcome went unnoticed in a complete record")
	}
	run.Complete = false
	if broken := reports.Sums(run); len(broken) > 0 {
		t.Errorf("a checkpoint was found broken: %v", broken)
	}
}

func TestEveryIntegrityCountIsReadByItsName(t *testing.T) {
	i := recordtest.Fail().Run.Streams["orders"].Total.Integrity
	for _, name := range reports.IntegrityNames() {
		if known := i.Count(name) != nil; known == (name == "log_duplicates" || name == "gaps" || name == "ack_collisions" || name == "corrupt") {
			t.Errorf("%s: known is %v", name, known)
		}
	}
	if *i.Count("extra_copies") != 217 || i.Count("no such count") != nil || (*reports.Integrity)(nil).Count("lost") != nil {
		t.Error("a count was read wrongly")
	}
}

// spoilRecovery gives a stream a longer recovery without the load generator's part.
func spoilRecovery(r *reports.Run) {
	for i := range r.Faults {
		for name, s := range r.Faults[i].PerStream {
			if s.RecoveryNS != nil {
				longer := *s.RecoveryNS + 1
				s.RecoveryFromNS = &longer
				r.Faults[i].PerStream[name] = s
			}
		}
	}
}
