package reports

// Witness counts the requests that arrived at the target of a stream, beside the attempts sent. Each request belongs to the
// window in which its operation was due. null: not known. The counts are requests, except ArrivedOperations and ArrivedTwice
// (operations) and MaxArrivals (requests of one operation). Replays are not included.
type Witness struct {
	// AttemptsSent are the attempts that may have reached the wire, as the client knows them, its own resends included.
	AttemptsSent *int64 `json:"attempts_sent"`
	// Arrivals are requests whose head arrived at the target. ArrivedCut are the ones whose body did not arrive whole. Answered
	// are the ones whose answer left the target whole while it was awaited.
	Arrivals   *int64 `json:"arrivals"`
	ArrivedCut *int64 `json:"arrived_cut"`
	Answered   *int64 `json:"answered"`

	ArrivedOperations *int64 `json:"arrived_operations"`
	ArrivedTwice      *int64 `json:"arrived_twice"` // at least twice
	MaxArrivals       *int64 `json:"max_arrivals"`
	// NotArrived are attempts sent beyond the arrivals of their operation. HiddenArrivals are arrivals beyond the attempts
	// sent: resends that the client did not report.
	NotArrived     *int64 `json:"not_arrived"`
	HiddenArrivals *int64 `json:"hidden_arrivals"`
}

// witnessCounts names the counts of Witness as the record does, in the order in which reports show them.
var witnessCounts = []struct {
	name string
	of   func(*Witness) **int64
}{
	{"attempts_sent", func(w *Witness) **int64 { return &w.AttemptsSent }},
	{"arrivals", func(w *Witness) **int64 { return &w.Arrivals }},
	{"not_arrived", func(w *Witness) **int64 { return &w.NotArrived }},
	{"arrived_cut", func(w *Witness) **int64 { return &w.ArrivedCut }},
	{"answered", func(w *Witness) **int64 { return &w.Answered }},
	{"arrived_operations", func(w *Witness) **int64 { return &w.ArrivedOperations }},
	{"arrived_twice", func(w *Witness) **int64 { return &w.ArrivedTwice }},
	{"max_arrivals", func(w *Witness) **int64 { return &w.MaxArrivals }},
	{"hidden_arrivals", func(w *Witness) **int64 { return &w.HiddenArrivals }},
}

// WitnessNames lists the counts of Witness by their names in the record, in the order in which reports show them.
func WitnessNames() []string {
	names := make([]string, len(witnessCounts))
	for i := range witnessCounts {
		names[i] = witnessCounts[i].name
	}
	return names
}

// Count returns the count of that name, nil when it was not measured or is not known; w may be nil.
func (w *Witness) Count(name string) *int64 {
	if w == nil {
		return nil
	}
	for _, c := range witnessCounts {
		if c.name == name {
			return *c.of(w)
		}
	}
	return nil
}

// witnessed checks the witness's counts: the windows add up, and no count exceeds the count that includes it.
func (c *audit) witnessed(name string, s *Stream) {
	if s.Total.Witness == nil {
		return
	}
	c.arrivals(name+" total", &s.Total)
	for _, count := range WitnessNames() {
		total := s.Total.Witness.Count(count)
		if total == nil {
			continue
		}
		var sum int64
		for _, window := range sortedKeys(s.Windows) {
			n := s.Windows[window].Witness.Count(count)
			switch {
			case n == nil:
			case count == "max_arrivals":
				sum = max(sum, *n)
			default:
				sum += *n
			}
		}
		c.that(sum == *total, "%s: %s of the windows come to %d, the total is %d", name, count, sum, *total)
	}
	for _, window := range sortedKeys(s.Windows) {
		c.arrivals(name+" in "+window, s.Windows[window])
	}
}

func (c *audit) arrivals(where string, m *Measures) {
	w := m.Witness
	atMost := func(part, whole string) {
		if a, b := w.Count(part), w.Count(whole); a != nil && b != nil {
			c.that(*a <= *b, "%s: %s %d exceeds %s %d", where, part, *a, whole, *b)
		}
	}
	atMost("arrived_cut", "arrivals")
	atMost("answered", "arrivals")
	atMost("arrived_operations", "arrivals")
	atMost("arrived_twice", "arrived_operations")
	atMost("max_arrivals", "arrivals")
	atMost("hidden_arrivals", "arrivals")
	atMost("not_arrived", "attempts_sent")
	if sent := w.Count("attempts_sent"); sent != nil && c.run.Complete {
		c.that(*sent == m.Attempts, "%s: the witness has %d attempts, the counts have %d", where, *sent, m.Attempts)
		missing, hidden, came := w.Count("not_arrived"), w.Count("hidden_arrivals"), w.Count("arrivals")
		if missing != nil && hidden != nil && came != nil {
			c.that(*sent-*missing+*hidden == *came, "%s: %d attempts sent - %d not arrived + %d hidden are not %d arrivals", where, *sent, *missing, *hidden, *came)
		}
	}
	for _, name := range WitnessNames() {
		if n := w.Count(name); n != nil {
			c.that(*n >= 0, "%s: %s is below 0", where, name)
		}
	}
}
