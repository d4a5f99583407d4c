package reports

// Saga counts the operations of a stream whose effects have compensations. null: not known.
type Saga struct {
	// Violations are operations that had neither every effect and no compensation, nor exactly one compensation for each effect.
	Violations *int64 `json:"violations"`
	// Compensated are operations of which each effect was compensated exactly once.
	Compensated *int64 `json:"compensated"`
	// Mixed is the time for which operations were neither whole nor compensated. Unanswered ones were so to the end.
	Mixed *EffectTimes `json:"mixed_ns,omitempty"`
}

// SagaNames lists the counts of Saga by their names in gates, in the order in which reports show them.
func SagaNames() []string { return []string{"saga_violations", "saga_compensated"} }

// Count returns the count of that name, nil when it was not measured or is not known; s may be nil.
func (s *Saga) Count(name string) *int64 {
	switch {
	case s == nil:
		return nil
	case name == "saga_violations":
		return s.Violations
	case name == "saga_compensated":
		return s.Compensated
	}
	return nil
}

// sagas checks that the windows' counts add up to the total's.
func (c *audit) sagas(name string, s *Stream) {
	if s.Total.Saga == nil {
		return
	}
	for _, count := range SagaNames() {
		total, sum := s.Total.Saga.Count(count), int64(0)
		for _, window := range sortedKeys(s.Windows) {
			n := s.Windows[window].Saga.Count(count)
			c.that((n == nil) == (total == nil), "%s: %s is known in total or in %s alone", name, count, window)
			if n != nil {
				sum += *n
			}
		}
		c.that(total == nil || sum == *total, "%s: %s of the windows come to %d, the total differs", name, count, sum)
		c.that(total == nil || *total <= s.Total.Sent, "%s: %s exceeds what was sent", name, count)
	}
}

// places checks each place as integrity checks the stream, and that the stream counts no less than each of its places.
func (c *audit) places(name string, s *Stream) {
	for i := range s.Places {
		p := &s.Places[i]
		as := Stream{Model: s.Model, Total: Measures{Counts: s.Total.Counts, Integrity: p.Total.Integrity}, Windows: make(map[string]*Measures)}
		for window, m := range p.Windows {
			as.Windows[window] = &Measures{Integrity: m.Integrity}
		}
		where := name + " in " + p.Name
		c.known(where, &as.Total, &s.Total.Counts)
		c.integrity(where, &as)
		for _, count := range []string{"lost", "effect_duplicates", "phantom", "corrupt"} {
			all, one := s.Total.Integrity.Count(count), p.Total.Integrity.Count(count)
			c.that(all == nil || one == nil || *one <= *all, "%s: %s exceeds that of all places", where, count)
		}
	}
}
