package runner

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
	"wringer/scenarios"
)

// liar is a target that loses, repeats, swaps and applies refused operations on demand of a seed, and counts for itself.
type liar struct {
	mu   sync.Mutex
	log  *ledgerLog
	seed uint64
	held map[uint64][][]byte // by key: acknowledged, to be appended after the key's next one

	attempts, acked, lost, duplicates, copies, phantoms, recovered, swaps int64
}

func (l *liar) do(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
	if !sleep(ctx, time.Millisecond) {
		lapse(ctx, at)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts++
	at.Wire, at.Answered = true, true
	id := env.Identity.Append(nil, op.Seq)
	switch drivers.DrawBelow(drivers.Draw(l.seed, op.Seq, 0), 12) {
	case 0: // lost
		l.lost++
	case 1: // applied three times
		l.apply(op.Key, id, id, id)
		l.duplicates++
		l.copies += 2
	case 2: // refused, and applied nevertheless
		l.phantoms++
		l.apply(op.Key, id)
		at.Fail(drivers.Rejected, "http_409", "")
		return
	case 3: // applied, the answer broken
		l.recovered++
		l.apply(op.Key, id)
		at.Fail(drivers.Indeterminate, "http_500", "")
		return
	case 4: // swapped with the key's next one
		l.held[op.Key] = append(l.held[op.Key], id)
	case 5: // at the first attempt not applied and not answered
		if at.Number == 1 {
			at.Fail(drivers.Indeterminate, "http_502", "")
			return
		}
		l.apply(op.Key, id)
	default:
		l.apply(op.Key, id)
	}
	at.Outcome = drivers.Acked
	l.acked++
}

// apply appends an operation, and then the ones held back for it.
func (l *liar) apply(key uint64, ids ...[]byte) {
	for _, id := range ids {
		l.log.append(id)
	}
	l.swaps += int64(len(l.held[key]))
	for _, id := range l.held[key] {
		l.log.append(id)
	}
	delete(l.held, key)
}

// flush appends the operations still held back: late, but after nothing of their key.
func (l *liar) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ids := range l.held {
		for _, id := range ids {
			l.log.append(id)
		}
	}
	clear(l.held)
}

func TestCountsEqualTheTargetsOwn(t *testing.T) {
	for seed := int64(1); seed <= int64(tier.Rounds(t, 5, 2)); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := &liar{log: newLog(), seed: uint64(seed), held: make(map[uint64][][]byte)}
				s := openStream("a", 300, &memory{do: l.do})
				s.Keys, s.Places = 10, []scenarios.Place{{Kind: "memory", Source: at(l.log)}}
				s.Retry = &scenarios.Retry{Attempts: 2, Backoff: time.Millisecond, MaxBackoff: time.Second, Jitter: scenarios.JitterNone, On: []string{"http_502"}}
				sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second, Drain: 10 * time.Second}, []scenarios.Stream{s}, "a.lost == 0")
				sc.Seed = seed
				time.AfterFunc(22*time.Second, l.flush)
				run := mustRun(t, t.Context(), sc, Options{})
				total := run.Streams["a"].Total
				i := total.Integrity
				for _, c := range []struct {
					what      string
					got, want int64
				}{
					{"attempts", total.Attempts, l.attempts},
					{"acked", total.Acked, l.acked},
					{"integrity acked", *i.Acked, l.acked},
					{"lost", *i.Lost, l.lost},
					{"effect duplicates", *i.EffectDuplicates, l.duplicates},
					{"extra copies", *i.ExtraCopies, l.copies},
					{"phantom", *i.Phantom, l.phantoms},
					{"recovered", *i.Recovered, l.recovered},
					{"order violations", *i.OrderViolations, l.swaps},
					{"unexpected", *i.Unexpected, 0},
					{"foreign", *i.Foreign, 0},
				} {
					if c.got != c.want {
						t.Errorf("%s: %d, the target counted %d", c.what, c.got, c.want)
					}
				}
				if l.lost == 0 || l.swaps == 0 || l.phantoms == 0 {
					t.Error("the liar told the truth")
				}
			})
		})
	}
}

func TestBrokenObservationIsUnknown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		s := openStream("a", 10, &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			log.append(env.Identity.Append(nil, op.Seq))
			ack(ctx, at, time.Millisecond)
		}})
		s.Places = []scenarios.Place{{Kind: "memory", Source: at(log)}}
		time.AfterFunc(2*time.Second, func() {
			log.mu.Lock()
			log.broken = fmt.Errorf("records were removed before they were read")
			log.mu.Unlock()
		})
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 4 * time.Second, Drain: time.Second}, []scenarios.Stream{s}, "a.lost == 0", "a.errors == 0"), Options{})
		if run.Streams["a"].Total.Integrity.Lost != nil || run.Verdict == "pass" {
			t.Errorf("lost %v, verdict %s", run.Streams["a"].Total.Integrity.Lost, run.Verdict)
		}
	})
}
