package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"wringer/reports"
)

const brokersScenario = `name: brokers
seed: 3
run: {duration: 4s, drain: 2s}
traffic:
  payments:
    kafka: {brokers: "%s", topic: payments, partitioner: round_robin}
    rate: 300/s
    timeout: 300ms
faults:
  - {name: cut, at: 1s, for: 1s, link: "payments/%s", partition: both}
expect:
  - payments.errors < 1%% during baseline
  - payments.lost == 0
`

// threeBrokers runs a scenario against a cluster in which each of three brokers leads one partition.
func threeBrokers(t *testing.T, c *kfake.Cluster, branch string) (record string, code int, said string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "brokers.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, brokersScenario, strings.Join(c.ListenAddrs(), ","), branch), 0o644); err != nil {
		t.Fatal(err)
	}
	record = filepath.Join(dir, "record")
	code, stdout, stderr := wringer(t, "run", "-q", "--out", record, file)
	return record, code, stdout + stderr
}

func newBrokers(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(3, "payments"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for p := range int32(3) {
		if err := c.MoveTopicPartition("payments", p, p); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// The leader of one partition is cut off: a third of the records fails, and the run's record names the broker.
func TestFaultOnALeader(t *testing.T) {
	checkedScenario(t, usual)
	c := newBrokers(t)
	run := decided(t, built(t, checked), "brokers", fmt.Sprintf(brokersScenario, strings.Join(c.ListenAddrs(), ","), "leader(payments,1)"))
	if run.Verdict != reports.Pass {
		t.Fatalf("%s: %q", run.Verdict, run.Why)
	}
	want := fmt.Sprintf("broker-%d", c.LeaderFor("payments", 1))
	f := run.Faults[0]
	if !f.Bit || !f.Healed || f.Peer != want || f.Place() != "link payments/leader(payments,1), which was "+want {
		t.Errorf("bit %v, healed %v, on %s; want %s", f.Bit, f.Healed, f.Place(), want)
	}
	// A third is cut off, and so are records that were sent shortly before.
	m := run.Streams["payments"].Windows["cut"]
	if failed := float64(m.Offered-m.Acked) / float64(m.Offered); failed < 0.1 || failed > 0.7 {
		t.Errorf("%.0f%% of the records failed while one of three brokers was cut off", 100*failed)
	}
}

func TestFaultOnNoBroker(t *testing.T) {
	checkedScenario(t, light)
	c := newBrokers(t)
	for branch, says := range map[string]string{
		"broker-9":           "there is no broker-9; there are broker-0, broker-1, broker-2",
		"leader(payments,3)": "there is no partition 3 of topic payments",
		"leader(paymnts,0)":  "there is no partition 0 of topic paymnts",
	} {
		if record, code, said := threeBrokers(t, c, branch); code != reports.ExitUsage || !strings.Contains(said, says) {
			t.Errorf("%s: exit %d, %q does not say %q", branch, code, said, says)
		} else if _, err := os.Stat(record); err == nil {
			t.Errorf("%s: a record was left", branch)
		}
	}
}
