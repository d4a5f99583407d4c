package reports

// Replays counts acknowledged operations that were sent again, by the answer. The counts are operations: each was replayed
// once, in one of three ways. Sent = Honoured + Violations + Deviations + Undecided.
type Replays struct {
	Sent int64 `json:"sent"`
	// Honoured: answered as the idempotency-key draft describes. Violations: another result, or a second one. Deviations: a
	// changed body was refused with a status other than 422. Undecided: no answer, or one that decides nothing (429, 5xx).
	Honoured   int64 `json:"honoured"`
	Violations int64 `json:"violations"`
	Deviations int64 `json:"deviations"`
	Undecided  int64 `json:"undecided"`
	// Skipped operations were chosen and not sent again: too many waited, or the stream was over.
	Skipped int64 `json:"skipped"`
	// Kinds holds the counts by the kind of replay: same, concurrent, changed.
	Kinds map[string]ReplayCounts `json:"kinds"`
}

// ReplayCounts are the counts of one kind of replay.
type ReplayCounts struct {
	Sent       int64 `json:"sent"`
	Honoured   int64 `json:"honoured"`
	Violations int64 `json:"violations"`
	Deviations int64 `json:"deviations"`
	Undecided  int64 `json:"undecided"`
}

// Add adds all of o.
func (k *ReplayCounts) Add(o ReplayCounts) {
	k.Sent += o.Sent
	k.Honoured += o.Honoured
	k.Violations += o.Violations
	k.Deviations += o.Deviations
	k.Undecided += o.Undecided
}

// NewReplays sums up the kinds.
func NewReplays(kinds map[string]ReplayCounts, skipped int64) *Replays {
	r := &Replays{Skipped: skipped, Kinds: kinds}
	var sum ReplayCounts
	for _, k := range kinds {
		sum.Add(k)
	}
	r.Sent, r.Honoured, r.Violations, r.Deviations, r.Undecided = sum.Sent, sum.Honoured, sum.Violations, sum.Deviations, sum.Undecided
	return r
}

// Count returns the count that has this name in gates, nil when it was not measured; r may be nil.
func (r *Replays) Count(name string) *int64 {
	if r == nil {
		return nil
	}
	switch name {
	case "replays":
		return &r.Sent
	case "replay_violations":
		return &r.Violations
	case "replay_deviations":
		return &r.Deviations
	case "replays_undecided":
		return &r.Undecided
	case "replays_skipped":
		return &r.Skipped
	}
	return nil
}

// ReplayNames lists the counts of replays that gates know.
func ReplayNames() []string {
	return []string{"replays", "replay_violations", "replay_deviations", "replays_undecided", "replays_skipped"}
}

// Open names a kind of replay of which some were sent and none was decided; empty when there is no such kind.
func (r *Replays) Open() string {
	for _, kind := range sortedKeys(r.Kinds) {
		if k := r.Kinds[kind]; k.Sent > 0 && k.Undecided == k.Sent {
			return kind
		}
	}
	return ""
}

// replayed checks that the counts of replays add up, within a window and over the windows.
func (c *audit) replayed(name string, s *Stream) {
	if s.Total.Replays == nil {
		return
	}
	sum := make(map[string]ReplayCounts)
	var skipped int64
	for _, window := range sortedKeys(s.Windows) {
		r := s.Windows[window].Replays
		if r == nil {
			continue
		}
		c.replays(name+" in "+window, r)
		skipped += r.Skipped
		for kind, k := range r.Kinds {
			t := sum[kind]
			t.Add(k)
			sum[kind] = t
		}
	}
	total := s.Total.Replays
	c.replays(name+" total", total)
	c.that(skipped == total.Skipped, "%s: skipped replays of the windows come to %d, the total is %d", name, skipped, total.Skipped)
	for _, kind := range sortedKeys(total.Kinds) {
		c.that(sum[kind] == total.Kinds[kind], "%s: %s replays of the windows come to %+v, the total is %+v", name, kind, sum[kind], total.Kinds[kind])
	}
}

func (c *audit) replays(where string, r *Replays) {
	again := NewReplays(r.Kinds, r.Skipped)
	c.that(again.Sent == r.Sent && again.Honoured == r.Honoured && again.Violations == r.Violations && again.Deviations == r.Deviations &&
		again.Undecided == r.Undecided, "%s: the kinds of replays do not add up to %d sent", where, r.Sent)
	for _, kind := range sortedKeys(r.Kinds) {
		k := r.Kinds[kind]
		c.that(k.Sent == k.Honoured+k.Violations+k.Deviations+k.Undecided, "%s: %d %s replays sent are not %d honoured + %d violations + %d deviations + %d undecided",
			where, k.Sent, kind, k.Honoured, k.Violations, k.Deviations, k.Undecided)
	}
}
