package reports

// The directions in which a metric is better. Of one that is neither, such as the number of records, the direction is empty.
const (
	Lower  = "lower"
	Higher = "higher"
)

// Described is what a report of the record must know of a count, beside its value.
type Described struct {
	Name   string `json:"name"`
	Unit   string `json:"unit"`   // ns, ratio, count, per_second, or empty
	Better string `json:"better"` // lower, higher, or empty
	About  string `json:"about,omitempty"`
	// Anomaly: above 0 it is a defect.
	Anomaly bool `json:"anomaly,omitempty"`
	// Evidence is the kind of the violations that are the evidence of the count; empty when there are none.
	Evidence string `json:"evidence,omitempty"`
}

// described are the counts of the record's own fields that are an anomaly, or that evidence speaks of. The tables of metrics
// take both from here.
var described = []Described{
	{Name: "lost", Anomaly: true, Evidence: "lost"},
	{Name: "phantom", Anomaly: true, Evidence: "phantom"},
	{Name: "unexpected", Anomaly: true, Evidence: "unexpected"},
	{Name: "foreign", Evidence: "foreign"},
	{Name: "log_duplicates", Anomaly: true, Evidence: "log_duplicate"},
	{Name: "redelivered", Evidence: "redelivered"},
	{Name: "effect_duplicates", Anomaly: true, Evidence: "effect_duplicate"},
	{Name: "order_violations", Anomaly: true, Evidence: "order_violation"},
	{Name: "regressions", Evidence: "regression"},
	{Name: "gaps", Anomaly: true, Evidence: "gap"},
	{Name: "ack_collisions", Anomaly: true, Evidence: "ack_collision"},
	{Name: "arrived_twice", Evidence: "arrived_twice"},
	{Name: "hidden_arrivals", Anomaly: true},
	{Name: "replay_violations", Anomaly: true, Evidence: "replay_violation"},
	{Name: "group_lost", Anomaly: true, Evidence: "group_lost"},
}

// Describe describes a count of the record's own fields; false when there is nothing to say of it.
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

// CountOf returns the name of the count that violations of a kind are evidence of; empty for a kind that has none.
func (r *Run) CountOf(kind string) string {
	for _, d := range r.Described() {
		if d.Evidence == kind && kind != "" {
			return d.Name
		}
	}
	return ""
}
