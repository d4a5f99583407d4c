package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// inWords writes a plan in a line.
func inWords(plan []Fault) string {
	var all []string
	for i := range plan {
		f := &plan[i]
		all = append(all, fmt.Sprintf("%s %v-%v %s", f.Label(), f.At, f.End(), f.Config.On().Link))
	}
	return strings.Join(all, "; ")
}

const threeStreams = `name: s
run: {duration: 30s}
traffic:
  a: {rest: {request: GET http://x/}, rate: 1/s}
  b: {rest: {request: GET http://x/}, rate: 1/s}
  c: {rest: {request: GET http://x/}, rate: 1/s}
faults:
`

func TestSchedules(t *testing.T) {
	for _, c := range []struct{ name, faults, want string }{
		{"once", "- {name: x, at: 2s, for: 1s, link: a, latency: 1s}", "x 2s-3s a"},
		{"times", "- {name: x, at: 2s, for: 1s, every: 4s, times: 3, link: a, latency: 1s}", "x #1 2s-3s a; x #2 6s-7s a; x #3 10s-11s a"},
		{"until the end", "- {name: x, at: 20s, for: 2s, every: 4s, link: a, latency: 1s}", "x #1 20s-22s a; x #2 24s-26s a; x #3 28s-30s a"},
		{"after", `- {name: y, after: x, delay: 500ms, for: 1s, link: b, latency: 1s}
- {name: x, at: 2s, for: 1s, every: 4s, times: 2, link: a, latency: 1s}
- {name: z, after: y, for: 1s, link: b, latency: 1s}`,
			"y 7.5s-8.5s b; x #1 2s-3s a; x #2 6s-7s a; z 8.5s-9.5s b"},
		{"together", "- {name: x, at: 2s, for: 1s, links: [b, a], latency: 1s}", "x #1 2s-3s b; x #2 2s-3s a"},
		{"leader", "- {name: x, at: 2s, for: 1s, links: [b, a], grudge: leader, latency: 1s}", "x 2s-3s b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustParse(t, threeStreams+indent(c.faults))
			if got := inWords(s.Faults); got != c.want {
				t.Errorf("plan\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") + "\n" }

func TestGrudges(t *testing.T) {
	for grudge, want := range map[string]int{"all": 3, "one": 1, "halves": 1, "majority": 2, "leader": 1, "ring": 3} {
		s := mustParse(t, threeStreams+indent("- {name: x, at: 2s, for: 3s, links: [a, b, c], grudge: "+grudge+", latency: 1s}"))
		hit := make(map[string]int)
		for seed := range int64(60) {
			s.Reseed(seed)
			var links []string
			for i := range s.Faults {
				f := &s.Faults[i]
				links = append(links, f.Config.On().Link)
				if grudge == "ring" && (f.For != time.Second || f.At != 2*time.Second+time.Duration(i)*time.Second) {
					t.Errorf("turn %d of the ring is %v-%v", i, f.At, f.End())
				}
			}
			slices.Sort(links)
			if len(slices.Compact(links)) != want {
				t.Fatalf("%s falls upon %v, want %d", grudge, links, want)
			}
			hit[inWords(s.Faults)]++
		}
		if drawn := len(hit) > 1; drawn != s.Drawn() {
			t.Errorf("%s: %d plans over the seeds, and drawn is %v", grudge, len(hit), s.Drawn())
		}
	}
}

const chaotic = threeStreams + `  - {name: slow, link: a, latency: 1s}
  - {name: cut, links: [b, c], grudge: one, partition: both}
  - {name: chaos, at: 5s, for: 20s, nemesis: {choose: [slow, cut], every: 2s..4s, for: 1s..3s}}
`

// A nemesis keeps to its time, one fault at a time, with every seed. The same seed gives the same plan.
func TestNemesis(t *testing.T) {
	s := mustParse(t, chaotic)
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Int64().Draw(t, "seed")
		s.Reseed(seed)
		first := inWords(s.Faults)
		last := 5 * time.Second
		if len(s.Faults) < 4 {
			t.Errorf("only %s", first)
		}
		for i := range s.Faults {
			f := &s.Faults[i]
			if f.At < last || f.End() > 25*time.Second || f.For < time.Second || f.For > 3*time.Second {
				t.Errorf("%s is out of place in %s", f.Label(), first)
			}
			last = f.End()
		}
		if s.Reseed(seed); inWords(s.Faults) != first {
			t.Errorf("the seed %d gives %s, and then %s", seed, first, inWords(s.Faults))
		}
	})
	s.Reseed(1)
	one := inWords(s.Faults)
	if s.Reseed(2); inWords(s.Faults) == one {
		t.Error("two seeds give one plan")
	}
}

// A nemesis breaks something with every seed: a run without a fault would show nothing.
func TestNemesisNeverIdle(t *testing.T) {
	s := mustParse(t, threeStreams+`  - {name: slow, link: a, latency: 1s}
  - {name: chaos, at: 5s, for: 4s, nemesis: {choose: [slow], every: 1s, for: 1s..60s}}
`)
	for seed := range int64(100) {
		s.Reseed(seed)
		if len(s.Faults) == 0 {
			t.Fatalf("the seed %d breaks nothing", seed)
		}
		for i := range s.Faults {
			if s.Faults[i].End() > 9*time.Second {
				t.Errorf("the seed %d: %s", seed, inWords(s.Faults))
			}
		}
	}
}

// A seed's plan is part of the reproducibility of a run: it must not change with the program.
func TestPlanOfASeedStays(t *testing.T) {
	s := mustParse(t, chaotic)
	s.Reseed(7)
	const want = "slow #1 5s-7.025s a; slow #2 7.267s-9.64s a; slow #3 10.195s-13.136s a; cut #1 13.53s-15.619s c; " +
		"cut #2 16.927s-17.988s c; slow #4 19.447s-21.772s a; slow #5 23.406s-24.701s a"
	if got := inWords(s.Faults); got != want {
		t.Errorf("the plan of seed 7 is now\n%s, and was\n%s", got, want)
	}
}

// every of a kind stays the kind's own unless the entry has times.
func TestEveryOfAKind(t *testing.T) {
	const head = "name: s\nrun: {duration: 30s}\ntarget: {mall: {}}\ntraffic:\n  a: {rest: {request: GET http://x/}, rate: 1/s}\nfaults:\n"
	s := mustParse(t, head+indent("- {name: x, at: 2s, for: 9s, pause: stock, every: 3s}"))
	if len(s.Faults) != 1 || s.Faults[0].Config.(*partFault).Every != 3*time.Second {
		t.Errorf("plan %s of %+v", inWords(s.Faults), s.Faults[0].Config)
	}
	s = mustParse(t, head+indent("- {name: x, at: 2s, for: 1s, pause: stock, every: 3s, times: 2}"))
	if len(s.Faults) != 2 || s.Faults[0].Config.(*partFault).Every != 0 {
		t.Errorf("plan %s of %+v", inWords(s.Faults), s.Faults[0].Config)
	}
}
