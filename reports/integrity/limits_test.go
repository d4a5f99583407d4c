package integrity

import (
	"testing"

	"pgregory.net/rapid"

	"wringer/reports"
)

// TestSmallRing: the ring's length and the horizon of the bits change no count except the order's. They change the order only
// to a count that is reported as unknown.
func TestSmallRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := draw(t)
		lim := limitsOf(&h.config)
		lim.ring = rapid.SampledFrom([]int{1, 4, 16}).Draw(t, "ring")
		lim.horizon = rapid.SampledFrom([]uint64{1, 8, 1 << 20}).Draw(t, "horizon")
		l := newLedger(h.config, lim)
		h.deliver(t, l)
		for seq, r := range l.history.kept {
			if !r.needed() {
				t.Errorf("the record of %d is kept, and nothing waits for it: %+v", seq, *r)
			}
		}
		want, split := h.reference().counts(windowAt)
		got := l.result(reports.Completeness{Known: true}, windowAt)
		for w, window := range windows {
			for _, name := range countNames {
				n := count(got.Windows[window], name)
				if _, unknown := got.Unknown[name]; unknown && (name == "order_violations" || name == "regressions") {
					// Which of a key's partitions is compared may differ; a finding in that partition is true.
					if n != nil && (*n == 0 || *n > want[w][name] && !split) {
						t.Errorf("%s in %s is %d and unknown, want null or 1 to %d", name, window, *n, want[w][name])
					}
				} else if h.measured(name) && (n == nil || *n != want[w][name]) {
					t.Errorf("%s in %s is %s, want %d", name, window, text(n), want[w][name])
				}
			}
		}
		// The ledger does not wait for a rejected operation. Seen late, its times may be gone.
		excused := split || lim.horizon < 1<<20 || h.rejectedSeen() || h.config.KeyOf == nil
		if why, unknown := got.Unknown["order_violations"]; unknown && !excused {
			t.Errorf("order is unknown: %s", why)
		}
		h.evidence(t, got)
		addUp(t, got)
	})
}

// TestBounds: with every bound hit at once, a count is right or reported as unknown. An unknown count is null, or at most the
// true one. Deliveries stand in for invented operations beyond the bound, and are reported so.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := draw(t)
		small := func(name string) int { return rapid.IntRange(0, 3).Draw(t, name) }
		l := newLedger(h.config, limits{
			ring: 1, horizon: rapid.Uint64Range(1, 40).Draw(t, "horizon"), waiting: small("waiting"), unplanned: small("unplanned"),
			early: small("early"), copies: small("copies"), queued: small("queued"), offsets: small("offsets"), origins: small("origins"), buckets: 1 << 10,
		})
		h.deliver(t, l)
		byWindow, split := h.reference().counts(windowAt)
		got := l.result(reports.Completeness{Known: true}, windowAt)
		want := make(map[string]int64)
		for _, w := range byWindow {
			for name, n := range w {
				if name == "max_copies" {
					want[name] = max(want[name], n)
				} else {
					want[name] += n
				}
			}
		}
		for _, name := range countNames {
			n := count(got.Total, name)
			_, unknown := got.Unknown[name]
			switch {
			case !h.measured(name):
			case name == "unexpected":
				// An operation first seen in the warm-up may be counted later, when its time is forgotten.
				if n != nil && *n < want[name] && !unknown {
					t.Errorf("%s is %d, want %d at least", name, *n, want[name])
				}
			case !unknown && (n == nil || *n != want[name]):
				if _, incomplete := got.Unknown["lost"]; !incomplete {
					t.Errorf("%s is %s, want %d", name, text(n), want[name])
				}
			case split && (name == "order_violations" || name == "regressions"):
			case unknown && n != nil && (*n == 0 || *n > want[name]):
				t.Errorf("%s is %d and unknown, want null or 1 to %d", name, *n, want[name])
			}
		}
		addUp(t, got)
	})
}

// rejectedSeen reports whether some rejected operation was seen, of the warm-up too.
func (h *drawn) rejectedSeen() bool {
	r := h.reference()
	for i := range h.seen {
		if seq, ours := r.parse(&h.seen[i]); ours && r.ended[seq].Outcome == rej {
			return true
		}
	}
	return false
}
