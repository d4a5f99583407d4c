// Package faulttest is the conformance suite that every fault passes. A fault injects, bites and heals. It also heals
// twice, after a cancel, after a failed Inject and beside a running Inject. Its probe tells broken from whole.
package faulttest

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/faults"
)

// Rig is one fault on a target of its own. t.Cleanup closes everything else it needs.
type Rig struct {
	// Config is the configuration that the fault was opened from.
	Config faults.Config
	// Fault is not in force yet.
	Fault faults.Fault
	// Meet sends traffic that meets the fault while it is in force, and returns nil if it was served. While the fault is in
	// force, Meet may fail, or block until ctx ends; otherwise it must be served. It may be called at any time.
	Meet func(ctx context.Context) error
	// Rounds is how often Heal runs beside Inject. 0: 20 times. A fault whose calls take seconds needs fewer.
	Rounds int
}

// patience bounds the waits of a test; it is no expectation.
const patience = 30 * time.Second

// Run runs the suite. open builds a new rig. Each test has a rig of its own, and the tests run in parallel.
func Run(t *testing.T, open func(t *testing.T) Rig) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r Rig)
	}{
		{"describes itself", describes},
		{"bites and heals", bitesAndHeals},
		{"does not bite when nothing met it", idle},
		{"does not bite outside its time", outside},
		{"probe tells broken", probeTellsBroken},
		{"heals twice", healsTwice},
		{"heals without inject", healsWithoutInject},
		{"heals after cancel", healsAfterCancel},
		{"heals when inject failed", healsWhenInjectFailed},
		{"heals beside a running inject", healsBesideInject},
		{"returns when the context of heal ends", healReturns},
		{"can be injected again", again},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// describes checks that the configuration describes the fault completely, and the same each time.
func describes(t *testing.T, r Rig) {
	kind, on, described := r.Config.Kind(), r.Config.On(), r.Config.Describe()
	if again := r.Config.Describe(); described != again || kind != r.Config.Kind() || on != r.Config.On() {
		t.Errorf("described as %+v, and then as %+v", described, again)
	}
	if kind == "" || described.Words == "" || strings.ContainsAny(described.Words, "\n\r") {
		t.Errorf("kind %q, words %q: both must say something, in one line", kind, described.Words)
	}
	if on.Link != "" && on.Part != "" {
		t.Errorf("breaks %+v: a fault breaks a link or a part", on)
	}
	if slow, ok := r.Fault.(faults.Slow); ok && slow.Patience() < 0 {
		t.Errorf("patience %v", slow.Patience())
	}
}

func bitesAndHeals(t *testing.T, r Rig) {
	r.works(t, "before")
	r.inject(t)
	r.bites(t)
	r.heal(t)
}

func idle(t *testing.T, r Rig) {
	r.inject(t)
	r.heal(t)
	if b := r.Fault.Bite(); b.Bit {
		t.Errorf("it says that it bit, and nothing met it: %+v", b)
	}
}

func outside(t *testing.T, r Rig) {
	r.works(t, "before")
	r.inject(t)
	r.heal(t)
	r.works(t, "after")
	if b := r.Fault.Bite(); b.Bit {
		t.Errorf("what was served before and after counts as bitten: %+v", b)
	}
}

func probeTellsBroken(t *testing.T, r Rig) {
	r.inject(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if r.Fault.Probe(ctx) == nil {
		t.Error("the probe sees nothing wrong while the fault is in force")
	}
	r.heal(t)
}

func healsTwice(t *testing.T, r Rig) {
	r.inject(t)
	r.heal(t)
	r.heal(t)
}

func healsWithoutInject(t *testing.T, r Rig) { r.heal(t) }

func healsAfterCancel(t *testing.T, r Rig) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.Fault.Inject(ctx); err != nil {
		t.Fatalf("inject: %v", err)
	}
	cancel()
	r.bites(t) // a fault continues after the context that injected it ended
	r.heal(t)
}

func healsWhenInjectFailed(t *testing.T, r Rig) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = r.Fault.Inject(ctx) // the error does not matter
	r.heal(t)
}

func healsBesideInject(t *testing.T, r Rig) {
	rounds := cmp.Or(r.Rounds, 20)
	if few := 5; testing.Short() && rounds > few {
		t.Logf("slow, left out by -short: %d of %d rounds", rounds-few, rounds)
		rounds = few
	}
	for range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		var both sync.WaitGroup
		both.Go(func() { _ = r.Fault.Inject(ctx) })
		both.Go(func() { _ = r.Fault.Heal(ctx) })
		both.Wait()
		cancel()
	}
	r.heal(t)
}

func healReturns(t *testing.T, r Rig) {
	r.inject(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = r.Fault.Heal(ctx) // it may heal or not, but must return
	r.heal(t)
}

func again(t *testing.T, r Rig) {
	r.inject(t)
	r.bites(t)
	r.heal(t)
	before := r.Fault.Bite()
	r.inject(t)
	r.meets(t, "to bite again", func(now faults.Bite) bool { return now.Bit })
	r.heal(t)
	if after := r.Fault.Bite(); after.Connections < before.Connections || after.Bytes < before.Bytes {
		t.Errorf("the bite shrank from %+v to %+v", before, after)
	}
}

func (r Rig) inject(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Fault.Inject(ctx); err != nil {
		t.Fatalf("inject: %v", err)
	}
}

// heal heals and probes, and checks that traffic is served again.
func (r Rig) heal(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Fault.Heal(ctx); err != nil {
		t.Fatalf("heal: %v", err)
	}
	if err := r.Fault.Probe(ctx); err != nil {
		t.Fatalf("probe after heal: %v", err)
	}
	r.works(t, "after heal")
}

func (r Rig) works(t *testing.T, when string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Meet(ctx); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
}

// bites sends traffic until the fault reports that traffic met it.
func (r Rig) bites(t *testing.T) {
	t.Helper()
	if b := r.Fault.Bite(); b.Bit {
		t.Errorf("it bit before anything met it: %+v", b)
	}
	r.meets(t, "to bite", func(b faults.Bite) bool { return b.Bit })
}

func (r Rig) meets(t *testing.T, what string, seen func(faults.Bite) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	var traffic sync.WaitGroup
	traffic.Go(func() {
		for ctx.Err() == nil {
			_ = r.Meet(ctx)
		}
	})
	defer traffic.Wait()
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !seen(r.Fault.Bite()) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for it %s: %+v", what, r.Fault.Bite())
		}
	}
}
