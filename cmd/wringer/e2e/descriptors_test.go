package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/reports"
)

// A run that uses up its file descriptors goes on to its end, writes its record and its report, and says what to do.
func TestRunWithoutDescriptors(t *testing.T) {
	slow(t)
	bin := built(t, checked)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(500 * time.Millisecond) }))
	t.Cleanup(server.Close) // the runs are parallel
	for _, limit := range []int{40, 64} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			checkedScenario(t, light)
			dir := t.TempDir()
			scenario := filepath.Join(dir, "few.yaml")
			text := "name: few\nrun: {duration: 3s, drain: 1s}\ntraffic:\n  a: {rate: 200/s, rest: {request: GET " + server.URL + "}}\nexpect: [a.errors == 0]\n"
			if err := os.WriteFile(scenario, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			record := filepath.Join(dir, "record")
			run := fmt.Sprintf(`ulimit -n %d && exec "$0" run "$1" --quiet --out "$2"`, limit)
			said, err := exec.CommandContext(t.Context(), "sh", "-c", run, string(bin), scenario, record).CombinedOutput()
			var ended *exec.ExitError
			if !errors.As(err, &ended) || ended.ExitCode() != reports.ExitInconclusive {
				t.Fatalf("ended with %v:\n%s", err, said)
			}
			got := loadRecord(t, record).Run
			if why := strings.Join(got.Why, "\n"); !got.Complete || !strings.Contains(why, "raise ulimit -n") || strings.Contains(why, "not whole") {
				t.Errorf("complete %v: %s", got.Complete, why)
			}
			if total := got.Streams["a"].Total; total.Acked == 0 || total.DroppedByUs == 0 || got.DurationNS != got.PlannedNS {
				t.Errorf("%+v in %s", total.Counts, time.Duration(got.DurationNS))
			}
			if _, err := os.Stat(filepath.Join(record, "report.html")); err != nil {
				t.Error(err)
			}
		})
	}
}
