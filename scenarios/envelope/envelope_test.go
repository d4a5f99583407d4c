package envelope

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"wringer/drivers/drivertest/tier"
	"wringer/reports"
	"wringer/scenarios/capacity"
	"wringer/scenarios/envelope/search"
)

// schemas are the answer's own, and that of capacity, which other programs rely on.
var schemas = sync.OnceValue(func() (all []*jsonschema.Schema) {
	for _, path := range []string{"contract.schema.json", "../capacity/contract.schema.json"} {
		all = append(all, jsonschema.NewCompiler().MustCompile(path))
	}
	return all
})

// valid holds an answer to its schemas.
func valid(t testing.TB, a *Answer) {
	t.Helper()
	raw, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range schemas() {
		if err := schema.Validate(value); err != nil {
			t.Error(err)
		}
	}
}

// known is a target with its truth: by load the worst intensity that passes, in the axis' unit. The loads ascend.
type known struct {
	bench  *bench
	bounds Bounds
	loads  []float64
	truth  []float64
}

// families are kinds of targets, with parameters drawn from a seed.
var families = map[string]func(r *rand.Rand) known{
	// Not queued, the response time is the service time and the latency.
	"latency and workers": func(r *rand.Rand) known {
		each := time.Duration(5+r.IntN(20)) * time.Millisecond
		limit := time.Duration(100+r.IntN(300)) * time.Millisecond
		truth := float64(limit - each)
		return known{
			&bench{service: newService(4, each), text: scenarioOf("{name: slow, at: 4s, for: 4s, harm: a, latency: 20ms}", "a.p99 < "+limit.String()+" during slow", "a.errors < 1%")},
			Bounds{From: "10ms", Most: "2s", Width: 0.1}, []float64{20, 60, 100}, []float64{truth, truth, truth},
		}
	},
	// The fault leaves a share of the speed: the workers hold a load up to n * left / time.
	"speed": func(r *rand.Rand) known {
		each := time.Duration(8+r.IntN(12)) * time.Millisecond
		most := 4 / each.Seconds()
		k := known{
			&bench{service: newService(4, each), text: scenarioOf("{name: starved, at: 2s, for: 8s, harm: a, left: 60%}", "a.p99 < 400ms during starved", "a.errors < 1%")},
			Bounds{From: "5%", Most: "100%", Width: 0.1}, []float64{most * 0.2, most * 0.4, most * 0.8}, nil,
		}
		for _, load := range k.loads {
			k.truth = append(k.truth, load/most)
		}
		return k
	},
	// Operations that a cut holds for longer than their timeout fail: all that begin earlier than a timeout before its end.
	"length of a cut": func(r *rand.Rand) known {
		over := time.Duration(1+r.IntN(3)) * time.Second
		return known{
			&bench{service: newService(50, time.Millisecond), text: scenarioOf("{name: cut, at: 3s, for: 1s, harm: a, cut: true}", "a.p99 < "+over.String()+" during cut", "a.errors < 0.1% during cut")},
			Bounds{From: "100ms", Most: "20s", Width: 0.1}, []float64{20, 50}, []float64{float64(time.Second), float64(time.Second)},
		}
	},
	// A share of errors against a gate on that share, which is counted over the operations of the fault's time.
	"share of errors": func(r *rand.Rand) known {
		limit := 2 + r.IntN(20)
		return known{
			&bench{service: newService(50, time.Millisecond), text: scenarioOf("{name: faulty, at: 2s, for: 8s, harm: a, errors: 1%}", "a.errors < "+writeQuantity(float64(limit)/100, inRatio)+" during faulty")},
			Bounds{From: "0.5%", Most: "100%", Width: 0.1}, []float64{50, 200}, []float64{float64(limit) / 100, float64(limit) / 100},
		}
	},
}

