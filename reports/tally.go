package reports

// integrityCounts names the counts of Integrity as the record does, in the order in which reports show them.
var integrityCounts = []struct {
	name string
	of   func(*Integrity) **int64
}{
	{"acked", func(i *Integrity) **int64 { return &i.Acked }},
	{"seen", func(i *Integrity) **int64 { return &i.Seen }},
	{"lost", func(i *Integrity) **int64 { return &i.Lost }},
	{"unseen", func(i *Integrity) **int64 { return &i.Unseen }},
	{"recovered", func(i *Integrity) **int64 { return &i.Recovered }},
	{"phantom", func(i *Integrity) **int64 { return &i.Phantom }},
	{"unexpected", func(i *Integrity) **int64 { return &i.Unexpected }},
	{"foreign", func(i *Integrity) **int64 { return &i.Foreign }},
	{"log_duplicates", func(i *Integrity) **int64 { return &i.LogDuplicates }},
	{"redelivered", func(i *Integrity) **int64 { return &i.Redelivered }},
	{"effect_duplicates", func(i *Integrity) **int64 { return &i.EffectDuplicates }},
	{"extra_copies", func(i *Integrity) **int64 { return &i.ExtraCopies }},
	{"max_copies", func(i *Integrity) **int64 { return &i.MaxCopies }},
	{"corrupt", func(i *Integrity) **int64 { return &i.Corrupt }},
	{"order_violations", func(i *Integrity) **int64 { return &i.OrderViolations }},
	{"regressions", func(i *Integrity) **int64 { return &i.Regressions }},
	{"gaps", func(i *Integrity) **int64 { return &i.Gaps }},
	{"ack_collisions", func(i *Integrity) **int64 { return &i.AckCollisions }},
}

// IntegrityNames lists the counts of Integrity by their names in the record, in the order in which reports show them.
func IntegrityNames() []string {
	names := make([]string, len(integrityCounts))
	for i := range integrityCounts {
		names[i] = integrityCounts[i].name
	}
	return names
}

// Count returns the count of that name, nil when it was not measured or is not known; i may be nil.
func (i *Integrity) Count(name string) *int64 {
	if i == nil {
		return nil
	}
	for _, c := range integrityCounts {
		if c.name == name {
			return *c.of(i)
		}
	}
	return nil
}

// TakeOrder takes the counts of the order within keys from another account of the same deliveries.
func (i *Integrity) TakeOrder(from *Integrity) {
	i.OrderViolations, i.Regressions, i.Gaps = from.OrderViolations, from.Regressions, from.Gaps
}

// StreamNames returns the names of the run's streams, sorted.
func (r *Run) StreamNames() []string { return sortedKeys(r.Streams) }
