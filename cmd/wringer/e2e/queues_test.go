package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wringer/drivers/drivertest/rabbit"
	"wringer/reports"
)

// queueGates are the scenarios of scenarios/queues, each with the gate that names its defect.
var queueGates = map[string]string{
	"ack-before-work":   "commands.lost == 0",
	"no-compensation":   "orders.saga_violations == 0",
	"no-dead-letter":    "commands.lost == 0",
	"not-idempotent":    "commands.effect_duplicates == 0",
	"poison-loop":       "commands.max_copies <= 5",
	"unbounded-backlog": "commands.code(amqp_nack) > 0",
	"wrong-correlation": "commands.replies_misdirected == 0",
}

// brokered is the share of a scenario with a RabbitMQ beside the shop.
const brokered = 2 * usual

// TestQueues runs the scenarios of the shop's leg over RabbitMQ on a real broker. Each fails with its defect, by the gate that names
// it, and passes without.
func TestQueues(t *testing.T) {
	several(t)
	url := rabbit.URL(t)
	bin := buildCommand(t)
	files, err := filepath.Glob("../../../scenarios/queues/*.yaml")
	if err != nil || len(files) != len(queueGates) {
		t.Fatalf("%d scenarios, and %d are known here: %v", len(files), len(queueGates), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		src := strings.ReplaceAll(string(raw), "${env.WRINGER_AMQP_URL}", url)
		sound := strings.Replace(src, "defects: ["+name+"], ", "", 1)
		if sound == src {
			t.Fatalf("%s does not switch its defect on", file)
		}
		t.Run(name, func(t *testing.T) {
			several(t)
			t.Run("on", func(t *testing.T) {
				scenario(t, brokered)
				judged(t, bin, name, src, func(run *reports.Run) bool {
					return run.Verdict == reports.Fail && slices.ContainsFunc(run.Gates, func(g reports.Gate) bool {
						return g.Expr == queueGates[name] && g.Verdict == reports.Fail
					})
				})
			})
			t.Run("off", func(t *testing.T) {
				scenario(t, brokered)
				judged(t, bin, name, sound, func(run *reports.Run) bool { return run.Verdict == reports.Pass })
			})
		})
	}
}

// judged runs a scenario until its run is as wanted. A run on a machine that was too busy for the load generator, for the fault or for
// the target shows nothing.
func judged(t *testing.T, bin binary, name, src string, wanted func(*reports.Run) bool) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	for try := range 5 {
		record := filepath.Join(dir, fmt.Sprint("record", try))
		code, stdout, stderr := bin.run(t, "run", "--quiet", "--out", record, file)
		if code == reports.ExitUsage || code == reports.ExitHarness {
			t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
		}
		run := loadRecord(t, record).Run
		if wanted(run) {
			return
		}
		why := strings.Join(append(run.Validity.Why, run.Why...), "\n")
		busy := slices.ContainsFunc([]string{"the load generator was saturated", "other programs took", "not healthy", "never healthy", "started"}, func(text string) bool {
			return strings.Contains(why, text)
		})
		if !busy {
			t.Fatalf("verdict %s: %s", run.Verdict, why)
		}
		t.Logf("once more: %s", why)
	}
	t.Skip("the machine was too busy in every run")
}
