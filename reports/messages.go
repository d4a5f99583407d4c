package reports

// Messages are the measurements of the messages within streaming calls. Counts are of messages; a message that came three times
// is one duplicate. null: nothing in the window could show it.
type Messages struct {
	// Calls counts the attempts that were streams.
	Calls    int64 `json:"calls"`
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	// Lost messages did not come although the target ended the call well. Undecided ones did not come in a call without a good
	// end. Unexpected ones came and belong to none of the expected messages.
	Lost       *int64 `json:"lost"`
	Undecided  *int64 `json:"undecided"`
	Unexpected *int64 `json:"unexpected"`
	Duplicated *int64 `json:"duplicated"`
	Reordered  *int64 `json:"reordered"`
	// First is the time from a call's send to its first message, Gap the time between two messages. If the call ends while a
	// message is awaited, that gap counts as longer than every measured gap.
	First *Latency `json:"first_ns"`
	Gap   *Latency `json:"gap_ns"`
	// Evidence describes the first anomaly of each kind in words.
	Evidence map[string]string `json:"evidence,omitempty"`
}

// MessageCounts lists the names of the counts, in the order in which reports show them.
func MessageCounts() []string {
	return []string{"sent", "received", "lost", "undecided", "unexpected", "duplicated", "reordered"}
}

// MessageAnomalies lists the counts that should be 0.
func MessageAnomalies() []string { return []string{"lost", "unexpected", "duplicated", "reordered"} }

// Count returns a count by its name, nil where it was not measured.
func (m *Messages) Count(name string) *int64 {
	if m == nil {
		return nil
	}
	switch name {
	case "sent":
		return &m.Sent
	case "received":
		return &m.Received
	case "lost":
		return m.Lost
	case "undecided":
		return m.Undecided
	case "unexpected":
		return m.Unexpected
	case "duplicated":
		return m.Duplicated
	case "reordered":
		return m.Reordered
	}
	return nil
}

// messages checks that the windows' messages add up to the total's.
func (c *audit) messages(name string, s *Stream) {
	for _, count := range MessageCounts() {
		total := s.Total.Messages.Count(count)
		var sum int64
		for _, window := range sortedKeys(s.Windows) {
			if n := s.Windows[window].Messages.Count(count); n != nil {
				c.that(*n >= 0, "%s in %s: messages %s is below 0", name, window, count)
				sum += *n
			}
		}
		if total == nil {
			c.that(sum == 0, "%s: messages %s of the windows come to %d, the total is not known", name, count, sum)
			continue
		}
		c.that(sum == *total, "%s: messages %s of the windows come to %d, the total is %d", name, count, sum, *total)
	}
}
