package integrity

import "wringer/reports/pages"

// mostWrong bounds the operations that are not over and whose effect is known to be corrupt, with the reason.
const mostWrong = 1 << 12

// seenWrong notes that an operation's effect differs from what was sent.
func (l *Ledger) seenWrong(seq uint64, p *page, i uint, s state, why string) {
	pages.Need(&p.wrong).Set(i)
	if s != open {
		l.corrupt(seq, s, p.cells.At(i), why)
	} else if len(l.wrong) < mostWrong {
		l.wrong[seq] = why
	}
}

// corrupt counts an operation that was sent and whose effect differs from what was sent.
func (l *Ledger) corrupt(seq uint64, s state, cell int16, why string) {
	if !s.sent() {
		return
	}
	l.cells[cell].corrupt++
	if !l.evidence.wants(kindCorrupt, cell) {
		return
	}
	if why == "" {
		why = "an effect differs from what was sent"
	}
	l.addEvidence(kindCorrupt, cell, seq, why)
}
