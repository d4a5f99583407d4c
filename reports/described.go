package reports

// The directions in which a metric is better. A neutral one, such as the number of records, has an empty direction.
const (
	Lower  = "lower"
	Higher = "higher"
)

// Described holds the facts about a count, beside its value, that a report of the record needs.
type Described struct {
	Name   string `json:"name"`
	Unit   string `json:"unit"`   // ns, ratio, count, per_second, or empty
	Better string `json:"better"` // lower, higher, or empty
	About  string `json:"about,omitempty"`
	// Anomaly: above 0 it is a defect.
	Anomaly bool `json:"anomaly,omitempty"`
	// Evidence is the kind of the violations that prove the count; empty when there are none.
	Evidence string `json:"evidence,omitempty"`
}

// described are the counts of the record's own fields that are an anomaly or have evidence. The tables of metrics take both
// from here.
var described = []Described{
	{Name: "lost", Anomaly: true, Evidence: "lost"},
	{Name: "phantom", Anomaly: true, Evidence: "phantom"},
	{Name: "unexpected", Anomaly: true, Evidence: "unexpected"},
	{Name: "foreign", Evidence: "foreign"},
	{Name: "log_duplicates", Anomaly: true, Evidence: "log_duplicate"},
	{Name: "redelivered", Evidence: "redelivered"},
	{Name: "effect_duplicates", Anomaly: true, Evidence: "effect_duplicate"},
	{Name: "corrupt", Anomaly: true, Evidence: "corrupt"},
	{Name: "order_violations", Anomaly: true, Evidence: "order_violation"},
	{Name: "regressions", Evidence: "regression"},
	{Name: "gaps", Anomaly: true, Evidence: "gap"},
	{Name: "ack_collisions", Anomaly: true, Evidence: "ack_collision"},
	{Name: "arrived_twice", Evidence: "arrived_twice"},
	{Name: "hidden_arrivals", Anomaly: true},
	{Name: "replay_violations", Anomaly: true, Evidence: "replay_violation"},
	{Name: "saga_violations", Anomaly: true, Evidence: "saga_violation"},
	{Name: "group_lost", Anomaly: true, Evidence: "group_lost"},
}

// Describe describes a count of the record's own fields; false when there is no description.
func Describe(name string) (Described, bool) {
	for _, d := range described {
		if d.Name == name {
			return d, true
		}
	}
	return Described{}, false
}

// Described describes the counts of the record: those of its own fields, and those of the run's checks.
func (r *Run) Described() []Described {
	return append(described[:len(described):len(described)], r.Checks...)
}

// Anomalous says whether a count above 0 is a defect.
func (r *Run) Anomalous(count string) bool {
	for _, d := range r.Described() {
		if d.Name == count {
			return d.Anomaly
		}
	}
	return false
}

// CountOf returns the name of the count that violations of a kind prove; empty for a kind that has none.
func (r *Run) CountOf(kind string) string {
	for _, d := range r.Described() {
		if d.Evidence == kind && kind != "" {
			return d.Name
		}
	}
	return ""
}
