package reports

// NotSeen stands for a time that falls among operations whose effect was never seen.
const NotSeen = "not seen"

// Unseen is the number of acked operations without an effect at the end of the observation.
func (e *EffectTimes) Unseen() int64 {
	if e.Unanswered == nil {
		return 0
	}
	return int64(*e.Unanswered) - e.Unknown
}

// Percentile writes v, a percentile of e; e may be nil.
func (e *EffectTimes) Percentile(v *float64) string {
	switch {
	case e == nil:
		return NotMeasured
	case v == nil && e.Unknown > 0:
		return NotKnown
	case v == nil:
		return NotSeen
	case e.Unknown > 0:
		return "at most " + Duration(*v)
	}
	return Duration(*v)
}

// effects checks the times of effects: they cover every acked operation, and the windows add up.
func (c *audit) effects(name string, s *Stream) {
	if s.Total.Effect == nil {
		return
	}
	c.effect(name+" total", &s.Total)
	var count, unseen, unknown int64
	for _, window := range sortedKeys(s.Windows) {
		c.effect(name+" in "+window, s.Windows[window])
		if e := s.Windows[window].Effect; e != nil {
			count, unseen, unknown = count+e.Count, unseen+e.Unseen(), unknown+e.Unknown
		}
	}
	e := s.Total.Effect
	c.that(count == e.Count && unseen == e.Unseen() && unknown == e.Unknown,
		"%s: effects of the windows come to %d, %d never seen and %d not known, the total is %d, %d and %d", name, count, unseen, unknown, e.Count, e.Unseen(), e.Unknown)
}

func (c *audit) effect(where string, m *Measures) {
	e := m.Effect
	if e == nil {
		c.that(m.Acked == 0, "%s: no effect times of %d acked", where, m.Acked)
		return
	}
	c.latency(where+": effect", &e.Latency, e.Count)
	c.that(e.Unknown >= 0 && e.Unseen() >= 0, "%s: %d effects never seen, %d not known", where, e.Unseen(), e.Unknown)
	c.that(!c.run.Complete || m.Acked <= e.Count && e.Count <= m.Acked+m.Indeterminate, "%s: %d effects of %d acked and %d indeterminate", where, e.Count, m.Acked, m.Indeterminate)
	if lost := m.Integrity.Count("lost"); lost != nil && e.Unknown == 0 {
		c.that(*lost == e.Unseen(), "%s: %d effects never seen, and %d lost", where, e.Unseen(), *lost)
	}
}
