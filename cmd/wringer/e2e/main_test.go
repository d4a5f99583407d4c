package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
	"wringer/reports"
	"wringer/reports/recordtest"
)

// TestMain builds the commands that the tests ask for at most once, and fails when the tests leave a goroutine behind.
func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"toxiserver": serveToxiproxy, "workers": serveWorkers})
}

type suite struct{ m *testing.M }

func (s suite) Run() int {
	flag.Parse()
	// The slots say how many scenarios run at once, not the number of processors. -parallel says it where it is given.
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "100"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "wringer-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	builds = dir
	code := rabbit.Shared(s.m).Run()
	// When it encodes a fetch, sarama marks a meter in go-metrics' global registry. The registry starts one goroutine per
	// process that never ends. It is no leak of a run.
	arbiter := goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick")
	if err := goleak.Find(arbiter); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
		return 1
	}
	return code
}

// binary is a built wringer.
type binary string

// builds is the folder of the built commands.
var builds string

// alone takes the tests' other programs out of the judgement: verdicts must not depend on what else the machine does.
const alone = "-ldflags=-X main.alone=yes"

// plain is the command without the race detector, under which the embedded shop takes five times the CPU.
var plain = sync.OnceValues(func() (binary, error) { return build("wringer", alone) })

// beside is the command as users have it: it judges what other programs do.
var beside = sync.OnceValues(func() (binary, error) { return build("wringer-beside") })

// checked is the command with the race detector, if these tests have it.
var checked = sync.OnceValues(func() (binary, error) {
	if !tier.Raced() {
		return plain()
	}
	return build("wringer-race", "-race", alone)
})

func build(name string, flags ...string) (binary, error) {
	if testing.Short() {
		return "", errors.New("-short builds no command: the test has to begin with slow, several or scenario")
	}
	// A folder of its own each: scripts find the command by its name.
	bin := filepath.Join(builds, name, "wringer")
	args := append(append([]string{"build"}, flags...), "-o", bin, "wringer/cmd/wringer")
	command := exec.Command("go", args...)
	if tier.Raced() && !slices.Contains(flags, "-race") {
		command.Env = append(os.Environ(), "CGO_ENABLED=0") // as releases and images are built: their packages are compiled once
	}
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return binary(bin), nil
}

// buildCommand returns wringer without the race detector.
func buildCommand(t *testing.T) binary { return built(t, plain) }

func built(t *testing.T, build func() (binary, error)) binary {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// run runs the command to its end.
func (b binary) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return b.runIn(t, nil, args...)
}

// runIn runs the command to its end, with more in its environment.
func (b binary) runIn(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	cmd := exec.CommandContext(t.Context(), string(b), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &err
	var ended *exec.ExitError
	if failed := cmd.Run(); failed != nil && !errors.As(failed, &ended) {
		t.Fatal(failed)
	}
	if strings.Contains(err.String(), "WARNING: DATA RACE") {
		t.Errorf("wringer %s:\n%s", strings.Join(args, " "), err.String())
	}
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// wringer runs the command to its end, with the race detector if this test has it.
func wringer(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return built(t, checked).run(t, args...)
}

// loadRecord reads a record and checks it against the schema and its sums.
func loadRecord(t *testing.T, dir string) *reports.Record {
	t.Helper()
	rec, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	recordtest.Valid(t, rec.Run)
	return rec
}

// onceMore reports whether a run that decided nothing, because the machine was too busy, is to be repeated.
func onceMore(t *testing.T, try int, rec *reports.Record) bool {
	again := try < 5 && (strings.Contains(strings.Join(rec.Run.Validity.Why, "\n"), "the load generator was saturated") || starved(rec.Run))
	if again {
		t.Logf("once more: %q", rec.Run.Why)
	}
	return again
}

// starved reports whether the machine was too busy for the target: the run injected no fault for this reason, or its only
// failures are errors before the first fault.
func starved(run *reports.Run) bool {
	if strings.Contains(strings.Join(run.Validity.Why, "\n"), "the target was not healthy before anything was broken") {
		return true
	}
	failed := 0
	for _, g := range run.Gates {
		if g.Verdict == reports.Fail {
			if failed++; !strings.HasSuffix(g.Expr, ".errors < 1% during baseline") {
				return false
			}
		}
	}
	return failed > 0
}
