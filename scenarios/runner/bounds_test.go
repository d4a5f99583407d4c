package runner

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/scenarios"
)

func TestBounds(t *testing.T) {
	names := map[string]string{"inner.test": "10.1.2.3", "outer.test": "93.184.216.34", "both.test": "10.1.2.3 93.184.216.34"}
	b := newBounds([]string{"Allowed.test", "8.8.8.8"}, false)
	b.resolve = func(_ context.Context, host string) (all []netip.Addr, err error) {
		for text := range strings.FieldsSeq(names[host]) {
			all = append(all, netip.MustParseAddr(text))
		}
		if len(all) == 0 {
			return nil, errors.New("no such host")
		}
		return all, nil
	}
	for address, allowed := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "192.168.1.1:80": true, "172.17.0.2:80": true, "[fd00::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"1.1.1.1:80": false, "[2606:4700::1]:80": false, "[::ffff:1.1.1.1]:80": false, "8.8.8.8:80": true, "allowed.test:80": true,
		"inner.test:80": true, "outer.test:80": false, "both.test:80": false, "unknown.test:80": false, "nonsense": true,
	} {
		for range 2 { // the second time from memory
			if err := b.check(t.Context(), "tcp", address); (err == nil) != allowed {
				t.Errorf("%s: %v, want it allowed: %v", address, err, allowed)
			}
		}
	}
	if err := b.check(t.Context(), "unix", "/run/1.1.1.1:80"); err != nil {
		t.Error(err)
	}
	if err := b.err(); !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), "--allow") {
		t.Errorf("told %v", err)
	}
}

// A name that does not resolve ends the run with the remedy. A name that the target tells fails its own dial alone, and so does a
// lookup that was cut short.
func TestNameThatDoesNotResolve(t *testing.T) {
	b := newBounds([]string{"allowed.test"}, false)
	b.resolve = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{"named by the target": drivers.NamedByTarget(t.Context()), "cut short": cancelled} {
		if err := b.check(ctx, "tcp", "unknown.test:80"); err != nil || b.err() != nil {
			t.Errorf("%s: %v, the run's error %v", name, err, b.err())
		}
	}
	if err := b.check(t.Context(), "tcp", "allowed.test:80"); err != nil {
		t.Error(err)
	}
	if err := b.check(t.Context(), "tcp", "unknown.test:80"); err == nil {
		t.Error("a name that does not resolve may be dialled")
	}
	err := b.err()
	if !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), "unknown.test does not resolve (no such host)") || !strings.Contains(err.Error(), "--allow unknown.test") {
		t.Errorf("told %v", err)
	}
}

// A run that would leave its bounds ends at once, and leaves nothing behind.
func TestRunKeepsItsBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, env *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
			if c, err := env.Dial(ctx, "tcp", net.JoinHostPort("1.1.1.1", "80")); err == nil {
				c.Close()
				t.Error("a host beyond the bounds was dialled")
			}
			at.Fail(drivers.Rejected, drivers.CodeRefused, "")
		}}
		dir := t.TempDir() + "/record"
		sc := scenario(t, scenarios.Timing{Duration: time.Hour}, []scenarios.Stream{openStream("a", 10, m)}, "a.errors < 1%")
		_, err := Run(t.Context(), sc, Options{Dir: dir})
		if !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), "1.1.1.1 is neither on this machine") {
			t.Errorf("error %v", err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("a record was left")
		}
	})
}

// A host that the target names fails its own dial. The run goes on, and ends only for a host that the scenario names.
func TestHostThatTheTargetNames(t *testing.T) {
	b := newBounds(nil, false)
	ended := false
	stop := context.CancelCauseFunc(func(error) { ended = true })
	b.stop.Store(&stop)
	named := drivers.NamedByTarget(t.Context())
	for range 2 {
		if err := b.check(named, "tcp", "1.1.1.1:80"); !errors.Is(err, drivers.ErrOutside) {
			t.Errorf("dialled: %v", err)
		}
	}
	if b.err() != nil || ended {
		t.Errorf("the run ended: %v", b.err())
	}
	if err := b.check(t.Context(), "tcp", "1.1.1.1:80"); err == nil || b.err() == nil || !ended {
		t.Errorf("%v, the run's error %v", err, b.err())
	}
}
