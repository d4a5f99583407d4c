package integrity

import "wringer/reports"

// Settled reports whether every measured operation that was acked so far was seen: nothing is left to wait for.
func (l *Ledger) Settled() bool { return l.Live().Unseen == 0 }

// Live sums up the windows. Its cost does not grow with the number of operations.
func (l *Ledger) Live() reports.Live {
	l.mu.Lock()
	defer l.mu.Unlock()
	var c cell
	for i := warmupCell + 1; i < len(l.cells); i++ {
		c.add(&l.cells[i])
	}
	return reports.Live{
		Acked: c.acked, Seen: c.seen(), Unseen: c.acked - c.ackedSeen,
		Phantom: c.phantom, Duplicates: c.duplicates, Redelivered: c.redelivered, OrderViolations: c.violations,
	}
}

// seen is the number of sent operations that were seen.
func (c *cell) seen() int64 { return c.ackedSeen + c.recovered + c.phantom }