// Of each family every bracket holds the truth, the number of trials is bounded, and both bounds are trials of their own load.
func TestKnownFrontiers(t *testing.T) {
	seeds := tier.Rounds(t, *rounds, 1)
	for name, family := range families {
		t.Run(name, func(t *testing.T) {
			if name != "share of errors" {
				tier.Slow(t, "a search of some minutes in virtual time")
			}
			var trials, minutes []float64
			defer func() { // a row of the table in docs/envelope.md
				if len(trials) > 0 {
					t.Logf("| %s | %d | %.0f to %.0f | %.1f to %.1f |", name, seeds, slices.Min(trials), slices.Max(trials), slices.Min(minutes), slices.Max(minutes))
				}
			}()
			for seed := range uint64(seeds) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					k := family(rand.New(rand.NewPCG(seed, 11)))
					a, asked := searched(t, k.bench, dir, k.bounds, k.loads...)
					most := search.Most(asked.Goal())
					trials, minutes = append(trials, float64(len(a.Trials))), append(minutes, a.Seconds/60)
					t.Logf("seed %d: %s; %d trials of at most %d, %.0f s", seed, a.Why, len(a.Trials), most, a.Seconds)
					if a.Answer != capacity.Bracket || a.Exit != reports.ExitPass || len(a.NotMonotone) > 0 || len(a.Trials) > most {
						t.Errorf("seed %d: %s, exit %d, %d trials of at most %d: %s", seed, a.Answer, a.Exit, len(a.Trials), most, a.Why)
					}
					for i, row := range a.Frontier {
						holds(t, asked.Axis, row, k.truth[i])
					}
				})
				os.RemoveAll(dir)
			}
		})
	}
}

// holds checks a row against the truth. The gates see shares and percentiles of a few hundred operations: a hundredth is allowed.
func holds(t *testing.T, axis *Axis, r *Row, truth float64) {
	t.Helper()
	if r.Lower == nil || r.Upper == nil {
		t.Errorf("at %v: %s", r.Load, r.Why)
		return
	}
	better, worse := *r.Lower, *r.Upper
	if axis.Less {
		better, worse, truth = 1/better, 1/worse, 1/truth
	}
	const slack = 0.03
	if better > truth*(1+slack) || worse < truth*(1-slack) || worse > better*1.1001 {
		t.Errorf("at %v: %v to %v, the truth is %v", r.Load, *r.Lower, *r.Upper, truth)
	}
	if r.Passed < 2 || r.Failed < 2 || r.Limit == nil || *r.UpperLoad != r.Load {
		t.Errorf("at %v: %d passed, %d failed, limit %v", r.Load, r.Passed, r.Failed, r.Limit)
	}
}

func slowBench(gates ...string) *bench {
	return &bench{service: newService(4, 10*time.Millisecond), text: scenarioOf("{name: slow, at: 4s, for: 4s, harm: a, latency: 20ms}", append(gates, "a.errors < 1%")...)}
}

// once searches in a bubble of its own.
func once(t *testing.T, b *bench, bounds Bounds, loads ...float64) (a *Answer) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { a, _ = searched(t, b, dir, bounds, loads...) })
	return a
}

// A target that gives up waiting passes with a latency beyond the one that it cannot bear: that is told, and no bound moves.
func TestNotMonotone(t *testing.T) {
	b := slowBench("a.p99 < 200ms during slow")
	b.service.own = func(h *harm, late *time.Duration) error {
		if h.Latency > time.Second {
			*late = 0 // a breaker has opened, and something else answers
		}
		return nil
	}
	a := once(t, b, Bounds{From: "10ms", Most: "4s", Width: 0.1}, 50)
	row := a.Frontier[0]
	if a.Answer != capacity.Bracket || *row.Lower > float64(190*time.Millisecond) || *row.Upper < float64(190*time.Millisecond) {
		t.Errorf("%s", a.Why)
	}
	if len(a.NotMonotone) == 0 || !strings.Contains(a.Why, "not monotone: ") || !strings.Contains(a.Why, "4 s at 50/s passed, although") || !strings.Contains(a.Why, "the lower bound is believed") {
		t.Errorf("%s", a.Why)
	}
	t.Log(a.Why)
}

// A target that scales out under load tolerates more at a higher one: the lower bound is believed there too, and it says whose it is.
func TestMoreAtAHigherLoad(t *testing.T) {
	b := slowBench("a.p99 < 200ms during slow")
	b.service.own = func(h *harm, late *time.Duration) error {
		if len(b.service.workers) < 3 { // several are at work
			*late /= 4
		}
		return nil
	}
	a := once(t, b, Bounds{From: "10ms", Most: "2s", Width: 0.2}, 20, 250)
	if len(a.NotMonotone) == 0 || *a.Frontier[1].UpperLoad != 20 || *a.Frontier[1].Lower > *a.Frontier[0].Upper {
		t.Errorf("%s", a.Why)
	}
	t.Log(a.Why)
}

