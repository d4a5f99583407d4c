package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/scenarios/containers/imagetest"
)

// Real brokers and the shop's services in containers: a leader dies, the shop is frozen, orders are cut from stock by its name, a
// broker is parted from its peers. Each order is accounted for. A shop that answers before it publishes loses orders, and each of them is found.
func TestContainersOfTheShop(t *testing.T) {
	slow(t)
	for name, lies := range map[string]bool{"honest": false, "answers before it publishes": true} {
		t.Run(name, func(t *testing.T) {
			imagetest.Engine(t)
			kafka, shop := imagetest.Kafka(t), imagetest.Shop(t)
			b := onEngine(t)
			text := strings.NewReplacer("apache/kafka:4.1.0", kafka, "wringer-test/shop", shop).
				Replace(readFile(t, "../../../scenarios/containers.yaml"))
			if lies {
				text = strings.Replace(text, "--call-timeout, 1s]", "--call-timeout, 1s, --defects, ack-before-publish]", 1)
			}
			// Its name finds the run in the engine.
			text = strings.ReplaceAll(strings.ReplaceAll(text, "fulfilment:", "WEB:"), "${fulfilment.", "${WEB.")
			file := b.write("containers.yaml", text)
			code, stdout, stderr := wringer(t, "run", "--out", b.record("record"), file)
			said := stdout + stderr
			b.clean()
			if _, err := os.Stat(filepath.Join(b.record("record"), "run.json")); err != nil {
				t.Fatalf("exit %d: %s", code, said)
			}
			run := loadRecord(t, b.record("record")).Run
			if len(run.Faults) != 4 {
				t.Errorf("%d faults", len(run.Faults))
			}
			for _, f := range run.Faults {
				if !f.Bit && code != reports.ExitInconclusive {
					t.Errorf("fault %s touched no traffic: %s", f.Name, said)
				}
			}
			s := run.Streams["orders"]
			if s == nil || s.Total.Integrity == nil || s.Total.Integrity.Lost == nil {
				t.Fatalf("exit %d: %s", code, said)
			}
			t.Logf("exit %d, orders %+v, acked %d, seen %d, lost %d", code, s.Total.Counts,
				*s.Total.Integrity.Acked, *s.Total.Integrity.Seen, *s.Total.Integrity.Lost)
			switch lost := *s.Total.Integrity.Lost; {
			case lies && (code != reports.ExitFail || lost == 0):
				t.Errorf("exit %d, lost %d: %s", code, lost, said)
			case !lies && (code != reports.ExitPass && code != reports.ExitInconclusive || lost > 0):
				t.Errorf("exit %d, lost %d: %s", code, lost, said)
			case !lies && code == reports.ExitInconclusive:
				t.Logf("the machine was too busy to decide: %s", said)
			}
		})
	}
}