// One end of the axis decides: everything passes, or nothing.
func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		gate, answer, why string
	}{
		"everything": {"a.p99 < 900ms during slow", capacity.AtLeast, "it tolerates 500 ms, the most asked for"},
		"nothing":    {"a.p99 < 15ms during slow", capacity.Below, "at 50/s not even 10 ms; what gave way: a.p99 < 15ms during slow"},
	} {
		a := once(t, slowBench(c.gate), Bounds{From: "10ms", Most: "500ms", Width: 0.1}, 50)
		if a.Answer != c.answer || a.Exit != reports.ExitPass || !strings.Contains(a.Why, c.why) {
			t.Errorf("%s: %s: %s", name, a.Answer, a.Why)
		}
	}
}

// A load that is too much without the fault is told so, after two trials, and the others keep their answers.
func TestTooMuchLoad(t *testing.T) {
	a := once(t, slowBench("a.p99 < 200ms during slow", "a.p99 < 100ms during baseline"), Bounds{From: "10ms", Most: "1s", Width: 0.1}, 50, 600)
	high := a.Frontier[1]
	if a.Frontier[0].Answer != capacity.Bracket || high.Answer != capacity.Below || !strings.Contains(high.Why, "too much without the fault") || high.Limit == nil || high.Limit.Gate != "healthy" {
		t.Errorf("%s", a.Why)
	}
}

// A dead target is told before the first trial.
func TestDeadTarget(t *testing.T) {
	b := slowBench("a.p99 < 200ms during slow")
	b.service.tipped = true
	a := once(t, b, Bounds{From: "10ms", Most: "1s", Width: 0.1}, 50)
	if a.Exit != reports.ExitInconclusive || len(a.Trials) != 0 || !strings.Contains(a.Why, "without the fault the target fails at 50/s already") || !strings.Contains(a.Why, "operations ended with busy (refused)") {
		t.Errorf("%s", a.Why)
	}
}

// A target that does not come back by itself ends the search, unless it can be reset.
func TestMetastable(t *testing.T) {
	for _, resets := range []bool{false, true} {
		b := slowBench("a.p99 < 5s during slow")
		b.service.tips = 150 * time.Millisecond
		n := 0
		if resets {
			b.reset = func() error {
				n++
				b.service.mu.Lock()
				b.service.tipped = false
				b.service.mu.Unlock()
				return nil
			}
		}
		a := once(t, b, Bounds{From: "10ms", Most: "1s", Width: 0.1}, 50)
		row := a.Frontier[0]
		if resets && (a.Answer != capacity.Bracket || *row.Lower > float64(b.service.tips) || *row.Upper <= float64(b.service.tips) || n == 0) {
			t.Errorf("with resets: %s, %d resets", a.Why, n)
		}
		if !resets && (a.Answer != capacity.Inconclusive || a.Exit != reports.ExitInconclusive || !strings.Contains(a.Why, "--reset")) {
			t.Errorf("without: %s", a.Why)
		}
	}
}

// A target that a fault makes slower for good still holds every gate without the fault: that it is slower tells.
func TestSlowerForGood(t *testing.T) {
	b := slowBench("a.p99 < 200ms during slow")
	b.service.tips, b.service.slows = 150*time.Millisecond, true
	a := once(t, b, Bounds{From: "10ms", Most: "1s", Width: 0.1}, 50)
	if a.Answer != capacity.Inconclusive || a.Exit != reports.ExitInconclusive || !strings.Contains(a.Why, "its median is 40 ms, and was 10 ms") {
		t.Errorf("%s", a.Why)
	}
}

// Where the time is over the bounds reached are the answer, which says so.
func TestWithin(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := slowBench("a.p99 < 200ms during slow")
		within = time.Minute
		defer func() { within = 0 }()
		a, _ := searched(t, b, dir, Bounds{From: "10ms", Most: "2s", Width: 0.1}, 50)
		if a.Answer != capacity.Inconclusive || a.Exit != reports.ExitInconclusive || !strings.Contains(a.Why, "1m0s have passed") || !strings.Contains(a.Why, "between ") || a.Seconds > 60 {
			t.Errorf("%s, %.0f s", a.Why, a.Seconds)
		}
	})
}
